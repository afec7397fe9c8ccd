//! Finding the broker: names with several addresses, and peers that are no broker.

use std::net::TcpListener;

use crate::support::AVAILABILITY;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::SilentPeer;
use crate::support::free_port;
use crate::support::wait_until_or;

#[test]
fn a_name_with_several_addresses_leads_to_the_broker_on_one_of_them() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let configuration = Configuration::new(mosquitto.port()).set("Broker", "HOST", "localhost");
    let _daemon = Daemon::start(&configuration.text());
    observer.wait_for_latest(AVAILABILITY, "online");
}

#[test]
fn an_ipv6_address_leads_to_the_broker_where_the_machine_has_one() {
    let port = free_port();
    let host = if TcpListener::bind(("::1", port)).is_ok() { "::1" } else { "127.0.0.1" };
    let extra = format!("listener {port} {host}");
    let mosquitto = Mosquitto::start(MosquittoOptions { extra, ..Default::default() });
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let _daemon = Daemon::start(&Configuration::new(port).set("Broker", "HOST", host).text());
    observer.wait_for_latest(AVAILABILITY, "online");
}

#[test]
fn the_environment_leads_to_another_broker_than_the_file() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let configuration = Configuration::new(1).set("Broker", "HOST", "nowhere.invalid").text();
    let _daemon = Launch::new(&configuration)
        .env("MQTT_BROKER_HOST", "127.0.0.1")
        .env("MQTT_BROKER_PORT", mosquitto.port().to_string())
        .start();
    observer.wait_for_latest(AVAILABILITY, "online");
}

#[test]
fn a_name_that_nobody_knows_is_asked_for_again() {
    let configuration = Configuration::new(1883).set("Broker", "HOST", "nowhere.invalid");
    let daemon = Daemon::start(&configuration.text());
    let line = daemon.wait_for_line("no connection to the broker");
    assert!(line.contains("cannot find the address of nowhere.invalid"), "{line}");
    daemon.wait_for_line("still no connection to the broker");
}

#[test]
fn a_peer_that_says_nothing_is_given_up_and_tried_again() {
    let peer = SilentPeer::start();
    let configuration = Configuration::new(peer.port()).set("Client", "CONNECTION_TIMEOUT", "4");
    let mut daemon = Daemon::start(&configuration.text());
    let line = daemon.wait_for_line("no connection to the broker");
    assert!(line.contains("no answer from a broker at 127.0.0.1:") && line.contains("within 4 s"), "{line}");
    wait_until_or("another attempt", LIMIT, || peer.accepted() >= 2, || daemon.lines());
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success());
    assert_eq!(daemon.count("[WARN] no connection"), 1, "{:#?}", daemon.lines());
}
