//! `subscribe`, `devices`, `get` and `set`, by a connection of their own at a real broker.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Process;
use crate::support::Stream;
use crate::support::wait_until_or;

/// The command `name --direct` with `arguments`, at `mosquitto`.
fn start(mosquitto: &Mosquitto, name: &str, arguments: &[&str]) -> Daemon {
    let arguments = [&["--direct"], arguments].concat();
    Launch::new(&Configuration::new(mosquitto.port()).text()).subcommand(name).args(&arguments).start()
}

/// What it has printed to standard output and to standard error at its end, and its exit code.
#[track_caller]
fn ended(mut command: Daemon) -> (Vec<String>, Vec<String>, i32) {
    let code = command.wait_exit(LIMIT).code().unwrap();
    (command.lines_of(Stream::Stdout), command.lines_of(Stream::Stderr), code)
}

fn run(mosquitto: &Mosquitto, name: &str, arguments: &[&str]) -> (Vec<String>, Vec<String>, i32) {
    ended(start(mosquitto, name, arguments))
}

#[test]
fn messages_are_printed_once_each_as_they_come() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("a/kept", "old", true);
    let command = start(&mosquitto, "subscribe", &["a/+", "a/#", "-n", "4"]);
    command.wait_for_line("a/kept old");
    mosquitto.publish("a/new", "one\ntwo", false);
    mosquitto.publish("a/bytes", [0xff, 0], false);
    mosquitto.publish("a/b/c", "deep", false);
    let expected = ["a/kept old", r"a/new one\ntwo", "a/bytes /wA= (no text: base64)", "a/b/c deep"];
    assert_eq!(ended(command), (expected.map(str::to_owned).to_vec(), vec![], 0));
}

#[test]
fn what_the_broker_keeps_can_be_had_alone_or_left_out() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("a/kept", "old", true);
    let kept = r#"{"payload":"old","retained":true,"topic":"a/kept"}"#.to_owned();
    assert_eq!(run(&mosquitto, "subscribe", &["a/#", "--retained-only", "--json"]), (vec![kept], vec![], 0));
    let news = ["a/#", "--no-retained", "-n", "1", "--for", "0.5"];
    assert_eq!(run(&mosquitto, "subscribe", &news), (vec![], vec![], 124));
}

#[test]
fn listening_outlasts_the_broker_and_ends_in_order_at_ctrl_c() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("a", "first", true);
    let command = start(&mosquitto, "subscribe", &["a"]);
    command.wait_for_line("a first");
    mosquitto.stop();
    command.wait_for_line("trying again");
    mosquitto.start_again();
    command.wait_for_line("connected again");
    mosquitto.publish("a", "second", true);
    command.wait_for_line("a second");
    command.signal(Signal::SIGINT);
    let (output, _, code) = ended(command);
    assert_eq!((output, code), (vec!["a first".to_owned(), "a second".to_owned()], 0));
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("a", "first", true);
    let launch = Launch::new(&Configuration::new(mosquitto.port()).text());
    let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
    command.arg("--config").arg(launch.folder().join("luigi-mqtt.conf")).args(["subscribe", "--direct", "a"]);
    let mut process =
        Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut lines = BufReader::new(process.stdout()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "a first");
    drop(lines);
    let has_ended = || {
        mosquitto.publish("a", "more", false);
        process.ended().is_some()
    };
    wait_until_or("the end", LIMIT, has_ended, || mosquitto.log());
    assert_eq!(process.wait_exit(LIMIT).code(), Some(0));
    assert_eq!(BufReader::new(process.stderr()).lines().count(), 0);
}

#[test]
fn what_a_full_disk_does_not_take_is_told_by_the_exit_code() {
    let mosquitto = house();
    let launch = Launch::new(&Configuration::new(mosquitto.port()).text());
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
        command.arg("--config").arg(launch.folder().join("luigi-mqtt.conf")).args(arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()));
        let errors: Vec<String> = BufReader::new(process.stderr()).lines().map(Result::unwrap).collect();
        let expected = "luigi-mqtt: cannot write to standard output: No space left on device (os error 28)";
        assert_eq!((errors, process.wait_exit(LIMIT).code()), (vec![expected.to_owned()], Some(74)));
    };
    // The first of them would not end by itself.
    check(&["subscribe", "--direct", "#"]);
    check(&["devices", "--direct", "--json"]);
    check(&["devices", "--direct", "--watch"]);
    check(&["get", "--direct", "lamp", "state"]);
    check(&["check"]);
    check(&["templates"]);
    check(&["completions", "fish"]);
}

const LAMP: &str = r#"{"name":"Lamp","uniq_id":"lamp","schema":"json","stat_t":"lamp","cmd_t":"lamp/set","brightness":true,
    "sup_clrm":["brightness"],"avty_t":"lamp/availability","dev":{"ids":"h","name":"House"}}"#;
const ATTIC: &str = r#"{"name":"Attic","uniq_id":"luigi-pi_attic","stat_t":"luigi/pi/attic","unit_of_meas":"°C","dev":{"ids":"p"}}"#;

/// A broker that keeps what a lamp and a sensor of ours have announced and told.
fn house() -> Mosquitto {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    for (topic, payload) in [
        ("homeassistant/light/lamp/config", LAMP),
        ("homeassistant/sensor/luigi-pi/attic/config", ATTIC),
        ("lamp/availability", "online"),
        ("lamp", r#"{"state":"OFF"}"#),
        ("luigi/pi/attic", "21.5"),
    ] {
        mosquitto.publish(topic, payload, true);
    }
    mosquitto
}

#[test]
fn devices_are_listed_and_looked_at() {
    let mosquitto = house();
    let (output, errors, code) = run(&mosquitto, "devices", &[]);
    assert_eq!((errors, code), (vec![], 0));
    let cells: Vec<Vec<&str>> = output.iter().map(|it| it.split_whitespace().collect()).collect();
    assert_eq!(
        cells,
        [
            vec!["NAME", "ID", "PLATFORM", "DEVICE", "STATE"],
            vec!["Lamp", "lamp", "light", "House", "off"],
            vec!["Attic", "luigi-pi_attic", "sensor", "21.5", "°C"],
        ]
    );
    let (output, ..) = run(&mosquitto, "devices", &["--json", "HOUSE"]);
    let shown: Vec<Value> = output.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(shown.len(), 1, "{output:#?}");
    assert_eq!((&shown[0]["id"], &shown[0]["state"]["state"]), (&"lamp".into(), &"off".into()));
    assert_eq!(run(&mosquitto, "devices", &["cellar"]).2, 1);

    // One of ours by the id that we have for it.
    for (arguments, expected) in [(["lamp", "state"], "off"), (["attic", "state"], "21.5")] {
        assert_eq!(run(&mosquitto, "get", &arguments), (vec![expected.to_owned()], vec![], 0));
    }
    let (_, errors, code) = run(&mosquitto, "get", &["cellar"]);
    assert_eq!(code, 65, "{errors:#?}");
    assert!(errors[0].ends_with("expected one of those that `devices` lists"), "{errors:#?}");
    let (_, errors, code) = run(&mosquitto, "get", &["lamp", "effect"]);
    assert_eq!(code, 1, "{errors:#?}");
}

#[test]
fn a_device_is_moved_and_waited_for() {
    let mosquitto = house();
    let observer = Observer::start(&mosquitto, &["lamp/set"]);
    let command = start(&mosquitto, "set", &["lamp", "on", "brightness=80", "--wait"]);
    observer.wait_for("the command", LIMIT, |it| !it.is_empty());
    let asked: Value = serde_json::from_slice(&observer.messages()[0].payload).unwrap();
    assert_eq!(asked, serde_json::json!({"state": "ON", "brightness": 80}));
    mosquitto.publish("lamp", r#"{"state":"ON","color_mode":"brightness","brightness":80}"#, true);
    assert_eq!(ended(command), (vec![], vec![], 0));

    let (_, errors, code) = run(&mosquitto, "set", &["lamp", "off", "--wait=0.2"]);
    assert_eq!((errors.len(), code), (1, 124), "{errors:#?}");
    assert!(errors[0].ends_with("its state is on"), "{errors:#?}");
    for (words, expected) in [
        (["lamp", "brightness=300"], "cannot set brightness: expected 0 to 255"),
        (["attic", "5"], "cannot set a sensor that takes no commands"),
        (["cellar", "on"], "expected one of those that `devices` lists"),
    ] {
        let (_, errors, code) = run(&mosquitto, "set", &words);
        assert_eq!(code, 65, "{errors:#?}");
        assert!(errors[0].contains(expected), "{errors:#?}");
    }
    mosquitto.publish("lamp/availability", "offline", true);
    let (_, errors, code) = run(&mosquitto, "set", &["lamp", "on"]);
    assert_eq!(code, 65, "{errors:#?}");
    assert_eq!(observer.messages().len(), 2, "{:#?}", observer.messages());
}

#[test]
fn changes_are_told_until_ctrl_c() {
    let mosquitto = house();
    let command = start(&mosquitto, "devices", &["--watch"]);
    command.wait_for_line("lamp (Lamp) off");
    mosquitto.publish("lamp", r#"{"state":"ON"}"#, true);
    command.wait_for_line("lamp (Lamp) on");
    mosquitto.publish("homeassistant/light/lamp/config", "", true);
    command.wait_for_line("lamp is gone");
    command.signal(Signal::SIGINT);
    assert_eq!(ended(command).2, 0);
}
