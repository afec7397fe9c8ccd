//! The connection comes about whatever the broker does first, and comes back whatever ends it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::mock::Login;
use luigi_mqtt::mock::Refusal;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::model::Secret;
use luigi_mqtt::model::Topic;

use crate::support::AVAILABILITY;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Witness;
use crate::support::config;
use crate::support::free_port;
use crate::support::retained;
use crate::support::wait_for_connects;
use crate::support::wait_for_retained;
use crate::support::wait_until_or;

fn broker(faults: Faults) -> (Broker, Daemon) {
    broker_with(faults, &[])
}

/// A broker and a daemon with `more` configuration.
fn broker_with(faults: Faults, more: &[(&str, &str, &str)]) -> (Broker, Daemon) {
    let broker = Broker::start(faults).unwrap();
    let daemon = Daemon::start(&config(broker.address().port(), more));
    (broker, daemon)
}

/// Sees that everything has been announced at last.
#[track_caller]
fn check_announced(broker: &Broker) {
    wait_for_retained(broker, AVAILABILITY, Some("online"));
    wait_for_retained(broker, "luigi/pi/load_15m", Some("0.01"));
    for id in ["load_1m", "load_5m", "load_15m"] {
        let payload = retained(broker, &format!("homeassistant/sensor/luigi-pi/{id}/config"));
        assert!(payload.is_some_and(|it| it.contains("\"name\":\"Load (")), "{id}");
    }
}

/// The pause that a line announces, in seconds.
fn pause(line: &str) -> f64 {
    let (_, behind) = line.split_once("next attempt in ").unwrap_or_else(|| panic!("no pause: {line}"));
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_broker_that_comes_later_is_found() {
    let port = free_port();
    let daemon = Daemon::start(&config(port, &[]));
    daemon.wait_for_line(&format!(
        "[WARN] no connection to the broker: cannot connect to 127.0.0.1:{port} (is the broker running there?): \
         Connection refused"
    ));
    let broker = Broker::start(Settings { port, ..Settings::default() }).unwrap();
    check_announced(&broker);
    daemon.wait_for_line("[INFO] connected to the broker");
}

#[test]
fn pauses_grow_and_one_line_tells_of_them() {
    let daemon = Daemon::start(&config(free_port(), &[]));
    let attempts =
        || daemon.lines().into_iter().filter(|it| it.contains("next attempt in")).collect::<Vec<_>>();
    wait_until_or("three attempts", LIMIT, || attempts().len() >= 3, || daemon.lines());
    let attempts = attempts();
    assert!((1.0..=1.3).contains(&pause(&attempts[0])), "{attempts:#?}");
    assert!((1.5..=2.5).contains(&pause(&attempts[1])), "{attempts:#?}");
    assert!((3.0..=5.0).contains(&pause(&attempts[2])), "{attempts:#?}");
    assert!(attempts[1..].iter().all(|it| it.contains("[DEBUG]")), "{attempts:#?}");
    assert_eq!((daemon.count("[WARN]"), daemon.count("[ERROR]")), (1, 0), "{:#?}", daemon.lines());
}

#[test]
fn the_log_tells_each_kind_of_trouble_once() {
    let (broker, daemon) = broker(Faults { refuse: Some(Refusal::Unavailable), ..Faults::default() });
    daemon.wait_for_line("[WARN] no connection to the broker: the broker says that it is not available yet");
    daemon.wait_for_line("[DEBUG] still no connection to the broker");
    let before = broker.connect_count();
    broker.set_faults(Faults { cut_after_received: Some(1), ..Faults::default() });
    daemon.wait_for_line("closed the connection instead of answering the login: check PORT and TLS_ENABLED");
    assert_eq!(broker.connect_count(), before, "no CONNECT came through whole");
    broker.set_faults(Faults::default());
    check_announced(&broker);
    assert_eq!((daemon.count("[WARN]"), daemon.count("[ERROR]")), (2, 0), "{:#?}", daemon.lines());
}

#[test]
fn a_late_answer_to_the_login_is_waited_for() {
    let (broker, daemon) =
        broker(Faults { connack_delay: Some(Duration::from_millis(1_500)), ..Faults::default() });
    check_announced(&broker);
    assert_eq!(broker.connect_count(), 1);
    assert_eq!(daemon.count("[WARN]"), 0, "{:#?}", daemon.lines());
}

#[test]
fn a_login_that_is_never_answered_is_given_up_and_tried_again() {
    let (broker, daemon) = broker_with(
        Faults { connack_delay: Some(Duration::from_secs(3600)), ..Faults::default() },
        &[("Client", "CONNECTION_TIMEOUT", "1")],
    );
    daemon.wait_for_line("no answer from a broker at 127.0.0.1:");
    wait_for_connects(&broker, 2, LIMIT);
    broker.set_faults(Faults::default());
    check_announced(&broker);
    assert_eq!(daemon.count("[WARN]"), 1, "{:#?}", daemon.lines());
}

#[test]
fn a_half_open_connection_is_noticed_by_its_keep_alive() {
    let (broker, daemon) = broker_with(Faults::default(), &[("Client", "KEEPALIVE", "5")]);
    check_announced(&broker);
    broker.set_faults(Faults { silent: true, ..Faults::default() });
    let line = daemon.wait_for_line("[WARN] lost the connection to the broker");
    assert!(line.contains("the broker left a ping unanswered"), "{line}");
    broker.set_faults(Faults::default());
    let witness = Witness::of(&broker);
    daemon.change_machine("proc/loadavg", "3.00 2.00 1.00 1/91 1234\n");
    witness.wait_for_line("luigi/pi/load_1m", "3");
    assert_eq!(witness.announcements(), 3, "{:#?}", witness.lines());
}

#[test]
fn a_broker_that_answers_pings_and_nothing_else_is_given_up() {
    let (broker, daemon) =
        broker_with(Faults { withhold_acks: Some(1), ..Faults::default() }, &[("Client", "KEEPALIVE", "5")]);
    // Half a minute is what the daemon gives a broker to acknowledge.
    wait_for_connects(&broker, 2, 2 * LIMIT);
    daemon.wait_for_line("[WARN] lost the connection to the broker: the broker acknowledges nothing");
    broker.set_faults(Faults::default());
    broker.cut();
    check_announced(&broker);
}

#[test]
fn wrong_credentials_are_one_clear_line_and_no_hammering() {
    for (refusal, hint) in [
        (Refusal::NotAuthorized, "check USERNAME and PASSWORD in [Authentication]"),
        (Refusal::Credentials, "check USERNAME and PASSWORD in [Authentication]"),
        (Refusal::Identifier, "check CLIENT_ID in [Client]"),
    ] {
        let (broker, daemon) = broker(Faults { refuse: Some(refusal), ..Faults::default() });
        let line = daemon.wait_for_line("[ERROR] no connection to the broker");
        assert!(line.contains(hint), "{line}");
        // A minute, give or take a quarter of it.
        assert!((45.0..=75.0).contains(&pause(&line)), "{line}");
        assert_eq!(broker.connect_count(), 1);
        assert_eq!(daemon.count("[WARN]"), 0, "{:#?}", daemon.lines());
    }
}

#[test]
fn a_web_server_on_the_port_of_the_broker_is_no_broker() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = Daemon::start(&config(listener.local_addr().unwrap().port(), &[]));
    let (mut stream, _) = listener.accept().unwrap();
    assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
    let page =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>What?</h1>\n";
    stream.write_all(page.as_bytes()).unwrap();
    drop(stream);
    let line = daemon.wait_for_line("[WARN] no connection to the broker");
    assert!(line.contains("the broker does not keep to MQTT 3.1.1: the login was answered with"), "{line}");
}

#[test]
fn user_name_and_password_arrive_as_configured() {
    let login = Login { user_name: "luigi".into(), password: Secret::new("p#ss%w; rd=") };
    let broker = Broker::start(Settings { login: Some(login), ..Settings::default() }).unwrap();
    let more = &[("Authentication", "USERNAME", "luigi"), ("Authentication", "PASSWORD", "\"p#ss%w; rd=\"")];
    let _daemon = Daemon::start(&config(broker.address().port(), more));
    check_announced(&broker);
    assert_eq!(broker.connect_count(), 1);
}

#[test]
fn a_large_packet_on_a_subscribed_topic_does_no_harm() {
    let broker = Broker::start(Settings::default()).unwrap();
    broker.publish(&Topic::new("homeassistant/status").unwrap(), "x".repeat(200_000), true);
    let daemon = Daemon::start(&config(broker.address().port(), &[]));
    check_announced(&broker);
    assert_eq!((broker.connect_count(), daemon.count("[WARN]")), (1, 0), "{:#?}", daemon.lines());
}

#[test]
fn a_packet_beyond_the_limit_costs_the_subscription_and_not_the_readings() {
    let (broker, daemon) = broker_with(
        Faults { oversize: Some(200_000), ..Faults::default() },
        &[("Client", "MAX_PACKET_SIZE", "100k")],
    );
    let line = daemon.wait_for_line("[ERROR]");
    assert!(line.contains("no longer subscribed to homeassistant/status"), "{line}");
    assert!(line.contains("raise MAX_PACKET_SIZE in [Client] and restart"), "{line}");
    check_announced(&broker);
    assert_eq!(broker.connect_count(), 3);
    assert_eq!(daemon.count("[ERROR]"), 1, "{:#?}", daemon.lines());
}
