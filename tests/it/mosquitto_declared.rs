//! Sensors and outputs that sections of the configuration declare, at a real broker.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Seen;
use crate::support::wait_until;

/// A configuration without the machine's own readings, and with what `sections` declare.
fn declaring(mosquitto: &Mosquitto, sections: &str) -> String {
    Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").text() + sections
}

fn config_of<'a>(messages: &'a [Seen], topic: &str) -> Option<Value> {
    let found: Option<&'a Seen> =
        messages.iter().rev().find(|it| it.topic == format!("homeassistant/{topic}/config"));
    found.and_then(|it| serde_json::from_slice(&it.payload).ok())
}

/// A file of the machine that `daemon` reads.
fn machine_file(launch: &Launch, path: &str) -> PathBuf {
    launch.folder().join("machine").join(path)
}

fn wait_exit(daemon: &mut Daemon) {
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
}

#[test]
fn what_a_file_says_is_told_and_a_file_that_is_gone_costs_its_own_entity_alone() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let sections = "[Sensor room]\nPATH=/data/room\nDEVICE_CLASS=temperature\nUNIT=°C\nINTERVAL=1\nMISSES=2\n\
                    [Sensor attic]\nPATH=/data/attic\nSCALE=0.001\nUNIT=V\nINTERVAL=1\n\
                    [BinarySensor door]\nPATH=/data/door\nON=open\nOFF=closed\nDEVICE_CLASS=door\nINTERVAL=1\n";
    let launch = Launch::new(&declaring(&mosquitto, sections))
        .machine_file("data/room", "21.5\n")
        .machine_file("data/attic", "3300\n")
        .machine_file("data/door", "open\n");
    let room = machine_file(&launch, "data/room");
    let mut daemon = launch.start();
    observer.wait_for_latest("luigi/pi/room", "21.5");
    observer.wait_for_latest("luigi/pi/attic", "3.3");
    observer.wait_for_latest("luigi/pi/door", "ON");
    observer.wait_for_latest("luigi/pi/room/availability", "online");
    let config = config_of(&observer.messages(), "sensor/luigi-pi/room").unwrap();
    assert_eq!(
        (&config["device_class"], &config["unit_of_measurement"]),
        (&"temperature".into(), &"°C".into())
    );

    fs::remove_file(&room).unwrap();
    observer.wait_for_latest("luigi/pi/room/availability", "offline");
    assert_eq!(observer.latest("luigi/pi/attic/availability").unwrap().text(), "online");
    assert_eq!(observer.latest("luigi/pi/availability").unwrap().text(), "online");
    assert_eq!(daemon.count("room: no value"), 1, "once, and not at each sample: {:#?}", daemon.lines());
    daemon.change_machine("data/room", "19");
    observer.wait_for_latest("luigi/pi/room/availability", "online");
    observer.wait_for_latest("luigi/pi/room", "19");
    wait_exit(&mut daemon);
}

#[test]
fn a_switch_obeys_tells_its_state_refuses_old_commands_and_is_left_safe() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("luigi/pi/pump/set", "ON", true);
    let observer = Observer::start(&mosquitto, &["#"]);
    let launch = Launch::new(&declaring(&mosquitto, "[Switch pump]\nPATH=/data/pump\nSAFE_STATE=off\n"))
        .machine_file("data/pump", "0");
    let file = machine_file(&launch, "data/pump");
    let pump = || fs::read_to_string(&file).unwrap().trim().to_owned();
    let mut daemon = launch.start();
    observer.wait_for_latest("luigi/pi/pump", "OFF");
    let refused = |messages: &[Seen]| {
        let refusals = messages.iter().filter(|it| it.topic == "luigi/pi/command_failed");
        refusals.filter(|it| it.text().contains("refused")).count()
    };
    observer.wait_for("a refusal of the old command", LIMIT, |it| refused(it) == 1);
    assert_eq!(pump(), "0");
    mosquitto.publish("luigi/pi/pump/set", "", true);

    mosquitto.publish("luigi/pi/pump/set", "ON", false);
    observer.wait_for_latest("luigi/pi/pump", "ON");
    assert_eq!(pump(), "1");
    mosquitto.publish("luigi/pi/pump/set", "MAYBE", false);
    observer.wait_for("a refusal of nonsense", LIMIT, |it| refused(it) == 2);
    assert_eq!(pump(), "1");

    wait_exit(&mut daemon);
    assert_eq!(pump(), "0");
    assert_eq!(observer.latest("luigi/pi/pump").unwrap().text(), "OFF");
    assert_eq!(refused(&observer.messages()), 2, "what takes the old command away is none");
}

#[test]
fn one_run_of_a_program_feeds_several_sensors_and_one_that_hangs_holds_up_no_other() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let weather = "COMMAND=/bin/sh -c 'echo run >> runs; echo \"{\\\"t\\\": 7.5, \\\"sky\\\": \\\"grey\\\"}\"'\nINTERVAL=1h\n";
    let sections = format!(
        "[Sensor outside]\n{weather}POINTER=/t\nUNIT=°C\n[Sensor sky]\n{weather}POINTER=/sky\n\
         [Sensor stuck]\nCOMMAND=/bin/sleep 1000\nTIMEOUT=1h\nINTERVAL=1\n\
         [Sensor room]\nPATH=/data/room\nINTERVAL=1\n"
    );
    let launch = Launch::new(&declaring(&mosquitto, &sections)).machine_file("data/room", "1");
    let runs = launch.folder().join("runs");
    let mut daemon = launch.start();
    observer.wait_for_latest("luigi/pi/outside", "7.5");
    observer.wait_for_latest("luigi/pi/sky", "grey");
    assert_eq!(fs::read_to_string(runs).unwrap(), "run\n");
    for value in ["2", "3"] {
        daemon.change_machine("data/room", value);
        observer.wait_for_latest("luigi/pi/room", value);
    }
    daemon.terminate();
    assert_eq!(daemon.wait_exit(Duration::from_secs(20)).code(), Some(0));
    wait_until("no sleep left behind", LIMIT, || !is_running("sleep\u{0}1000"));
}

/// Whether a process with `arguments` in its command line runs.
fn is_running(arguments: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|it| fs::read_to_string(it.path().join("cmdline")).ok())
        .any(|it| it.contains(arguments))
}

#[test]
fn descriptors_of_other_modules_come_change_and_go() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let section = "[Discovery]\nSENSORS_DIR=/data/sensors\nMODULES_DIR=/data/modules\n";
    let launch = Launch::new(&declaring(&mosquitto, section))
        .machine_file("data/sensors/README", "")
        .machine_file("data/modules/mario.json", MODULE);
    let descriptor = machine_file(&launch, "data/sensors/mario.json");
    let mut daemon = launch.start();
    daemon.wait_for_line("announced");
    let describe = |name: &str| {
        let text = format!(
            r#"{{"sensor_id":"mario_motion","name":"{name}","module":"mario","device_class":"motion"}}"#
        );
        fs::write(&descriptor, text).unwrap();
    };
    let topic = "binary_sensor/luigi-pi/mario_motion";
    let named =
        |messages: &[Seen], name: &str| config_of(messages, topic).is_some_and(|it| it["name"] == name);
    describe("Motion");
    observer.wait_for("the entity", LIMIT, |it| named(it, "Motion"));
    let config = config_of(&observer.messages(), topic).unwrap();
    assert_eq!(
        (&config["device"]["name"], &config["device"]["via_device"]),
        (&"Super Mario".into(), &"luigi-pi".into())
    );
    describe("Movement");
    observer.wait_for("the new name", LIMIT, |it| named(it, "Movement"));
    fs::write(&descriptor, "{\"sensor_id\":").unwrap();
    daemon.wait_for_line("mario.json");
    fs::remove_file(&descriptor).unwrap();
    observer.wait_for_latest(&format!("homeassistant/{topic}/config"), "");
    wait_exit(&mut daemon);
}

#[test]
fn a_descriptor_under_another_file_name_keeps_its_entity_and_takes_it_along_when_it_goes() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let launch = Launch::new(&declaring(&mosquitto, "[Discovery]\nSENSORS_DIR=/sensors\n"));
    let file = |name: &str| machine_file(&launch, "sensors").join(name);
    fs::create_dir_all(file("")).unwrap();
    let motion = r#"{"sensor_id":"motion","name":"Motion","module":"mario","device_class":"motion"}"#;
    let [a, b] = ["a.json", "b.json"].map(file);
    fs::write(&a, motion).unwrap();
    let mut daemon = launch.start();
    daemon.wait_for_line("announced");
    fs::rename(&a, &b).unwrap();
    fs::write(&b, motion.replace("Motion", "Movement")).unwrap();
    let topic = "binary_sensor/luigi-pi/motion";
    observer.wait_for("the new name", LIMIT, |it| {
        config_of(it, topic).is_some_and(|it| it["name"] == "Movement")
    });
    let is_removed = |it: &&Seen| it.topic.ends_with("motion/config") && it.payload.is_empty();
    assert_eq!(observer.messages().iter().filter(is_removed).count(), 0);
    fs::remove_file(&b).unwrap();
    observer.wait_for_latest(&format!("homeassistant/{topic}/config"), "");
    wait_exit(&mut daemon);
}

#[test]
fn what_a_section_was_before_it_stood_for_thermometers_is_removed() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let state = tempfile::tempdir().unwrap();
    let run = |section: &str| {
        let configuration = Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no").set(
            "Spool",
            "DIRECTORY",
            state.path().display(),
        );
        Daemon::start(&(configuration.text() + section))
    };
    let topic = "homeassistant/sensor/luigi-pi/attic/config";
    let mut daemon = run("[Sensor attic]\nPATH=/data/attic\n");
    observer.wait_for("the sensor", LIMIT, |it| it.iter().any(|it| it.topic == topic));
    wait_exit(&mut daemon);
    let mut daemon = run("[Sensor attic]\nTEMPLATE=ds18b20\n");
    observer.wait_for_latest(topic, "");
    wait_exit(&mut daemon);
}

#[test]
fn a_second_daemon_with_the_state_directory_of_one_that_runs_takes_nothing_from_it() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["homeassistant/#"]);
    let state = tempfile::tempdir().unwrap();
    let start = |client: &str, section: &str| {
        let configuration = Configuration::new(mosquitto.port())
            .set("Host", "ENABLED", "no")
            .set("Client", "CLIENT_ID", client)
            .set("Spool", "DIRECTORY", state.path().display());
        let daemon = Daemon::start(&(configuration.text() + section));
        daemon.wait_for_line("announced 1 entities");
        daemon
    };
    let mut first = start("one", "[Sensor attic]\nPATH=/data/attic\n");
    let mut second = start("two", "[Sensor cellar]\nPATH=/data/cellar\n");
    second.wait_for_line("another luigi-mqtt runs");
    let messages = observer.messages();
    let of_first: Vec<&Seen> = messages.iter().filter(|it| it.topic.contains("/attic/")).collect();
    assert!(of_first.iter().all(|it| !it.payload.is_empty()), "{of_first:?}");
    wait_exit(&mut second);
    wait_exit(&mut first);
}

#[test]
fn what_is_wrong_with_descriptors_at_the_start_is_in_the_log_once() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let sections = "[Discovery]\nSENSORS_DIR=/sensors\n[Sensor attic]\nPATH=/data/attic\n";
    let launch = Launch::new(&declaring(&mosquitto, sections));
    let folder = machine_file(&launch, "sensors");
    fs::create_dir_all(&folder).unwrap();
    let motion = r#"{"sensor_id":"attic","name":"Motion","module":"mario","device_class":"motion"}"#;
    for (name, text) in
        [("broken.json", "{"), ("twice.json", motion), ("whole.json", &motion.replace("attic", "hall"))]
    {
        fs::write(folder.join(name), text).unwrap();
    }
    let mut daemon = launch.start();
    daemon.wait_for_line("announced 2 entities");
    for problem in ["broken.json", "twice.json"] {
        daemon.wait_for_line(problem);
        fs::write(folder.join("whole.json"), motion.replace("attic", problem.trim_end_matches(".json")))
            .unwrap();
    }
    daemon.wait_for_lines("announced 2 entities", 2); // The folder has been read again.
    wait_exit(&mut daemon);
    for problem in ["broken.json", "twice.json"] {
        assert_eq!(daemon.count(problem), 1, "{problem}: {:#?}", daemon.lines());
    }
}

/// What Luigi's installer notes of a module.
const MODULE: &str = r#"{"module_path":"motion-detection/mario","name":"Super Mario","status":"active"}"#;
