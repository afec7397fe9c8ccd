//! The README keeps its word: its first command shows readings arriving, its configuration is one.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::iter;
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

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Outcome;
use crate::support::Producer;
use crate::support::wait_until_or;

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
    assert_eq!(blocks("sh")[..2], ["scripts/demo\n", "scripts/test\n"]);
}

/// The commands of the sections for who has a daemon, as they stand there and in that order; then what is left with the broker.
#[test]
fn what_other_programs_are_shown_to_do_is_done() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let daemon = Daemon::start(&Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").text());
    Producer::connect(&daemon);
    // What is said of set-up scripts/test-setup does.
    let [_, publish, fare] = <[String; 3]>::try_from(blocks("sh").split_off(2)).unwrap();
    let line = blocks("cron").remove(0);
    // Five fields say when; what is behind them is for a shell.
    let by_cron = line.splitn(6, ' ').last().unwrap().trim().to_owned();
    for commands in [publish, by_cron, fare] {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &commands]).env("LUIGI_MQTT_SOCKET", daemon.socket());
        let outcome = Outcome::of(shell.env("PATH", path_with_us()), b"");
        assert_eq!((outcome.errors.as_str(), outcome.code), ("", 0), "{commands}\n{outcome:?}");
    }
    wait_for_kept(&mosquitto, "luigi/pi/attic", |it| it == "21.8");
    wait_for_kept(&mosquitto, "luigi/pi/users", |it| it.parse::<u32>().is_ok());
}

#[test]
fn what_a_python_program_is_shown_to_do_is_done() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let daemon = Daemon::start(&Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").text());
    Producer::connect(&daemon);
    let mut python = Command::new("python3");
    python.args(["-c", &blocks("python")[0]]).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("PYTHONPATH", Path::new(REPOSITORY).join("packaging/python"));
    let outcome = Outcome::of(python.env("LUIGI_MQTT_SOCKET", daemon.socket()), b"");
    assert_eq!((outcome.errors.as_str(), outcome.code), ("", 0));
    wait_for_kept(&mosquitto, "luigi/pi/porch", |it| it == "ON");
}

/// The search path, with this `luigi-mqtt` before any other.
fn path_with_us() -> OsString {
    let ours = Path::new(env!("CARGO_BIN_EXE_luigi-mqtt")).parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(iter::once(ours).chain(env::split_paths(&path))).unwrap()
}

/// Waits until the broker keeps what `fits` on `topic`.
#[track_caller]
fn wait_for_kept(mosquitto: &Mosquitto, topic: &str, fits: impl Fn(&str) -> bool) {
    let kept = || mosquitto.retained(topic);
    wait_until_or(topic, LIMIT, || kept().first().is_some_and(|it| fits(&it.text())), kept);
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
