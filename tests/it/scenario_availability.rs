//! Home Assistant sees the device as there exactly while it is.

use std::time::{Duration, Instant};

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::mock::Publish;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;

use crate::support::AVAILABILITY;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::SilentPeer;
use crate::support::Witness;
use crate::support::config;
use crate::support::free_port;
use crate::support::payload;
use crate::support::wait_for_retained;
use crate::support::wait_until;

fn start(more: &[(&str, &str, &str)]) -> (Broker, Witness, Daemon) {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let daemon = Daemon::start(&config(broker.address().port(), more));
    (broker, witness, daemon)
}

#[test]
fn will_and_availability_are_retained_on_one_topic_with_one_quality_of_service() {
    for (level, qos) in [("0", Qos::AtMostOnce), ("1", Qos::AtLeastOnce), ("2", Qos::ExactlyOnce)] {
        let (broker, witness, mut daemon) = start(&[("Client", "QOS", level)]);
        witness.wait_for_line(AVAILABILITY, "online");
        let topic = Topic::new(AVAILABILITY).unwrap();
        assert_eq!(broker.connects()[0].will, Some(Message::retained(topic, *b"offline", qos)));
        daemon.terminate();
        assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
        witness.wait_for_line(AVAILABILITY, "offline"); // With QoS 0 nobody has waited for its arrival.
        let said: Vec<Publish> = witness.publishes();
        let said: Vec<_> = said.iter().filter(|it| it.topic.as_str() == AVAILABILITY).collect();
        assert_eq!(said.iter().map(|it| payload(it)).collect::<Vec<_>>(), ["online", "offline"]);
        assert!(said.iter().all(|it| it.retain && it.qos == qos), "{said:#?}");
    }
}

#[test]
fn each_connection_says_online_after_the_will_of_the_one_before() {
    let (broker, witness, _daemon) = start(&[]);
    for connection in 1..=3 {
        witness.wait_for_lines(AVAILABILITY, "online", connection);
        if connection < 3 {
            broker.cut();
        }
    }
    assert_eq!(witness.on(AVAILABILITY), ["online", "offline", "online", "offline", "online"]);
}

#[test]
fn the_last_thing_a_stopping_daemon_says_is_offline_and_the_broker_has_it() {
    let (broker, witness, mut daemon) = start(&[]);
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
    assert_eq!(witness.lines().last().unwrap(), &format!("{AVAILABILITY} = offline"));
    assert_eq!(witness.on(AVAILABILITY), ["online", "offline"], "and no will comes after it");
    wait_for_retained(&broker, AVAILABILITY, Some("offline"));
    daemon.wait_for_line("[INFO] disconnected from the broker");
    daemon.wait_for_line("[INFO] stopped");
}

#[test]
fn a_stopping_daemon_waits_for_the_acknowledgement_of_offline_but_not_for_ever() {
    let (broker, witness, mut daemon) = start(&[]);
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    broker.set_faults(Faults { withhold_acks: Some(1), ..Faults::default() });
    let stopped = Instant::now();
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
    assert!(stopped.elapsed() > Duration::from_secs(1), "it left without the acknowledgement");
    witness.wait_for_line(AVAILABILITY, "offline");
}

#[test]
fn a_killed_daemon_is_offline_by_its_will() {
    let (broker, witness, mut daemon) = start(&[]);
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    daemon.kill();
    wait_for_retained(&broker, AVAILABILITY, Some("offline"));
    assert_eq!(witness.on(AVAILABILITY), ["online", "offline"]);
}

#[test]
fn a_daemon_without_its_broker_stops_at_once() {
    let mut daemon = Daemon::start(&config(free_port(), PATIENT));
    daemon.wait_for_line("next attempt in");
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn a_daemon_that_lost_its_broker_stops_at_once() {
    let (mut broker, witness, mut daemon) = start(PATIENT);
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    broker.stop();
    daemon.wait_for_line("[WARN] lost the connection to the broker: the broker closed the connection");
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn a_daemon_that_waits_for_a_silent_peer_stops_at_once() {
    let peer = SilentPeer::start();
    let mut daemon = Daemon::start(&config(peer.port(), PATIENT));
    wait_until("a connection", LIMIT, || peer.accepted() == 1);
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
}

/// What the daemon could be waiting for is longer than any test waits.
const PATIENT: &[(&str, &str, &str)] =
    &[("Client", "CONNECTION_TIMEOUT", "300"), ("Client", "RECONNECT_DELAY", "300")];
