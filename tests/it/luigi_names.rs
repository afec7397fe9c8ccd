//! The names of Luigi's shell tools: links to the one binary, called as Luigi's modules call them.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Outcome;
use crate::support::Process;
use crate::support::Script;
use crate::support::Seen;
use crate::support::free_port;

/// A machine on which the tools are installed, with a configuration.
struct Machine {
    folder: TempDir,
    configuration: Configuration,
}

impl Machine {
    /// One whose broker is at `port`.
    fn new(port: u16) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join(BIN)).unwrap();
        fs::create_dir_all(path.join(SENSORS)).unwrap();
        for tool in ["luigi-publish", "luigi-discover", "luigi-mqtt-status"] {
            symlink(env!("CARGO_BIN_EXE_luigi-mqtt"), path.join(BIN).join(tool)).unwrap();
        }
        let configuration = Configuration::new(port)
            .set("Discovery", "SENSORS_DIR", "/sensors.d")
            .set("Discovery", "MODULES_DIR", "/modules")
            .set("Socket", "PATH", path.join(SOCKET).display())
            .set("Spool", "DIRECTORY", path.join("state").display())
            .set("Host", "SENSORS", "load");
        let machine = Machine { folder, configuration };
        machine.write("luigi-mqtt.conf", &machine.configuration.text());
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn describe(&self, id: &str, more: &str) {
        let text = format!(r#"{{"sensor_id":"{id}","name":"The {id}","module":"garden/{id}"{more}}}"#);
        self.write(&format!("{SENSORS}/{id}.json"), &text);
    }

    fn daemon(&self) -> Daemon {
        let launch = Launch::new(&self.configuration.text());
        let daemon =
            launch.env("LUIGI_MQTT_ROOT", self.path(ROOT)).env("STATE_DIRECTORY", self.path("state")).start();
        daemon.wait_for_line("to Home Assistant");
        daemon
    }

    /// `program` on this machine, whose path has the tools first.
    fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.as_ref());
        let path = format!("{}:/usr/bin:/bin", self.path(BIN).display());
        command.args(arguments).env_clear().env("PATH", path).env("LUIGI_MQTT_ROOT", self.path(ROOT));
        command.env("MQTT_CONFIG_FILE", self.path("luigi-mqtt.conf"));
        command.env("STATE_DIRECTORY", self.path("state"));
        command
    }

    fn run(&self, tool: &str, arguments: &[&str]) -> Outcome {
        Outcome::of(&mut self.command(self.path(BIN).join(tool), arguments), b"")
    }
}

/// What `tool` does with `arguments` where a daemon answers `answer`.
fn asked(answer: &str, tool: &str, arguments: &[&str]) -> (Outcome, Vec<String>) {
    let machine = Machine::new(free_port());
    let daemon = Script::always(answer);
    let mut command = machine.command(machine.path(BIN).join(tool), arguments);
    let outcome = Outcome::of(command.env("LUIGI_MQTT_SOCKET", daemon.path()), b"");
    (outcome, daemon.asked())
}

#[track_caller]
fn check(outcome: &Outcome, code: i32, output: &[&str], errors: &[&str]) {
    assert_eq!(outcome.code, code, "{outcome:?}");
    output.iter().for_each(|it| assert!(outcome.output.contains(it), "{it:?} in {outcome:?}"));
    errors.iter().for_each(|it| assert!(outcome.errors.contains(it), "{it:?} in {outcome:?}"));
    assert!(!output.is_empty() || outcome.output.is_empty(), "{outcome:?}");
    assert!(!errors.is_empty() || outcome.errors.is_empty(), "{outcome:?}");
}

#[test]
fn luigi_publish_tells_the_daemon_and_is_silent() {
    for answer in [r#"{"ok":"accepted"}"#, r#"{"ok":"queued","in":"memory"}"#] {
        let arguments = ["--sensor", "motion", "--value", "ON", "--binary", "--retain"];
        let (outcome, asked) = asked(answer, "luigi-publish", &arguments);
        check(&outcome, 0, &[], &[]);
        assert_eq!(asked, [r#"{"entity":"motion","op":"reading","value":"ON"}"#]);
    }
}

#[test]
fn luigi_publish_says_how_to_describe_a_sensor_that_is_unknown() {
    let answer = r#"{"error":"unknown_entity","reason":"no entity \"x\" is announced here"}"#;
    let (outcome, _) = asked(answer, "luigi-publish", &["--sensor", "x", "--value", "1"]);
    check(&outcome, 1, &[], &["no entity", "sensors.d", "luigi-discover", r#"{"sensor_id":"x""#]);
}

#[test]
fn luigi_publish_fails_as_the_shell_tool_does() {
    let refusal = r#"{"error":"invalid","reason":"the value is \"warm\"","expected":"a number"}"#;
    let (outcome, _) = asked(refusal, "luigi-publish", &["--sensor", "x", "--value", "warm"]);
    check(&outcome, 1, &[], &["the value is"]);
    for arguments in
        [&[][..], &["--sensor", "x"], &["--value", "1"], &["--sensor", "x", "--value", "1", "--no"]]
    {
        check(&asked("{}", "luigi-publish", arguments).0, 1, &[], &["luigi-publish"]);
    }
    // Nobody listens: neither the daemon nor a broker.
    let machine = Machine::new(free_port());
    machine.describe("x", "");
    check(&machine.run("luigi-publish", &["--sensor", "x", "--value", "1"]), 1, &[], &["refused"]);
    machine.write("luigi-mqtt.conf", "[Broker]\nPORT=none\n");
    check(&machine.run("luigi-publish", &["--sensor", "x", "--value", "1"]), 2, &[], &["PORT"]);
}

#[test]
fn help_and_version_of_the_tools_are_no_failure() {
    let machine = Machine::new(free_port());
    for tool in ["luigi-publish", "luigi-discover", "luigi-mqtt-status"] {
        check(&machine.run(tool, &["-h"]), 0, &["Usage: ", tool], &[]);
        check(&machine.run(tool, &["--version"]), 0, &[&format!("{tool} version ")], &[]);
        check(&machine.run(tool, &["-v"]), 0, &[&format!("{tool} version ")], &[]);
        check(&machine.run(tool, &["--nonsense"]), 1, &[], &["--nonsense"]);
    }
}

#[test]
fn luigi_discover_has_the_daemon_read_its_configuration_again_where_that_is_forced() {
    let machine = Machine::new(free_port());
    machine.describe("attic", "");
    let daemon = Script::always(r#"{"ok":"whatever"}"#);
    let run = |arguments: &[&str]| {
        let mut command = machine.command(machine.path(BIN).join("luigi-discover"), arguments);
        Outcome::of(command.env("LUIGI_MQTT_SOCKET", daemon.path()), b"")
    };
    check(&run(&[]), 0, &["1 announced"], &[]);
    assert_eq!(daemon.asked(), [r#"{"entity":"attic","op":"get"}"#]);
    check(&run(&["--force", "--quiet"]), 0, &[], &[]);
    assert_eq!(daemon.asked()[1..], [r#"{"op":"reload"}"#, r#"{"entity":"attic","op":"get"}"#]);
}

#[test]
fn luigi_discover_waits_for_a_daemon_that_notices_late() {
    let machine = Machine::new(free_port());
    machine.describe("attic", "");
    let mut late = 3;
    let daemon = Script::start(move |_| {
        late -= 1;
        let unknown = r#"{"error":"unknown_entity","reason":"nobody announces it"}"#;
        Some(if late > 0 { unknown } else { r#"{"ok":"device"}"# }.to_owned())
    });
    let mut command = machine.command(machine.path(BIN).join("luigi-discover"), &[]);
    let outcome = Outcome::of(command.env("LUIGI_MQTT_SOCKET", daemon.path()), b"");
    check(&outcome, 0, &["1 announced"], &[]);
    assert_eq!(daemon.asked().len(), 3);
}

#[test]
fn luigi_discover_announces_where_no_daemon_does() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let machine = Machine::new(mosquitto.port());
    check(&machine.run("luigi-discover", &[]), 0, &["no descriptors"], &[]);
    machine.describe("attic", r#","device_class":"temperature","unit_of_measurement":"°C""#);
    check(
        &machine.run("luigi-discover", &[]),
        0,
        &["ok  The attic (sensor)", "1 descriptors, 1 announced"],
        &[],
    );
    let is_attic = |it: &Seen| it.topic.ends_with("/config") && it.text().contains("\"The attic\"");
    observer.wait_for("the announcement", LIMIT, |seen| seen.iter().any(is_attic));
    machine.write(&format!("{SENSORS}/broken.json"), "{");
    check(&machine.run("luigi-discover", &[]), 1, &["1 announced, 1 not"], &["NO  broken.json: "]);
    check(&machine.run("luigi-discover", &["--quiet"]), 1, &[], &["NO  broken.json: "]);
    let text = machine.run("luigi-discover", &["--verbose"]).output;
    assert!(text.contains("attic.json: attic, on luigi/pi/attic"), "{text}");
    fs::remove_file(machine.path(SENSORS).join("attic.json")).unwrap();
    check(&machine.run("luigi-discover", &[]), 2, &["0 announced, 1 not"], &["NO  broken.json: "]);
    fs::remove_dir_all(machine.path(SENSORS)).unwrap();
    check(&machine.run("luigi-discover", &[]), 0, &["no descriptors"], &[]);
}

#[test]
fn luigi_mqtt_status_finds_the_step_that_fails() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let machine = Machine::new(mosquitto.port());
    let steps = ["configuration: ", "daemon: does not run", "127.0.0.1", "  ok  "];
    check(&machine.run("luigi-mqtt-status", &["--verbose"]), 0, &steps, &[]);
    let machine = Machine::new(free_port());
    check(&machine.run("luigi-mqtt-status", &[]), 1, &["  NO  "], &[]);
    machine.write("luigi-mqtt.conf", "[Broker]\nPORT=none\n");
    check(&machine.run("luigi-mqtt-status", &[]), 2, &[], &["PORT"]);
}

/// A module as Luigi has them: it brings a descriptor, has it announced, and publishes as its sensor sees something. Nothing in it
/// is ours.
const MODULE: &str = r#"#!/bin/sh
set -u
cat > "$SENSORS_DIR/hall.json" <<END
{"sensor_id": "hall", "name": "Hall Motion", "module": "motion/hall", "device_class": "motion", "icon": "mdi:motion-sensor"}
END
command -v luigi-publish >/dev/null 2>&1 || exit 0
luigi-discover --quiet || echo "could not register" >&2
tell() {
    timeout 10 luigi-publish --sensor hall --value "$1" --binary --attributes "{\"seen\": $2}" || echo "not told: $1" >&2
}
seen=0
tell OFF $seen
while read -r motion; do
    seen=$((seen + 1))
    tell "$motion" $seen
done
"#;

/// Has the module above see something on `machine`.
#[track_caller]
fn check_module(machine: &Machine, observer: &Observer) {
    machine.write("hall", MODULE);
    let mut command = machine.command("/bin/sh", &[machine.path("hall").to_str().unwrap()]);
    let (mut motion, theirs) = UnixStream::pair().unwrap();
    command.env("SENSORS_DIR", machine.path(SENSORS)).stdin(OwnedFd::from(theirs)).stderr(Stdio::piped());
    let mut module = Process::start(&mut command);
    drop(command);
    let complaints = Arc::<Mutex<Vec<String>>>::default();
    let said = Arc::clone(&complaints);
    let reader = Process::each_line(module.stderr(), move |line| said.lock().unwrap().push(line));
    observer.wait_for_latest("luigi/pi/hall", "OFF");
    for (seen, state) in ["ON", "OFF", "ON"].iter().enumerate() {
        writeln!(motion, "{state}").unwrap();
        observer.wait_for_latest("luigi/pi/hall", state);
        observer.wait_for_latest("luigi/pi/hall/attributes", &format!("{{\"seen\":{}}}", seen + 1));
    }
    drop(motion);
    assert!(module.wait_exit(LIMIT).success());
    reader.join().unwrap();
    assert_eq!(*complaints.lock().unwrap(), Vec::<String>::new());
    // The entity that is registered is the one that is fed.
    let announced = |it: &Seen| serde_json::from_slice::<Value>(&it.payload).ok();
    let names_topics = |it: &Value| {
        it["name"] == "Hall Motion"
            && it["state_topic"] == "luigi/pi/hall"
            && it["json_attributes_topic"] == "luigi/pi/hall/attributes"
    };
    observer.wait_for("the announcement", LIMIT, |seen| {
        seen.iter().filter_map(announced).any(|it| names_topics(&it))
    });
}

#[test]
fn a_module_written_for_the_shell_tools_works_unchanged_without_a_daemon() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    check_module(&Machine::new(mosquitto.port()), &observer);
}

#[test]
fn a_module_written_for_the_shell_tools_works_unchanged_beside_the_daemon() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let machine = Machine::new(mosquitto.port());
    let _daemon = machine.daemon();
    check_module(&machine, &observer);
    check(&machine.run("luigi-discover", &["--force"]), 0, &["1 announced, 0 not"], &[]);
    check(&machine.run("luigi-mqtt-status", &[]), 0, &["daemon: connected to the broker"], &[]);
}

const BIN: &str = "bin";
/// The root of the machine that is read.
const ROOT: &str = "machine";
const SENSORS: &str = "machine/sensors.d";
const SOCKET: &str = "socket";
