//! A network that is cut, and a broker that hangs: what is delivered afterwards.

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Relay;
use crate::support::Seen;

/// Has the processor be `millidegrees` warm, and waits until the daemon has seen it.
#[track_caller]
fn warm(daemon: &Daemon, millidegrees: u32, seen: &str) {
    daemon.change_machine("sys/class/thermal/thermal_zone0/temp", &format!("{millidegrees}\n"));
    daemon.wait_for_line(&format!("cpu_temperature: {seen}"));
}

fn texts(messages: &[Seen], topic: &str) -> Vec<String> {
    messages.iter().filter(|it| it.topic == topic).map(Seen::text).collect()
}

const TEMPERATURE: &str = "luigi/pi/cpu_temperature";

#[test]
fn after_a_cut_the_newest_state_is_delivered_and_nothing_older() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let relay = Relay::start(mosquitto.port());
    let observer = Observer::start(&mosquitto, &["luigi/#"]);
    let daemon = Daemon::start(&Configuration::new(relay.port()).set("Host", "INTERVAL", "1s").text());
    observer.wait_for_latest(TEMPERATURE, "41.2");

    observer.clear();
    relay.cut();
    observer.wait_for_latest(AVAILABILITY, "offline");
    warm(&daemon, 50_000, "50");
    warm(&daemon, 60_000, "60");
    warm(&daemon, 55_000, "55");
    daemon.wait_for_line("still no connection to the broker");
    relay.mend();
    observer.wait_for_latest(TEMPERATURE, "55");
    warm(&daemon, 45_000, "45");
    observer.wait_for_latest(TEMPERATURE, "45");
    assert_eq!(texts(&observer.messages(), TEMPERATURE), ["55", "45"]);
    assert_eq!(texts(&observer.messages(), AVAILABILITY), ["offline", "online"]);
}

#[test]
fn a_network_that_is_cut_again_and_again_ends_at_the_newest_state() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let relay = Relay::start(mosquitto.port());
    let observer = Observer::start(&mosquitto, &["luigi/#"]);
    let daemon = Daemon::start(&Configuration::new(relay.port()).set("Host", "INTERVAL", "1s").text());
    observer.wait_for_latest(TEMPERATURE, "41.2");
    for degrees in [50, 51, 52] {
        warm(&daemon, degrees * 1_000, &degrees.to_string());
        let sessions = daemon.count("] connected to");
        relay.cut();
        relay.mend();
        daemon.wait_for_lines("] connected to", sessions + 1);
    }
    observer.wait_for_latest(TEMPERATURE, "52");
    observer.wait_for_latest(AVAILABILITY, "online");
    let seen = texts(&observer.messages(), TEMPERATURE);
    assert!(seen.is_sorted(), "a newer state was followed by an older one: {seen:?}");
}

#[test]
fn a_broker_that_hangs_is_given_up_and_what_it_missed_is_delivered_when_it_wakes() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let configuration = Configuration::new(mosquitto.port())
        .set("Client", "KEEPALIVE", "5")
        .set("Client", "CONNECTION_TIMEOUT", "2")
        .set("Host", "INTERVAL", "1s");
    let daemon = Daemon::start(&configuration.text());
    Observer::start(&mosquitto, &[TEMPERATURE]).wait_for_latest(TEMPERATURE, "41.2");

    mosquitto.freeze();
    warm(&daemon, 50_000, "50");
    let lost = daemon.wait_for_line("lost the connection to the broker");
    assert!(lost.contains("the broker left a ping unanswered"), "{lost}");
    warm(&daemon, 60_000, "60");
    let silent = daemon.wait_for_line("no connection to the broker: ");
    assert!(silent.contains("no answer from a broker at 127.0.0.1:"), "{silent}");
    mosquitto.thaw();
    let observer = Observer::start(&mosquitto, &["luigi/#"]);
    observer.wait_for_latest(TEMPERATURE, "60");
    observer.wait_for_latest(AVAILABILITY, "online");
    let log = mosquitto.log();
    assert!(log.matches(&format!("as {CLIENT_ID} ")).count() >= 2, "{log}");
}
