//! A client from its first call to its end, with and without a broker.

use std::thread;
use std::time::Duration;

use luigi_mqtt::Client;
use luigi_mqtt::Config;
use luigi_mqtt::Error;
use luigi_mqtt::ErrorKind;
use luigi_mqtt::client::ConnectionError;
use luigi_mqtt::client::PublishError;
use luigi_mqtt::client::StartError;
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::model::Delivery;
use luigi_mqtt::model::Fate;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::Witness;
use crate::support::connected;
use crate::support::free_port;
use crate::support::porch;
use crate::support::wait_until;

const AVAILABILITY: &str = "luigi/pi/porch/availability";

#[test]
fn a_client_is_connected_once_the_broker_is_there() {
    let mut broker = Broker::start(Faults::default()).unwrap();
    let port = broker.address().port();
    broker.stop();
    let client = Client::connect(porch(port)).unwrap();
    assert!(!client.is_connected());
    broker.restart().unwrap();
    client.wait_connected(LIMIT).unwrap();
    assert!(client.is_connected());
}

#[test]
fn who_waits_for_a_broker_that_is_away_is_told_why_there_is_no_connection() {
    let client = Client::connect(porch(free_port())).unwrap();
    let mut told = None;
    wait_until("the first attempt to fail", LIMIT, || {
        let error = Error::from(client.wait_connected(Duration::from_millis(10)).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Connection);
        told = Some(error.to_string());
        told.as_ref().is_some_and(|it| !it.contains("under way"))
    });
    let told = told.unwrap();
    assert!(told.starts_with("no connection to the broker within "), "{told}");
    assert!(told.contains("refused"), "{told}");
}

#[test]
fn dropping_the_last_clone_delivers_what_waits_and_says_offline() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let client = connected(&broker);
    let clone = client.clone();
    drop(client);
    clone.publish("porch/light", "on").unwrap();
    drop(clone);
    let lines = witness.lines();
    let offline = lines.iter().position(|it| it == &format!("{AVAILABILITY} = offline"));
    let light = lines.iter().position(|it| it == "porch/light = on");
    assert!(light.is_some() && light < offline, "{lines:?}");
    assert_eq!(broker.connected(), 0);
}

#[test]
fn a_client_without_a_broker_ends_at_once() {
    let client = Client::connect(porch(free_port())).unwrap();
    client.publish("porch/light", "on").unwrap();
    let farewell = client.disconnect(Duration::from_secs(3600));
    assert_eq!((farewell.lost, farewell.on_card), (1, 0));
}

#[test]
fn after_disconnect_everything_is_refused_and_handed_back() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let waiting = thread::spawn({
        let client = client.clone();
        move || client.disconnect(LIMIT)
    });
    assert_eq!(waiting.join().unwrap().lost, 0);
    assert!(!client.is_connected());
    assert_eq!(client.wait_connected(LIMIT), Err(ConnectionError::Ended));
    let PublishError::Refused(refused) = client.publish("porch/light", "on").unwrap_err() else { panic!() };
    assert_eq!((refused.message.topic.as_str(), &refused.message.payload[..]), ("porch/light", &b"on"[..]));
    assert!(client.subscribe("a", Qos::AtMostOnce, |_, _| {}).is_err());
    assert!(client.subscribe_channel("a").is_err());
    assert!(client.start_discovery().is_err());
    assert!(client.report().is_none());
    client.disconnect(LIMIT);
}

#[test]
fn a_topic_that_is_none_is_refused_with_the_payload() {
    let client = Client::connect(porch(free_port())).unwrap();
    let PublishError::Topic { topic, payload, .. } = client.publish("a/+", "on").unwrap_err() else {
        panic!()
    };
    assert_eq!((topic.as_str(), payload.as_slice()), ("a/+", &b"on"[..]));
    let error = Error::from(client.publish("", "on").unwrap_err());
    assert_eq!((error.to_string().as_str(), error.kind()), ("cannot publish on \"\"", ErrorKind::Publish));
}

#[test]
fn a_configuration_whose_topics_are_too_long_starts_nothing() {
    let long = "x".repeat(65_530);
    let config = Config::builder("porch").state_topic(&long).build().unwrap();
    assert!(matches!(Client::connect(config), Err(StartError::Topic(_))));
}

#[test]
fn a_message_goes_as_it_was_told_to() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let client = connected(&broker);
    client.publish("a", "1").unwrap();
    client.message("b", "2").qos(Qos::ExactlyOnce).retain().publish().unwrap();
    client.message("c", "3").qos(Qos::AtMostOnce).delivery(Delivery::Latest).publish().unwrap();
    client.publish_json("d", &[1, 2]).unwrap();
    client.json_message("e", &"x").unwrap().retain().publish().unwrap();
    for (topic, payload, qos, retain) in [
        ("a", "1", Qos::AtLeastOnce, false),
        ("b", "2", Qos::ExactlyOnce, true),
        ("c", "3", Qos::AtMostOnce, false),
        ("d", "[1,2]", Qos::AtLeastOnce, false),
        ("e", "\"x\"", Qos::AtLeastOnce, true),
    ] {
        witness.wait_for_line(topic, payload);
        let publishes = witness.publishes();
        let found = publishes.iter().find(|it| it.topic.as_str() == topic).unwrap();
        assert_eq!((found.qos, found.retain), (qos, retain), "{topic}");
    }
    assert_eq!(broker.retained(&Topic::new("b").unwrap()).as_deref(), Some(&b"2"[..]));
}

#[test]
fn what_is_waited_for_has_been_acknowledged() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let client = connected(&broker);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for delivery in [Delivery::Every, Delivery::Latest] {
            let message = client.message("a", format!("{qos:?} {delivery:?}"));
            message.qos(qos).delivery(delivery).publish_and_wait(LIMIT).unwrap();
        }
    }
    client.publish_and_wait("b", "last", LIMIT).unwrap();
    assert_eq!((witness.on("a").len(), witness.on("b").len()), (6, 1));
}

#[test]
fn what_is_not_acknowledged_in_time_goes_on_waiting() {
    let mut broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let client = connected(&broker);
    broker.stop();
    let error = client.publish_and_wait("a", "patient", Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, PublishError::NotAcknowledged { .. }), "{error}");
    broker.restart().unwrap();
    witness.wait_for_line("a", "patient");
}

#[test]
fn who_waits_for_a_message_that_gives_way_or_is_given_up_hears_of_it() {
    let client = Client::connect(porch(free_port())).unwrap();
    thread::scope(|scope| {
        let replaced = scope.spawn(|| {
            client.message("a", "1").delivery(Delivery::Latest).publish_and_wait(LIMIT).unwrap_err()
        });
        wait_until("the first to wait", LIMIT, || client.report().is_some_and(|it| it.total.waiting == 1));
        client.message("a", "2").delivery(Delivery::Latest).publish().unwrap();
        let replaced = replaced.join().unwrap();
        assert!(matches!(replaced, PublishError::Lost { fate: Some(Fate::Replaced), .. }), "{replaced}");

        let ended = scope.spawn(|| client.publish_and_wait("b", "3", LIMIT).unwrap_err());
        wait_until("the last to wait", LIMIT, || client.report().is_some_and(|it| it.total.waiting == 2));
        client.disconnect(Duration::ZERO);
        let ended = ended.join().unwrap();
        assert!(matches!(ended, PublishError::Lost { fate: None, .. }), "{ended}");
    });
}
