//! Programs that do what nobody expects of them: the client neither hangs nor leaves anything behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use serde_json::json;

use luigi_mqtt::Client;
use luigi_mqtt::client::PublishError;
use luigi_mqtt::entity::{Sensor, Switch};
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::STATES;
use crate::support::connected;
use crate::support::is_subscribed;
use crate::support::retained;
use crate::support::wait_until;

#[test]
fn a_callback_for_an_entity_that_is_gone_may_own_the_last_client() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let pump = client.register(Switch::new("pump", "Pump")).unwrap();
    pump.clone().unregister();
    pump.on_command(move |_, _, _| drop(client.health().clone())).unwrap_err();
    wait_until("the end of the client", LIMIT, || broker.connected() == 0);
}

#[test]
fn an_entity_that_goes_while_its_attributes_wait_leaves_none_behind() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let sensor = || Sensor::new("attic", "Attic").attributes(true).availability(true);
    let attic = client.register(sensor()).unwrap();
    attic.publish_attributes(&json!({"floor": 2})).unwrap();
    attic.set_available(false);
    attic.publish("warm").unwrap();
    attic.unregister();
    let cellar = client.register(Sensor::new("cellar", "Cellar").attributes(true)).unwrap();
    cellar.publish_attributes(&json!({"floor": -1})).unwrap();
    client.register(Sensor::new("cellar", "Cellar")).unwrap();
    // Behind all states.
    client.publish_and_wait("end", "", LIMIT).unwrap();
    for topic in ["attic", "attic/attributes", "attic/availability", "cellar/attributes"] {
        let topic = format!("{STATES}/{topic}");
        assert_eq!(retained(&broker, &topic), None, "{topic}");
    }
}

#[test]
fn whoever_listens_to_home_assistants_birth_and_no_longer_does_takes_it_from_nobody() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let channels = ["homeassistant/status", "z"].map(|it| client.subscribe_channel(it).unwrap());
    wait_until("the subscriptions", LIMIT, || is_subscribed(&broker, "z"));
    drop(channels);
    wait_until("the end of the last one", LIMIT, || !is_subscribed(&broker, "z"));
    assert!(is_subscribed(&broker, "homeassistant/status"));
}

#[test]
fn a_callback_that_hangs_takes_no_time_from_the_last_messages() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let (release, released) = bounded::<()>(0);
    let began = Arc::new(AtomicBool::new(false));
    let hangs = {
        let began = Arc::clone(&began);
        move |_: &Client, _: &_| {
            began.store(true, SeqCst);
            let _ = released.recv();
        }
    };
    client.subscribe("a", Qos::AtLeastOnce, hangs).unwrap();
    wait_until("the subscription", LIMIT, || is_subscribed(&broker, "a"));
    broker.publish(&Topic::new("a").unwrap(), "", false);
    wait_until("the call", LIMIT, || began.load(SeqCst));
    for number in 0..1_000 {
        wait_until("room", LIMIT, || match client.publish("b", number.to_string()) {
            Err(PublishError::Refused(_)) => false,
            other => other.is_ok(),
        });
    }
    let farewell = client.disconnect(Duration::from_secs(5));
    assert_eq!((farewell.lost, farewell.on_card), (0, 0));
    drop(release);
}

#[test]
fn whoever_publishes_without_a_pause_still_hears_what_comes() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let heard = client.subscribe_channel("a").unwrap();
    wait_until("the subscription", LIMIT, || is_subscribed(&broker, "a"));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                let _ = client.message("b", "").qos(Qos::AtMostOnce).publish();
            }
        });
        for number in 0..20 {
            let began = client.report().unwrap().total.delivered;
            wait_until("some thousand messages", LIMIT, || {
                client.report().unwrap().total.delivered > began + 3_000
            });
            broker.publish(&Topic::new("a").unwrap(), number.to_string(), false);
            let message = heard.recv_timeout(LIMIT);
            stop.store(message.is_err() || number == 19, SeqCst);
            assert_eq!(*message.unwrap().payload, *number.to_string().as_bytes());
        }
    });
    assert!(client.is_connected());
}

#[test]
fn all_that_is_announced_is_told_however_much_it_is() {
    let broker = Broker::start(Faults::default()).unwrap();
    let ids: Vec<String> = (100..250).map(|it| format!("lamp{it}")).collect();
    for id in &ids {
        let topic = Topic::new(format!("homeassistant/switch/{id}/config")).unwrap();
        broker.publish(&topic, json!({"uniq_id": id, "cmd_t": format!("{id}/set")}).to_string(), true);
    }
    let client = connected(&broker);
    client.start_discovery().unwrap();
    let told = || Vec::from_iter(client.discovered_devices().into_iter().map(|it| it.id));
    wait_until("all of them", LIMIT, || told() == ids);
    client.stop_discovery();
    assert_eq!(told(), [""; 0]);
}
