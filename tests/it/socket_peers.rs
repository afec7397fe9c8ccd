//! Who is at the socket: other users, and a service manager that has made it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, getuid};
use serde_json::json;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Outcome;
use crate::support::Producer;
use crate::support::wait_until;

fn fed(mosquitto: &Mosquitto) -> Configuration {
    Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no")
}

const ROOM: &str = "[Sensor room]\nSOURCE=socket\n";

#[track_caller]
fn wait_exit(daemon: &mut Daemon) {
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
}

/// Runs the command with `arguments` as the user called `name`, at the socket in `folder`.
fn run_as(name: &str, folder: &Path, arguments: &[&str]) -> i32 {
    let user = User::from_name(name).unwrap().expect("each Debian has it");
    let mut command = Command::new(folder.join("luigi-mqtt"));
    command.args(arguments).env_clear().env("LUIGI_MQTT_SOCKET", folder.join("socket"));
    // The supplementary groups of whoever runs the tests are given up with it.
    command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).current_dir(folder);
    Outcome::of(&mut command, b"").code
}

/// Of the users that each Debian has, `daemon` and `bin` have groups of their names, with nobody else in them.
#[test]
fn what_a_user_may_do_follows_from_the_groups_of_its_own() {
    if !getuid().is_root() {
        return eprintln!("not tried: only root can be somebody else");
    }
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_luigi-mqtt"), folder.path().join("luigi-mqtt")).unwrap();
    let open = |mode: &str, group: &str| {
        let config = fed(&mosquitto).set("Socket", "PATH", folder.path().join("socket").display());
        let config = config.set("Socket", "MODE", mode).set("Socket", "GROUP", group);
        let config = config.set("Socket", "RAW_GROUP", "daemon").set("Socket", "READ_GROUP", "bin");
        let daemon =
            Daemon::start(&(config.set("Socket", "RELOAD_GROUP", "luigi-no-such-group").text() + ROOM));
        daemon.wait_for_line("listening on");
        daemon.wait_for_line("there is no group luigi-no-such-group");
        let mut root = Producer::at(&folder.path().join("socket"));
        wait_until("the connection", LIMIT, || {
            root.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == true
        });
        assert_eq!(root.ask(&json!({"op": "reload"}))["ok"], "reloaded", "root may do anything");
        daemon
    };
    let reading = &["publish", "room", "1"][..];
    let raw = &["publish", "--topic", "a/b", "--payload-file", "-"][..];
    let (set, devices, reload) = (&["set", "nobody", "on"][..], &["devices"][..], &["reload"][..]);

    let mut daemon = open("666", "root");
    for (user, request, is_permitted) in [
        ("daemon", reading, true),
        ("bin", reading, true),
        ("nobody", reading, true),
        ("daemon", raw, true),
        ("bin", raw, false),
        ("nobody", raw, false),
        ("nobody", set, false),
        ("daemon", devices, false),
        ("bin", devices, true),
        ("daemon", reload, false),
    ] {
        let expected = if is_permitted { 0 } else { FORBIDDEN };
        assert_eq!(run_as(user, folder.path(), request), expected, "{request:?} as {user}");
    }
    wait_exit(&mut daemon);

    let mut daemon = open("660", "daemon");
    assert_eq!(run_as("daemon", folder.path(), reading), 0);
    assert_ne!(run_as("bin", folder.path(), reading), 0, "it cannot even connect");
    wait_exit(&mut daemon);
}

#[test]
fn a_socket_that_the_service_manager_made_is_served_and_stays_when_we_end() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activated");
    let listener = UnixListener::bind(&path).unwrap();
    // It waits for the daemon, which is not there yet.
    let mut early = Producer::at(&path);
    early.write("{\"op\":\"hello\"}\n");
    let ours = listener.try_clone().unwrap();
    let mut daemon = Launch::new(&(fed(&mosquitto).text() + ROOM)).activated(listener).start();
    assert_eq!(early.answer()["ok"], "hello");
    daemon.wait_for_line("listening on the socket that the service manager has handed over");
    assert!(!daemon.socket().exists(), "none of its own");
    let status = early.ask(&json!({"op": "status"}));
    assert_eq!(status["status"]["pid"], daemon.id());
    wait_exit(&mut daemon);
    assert_eq!(early.line(), None);
    // Whoever comes now waits for the next daemon.
    let late = UnixStream::connect(&path).unwrap();
    drop((late, ours));
}

/// What the command ends with where that is reserved for others.
const FORBIDDEN: i32 = 77;
