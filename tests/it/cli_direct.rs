//! The commands that publish by a connection of their own, at a real broker: what arrives there, and what the daemon beside them
//! notices of it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Stream;
use crate::support::free_port;
use crate::support::wait_until_or;

/// What `publish --direct` with `arguments` and `config` prints to standard error, and its exit code.
fn publish(config: &str, arguments: &[&str]) -> (Vec<String>, i32) {
    let arguments = [&["--direct"], arguments].concat();
    let mut command = Launch::new(config).subcommand("publish").args(&arguments).start();
    let code = command.wait_exit(LIMIT).code().unwrap();
    assert_eq!(command.lines_of(Stream::Stdout), [""; 0], "nothing but a terminal is told of success");
    (command.lines_of(Stream::Stderr), code)
}

/// A machine whose programs feed the sensor `attic`, and its broker.
fn attic() -> (Mosquitto, Configuration) {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let configuration = Configuration::new(mosquitto.port())
        .set("Sensor attic", "SOURCE", "socket")
        .set("Sensor attic", "UNIT", "°C")
        .set("Sensor cellar", "SOURCE", "file")
        .set("Sensor cellar", "PATH", "/run/cellar")
        .set("Host", "SENSORS", "none");
    (mosquitto, configuration)
}

#[test]
fn a_message_arrives_as_it_was_asked_for_and_nothing_else_does() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let config = Configuration::new(mosquitto.port()).text();
    for (qos, retain) in [("0", false), ("1", true), ("2", false)] {
        let arguments = ["--topic", "a/b", "--qos", qos, qos];
        let arguments = [&arguments[..], if retain { &["--retain"] } else { &[] }].concat();
        assert_eq!(publish(&config, &arguments), (vec![], 0));
    }
    observer.wait_for("all three", LIMIT, |it| it.len() == 3);
    // A message of another client comes behind whatever else there was.
    mosquitto.publish_at(2, "end", "", false);
    observer.wait_for("the end", LIMIT, |it| it.last().is_some_and(|it| it.topic == "end"));
    let seen = observer.messages();
    let seen: Vec<_> = seen.iter().map(|it| (it.topic.as_str(), it.text(), it.qos, it.retained)).collect();
    let expected =
        [("a/b", "0", 0, false), ("a/b", "1", 1, true), ("a/b", "2", 2, false), ("end", "", 2, false)];
    assert_eq!(seen, expected.map(|(topic, text, qos, retained)| (topic, text.to_owned(), qos, retained)));
    let log = mosquitto.log();
    assert!(!log.contains("Will message specified"), "{log}");
    assert_eq!(log.matches(&format!("Received DISCONNECT from {CLIENT_ID}-")).count(), 3, "{log}");
}

#[test]
fn the_daemon_beside_it_notices_nothing_not_even_a_command_that_is_killed() {
    let (mosquitto, configuration) = attic();
    let _daemon = Daemon::start(&configuration.text());
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    observer.wait_for_latest(AVAILABILITY, "online");
    assert_eq!(publish(&configuration.text(), &["--topic", "a", "b"]), (vec![], 0));

    let listen = Launch::new(&configuration.text()).subcommand("subscribe").args(&["--direct", "news"]);
    let mut command = listen.start();
    mosquitto.publish("news", "first", false);
    let own = format!("{CLIENT_ID}-{}", command.id());
    let is_subscribed = || mosquitto.log().contains(&format!("Sending SUBACK to {own}"));
    wait_until_or("the subscription", LIMIT, is_subscribed, || mosquitto.log());
    command.kill();
    let is_gone = || mosquitto.log().contains(&format!("Client {own} "));
    wait_until_or("the broker to notice", LIMIT, is_gone, || mosquitto.log());
    let arrivals = format!(" as {CLIENT_ID} (");
    assert_eq!(mosquitto.log().matches(&arrivals).count(), 1, "the daemon has had one connection");
    mosquitto.publish_at(2, AVAILABILITY, "marked", false);
    observer.wait_for_latest(AVAILABILITY, "marked");
    assert!(observer.messages().iter().all(|it| it.text() != "offline"), "{:?}", observer.messages());
}

#[test]
fn each_step_that_fails_is_named() {
    let locked = Mosquitto::start(MosquittoOptions {
        users: vec![("someone".into(), "secret".into())],
        ..MosquittoOptions::default()
    });
    let at = |port| Configuration::new(port);
    for (configuration, expected) in [
        (
            at(free_port()).set("Broker", "HOST", "nowhere.invalid"),
            "cannot find the address of nowhere.invalid",
        ),
        (at(free_port()), "cannot connect to 127.0.0.1:"),
        (at(locked.port()), "the broker refused the login (not authorized)"),
        (at(locked.port()).set("Broker", "TLS_ENABLED", "yes"), "no trusted TLS connection to 127.0.0.1:"),
    ] {
        let (errors, code) = publish(&configuration.text(), &["--topic", "a", "b"]);
        assert_eq!(code, 69, "{errors:#?}");
        assert!(errors[0].starts_with(&format!("luigi-mqtt: {expected}")), "{errors:#?}");
    }
    let (errors, code) = publish("[Broker]\nPORT=many\n", &["--topic", "a", "b"]);
    assert_eq!(code, 78, "{errors:#?}");
}

#[test]
fn a_broker_that_acknowledges_nothing_is_waited_for_no_longer_than_that() {
    let mosquitto =
        Mosquitto::start(MosquittoOptions { extra: "max_qos 1".into(), ..MosquittoOptions::default() });
    let config = Configuration::new(mosquitto.port()).text();
    // It ends the connection of whoever publishes at a QoS that it does not have.
    let (errors, code) = publish(&config, &["--topic", "a", "--qos", "2", "b"]);
    assert_eq!(code, 75, "{errors:#?}");
    assert!(errors[0].contains("before it acknowledged the message on a"), "{errors:#?}");
}

#[test]
fn a_reading_is_told_as_the_daemon_would_tell_it() {
    let (mosquitto, configuration) = attic();
    let config = configuration.text();
    let (errors, code) = publish(&config, &["attic", "21.50"]);
    assert_eq!(code, 0, "{errors:#?}");
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].contains("\"attic\" is not announced yet"), "{errors:#?}");
    let kept = mosquitto.retained("#");
    assert_eq!(kept.len(), 1, "{kept:#?}");
    let told = (kept[0].topic.as_str(), kept[0].text(), kept[0].qos);
    assert_eq!(told, ("luigi/pi/attic", "21.5".to_owned(), 1));

    for (arguments, expected) in [
        (["attic", "warm"], "sensor \"attic\": the value is \"warm\": expected a finite number"),
        (["cellar", "8"], "\"cellar\" is fed by [Sensor cellar]"),
        (["attik", "8"], "no entity is called \"attik\": expected one of attic"),
    ] {
        let (errors, code) = publish(&config, &arguments);
        assert_eq!(code, 65, "{errors:#?}");
        assert!(errors[0].contains(expected), "{errors:#?}");
    }
    assert_eq!(mosquitto.retained("#").len(), 1, "what is refused is not published");
}

#[test]
fn what_the_daemon_has_announced_is_not_said_to_be_missing_whether_it_runs_or_not() {
    let (mosquitto, configuration) = attic();
    let state = tempfile::tempdir().unwrap();
    let launch = || Launch::new(&configuration.text()).env("STATE_DIRECTORY", state.path());
    let mut daemon = launch().start();
    Observer::start(&mosquitto, &["#"]).wait_for_latest(AVAILABILITY, "online");
    for is_running in [true, false] {
        let mut command = launch().subcommand("publish").args(&["--direct", "attic", "5"]).start();
        assert_eq!(command.wait_exit(LIMIT).code(), Some(0), "{is_running}: {:#?}", command.lines());
        assert_eq!(command.lines(), [""; 0], "{is_running}");
        if is_running {
            daemon.terminate();
            daemon.wait_exit(LIMIT);
        }
    }
}

#[test]
fn what_the_broker_keeps_is_printed_once_though_two_filters_match_it() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("a/b", "kept", true);
    let launch = Launch::new(&Configuration::new(mosquitto.port()).text()).subcommand("subscribe");
    let mut command = launch.args(&["--direct", "--retained-only", "a/+", "+/b"]).start();
    assert_eq!(command.wait_exit(LIMIT).code(), Some(0), "{:#?}", command.lines());
    assert_eq!(command.lines_of(Stream::Stdout), ["a/b kept"]);
}

#[test]
fn several_are_told_in_order_over_one_connection() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let launch = Launch::new(&Configuration::new(mosquitto.port()).text());
    let lines: String = (0..500).map(|it| format!("a/{} {it}\n", it % 7)).collect();
    let input = launch.folder().join("lines");
    fs::write(&input, &lines).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
    command.arg("--config").arg(launch.folder().join("luigi-mqtt.conf"));
    command.args(["publish", "--direct", "--stdin", "--topic-lines"]).stdin(File::open(input).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    observer.wait_for("all of them", LIMIT, |it| it.len() >= 500);
    let seen: String = observer.messages().iter().map(|it| format!("{} {}\n", it.topic, it.text())).collect();
    assert_eq!(seen, lines);
    assert_eq!(mosquitto.log().matches(&format!(" as {CLIENT_ID}-")).count(), 1);
}

/// What the command with `arguments` says on a machine with this `state`: its exit code, and both streams.
fn command(config: &str, state: &Path, arguments: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let launch = Launch::new(config).env("STATE_DIRECTORY", state);
    let mut command = launch.subcommand(arguments[0]).args(&arguments[1..]).start();
    let code = command.wait_exit(2 * LIMIT).code().unwrap();
    (code, command.lines_of(Stream::Stdout), command.lines_of(Stream::Stderr))
}

/// The topics that `mosquitto` keeps of announcements.
fn announcements(mosquitto: &Mosquitto) -> Vec<String> {
    let mut topics: Vec<String> =
        mosquitto.retained("homeassistant/#").into_iter().map(|it| it.topic).collect();
    topics.sort();
    topics
}

const REGISTERED: &str =
    r#"{"version":1,"registered":{"porch":{"platform":"binary_sensor","id":"porch","name":"Porch"}}}"#;

#[test]
fn what_programs_have_registered_is_announced_with_the_rest_and_moves_with_it() {
    let (mosquitto, configuration) = attic();
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("registered.json"), REGISTERED).unwrap();
    let with_shed = configuration.clone().set("Sensor shed", "SOURCE", "socket");
    let mut daemon = Launch::new(&with_shed.text()).env("STATE_DIRECTORY", state.path()).start();
    let topic = "homeassistant/binary_sensor/luigi-pi/porch/config";
    let is_announced = || announcements(&mosquitto).iter().any(|it| it == topic);
    wait_until_or("the announcement", LIMIT, is_announced, || mosquitto.log());
    daemon.terminate();
    daemon.wait_exit(LIMIT);
    let checked = command(&configuration.text(), state.path(), &["check"]).1;
    assert!(checked.iter().any(|it| it.contains("Porch")), "{checked:#?}");

    // What is not in the message of the whole device leaves Home Assistant.
    for configuration in [with_shed, configuration.clone()] {
        let configuration = configuration.set("Discovery", "FORM", "device");
        let (code, said, errors) = command(&configuration.text(), state.path(), &["migrate"]);
        assert_eq!(code, 0, "{errors:?}");
        assert_ne!(said, ["nothing to remove and nothing to move"]);
        let kept = mosquitto.retained("homeassistant/#");
        assert_eq!(kept.len(), 1, "{kept:#?}");
        assert!(kept[0].text().contains("\"Porch\""), "{kept:#?}");
    }
    let (code, said, errors) = command(&configuration.text(), state.path(), &["withdraw", "--yes"]);
    assert_eq!(code, 0, "{errors:?}");
    assert!(said.iter().any(|it| it.contains("porch")), "{said:#?}");
    assert_eq!(announcements(&mosquitto), [""; 0]);
}

/// Registers the sensor `loft`.
const LOFT_DIRECTLY: [&str; 5] = ["register", "--direct", "sensor", "loft", "--unit=°C"];
/// Where it is announced.
const LOFT: &str = "homeassistant/sensor/luigi-pi/loft/config";

#[test]
fn what_is_registered_without_the_daemon_is_announced_now_and_kept_by_the_next_start() {
    let (mosquitto, configuration) = attic();
    let (config, state) = (configuration.text(), tempfile::tempdir().unwrap());
    // Also where nobody says so: no daemon is found.
    for arguments in [&LOFT_DIRECTLY[..], &["register", "sensor", "loft", "--unit=°C"]] {
        assert_eq!(command(&config, state.path(), arguments), (0, vec![], vec![]));
        assert!(announcements(&mosquitto).iter().any(|it| it == LOFT), "{arguments:?}");
    }
    assert_eq!(command(&config, state.path(), &["publish", "loft", "21"]), (0, vec![], vec![]));
    let announced = mosquitto.retained(LOFT)[0].text();
    let kept = fs::read_to_string(state.path().join("registered.json")).unwrap();

    let observer =
        Observer::start(&mosquitto, &["homeassistant/#", AVAILABILITY, "luigi/pi/loft/availability"]);
    let mut daemon = Launch::new(&config).env("STATE_DIRECTORY", state.path()).start();
    observer.wait_for_latest(AVAILABILITY, "online");
    observer.wait_for_latest("luigi/pi/loft/availability", "online");
    for arguments in [&LOFT_DIRECTLY[..], &["unregister", "--direct", "loft"]] {
        let (code, _, errors) = command(&config, state.path(), arguments);
        assert_eq!(code, 69, "{errors:?}");
        assert!(errors.iter().any(|it| it.contains("the daemon runs")), "{errors:?}");
    }
    daemon.terminate();
    daemon.wait_exit(LIMIT);
    assert!(observer.messages().iter().all(|it| it.topic != LOFT || it.text() == announced));
    assert_eq!(fs::read_to_string(state.path().join("registered.json")).unwrap(), kept);

    assert_eq!(command(&config, state.path(), &["unregister", "loft"]).0, 0);
    assert_eq!(mosquitto.retained("homeassistant/sensor/luigi-pi/loft/#").len(), 0);
    assert_eq!(mosquitto.retained("luigi/pi/loft/#").len(), 0);
    for file in ["registered.json", "ledger.json"] {
        let text = fs::read_to_string(state.path().join(file)).unwrap();
        assert!(!text.contains("loft"), "{file}: {text}");
    }
    assert!(announcements(&mosquitto).iter().any(|it| it.contains("/attic/")), "the others stay");
}

#[test]
fn what_cannot_be_registered_without_the_daemon_is_refused_as_the_daemon_would() {
    let (mosquitto, configuration) = attic();
    let (config, state) = (configuration.text(), tempfile::tempdir().unwrap());
    for (arguments, code, expected) in [
        (&["register", "sensor", "attic"][..], 65, "\"attic\" is that of [Sensor attic]"),
        (&["register", "sensor", "a b"], 65, "id"),
        (&["register", "kettle", "k"], 65, "kettle"),
        (&["unregister", "nobody"], 65, "no program has registered \"nobody\""),
        (&["unregister", "attic"], 65, "no program has registered \"attic\""),
        (&["register", "sensor", "loft", "--until-exit"], 69, "to start it: "),
        (&["register", "sensor", "loft", "--until-exit", "--direct"], 2, "--direct"),
    ] {
        let (found, _, errors) = command(&config, state.path(), arguments);
        assert_eq!(found, code, "{arguments:?}: {errors:?}");
        assert!(errors.iter().any(|it| it.contains(expected)), "{arguments:?}: {errors:?}");
    }
    assert_eq!(announcements(&mosquitto), [""; 0]);
    assert!(!state.path().join("registered.json").exists());
}

#[test]
fn what_is_registered_while_nobody_can_be_reached_is_announced_by_the_next_start() {
    let (mut mosquitto, configuration) = attic();
    let (config, state) = (configuration.text(), tempfile::tempdir().unwrap());
    mosquitto.stop();
    let (code, _, errors) = command(&config, state.path(), &["register", "sensor", "loft"]);
    assert_eq!(code, 69, "{errors:?}");
    assert!(errors[0].contains("the next start, or this command again"), "{errors:?}");
    mosquitto.start_again();
    let observer = Observer::start(&mosquitto, &[LOFT]);
    let _daemon = Launch::new(&config).env("STATE_DIRECTORY", state.path()).start();
    observer.wait_for("the announcement", LIMIT, |it| !it.is_empty());
}

#[test]
fn without_the_daemon_the_status_says_what_is_known() {
    let (mosquitto, configuration) = attic();
    let state = tempfile::tempdir().unwrap();
    let gone = configuration.clone().set("Broker", "PORT", free_port());
    for (config, expected) in [(configuration.text(), "  ok  "), (gone.text(), "  NO  ")] {
        for arguments in [&["status"][..], &["status", "--direct"]] {
            let (code, said, errors) = command(&config, state.path(), arguments);
            assert_eq!(code, 3, "{errors:?}");
            assert!(said[0].ends_with("the daemon does not run"), "{said:?}");
            assert!(said[1].starts_with("file      /"), "{said:?}");
            assert!(said.last().unwrap().starts_with("  "), "{said:?}");
            assert!(said.iter().any(|it| it.starts_with(expected)), "{said:?}");
        }
        let (code, said, _) = command(&config, state.path(), &["status", "--json"]);
        let told: Json = serde_json::from_str(&said[0]).unwrap();
        assert_eq!((code, said.len(), &told["running"]), (3, 1, &Json::Bool(false)), "{told}");
        assert_eq!(told["broker"]["reachable"], expected == "  ok  ", "{told}");
        assert!(told["configuration"].as_str().is_some_and(|it| it.ends_with(".conf")), "{told}");
        let failed = told["broker"]["failed"][0]["reason"].as_str();
        assert_eq!(failed.is_some_and(|it| it.contains("127.0.0.1")), expected == "  NO  ", "{told}");
    }
    let (code, said, _) = command("[Broker]\nPORT=many\n", state.path(), &["status", "--json", "--direct"]);
    assert_eq!((code, said), (3, vec![r#"{"running":false}"#.to_owned()]));
    let (code, _, errors) = command(&configuration.text(), state.path(), &["reload"]);
    assert_eq!(code, 69, "{errors:?}");
    assert!(errors.iter().any(|it| it.contains("there is nothing to reload")), "{errors:?}");
    drop(mosquitto);
}
