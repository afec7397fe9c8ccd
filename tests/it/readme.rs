//! The README keeps its word: its first command shows readings arriving, its configuration is one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use luigi_mqtt::config::Config;
use luigi_mqtt::config::Environment;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// The code blocks of `language` in the README, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(REPOSITORY).join("README.md")).unwrap();
    let begin = format!("```{language}\n");
    readme.split(&begin).skip(1).map(|it| it.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_first_command_shows_the_readings_of_this_machine_arriving() {
    let command = blocks("sh").remove(0);
    let mut demo = Command::new("sh")
        .args(["-c", &format!("exec {command}")])
        .current_dir(REPOSITORY)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(demo.stdout.take().unwrap());
    let (found, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = found.send(line);
        }
    });
    // It is a build that may have to be made first.
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line.starts_with("Memory use")) {
        match lines.recv_timeout(Duration::from_secs(600)) {
            Ok(line) => seen.push(line),
            Err(_) => panic!("no table in {seen:#?}"),
        }
    }
    assert!(seen.iter().any(|it| it.starts_with("[MOCK] luigi/") && it.ends_with("/availability = online")));
    killpg(Pid::from_raw(demo.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(0), "Ctrl-C ends it in order");
    assert!(lines.iter().any(|it| it.ends_with("/availability = offline")), "and it says so");
}

#[test]
fn the_smallest_configuration_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("luigi-mqtt.conf");
    fs::write(&path, &blocks("ini")[0]).unwrap();
    let config = Config::load(Some(&path), &Environment::new("pi", folder.path())).unwrap();
    assert_eq!(config.broker.endpoints[0].host, "homeassistant.local");
    assert_eq!(config.credentials.unwrap().username, "luigi");
}

#[test]
fn the_sections_are_what_they_are_shown_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("luigi-mqtt.conf");
    let blocks = blocks("ini");
    assert_eq!(blocks.len(), 2);
    fs::write(&path, &blocks[1]).unwrap();
    let config = Config::load(Some(&path), &Environment::new("pi", folder.path())).unwrap();
    let ids: Vec<&str> = config.declared.iter().map(|it| it.entity.id().as_str()).collect();
    assert_eq!(ids, ["attic", "hall", "pump", "cpu_clock", "backup_age"]);
}

#[test]
fn two_commands_are_all_it_takes() {
    assert_eq!(blocks("sh"), ["scripts/demo\n", "scripts/test\n"]);
}

#[test]
fn the_examples_are_started_as_they_say_themselves() {
    let readme = fs::read_to_string(Path::new(REPOSITORY).join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|it| it.strip_prefix("| `cargo run --example "));
    let commands: Vec<&str> = rows.map(|it| it.split('`').next().unwrap()).collect();
    for command in &commands {
        let path = format!("examples/{}.rs", command.split(' ').next().unwrap());
        let text = fs::read_to_string(Path::new(REPOSITORY).join(&path)).unwrap();
        let own = format!("//! MQTT_BROKER_HOST=homeassistant.local cargo run --example {command}\n");
        assert!(text.contains(&own), "{path}: {command}");
    }
    assert_eq!(commands.len(), 5);
}
