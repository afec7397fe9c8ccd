//! Messages of which every one counts: published by a program that embeds the library.

use std::path::Path;
use std::thread;
use std::time::Duration;

use luigi_mqtt::Client;
use luigi_mqtt::bridge::Farewell;
use luigi_mqtt::bridge::Refused;
use luigi_mqtt::bridge::RefusedBecause;
use luigi_mqtt::config::Config;
use luigi_mqtt::config::Spool;
use luigi_mqtt::entity::BinarySensor;
use luigi_mqtt::entity::Sensor;
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::mock::Publish;
use luigi_mqtt::model::Delivery;
use luigi_mqtt::model::Figures;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::ObjectId;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Reading;
use luigi_mqtt::model::SpoolMode;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::Witness;
use crate::support::config;
use crate::support::free_port;
use crate::support::hasty;
use crate::support::wait_until;
use crate::support::wait_until_or;

/// A configuration for a broker at `port`, its spool in `folder`.
fn configuration(port: u16, mode: SpoolMode, folder: &Path) -> Config {
    let mut config = hasty(&config(port, &[]));
    config.spool = Spool { mode, directory: folder.join("state"), max_bytes: 1 << 20 };
    config
}

fn message(topic: &str, payload: impl ToString, qos: Qos) -> Message {
    let payload = payload.to_string().into_bytes().into();
    Message { topic: Topic::new(topic).unwrap(), payload, qos, retain: false }
}

/// Publishes `payload`, however long there is no room for it.
fn publish(client: &Client, payload: usize) {
    let mut message = message("door/opened", payload, Qos::AtLeastOnce);
    while let Err(refused) = client.publish_message(message, Delivery::Every) {
        assert_eq!(refused.cause, RefusedBecause::Full);
        message = refused.message;
        thread::yield_now();
    }
}

/// The payloads of [`publish`] that the broker has, in the order of their arrival, each once.
fn arrived(witness: &Witness) -> Vec<usize> {
    let mut arrived = Vec::new();
    for payload in witness.on("door/opened").iter().map(|it| it.parse().unwrap()) {
        if !arrived.contains(&payload) {
            arrived.push(payload);
        }
    }
    arrived
}

#[track_caller]
fn wait_for_arrivals(witness: &Witness, count: usize) {
    wait_until_or("all to arrive", LIMIT, || arrived(witness).len() >= count, || arrived(witness).len());
    assert_eq!(arrived(witness), Vec::from_iter(0..count));
}

#[test]
fn what_is_published_while_the_broker_is_away_arrives_in_order_once_it_is_there() {
    for mode in [SpoolMode::Memory, SpoolMode::Outage, SpoolMode::Always] {
        let folder = tempfile::tempdir().unwrap();
        let mut broker = Broker::start(Faults::default()).unwrap();
        let luigi = Client::connect(configuration(broker.address().port(), mode, folder.path())).unwrap();
        wait_until("the link to be up", LIMIT, || luigi.health().link_up());
        broker.stop();
        (0..300).for_each(|it| publish(&luigi, it));
        let witness = Witness::of(&broker);
        broker.restart().unwrap();
        wait_for_arrivals(&witness, 300);
        assert_eq!(luigi.disconnect(LIMIT), Farewell::default(), "{mode:?}");
    }
}

#[test]
fn quality_of_service_and_retain_are_as_each_message_says() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let port = broker.address().port();
    let luigi = Client::connect(configuration(port, SpoolMode::Memory, folder.path())).unwrap();
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for delivery in [Delivery::Latest, Delivery::Every] {
            let topic = format!("test/{qos:?}/{delivery:?}");
            luigi.publish_message(message(&topic, "x", qos), delivery).unwrap();
        }
    }
    let ours = |it: &&Publish| it.topic.as_str().starts_with("test/");
    witness.wait_for("all six", |all| all.iter().filter(ours).count() == 6);
    for it in witness.publishes().iter().filter(ours) {
        assert!(it.topic.as_str().contains(&format!("{:?}", it.qos)) && !it.retain, "{it:?}");
    }
}

#[test]
fn what_is_left_at_the_end_is_on_the_card_and_goes_first_at_the_next_start() {
    for mode in [SpoolMode::Outage, SpoolMode::Always] {
        let folder = tempfile::tempdir().unwrap();
        let luigi = Client::connect(configuration(free_port(), mode, folder.path())).unwrap();
        (0..500).for_each(|it| publish(&luigi, it));
        assert_eq!(luigi.disconnect(Duration::ZERO), Farewell { lost: 0, on_card: 500 }, "{mode:?}");

        let broker = Broker::start(Faults::default()).unwrap();
        let witness = Witness::of(&broker);
        let luigi = Client::connect(configuration(broker.address().port(), mode, folder.path())).unwrap();
        (500..600).for_each(|it| publish(&luigi, it));
        wait_for_arrivals(&witness, 600);
        // They arrive before we hear of it.
        wait_until("all to be acknowledged", LIMIT, || luigi.report().unwrap().total.waiting == 0);
        assert_eq!(luigi.disconnect(LIMIT), Farewell::default());
    }
}

#[test]
fn a_spool_of_another_mode_is_delivered_too() {
    let folder = tempfile::tempdir().unwrap();
    let luigi = Client::connect(configuration(free_port(), SpoolMode::Outage, folder.path())).unwrap();
    (0..10).for_each(|it| publish(&luigi, it));
    assert_eq!(luigi.disconnect(Duration::ZERO).on_card, 10);
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let port = broker.address().port();
    let luigi = Client::connect(configuration(port, SpoolMode::Memory, folder.path())).unwrap();
    (10..20).for_each(|it| publish(&luigi, it));
    wait_for_arrivals(&witness, 20);
    drop(luigi);
}

#[test]
fn a_spool_that_cannot_be_leaves_messages_in_memory_and_says_so_in_its_health() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state"), "a file where the folder should be").unwrap();
    let mut broker = Broker::start(Faults::default()).unwrap();
    let port = broker.address().port();
    let luigi = Client::connect(configuration(port, SpoolMode::Always, folder.path())).unwrap();
    broker.stop();
    (0..300).for_each(|it| publish(&luigi, it));
    wait_until("the spool to be missed", LIMIT, || luigi.health().spool_degraded());
    let witness = Witness::of(&broker);
    broker.restart().unwrap();
    wait_for_arrivals(&witness, 300);
}

#[test]
fn messages_that_come_too_fast_are_handed_back_and_nothing_accepted_is_lost() {
    [SpoolMode::Outage, SpoolMode::Memory].into_iter().for_each(publish_too_fast);
}

#[track_caller]
fn publish_too_fast(mode: SpoolMode) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(Faults { withhold_acks: Some(1), ..Faults::default() }).unwrap();
    let port = broker.address().port();
    let luigi = Client::connect(configuration(port, mode, folder.path())).unwrap();
    let client = luigi.clone();
    wait_until("the link to be up", LIMIT, || luigi.health().link_up());
    let large = "x".repeat(10_000);
    let mut accepted = 0;
    let refused: Refused = loop {
        match client.publish_message(message("bulk", &large, Qos::AtLeastOnce), Delivery::Every) {
            Ok(()) => accepted += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.cause, RefusedBecause::Full);
    assert_eq!(refused.message, message("bulk", &large, Qos::AtLeastOnce));
    assert_eq!(luigi.health().dropped(), 0);
    if mode == SpoolMode::Memory {
        return; // Without the broker the oldest would give way, and without a card there is no other place for them.
    }
    broker.set_faults(Faults::default());
    broker.cut();
    let delivered =
        || client.report().is_some_and(|it| it.total.waiting == 0 && it.total.delivered > accepted);
    wait_until_or("all to be delivered", LIMIT, delivered, || client.report());
    assert_eq!(luigi.health().dropped(), 0);
}

#[test]
fn a_message_that_is_too_large_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let luigi = Client::connect(configuration(free_port(), SpoolMode::Outage, folder.path())).unwrap();
    let large = message("bulk", "x".repeat(600_000), Qos::AtLeastOnce);
    let refused = luigi.publish_message(large.clone(), Delivery::Every).unwrap_err();
    assert_eq!(refused, Refused { message: large, cause: RefusedBecause::LargerThan(524_288) });
    assert_eq!(refused.to_string(), "cannot publish 600000 bytes on bulk");
    assert_eq!(refused.cause.to_string(), "topic and payload may have 524288 bytes together");
}

#[test]
fn a_client_of_an_ended_bridge_hands_messages_back() {
    let folder = tempfile::tempdir().unwrap();
    let luigi = Client::connect(configuration(free_port(), SpoolMode::Always, folder.path())).unwrap();
    let client = luigi.clone();
    luigi.disconnect(Duration::ZERO);
    let late = message("late", 1, Qos::AtLeastOnce);
    let refused = client.publish_message(late.clone(), Delivery::Every).unwrap_err();
    assert_eq!(refused, Refused { message: late, cause: RefusedBecause::Stopped });
    assert_eq!(client.report(), None);
}

#[test]
fn an_end_while_others_still_publish_comes_and_keeps_all_that_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let luigi = Client::connect(configuration(free_port(), SpoolMode::Outage, folder.path())).unwrap();
    let publish_until_the_end = |client: Client| {
        let mut accepted = 0;
        loop {
            match client.publish_message(message("door/opened", accepted, Qos::AtLeastOnce), Delivery::Every)
            {
                Ok(()) => accepted += 1,
                Err(refused) if refused.cause == RefusedBecause::Stopped => return accepted,
                Err(_) => thread::yield_now(),
            }
        }
    };
    let publishers =
        [luigi.clone(), luigi.clone()].map(|it| thread::spawn(move || publish_until_the_end(it)));
    wait_until("many to be accepted", LIMIT, || luigi.health().accepted() > 500);
    let farewell = luigi.disconnect(Duration::ZERO);
    let accepted: u64 = publishers.map(|it| it.join().unwrap()).iter().sum();
    assert_eq!(farewell, Farewell { lost: 0, on_card: accepted });
}

#[test]
fn an_entity_has_every_state_delivered_where_it_was_built_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(Faults::default()).unwrap();
    let port = broker.address().port();
    let luigi = Client::connect(configuration(port, SpoolMode::Outage, folder.path())).unwrap();
    let client = luigi.clone();
    let doorbell = BinarySensor::new("doorbell", "Doorbell").delivery(Delivery::Every).qos(Qos::ExactlyOnce);
    client.register(doorbell.build().unwrap()).unwrap();
    client.register(Sensor::new("attic", "Attic").build().unwrap()).unwrap();
    let offer = |id: &str, value: luigi_mqtt::model::Value| {
        assert!(client.offer(Reading::new(ObjectId::new(id).unwrap(), value)));
    };
    wait_until("the link to be up", LIMIT, || luigi.health().link_up());
    broker.stop();
    wait_until("the link to be down", LIMIT, || !luigi.health().link_up());
    for on in [true, false, true, false, true] {
        offer("doorbell", on.into());
        offer("attic", f64::from(u8::from(on)).into());
    }
    let figures = |id: &str| {
        let report = client.report().unwrap();
        report.entities.iter().find(|(entity, _)| entity.as_str() == id).map(|(_, it)| *it).unwrap()
    };
    wait_until("all to be taken", LIMIT, || figures("attic").accepted == 5);
    let Figures { accepted, waiting, replaced, oldest, .. } = figures("attic");
    assert_eq!((accepted, waiting, replaced, oldest.is_some()), (5, 1, 4, true));
    assert_eq!((figures("doorbell").waiting, figures("doorbell").replaced), (5, 0));
    let witness = Witness::of(&broker);
    broker.restart().unwrap();
    witness.wait_for("the last state", |_| witness.on("luigi/pi/doorbell").len() >= 5);
    assert_eq!(witness.on("luigi/pi/doorbell"), ["ON", "OFF", "ON", "OFF", "ON"]);
    assert_eq!(witness.on("luigi/pi/attic"), ["1"]);
    let announced = witness.publishes().into_iter().find(|it| it.topic.as_str().contains("doorbell/config"));
    assert!(String::from_utf8_lossy(&announced.unwrap().payload).contains("\"qos\":2"));
    wait_until("all to be acknowledged", LIMIT, || figures("doorbell").delivered == 5);
}
