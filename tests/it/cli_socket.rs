//! How commands find the daemon, and what they say where they do not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::unistd::geteuid;

use crate::support::Outcome;
use crate::support::Script;
use crate::support::bare;

/// A machine whose configuration file, in the default place, is `text`.
fn machine(text: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/luigi/iot/luigi-mqtt");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("luigi-mqtt.conf"), text).unwrap();
    root
}

fn run(arguments: &[&str], root: &Path, variables: &[(&str, &Path)]) -> Outcome {
    Outcome::of(bare(arguments, root).envs(variables.iter().copied()), b"")
}

#[test]
fn the_socket_is_where_the_option_the_variable_or_the_configuration_says() {
    let accepted = r#"{"ok":"accepted"}"#;
    let [option, variable, named, default] = std::array::from_fn(|_| Script::always(accepted));
    let root = machine(&format!("[Socket]\nPATH={}\n", default.path().display()));
    let config = root.path().join("named.conf");
    fs::write(&config, format!("[Socket]\nPATH={}\n", named.path().display())).unwrap();
    let by_option = ["publish", "a", "1", "--socket", option.path().to_str().unwrap()].map(str::to_owned);
    let by_option: Vec<&str> = by_option.iter().map(String::as_str).collect();
    let path = variable.path();
    let by_variable = ("LUIGI_MQTT_SOCKET", path.as_path());
    let by_config = ["publish", "a", "1", "--config", config.to_str().unwrap()];
    for (script, arguments, variables) in [
        (&option, by_option.as_slice(), [by_variable].as_slice()),
        (&variable, &by_config, &[by_variable]),
        (&named, &by_config, &[]),
        (&named, &by_config[..3], &[("MQTT_CONFIG_FILE", config.as_path())]),
        (&default, &by_config[..3], &[]),
    ] {
        let before = script.asked().len();
        let outcome = run(arguments, root.path(), variables);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        assert_eq!(script.asked().len(), before + 1, "{arguments:?}");
    }
}

#[test]
fn a_mistake_in_the_configuration_keeps_nobody_from_a_socket_that_is_known() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    let root = machine("[Sokcet]\nPATH=here\n");
    let path = script.path();
    let outcome = run(&["publish", "a", "1"], root.path(), &[("LUIGI_MQTT_SOCKET", &path)]);
    assert_eq!((outcome.errors.as_str(), outcome.code), ("", 0));
}

#[test]
fn a_configuration_that_is_named_and_wrong_is_not_passed_over() {
    let root = machine("");
    let config = root.path().join("wrong.conf");
    fs::write(&config, "[Sokcet]\n").unwrap();
    let outcome = run(&["reload", "--config", config.to_str().unwrap()], root.path(), &[]);
    assert_eq!(outcome.code, 78, "{outcome:?}");
    assert!(outcome.errors.contains("wrong.conf:1: [Sokcet]: unknown section"), "{outcome:?}");
}

#[test]
fn a_socket_that_is_switched_off_is_named_as_such() {
    let root = machine("[Socket]\nENABLED=no\n");
    let outcome = run(&["reload"], root.path(), &[]);
    assert_eq!(outcome.code, 69, "{outcome:?}");
    assert!(outcome.errors.contains("[Socket] ENABLED=no"), "{outcome:?}");
}

#[test]
fn where_no_daemon_runs_it_is_said_how_to_start_it() {
    let root = tempfile::tempdir().unwrap();
    let gone = root.path().join("gone.sock");
    // One that has ended leaves its socket behind.
    let dead = root.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    for (path, start) in [(&gone, "luigi-mqtt run"), (&dead, "sudo systemctl start luigi-mqtt")] {
        if start.contains("systemctl") {
            // What a machine has on which systemd runs.
            fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        }
        let outcome = run(&["publish", "a", "1", "--socket", path.to_str().unwrap()], root.path(), &[]);
        assert_eq!(outcome.code, 69, "{outcome:?}");
        let lines: Vec<&str> = outcome.errors.lines().collect();
        assert!(lines[0].contains(path.to_str().unwrap()), "{lines:#?}");
        assert_eq!(lines[1..], [format!("to start it: {start}")]);
    }
}

#[test]
fn who_may_not_open_the_socket_is_told_which_group_to_join() {
    let script = Script::always(r#"{"ok":"accepted"}"#);
    let mut command = script.command(&["publish", "a", "1"]);
    if geteuid().is_root() {
        // Nobody: the folder is root's alone.
        command.uid(65_534).gid(65_534);
    }
    fs::set_permissions(script.path(), Permissions::from_mode(0o000)).unwrap();
    let outcome = Outcome::of(&mut command, b"");
    assert_eq!(outcome.code, 77, "{outcome:?}");
    assert!(outcome.errors.starts_with("luigi-mqtt: not permitted to open "), "{outcome:?}");
    assert!(outcome.errors.contains("sudo usermod -aG "), "{outcome:?}");
    assert_eq!(script.asked(), [""; 0]);
}
