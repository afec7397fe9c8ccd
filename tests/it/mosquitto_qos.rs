//! Quality of service, as the broker has it.

use std::time::Duration;

use luigi_mqtt::Client;
use luigi_mqtt::model::Delivery;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Relay;
use crate::support::Seen;
use crate::support::Weather;
use crate::support::config;
use crate::support::hasty;
use crate::support::wait_until;
use crate::support::wait_until_or;

/// Checks a life at `qos`, in which the broker sends each of `packets` once for each message, and none of `others`.
#[track_caller]
fn check(qos: u8, packets: &[&str], others: &[&str]) {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let configuration = Configuration::new(mosquitto.port()).set("Client", "QOS", qos);
    let mut daemon = Daemon::start(&configuration.text());
    let states = |messages: &[Seen]| messages.iter().filter(|it| it.topic.starts_with("luigi/")).count();
    let discoveries =
        |messages: &[Seen]| messages.iter().filter(|it| it.topic.starts_with("homeassistant/")).count();
    // A state for each entity, and the availability.
    observer.wait_for("all states", LIMIT, |it| discoveries(it) > 0 && states(it) > discoveries(it));
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success());
    observer.wait_for_latest(AVAILABILITY, "offline");

    let messages = observer.messages();
    assert!(messages.iter().all(|it| it.qos == qos), "{messages:#?}");
    let log = mosquitto.log();
    for packet in packets {
        let count = log.matches(&format!("{packet} {CLIENT_ID} ")).count();
        assert_eq!(count, messages.len(), "{packet}\n{log}");
    }
    for packet in others {
        assert!(!log.contains(&format!("{packet} {CLIENT_ID} ")), "{packet}\n{log}");
    }
    assert_eq!(daemon.count("not delivered"), 0, "{:#?}", daemon.lines());
}

#[test]
fn at_qos_0_all_arrives_and_nothing_is_acknowledged() {
    check(0, &["Received PUBLISH from"], &["Sending PUBACK to", "Sending PUBREC to", "Sending PUBCOMP to"]);
}

#[test]
fn at_qos_1_all_arrives_and_is_acknowledged() {
    check(1, &["Received PUBLISH from", "Sending PUBACK to"], &["Sending PUBREC to", "Sending PUBCOMP to"]);
}

#[test]
fn at_qos_2_all_arrives_and_each_exchange_is_completed() {
    let exchange =
        ["Received PUBLISH from", "Sending PUBREC to", "Received PUBREL from", "Sending PUBCOMP to"];
    check(2, &exchange, &["Sending PUBACK to"]);
}

/// Messages at either level, the broker far away.
#[test]
fn at_qos_1_and_2_at_once_the_broker_throws_nothing_away() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["mixed"]);
    let relay = Relay::start(mosquitto.port());
    relay.turn(Weather::Late(Duration::from_millis(20)));
    let luigi = Client::connect(hasty(&config(relay.port(), &[]))).unwrap();
    wait_until("the link", LIMIT, || luigi.health().link_up());
    let numbers = || 0..200;
    for number in numbers() {
        // A few at QoS 1 among many at QoS 2, so that those come close to their limit.
        let qos = if number % 5 == 0 { Qos::AtLeastOnce } else { Qos::ExactlyOnce };
        let (topic, payload) = (Topic::new("mixed").unwrap(), number.to_string().into_bytes().into());
        luigi.publish_message(Message { topic, payload, qos, retain: false }, Delivery::Every).unwrap();
    }
    let found = || observer.messages().iter().map(Seen::text).collect::<Vec<_>>();
    let all_are_there = || numbers().all(|it| found().contains(&it.to_string()));
    wait_until_or("all messages", LIMIT, all_are_there, found);
}

#[test]
fn a_client_identifier_that_is_no_topic_level_makes_one_all_the_same() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let configuration = Configuration::new(mosquitto.port()).set("Client", "CLIENT_ID", ODD);
    let _daemon = Daemon::start(&configuration.text());
    observer.wait_for_latest("luigi/pi/cpu_temperature", "41.2");
    let messages = observer.messages();
    let topics: Vec<_> = messages.iter().map(|it| &it.topic).filter(|it| it.starts_with("home")).collect();
    assert!(!topics.is_empty());
    for topic in topics {
        let levels: Vec<&str> = topic.split('/').collect();
        assert_eq!(levels.len(), 5, "{topic}");
        assert_eq!(levels[2], "K_che_pi_home-1_lan", "{topic}");
    }
    // The broker itself is told the true one.
    assert!(mosquitto.log().contains(&format!("as {ODD} ")), "{}", mosquitto.log());
}

const ODD: &str = "Küche/pi.home-1+lan";
