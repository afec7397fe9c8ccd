//! `luigi-mqtt migrate` and `withdraw` against Mosquitto, from a ledger that an earlier start has left.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{Flock, FlockArg};

use crate::support::Configuration;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Stream;
use crate::support::free_port;

/// What an earlier start has announced: the processor's temperature as this configuration has it, the same where the host was
/// called otherwise, and a sensor that nobody has configured.
const LEDGER: &str = r#"{
  "version": 1, "machine": "", "node": "luigi-pi", "identity": "luigi-old",
  "announced": [
    {
      "config": "homeassistant/sensor/luigi-old/cpu_temperature/config", "form": "entity",
      "owner": "Host cpu_temperature", "since": "2026-01-01T00:00:00Z", "entity": "cpu_temperature",
      "platform": "sensor", "unique_id": "luigi-old_cpu_temperature",
      "retained": ["luigi/old/availability", "luigi/old/cpu_temperature"]
    },
    {
      "config": "homeassistant/sensor/luigi-old/attic/config", "form": "entity",
      "owner": "Sensor attic", "since": "2026-01-01T00:00:00Z", "entity": "attic",
      "platform": "sensor", "unique_id": "luigi-old_attic",
      "retained": ["luigi/old/availability", "luigi/old/attic"]
    }
  ]
}"#;

const RETAINED: [&str; 5] = [
    "homeassistant/sensor/luigi-old/cpu_temperature/config",
    "homeassistant/sensor/luigi-old/attic/config",
    "luigi/old/availability",
    "luigi/old/cpu_temperature",
    "luigi/old/attic",
];

/// A state directory with that ledger, and where it is.
fn state() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.json");
    fs::write(&ledger, LEDGER).unwrap();
    (folder, ledger)
}

/// A broker with all that an earlier start has announced, and a topic of somebody else's.
fn broker() -> Mosquitto {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    for topic in RETAINED.iter().chain(&["homeassistant/sensor/luigi-old/other/config"]) {
        mosquitto.publish(topic, "{}", true);
    }
    mosquitto
}

/// Runs `command` with the state directory `state`. Returns its exit code and what it says.
fn run(
    port: u16,
    state: &Path,
    command: &str,
    arguments: &[&str],
) -> (Option<i32>, Vec<String>, Vec<String>) {
    let configuration = Configuration::new(port).set("Spool", "DIRECTORY", state.display()).set(
        "Host",
        "SENSORS",
        "cpu_temperature",
    );
    let mut process = Launch::new(&configuration.text()).subcommand(command).args(arguments).start();
    let code = process.wait_exit(2 * LIMIT).code();
    (code, process.lines_of(Stream::Stdout), process.lines_of(Stream::Stderr))
}

fn topics(mosquitto: &Mosquitto) -> Vec<String> {
    let mut topics: Vec<String> = mosquitto.retained("#").into_iter().map(|it| it.topic).collect();
    topics.sort();
    topics
}

#[test]
fn what_is_shown_first_is_not_done() {
    let (mosquitto, (state, ledger)) = (broker(), state());
    let before = topics(&mosquitto);
    let (code, said, errors) = run(mosquitto.port(), state.path(), "migrate", &["--dry-run"]);
    assert_eq!((code, errors), (Some(0), vec![]));
    assert_eq!(
        said,
        [
            "to remove: sensor attic of [Sensor attic], announced on homeassistant/sensor/luigi-old/attic/config",
            "to move: sensor cpu_temperature from homeassistant/sensor/luigi-old/cpu_temperature/config to homeassistant/sensor/luigi-pi/cpu_temperature/config, with its history",
            "to empty: homeassistant/sensor/luigi-old/cpu_temperature/config",
            "to empty: luigi/old/attic",
            "to empty: luigi/old/availability",
            "to empty: luigi/old/cpu_temperature",
        ]
    );
    let (code, said, _) = run(mosquitto.port(), state.path(), "withdraw", &["--dry-run"]);
    assert_eq!((code, said.len()), (Some(0), 5), "{said:#?}");
    let (code, _, errors) = run(mosquitto.port(), state.path(), "withdraw", &[]);
    let nobody = "luigi-mqtt: nobody is there to be asked; --yes removes without a question";
    assert_eq!((code, errors), (Some(2), vec![nobody.to_owned()]));
    assert_eq!(topics(&mosquitto), before);
    assert_eq!(fs::read_to_string(ledger).unwrap(), LEDGER);
}

#[test]
fn a_migration_removes_then_moves_then_announces_and_empties_the_old_topics_last() {
    let (mosquitto, (state, ledger)) = (broker(), state());
    let observer = Observer::start(&mosquitto, &["#"]);
    observer.clear();
    let (code, _, errors) = run(mosquitto.port(), state.path(), "migrate", &[]);
    assert_eq!((code, errors), (Some(0), vec![]));
    let moved = "homeassistant/sensor/luigi-pi/cpu_temperature/config";
    let seen = observer.messages();
    let seen: Vec<(&str, &str)> =
        seen.iter().map(|it| (it.topic.as_str(), std::str::from_utf8(&it.payload).unwrap())).collect();
    assert_eq!(seen[0], (RETAINED[1], ""));
    assert_eq!(seen[1], (RETAINED[0], r#"{"migrate_discovery": true}"#));
    assert_eq!(seen[2].0, moved);
    assert!(seen[2].1.contains(r#""unique_id":"luigi-old_cpu_temperature""#), "{}", seen[2].1);
    assert_eq!(seen[3..], [RETAINED[0], RETAINED[4], RETAINED[2], RETAINED[3]].map(|it| (it, "")));
    assert_eq!(topics(&mosquitto), ["homeassistant/sensor/luigi-old/other/config", moved]);
    let known = fs::read_to_string(ledger).unwrap();
    assert!(known.contains(moved) && !known.contains("attic"), "{known}");

    let (code, said, _) = run(mosquitto.port(), state.path(), "migrate", &[]);
    assert_eq!((code, said.as_slice()), (Some(0), &["nothing to remove and nothing to move".to_owned()][..]));
}

#[test]
fn who_sits_at_a_terminal_is_asked_before_a_withdrawal() {
    let (mosquitto, (state, ledger)) = (broker(), state());
    let configuration =
        Configuration::new(mosquitto.port()).set("Spool", "DIRECTORY", state.path().display());
    let path = state.path().join("luigi-mqtt.conf");
    fs::write(&path, configuration.text()).unwrap();
    let answer = |said: &str| {
        let command = format!("{} withdraw --config {}", env!("CARGO_BIN_EXE_luigi-mqtt"), path.display());
        let typed = format!("echo {said} | script --quiet --return --command '{command}' /dev/null");
        let output = Command::new("sh").args(["-c", &typed]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let before = topics(&mosquitto);
    let shown = answer("n");
    let question = "Remove 2 entities, with their history, from Home Assistant? [y/N]";
    assert!(shown.contains(question) && shown.contains("nothing was removed"), "{shown}");
    assert_eq!(topics(&mosquitto), before);
    answer("y");
    assert_eq!(topics(&mosquitto), ["homeassistant/sensor/luigi-old/other/config"]);
    assert!(!ledger.exists());
}

#[test]
fn a_withdrawal_leaves_what_is_of_others_and_no_ledger() {
    let (mosquitto, (state, ledger)) = (broker(), state());
    let (code, _, errors) = run(mosquitto.port(), state.path(), "withdraw", &["--yes"]);
    assert_eq!((code, errors), (Some(0), vec![]));
    assert_eq!(topics(&mosquitto), ["homeassistant/sensor/luigi-old/other/config"]);
    assert!(!ledger.exists());
    let (code, said, _) = run(mosquitto.port(), state.path(), "withdraw", &["--yes"]);
    assert_eq!(code, Some(0));
    assert_eq!(said, ["nothing to remove: the ledger knows of nothing that was announced"]);
}

#[test]
fn where_the_broker_does_not_answer_it_says_what_is_left_and_keeps_the_ledger() {
    let (state, ledger) = state();
    let (code, _, errors) = run(free_port(), state.path(), "withdraw", &["--yes"]);
    assert_eq!(code, Some(69), "{errors:#?}");
    assert!(errors[0].contains("the broker has not acknowledged 5 messages: "), "{errors:#?}");
    let mut left: Vec<&str> = errors[1..].iter().map(|it| it.strip_prefix("left: ").unwrap()).collect();
    left.sort_unstable();
    let mut expected = RETAINED;
    expected.sort_unstable();
    assert_eq!(left, expected);
    let known = fs::read_to_string(ledger).unwrap();
    assert!(known.contains("luigi-old_attic"), "{known}");
}

#[test]
fn while_the_daemon_has_the_ledger_in_use_it_is_shown_and_not_touched() {
    let (mosquitto, (state, ledger)) = (broker(), state());
    let before = topics(&mosquitto);
    let held = Flock::lock(File::open(state.path()).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
    for (command, arguments, expected) in [
        ("migrate", &["--dry-run"][..], 0),
        ("withdraw", &["--dry-run"], 0),
        ("migrate", &[], 69),
        ("withdraw", &["--yes"], 69),
    ] {
        let (code, said, errors) = run(mosquitto.port(), state.path(), command, arguments);
        assert_eq!(code, Some(expected), "{command} {arguments:?}: {errors:?}");
        assert!(said[0].starts_with("to remove: "), "{said:?}");
        assert_eq!(errors.iter().any(|it| it.contains("the daemon runs")), expected != 0, "{errors:?}");
    }
    assert_eq!(topics(&mosquitto), before);
    assert_eq!(fs::read_to_string(ledger).unwrap(), LEDGER);
    drop(held);
}
