//! `luigi-mqtt ghosts`: what is announced and has no living owner, and how it is removed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::support::AVAILABILITY;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Outcome;
use crate::support::Stream;
use crate::support::free_port;

/// What `ghosts` with `arguments` prints to standard output and to standard error, and its exit code.
fn ghosts(configuration: &Configuration, arguments: &[&str]) -> (Vec<String>, Vec<String>, i32) {
    let arguments = [&["--listen", "1"], arguments].concat();
    let mut command = Launch::new(&configuration.text()).subcommand("ghosts").args(&arguments).start();
    let code = command.wait_exit(LIMIT).code().unwrap();
    (command.lines_of(Stream::Stdout), command.lines_of(Stream::Stderr), code)
}

/// The topics of the ghosts that `--json` shows, below the discovery prefix, each with its reason.
#[track_caller]
fn listed(configuration: &Configuration) -> Vec<(String, String)> {
    let (output, errors, code) = ghosts(configuration, &["--json"]);
    assert_eq!((errors.as_slice(), code), ([].as_slice(), 0));
    let shown: serde_json::Value = serde_json::from_str(&output.join("\n")).unwrap();
    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    let place = |it| text(it).replace("homeassistant/", "").replace("/config", "");
    shown.as_array().unwrap().iter().map(|it| (place(&it["topic"]), text(&it["reason"]))).collect()
}

/// A broker that keeps `messages`.
fn broker_with(messages: &[(&str, &str)]) -> Mosquitto {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    for (topic, payload) in messages {
        mosquitto.publish(topic, payload, true);
    }
    mosquitto
}

/// What the broker keeps, in alphabetical order.
fn kept(mosquitto: &Mosquitto) -> Vec<String> {
    let mut topics: Vec<String> = mosquitto.retained("#").into_iter().map(|it| it.topic).collect();
    topics.sort();
    topics
}

const OURS: &str = r#"{"name":"Attic","uniq_id":"luigi-pi_attic","stat_t":"luigi/pi/attic",
    "avty_t":"luigi/pi/availability","dev":{"ids":["luigi-pi"],"name":"Pi"},"o":{"name":"luigi-mqtt"}}"#;
const LAMP: &str = r#"{"name":"Lamp","uniq_id":"lamp","stat_t":"lamp/state","avty_t":"lamp/availability","dev":{"ids":"l","name":"House\u001b[2J"}}"#;
const DOOR: &str = r#"{"name":"Door","uniq_id":"door","stat_t":"door/state","avty_t":"door/availability"}"#;
const DEVICE: &str = r#"{"dev":{"ids":"h","name":"Heater"},"o":{"name":"heater"},"avty_t":"heater/availability",
    "cmps":{"a":{"p":"sensor","uniq_id":"a","stat_t":"heater/a"},"b":{"p":"sensor","uniq_id":"b","stat_t":"heater/b"}}}"#;

/// Living and dead owners, in both forms, and rubbish.
const HOUSE: &[(&str, &str)] = &[
    ("homeassistant/sensor/luigi-pi/attic/config", OURS),
    ("luigi/pi/attic", "21.5"),
    (AVAILABILITY, "offline"),
    ("homeassistant/light/lamp/config", LAMP),
    ("lamp/availability", "offline"),
    ("lamp/state", r#"{"last_seen":"2025-01-01T00:00:00Z"}"#),
    ("homeassistant/binary_sensor/door/config", DOOR),
    ("door/availability", "online"),
    ("homeassistant/device/heater/config", DEVICE),
    ("homeassistant/sensor/broken/config", "{"),
    ("homeassistant/sensor/null/config", "null"),
];

#[test]
fn ghosts_are_listed_with_reasons_and_nothing_is_touched() {
    let mosquitto = broker_with(HOUSE);
    let before = kept(&mosquitto);
    let configuration = Configuration::new(mosquitto.port());
    let expected =
        [("device/heater", "silent"), ("light/lamp", "offline"), ("sensor/luigi-pi/attic", "not_configured")];
    assert_eq!(listed(&configuration), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let (table, errors, code) = ghosts(&configuration, &[]);
    assert_eq!((errors.as_slice(), code, table.len()), ([].as_slice(), 0, 4), "{table:#?}");
    assert!(table[1].starts_with("perhaps  unknown    Heater "), "{table:#?}");
    assert!(table[2].contains("says that it is offline: switched off, asleep or gone"), "{table:#?}");
    assert!(table[2].contains(" d ago "), "{table:#?}");
    assert!(table[3].starts_with("certain  unknown    Pi: Attic "), "{table:#?}");
    assert!(table.iter().all(|it| !it.contains(char::is_control)), "{table:#?}");
    assert_eq!(kept(&mosquitto), before);
}

#[test]
fn what_is_certain_is_removed_with_what_is_its_own() {
    let mosquitto = broker_with(HOUSE);
    let mut before = kept(&mosquitto);
    let configuration = Configuration::new(mosquitto.port());
    let (_, errors, code) = ghosts(&configuration, &["--clear"]);
    assert_eq!(code, 2, "nobody can be asked");
    assert!(errors.last().unwrap().contains("--yes"), "{errors:#?}");
    assert_eq!(kept(&mosquitto), before);

    let (_, errors, code) = ghosts(&configuration, &["--clear", "--yes"]);
    assert_eq!(
        (errors, code),
        (
            [
                "to be removed from the broker:",
                "  homeassistant/sensor/luigi-pi/attic/config",
                "  luigi/pi/attic",
                "removed"
            ]
            .map(str::to_owned)
            .to_vec(),
            0
        )
    );
    before.retain(|it| !it.contains("attic"));
    assert_eq!(kept(&mosquitto), before);

    let (_, errors, code) = ghosts(&configuration, &["--clear", "--yes"]);
    assert_eq!((errors.len(), code), (1, 0), "{errors:#?}");
    assert_eq!(kept(&mosquitto), before);
}

#[test]
fn what_is_named_is_removed_and_nothing_else() {
    let mosquitto = broker_with(HOUSE);
    let mut before = kept(&mosquitto);
    let configuration = Configuration::new(mosquitto.port());
    let (_, errors, code) =
        ghosts(&configuration, &["--clear", "--yes", "homeassistant/binary_sensor/door/config"]);
    assert_eq!(code, 2, "it lives");
    assert!(errors[0].contains("is none of the ghosts"), "{errors:#?}");
    assert_eq!(kept(&mosquitto), before);

    let heater = "homeassistant/device/heater/config";
    assert_eq!(ghosts(&configuration, &["--clear", "--yes", heater]).2, 0);
    before.retain(|it| it != heater);
    assert_eq!(kept(&mosquitto), before);
}

#[test]
fn what_the_broker_does_not_let_go_is_not_called_removed() {
    let users = vec![("luigi".to_owned(), "secret".to_owned())];
    let acl = "user luigi\ntopic read #\ntopic write luigi/#\n".to_owned();
    let mosquitto = Mosquitto::start(MosquittoOptions { users, acl: Some(acl), ..Default::default() });
    mosquitto.publish("homeassistant/sensor/luigi-pi/attic/config", OURS, true);
    mosquitto.publish("luigi/pi/attic", "21.5", true);
    let configuration = Configuration::new(mosquitto.port());
    let configuration =
        configuration.set("Authentication", "USERNAME", "luigi").set("Authentication", "PASSWORD", "secret");
    let (_, errors, code) = ghosts(&configuration, &["--clear", "--yes"]);
    assert_eq!(code, 69, "{errors:#?}");
    assert_eq!(
        errors.last().unwrap(),
        "the broker still keeps homeassistant/sensor/luigi-pi/attic/config: check that it allows this user to publish there"
    );
    assert_eq!(kept(&mosquitto), ["homeassistant/sensor/luigi-pi/attic/config"]);
}

#[test]
fn who_sits_at_a_terminal_is_asked() {
    let mosquitto = broker_with(HOUSE);
    let before = kept(&mosquitto);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("luigi-mqtt.conf");
    std::fs::write(&path, Configuration::new(mosquitto.port()).text()).unwrap();
    let answer = |said: &str| {
        let program = env!("CARGO_BIN_EXE_luigi-mqtt");
        let command = format!("{program} ghosts --listen 1 --clear --config {}", path.display());
        // It has a terminal of its own for what it runs, and types there what it is told.
        let typed = format!("echo {said} | script --quiet --return --command '{command}' /dev/null");
        let output = Command::new("sh").args(["-c", &typed]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = answer("n");
    assert!(shown.contains("Remove? [y/N]") && shown.contains("nothing was removed"), "{shown}");
    assert_eq!(kept(&mosquitto), before);
    let shown = answer("y");
    assert!(shown.trim_end().ends_with("removed") && !shown.contains("nothing was"), "{shown}");
    assert!(!kept(&mosquitto).iter().any(|it| it.contains("attic")));
}

#[test]
fn a_daemon_that_runs_meanwhile_is_not_disturbed_and_what_it_no_longer_announces_is_found() {
    let mosquitto = broker_with(&[]);
    let configuration = Configuration::new(mosquitto.port());
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let mut daemon = Daemon::start(&configuration.text());
    observer.wait_for_latest(AVAILABILITY, "online");
    daemon.wait_for_line("announced");
    observer.clear();
    assert_eq!(listed(&configuration), []);
    let found = listed(&configuration.set("Host", "SENSORS", "load"));
    assert!(found.contains(&("sensor/luigi-pi/cpu_temperature".to_owned(), "not_configured".to_owned())));
    assert!(found.iter().all(|(place, reason)| !place.contains("load_") && reason == "not_configured"));
    assert_eq!(observer.messages(), []);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn who_may_not_read_what_the_daemon_has_noted_takes_nothing_for_a_ghost() {
    let mosquitto = broker_with(HOUSE);
    let before = kept(&mosquitto);
    let folder = tempfile::tempdir().unwrap();
    let (state, file) = (folder.path().join("state"), folder.path().join("luigi-mqtt.conf"));
    fs::create_dir(&state).unwrap();
    let configuration = Configuration::new(mosquitto.port()).set("Spool", "DIRECTORY", state.display());
    fs::write(&file, configuration.text()).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (&file, 0o644), (&state, 0o600)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
        command.arg("--config").arg(&file).args(arguments);
        if geteuid().is_root() {
            // Nobody: the folder is root's alone.
            command.uid(65_534).gid(65_534);
        }
        Outcome::of(&mut command, b"")
    };
    for arguments in [
        &["ghosts", "--listen", "1"][..],
        &["ghosts", "--listen", "1", "--clear", "--yes"],
        &["migrate"],
        &["withdraw", "--yes"],
        &["unregister", "attic", "--direct"],
    ] {
        let outcome = run(arguments);
        assert_eq!((outcome.code, outcome.output.as_str()), (77, ""), "{arguments:?}: {outcome:?}");
        assert!(outcome.errors.contains("ledger.json: Permission denied"), "{outcome:?}");
        assert!(outcome.errors.ends_with("try again with sudo\n"), "{outcome:?}");
    }
    assert_eq!(kept(&mosquitto), before);
    let checked = run(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.output.contains("warning: what programs have registered is not known"), "{checked:?}");
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    let refused = run(&["check"]);
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.errors.contains("cannot be read by this user; root can (sudo)"), "{refused:?}");
}

#[test]
fn a_broker_that_is_away_is_said_so() {
    let (output, errors, code) = ghosts(&Configuration::new(free_port()), &[]);
    assert_eq!((output.len(), errors.len(), code), (0, 1, 69), "{errors:#?}");
    assert!(errors[0].contains("127.0.0.1:"), "{errors:#?}");
}
