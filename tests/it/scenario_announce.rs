//! Everything is announced on each connection and for each start of Home Assistant, in order.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::mock::View;
use luigi_mqtt::model::Topic;

use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Witness;
use crate::support::config;
use crate::support::line;
use crate::support::retained;
use crate::support::wait_for_retained;

fn start() -> (Broker, Witness, Daemon) {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let daemon = Daemon::start(&config(broker.address().port(), &[]));
    (broker, witness, daemon)
}

/// Says `payload` where Home Assistant says that it has started.
fn say(broker: &Broker, payload: &str, retain: bool) {
    broker.publish(&Topic::new("homeassistant/status").unwrap(), payload, retain);
}

/// Sees that one more reading arrives: what was said to the daemon before has been heard then.
#[track_caller]
fn check_goes_on(daemon: &Daemon, witness: &Witness) {
    daemon.change_machine("proc/loadavg", "3.00 2.00 1.00 1/91 1234\n");
    witness.wait_for_line("luigi/pi/load_15m", "1");
}

/// The next packet that a client sends: its first byte, and the rest after the length.
fn packet(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut byte = [0];
    let mut next = || stream.read_exact(&mut byte).map(|()| byte[0]).unwrap();
    let (first, mut length, mut shift) = (next(), 0, 0);
    loop {
        let digit = next();
        length |= usize::from(digit & 127) << shift;
        shift += 7;
        if digit < 128 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (first, body)
}

#[test]
fn the_subscription_comes_first_so_that_no_birth_is_missed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _daemon = Daemon::start(&config(listener.local_addr().unwrap().port(), &[]));
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(packet(&mut stream).0 >> 4, 1, "CONNECT");
    stream.write_all(&[0x20, 2, 0, 0]).unwrap();
    let (first, body) = packet(&mut stream);
    assert_eq!(first >> 4, 8, "SUBSCRIBE");
    assert!(body.ends_with(b"\0\x14homeassistant/status\x01"), "{body:?}");
    assert_eq!(packet(&mut stream).0 >> 4, 3, "PUBLISH");
}

#[test]
fn discovery_comes_before_online_and_states_after_home_assistant_had_time_to_subscribe() {
    // A whole second, less what this test itself may have come late to `online`; it does not each time.
    let mut pauses = (0..5).map(|_| pause_between_online_and_states());
    assert!(pauses.any(|it| it >= Duration::from_millis(500)), "no time to subscribe");
}

/// Checks what a daemon announces that has just started, and returns how long it paused.
#[track_caller]
fn pause_between_online_and_states() -> Duration {
    let (_broker, witness, _daemon) = start();
    let mut arrived: Vec<(String, Instant)> = Vec::new();
    while arrived.len() < 7 {
        let (publish, at) = witness.next();
        assert!(publish.retain, "{publish:?}");
        arrived.push((line(&publish), at));
    }
    let lines: Vec<&str> = arrived.iter().map(|(line, _)| line.as_str()).collect();
    for (line, id) in lines.iter().zip(["load_15m", "load_1m", "load_5m"]) {
        assert!(line.starts_with(&format!("homeassistant/sensor/luigi-pi/{id}/config = {{")), "{lines:#?}");
    }
    assert_eq!(lines[3], "luigi/pi/availability = online");
    let mut states = lines[4..].to_vec();
    states.sort_unstable();
    assert_eq!(states, ["luigi/pi/load_15m = 0.01", "luigi/pi/load_1m = 0.08", "luigi/pi/load_5m = 0.03"]);
    arrived[4].1 - arrived[3].1
}

#[test]
fn home_assistant_is_told_everything_again_when_it_has_started() {
    let (broker, witness, daemon) = start();
    witness.wait_for("all of it", |publishes| publishes.len() == 7);
    let said = Instant::now();
    say(&broker, "online", false);
    daemon.wait_for_line("[INFO] Home Assistant has started: announcing everything again");
    let (first, at) = witness.next();
    assert!(first.topic.as_str().ends_with("/config"), "{first:?}");
    assert!(at - said >= Duration::from_millis(400), "not all devices of a house are to answer at once");
    let mut lines = vec![line(&first)];
    while lines.len() < 7 {
        lines.push(line(&witness.next().0));
    }
    assert_eq!(lines[3], "luigi/pi/availability = online");
    assert!(lines[..3].iter().all(|it| it.contains("/config = {")), "{lines:#?}");
    assert!(lines[4..].iter().all(|it| it.starts_with("luigi/pi/load_")), "{lines:#?}");
    assert_eq!(broker.connect_count(), 1);
}

#[test]
fn home_assistant_that_starts_twice_is_answered_twice() {
    let (broker, witness, daemon) = start();
    for round in 1..=2 {
        witness.wait_for_lines("luigi/pi/load_1m", "0.08", round);
        daemon.wait_for_line("[INFO] announced 3 entities");
        say(&broker, "online", false);
        // Whatever comes while it is answering is answered with that.
        say(&broker, "online", false);
        witness.wait_for_lines("luigi/pi/availability", "online", round + 1);
    }
}

#[test]
fn a_birth_message_that_was_kept_is_no_news() {
    let broker = Broker::start(Settings::default()).unwrap();
    say(&broker, "online", true);
    let witness = Witness::of(&broker);
    let daemon = Daemon::start(&config(broker.address().port(), &[]));
    daemon.wait_for_line("[INFO] announced 3 entities");
    check_goes_on(&daemon, &witness);
    assert!(
        !daemon.lines().iter().any(|it| it.contains("Home Assistant has started")),
        "{:#?}",
        daemon.lines()
    );
    assert_eq!(witness.announcements(), 3);
}

#[test]
fn what_else_is_said_on_the_birth_topic_is_no_birth() {
    let (broker, witness, daemon) = start();
    daemon.wait_for_line("[INFO] announced 3 entities");
    for payload in ["offline", "", "ONLINE", "online "] {
        say(&broker, payload, false);
    }
    check_goes_on(&daemon, &witness);
    assert!(
        !daemon.lines().iter().any(|it| it.contains("Home Assistant has started")),
        "{:#?}",
        daemon.lines()
    );
}

#[test]
fn another_birth_topic_and_payload_can_be_configured() {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let more = &[("Discovery", "BIRTH_TOPIC", "house/status"), ("Discovery", "BIRTH_PAYLOAD", "awake")];
    let daemon = Daemon::start(&config(broker.address().port(), more));
    daemon.wait_for_line("[INFO] announced 3 entities");
    broker.publish(&Topic::new("house/status").unwrap(), "awake", false);
    witness.wait_for_lines("luigi/pi/availability", "online", 2);
}

#[test]
fn a_broker_that_forgot_everything_is_told_everything() {
    let (mut broker, witness, _daemon) = start();
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    witness.wait_for_line("luigi/pi/load_1m", "0.08");
    broker.stop();
    broker.forget();
    assert_eq!(retained(&broker, "luigi/pi/load_1m"), None);
    witness.clear();
    broker.restart().unwrap();
    wait_for_retained(&broker, "luigi/pi/load_1m", Some("0.08"));
    wait_for_retained(&broker, "luigi/pi/load_5m", Some("0.03"));
    wait_for_retained(&broker, "luigi/pi/load_15m", Some("0.01"));
    wait_for_retained(&broker, "luigi/pi/availability", Some("online"));
    assert!(
        broker.subscriptions().iter().any(|it| it.client == "luigi-pi"),
        "and it listens for births again"
    );

    // Who comes to the broker only now sees the device as it is.
    let mut view = View::new("homeassistant");
    witness.publishes().iter().for_each(|publish| view.update(publish));
    let rows: Vec<_> = view.rows().into_iter().map(|it| (it.entity, it.state)).collect();
    let expected = [("Load (1 min)", "0.08"), ("Load (15 min)", "0.01"), ("Load (5 min)", "0.03")];
    assert_eq!(rows, expected.map(|(entity, state)| (entity.to_owned(), state.to_owned())));
    assert_eq!(view.problems().collect::<Vec<_>>(), []);
}
