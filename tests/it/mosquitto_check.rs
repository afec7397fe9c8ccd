//! `luigi-mqtt check --connect`: which step on the way to the broker fails, and what to do.

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Stream;
use crate::support::free_port;

/// The lines about the steps, and the exit code, of a check with `configuration`.
fn steps(configuration: &Configuration) -> (Vec<String>, Option<i32>) {
    let mut daemon = Launch::new(&configuration.text()).subcommand("check").args(&["--connect"]).start();
    let code = daemon.wait_exit(LIMIT).code();
    let lines = daemon.lines_of(Stream::Stdout);
    let begin = lines.iter().position(|it| it == "to the broker:");
    let begin = begin.unwrap_or_else(|| panic!("no step was tried: {:#?}", daemon.lines()));
    (lines[begin + 1..].iter().map(|it| it.trim_start().to_owned()).collect(), code)
}

fn user(configuration: Configuration, password: &str) -> Configuration {
    configuration.set("Authentication", "USERNAME", "luigi").set("Authentication", "PASSWORD", password)
}

/// A broker that lets in `luigi` with `secret`, who may do what `rules` allow.
fn broker_with_rules(rules: &str) -> Mosquitto {
    Mosquitto::start(MosquittoOptions {
        users: vec![("luigi".to_owned(), "secret".to_owned())],
        acl: Some(format!("user luigi\n{rules}")),
        ..Default::default()
    })
}

#[test]
fn each_of_several_brokers_is_tried_and_one_that_fails_is_a_failure() {
    let brokers =
        [Mosquitto::start(MosquittoOptions::default()), Mosquitto::start(MosquittoOptions::default())];
    let [first, second] = [&brokers[0], &brokers[1]].map(|it| format!("127.0.0.1:{}", it.port()));
    let absent = format!("127.0.0.1:{}", free_port());
    for (hosts, expected) in [([&first, &second], 0), ([&absent, &second], 69), ([&first, &absent], 69)] {
        let configuration =
            Configuration::new(1).set("Broker", "HOST", format!("{}, {}", hosts[0], hosts[1]));
        let mut daemon = Launch::new(&configuration.text()).subcommand("check").args(&["--connect"]).start();
        assert_eq!(daemon.wait_exit(LIMIT).code(), Some(expected), "{:#?}", daemon.lines());
        let lines = daemon.lines_of(Stream::Stdout);
        let at = |host, number| {
            let heading = format!("to the broker at {host} (the {number} of 2):");
            let at = lines.iter().position(|it| *it == heading);
            at.unwrap_or_else(|| panic!("no {heading:?}: {lines:#?}"))
        };
        let (begin, middle) = (at(hosts[0], "first"), at(hosts[1], "second"));
        for (host, steps) in [(hosts[0], &lines[begin..middle]), (hosts[1], &lines[middle..])] {
            let last = steps.last().unwrap();
            assert_eq!(last.starts_with("  NO  TCP: "), *host == absent, "{last}");
        }
    }
}

#[test]
fn where_all_is_well_every_step_says_ok_and_the_exit_code_is_0() {
    let mosquitto = broker_with_rules("topic readwrite #\n");
    mosquitto.publish("homeassistant/status", "online", true);
    let observer = Observer::start(&mosquitto, &["#"]);
    observer.clear();
    let (steps, code) = steps(&user(Configuration::new(mosquitto.port()), "secret"));
    assert_eq!(code, Some(0), "{steps:#?}");
    let expected = [
        "ok  name look-up: 127.0.0.1 in ",
        "ok  TCP: 127.0.0.1:",
        "ok  login: as luigi",
        "ok  publishing: a message on luigi/pi/check came back",
        "ok  publishing: a message on homeassistant/sensor/luigi-pi/check came back",
        "ok  Home Assistant: said \"online\" on homeassistant/status (retained)",
    ];
    assert_eq!(steps.len(), expected.len(), "{steps:#?}");
    for (step, expected) in steps.iter().zip(expected) {
        assert!(step.starts_with(expected), "expected {expected}, found {step}");
    }
    assert!(mosquitto.log().contains("Received DISCONNECT from luigi-pi-check"), "{}", mosquitto.log());
    // It leaves nothing behind, and announces nothing.
    let seen = observer.messages();
    assert!(seen.iter().all(|it| it.topic.ends_with("/check") && !it.retained), "{seen:#?}");
}

#[test]
fn a_running_daemon_is_not_disturbed() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let configuration = Configuration::new(mosquitto.port());
    let daemon = Daemon::start(&configuration.text());
    daemon.wait_for_line("] announced ");
    assert_eq!(steps(&configuration).1, Some(0));
    assert_eq!(daemon.count("lost the connection"), 0, "{:#?}", daemon.lines());
    assert_eq!(mosquitto.retained("luigi/pi/availability")[0].text(), "online");
}

/// Checks that the check ends with exit code 69, and with a line that contains `expected` after `before` good ones.
#[track_caller]
fn check_fails(configuration: &Configuration, before: usize, expected: &str) {
    let (steps, code) = steps(configuration);
    assert_eq!(code, Some(69), "{steps:#?}");
    assert!(steps[..before].iter().all(|it| it.starts_with("ok  ")), "{steps:#?}");
    assert!(steps[before].starts_with("NO  ") && steps[before].contains(expected), "{steps:#?}");
}

#[test]
fn where_nobody_may_publish_states_the_check_says_so() {
    let mosquitto = broker_with_rules("topic read #\ntopic write homeassistant/#\n");
    let expected = "publishing: the broker took a message on luigi/pi/check and did not pass it on";
    check_fails(&user(Configuration::new(mosquitto.port()), "secret"), 3, expected);
}

#[test]
fn where_nobody_may_announce_the_check_says_so() {
    let mosquitto = broker_with_rules("topic read #\ntopic write luigi/#\n");
    let expected =
        "publishing: the broker took a message on homeassistant/sensor/luigi-pi/check and did not pass it on";
    check_fails(&user(Configuration::new(mosquitto.port()), "secret"), 4, expected);
}

#[test]
fn a_refused_login_says_so_with_a_wrong_password_and_without_one() {
    let mosquitto = broker_with_rules("topic readwrite #\n");
    let anonymous = Configuration::new(mosquitto.port());
    let expected = "login: the broker refused the login (not authorized): check USERNAME and PASSWORD";
    check_fails(&anonymous, 2, expected);
    check_fails(&user(anonymous, "wrong"), 2, expected);
}

#[test]
fn a_port_where_nobody_listens_says_so() {
    let port = free_port();
    check_fails(&Configuration::new(port), 1, &format!("TCP: cannot connect to 127.0.0.1:{port}"));
}

#[test]
fn a_port_without_encryption_says_so() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let configuration = Configuration::new(mosquitto.port()).set("Broker", "TLS_ENABLED", "yes");
    check_fails(&configuration, 2, "no TLS is spoken on that port");
}
