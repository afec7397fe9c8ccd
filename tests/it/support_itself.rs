//! The harness itself, so that what it says of us can be believed.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Seen;
use crate::support::SilentPeer;
use crate::support::free_port;
use crate::support::wait_until;

fn seen(topic: &str, payload: &str, retained: bool) -> Seen {
    Seen { topic: topic.to_owned(), payload: payload.into(), qos: 1, retained }
}

#[test]
fn an_observer_sees_each_message_as_it_was_published() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("attic/before", "kept", true);
    mosquitto.publish("attic/gone", "not kept", false);
    let observer = Observer::start(&mosquitto, &["attic/#"]);
    assert_eq!(observer.messages(), [seen("attic/before", "kept", true)]);

    mosquitto.publish("attic/a", "21.5 °C\t\n", true);
    mosquitto.publish("cellar/a", "elsewhere", false);
    mosquitto.publish("attic/b", "", false);
    mosquitto.publish("attic/before", "", true);
    observer.wait_for("four messages", LIMIT, |messages| messages.len() == 4);
    assert_eq!(
        observer.messages()[1..],
        [seen("attic/a", "21.5 °C\t\n", true), seen("attic/b", "", false), seen("attic/before", "", true)]
    );
    assert_eq!(observer.latest("attic/before"), Some(seen("attic/before", "", true)));
    assert_eq!(mosquitto.retained("#"), [seen("attic/a", "21.5 °C\t\n", true)]);
}

#[test]
fn a_payload_of_200_kilobytes_goes_through() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let payload = "x".repeat(200_000);
    mosquitto.publish("large", &payload, true);
    Observer::start(&mosquitto, &["large"]).wait_for_latest("large", &payload);
}

#[test]
fn a_broker_with_persistence_keeps_retained_messages_across_either_end() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions { persistence: true, ..Default::default() });
    mosquitto.publish("attic", "kept", true);
    mosquitto.stop();
    mosquitto.start_again();
    assert_eq!(mosquitto.retained("#"), [seen("attic", "kept", true)]);

    mosquitto.publish("attic", "kept still", true);
    mosquitto.kill();
    mosquitto.start_again();
    assert_eq!(mosquitto.retained("#"), [seen("attic", "kept still", true)]);

    mosquitto.stop();
    mosquitto.forget();
    mosquitto.start_again();
    assert_eq!(mosquitto.retained("#"), []);
}

#[test]
fn a_broker_without_persistence_forgets() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("attic", "not kept", true);
    mosquitto.stop();
    mosquitto.start_again();
    assert_eq!(mosquitto.retained("#"), []);
}

#[test]
fn a_broker_with_users_and_rules_lets_our_own_observer_in() {
    let mosquitto = Mosquitto::start(MosquittoOptions {
        users: vec![("luigi".to_owned(), "secret".to_owned())],
        acl: Some("user luigi\ntopic write luigi/#\n".to_owned()),
        ..Default::default()
    });
    mosquitto.publish("attic", "kept", true);
    assert_eq!(mosquitto.retained("#"), [seen("attic", "kept", true)]);
    assert!(mosquitto.log().contains("u'observer'"), "{}", mosquitto.log());
}

#[test]
fn a_frozen_broker_accepts_and_does_not_answer() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.freeze();
    let mut silence = TcpStream::connect(("127.0.0.1", mosquitto.port())).unwrap();
    silence.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert_eq!(silence.read_exact(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    mosquitto.thaw();
    mosquitto.publish("attic", "awake", false);
}

#[test]
#[should_panic(expected = "port was taken meanwhile")]
fn a_broker_without_its_port_does_not_pass_for_running() {
    let mut mosquitto = Mosquitto::absent(MosquittoOptions::default());
    let _taken = TcpListener::bind(("127.0.0.1", mosquitto.port())).unwrap();
    mosquitto.start_again();
}

#[test]
fn a_silent_peer_accepts_and_counts() {
    let peer = SilentPeer::start();
    let _first = TcpStream::connect(("127.0.0.1", peer.port())).unwrap();
    let _second = TcpStream::connect(("127.0.0.1", peer.port())).unwrap();
    wait_until("two connections", LIMIT, || peer.accepted() == 2);
}

#[test]
fn free_ports_are_all_different() {
    assert_ne!(free_port(), free_port());
}

#[test]
#[should_panic(expected = "waited 20ms in vain for better times")]
fn patience_has_an_end() {
    wait_until("better times", Duration::from_millis(20), || false);
}
