//! Messages for us that are larger than anybody would send on purpose.

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::wait_until_or;

/// Waits until the broker has sent `count` messages of `bytes` on the birth topic to the daemon.
#[track_caller]
fn wait_for_sent(mosquitto: &Mosquitto, bytes: usize, count: usize) {
    let sent = || {
        let log = mosquitto.log();
        let lines = log.lines().filter(|it| it.contains(&format!("Sending PUBLISH to {CLIENT_ID} ")));
        lines.filter(|it| it.ends_with(&format!("'{BIRTH}', ... ({bytes} bytes))"))).count() >= count
    };
    wait_until_or("the broker to send it", LIMIT, sent, || mosquitto.log());
}

#[test]
fn messages_of_200_kilobytes_are_survived_at_the_start_and_later() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let large = "x".repeat(200_000);
    mosquitto.publish(BIRTH, &large, true);
    let observer = Observer::start(&mosquitto, &["luigi/#"]);
    let configuration = Configuration::new(mosquitto.port()).set("Host", "INTERVAL", "1s");
    let mut daemon = Daemon::start(&configuration.text());
    wait_for_sent(&mosquitto, large.len(), 1);
    observer.wait_for_latest("luigi/pi/cpu_temperature", "41.2");

    mosquitto.publish(BIRTH, &large, false);
    wait_for_sent(&mosquitto, large.len(), 2);
    daemon.change_machine("sys/class/thermal/thermal_zone0/temp", "50000\n");
    observer.wait_for_latest("luigi/pi/cpu_temperature", "50");
    assert_eq!(daemon.count("lost the connection"), 0, "{:#?}", daemon.lines());
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success());
}

#[test]
fn a_retained_message_beyond_the_limit_costs_the_subscription_and_not_the_states() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish(BIRTH, "x".repeat(200_000), true);
    let observer = Observer::start(&mosquitto, &["luigi/#"]);
    let configuration = Configuration::new(mosquitto.port()).set("Client", "MAX_PACKET_SIZE", "64K");
    let daemon = Daemon::start(&configuration.text());
    let lost = daemon.wait_for_line("lost the connection");
    assert!(lost.contains("the broker sent a packet of 2000"), "{lost}");
    let line = daemon.wait_for_line("[ERROR]");
    assert!(line.contains("no longer subscribed to homeassistant/status"), "{line}");
    observer.wait_for_latest("luigi/pi/cpu_temperature", "41.2");
    observer.wait_for_latest(AVAILABILITY, "online");
    assert_eq!(daemon.count("[ERROR]"), 1, "{:#?}", daemon.lines());
}

const BIRTH: &str = "homeassistant/status";
