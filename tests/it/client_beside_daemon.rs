//! The daemon and programs with the library on one machine, at one broker.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use serde_json::Value;

use luigi_mqtt::Client;
use luigi_mqtt::Config;
use luigi_mqtt::config::Environment;
use luigi_mqtt::entity::Switch;

use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Process;
use crate::support::Seen;
use crate::support::example;

/// A device as Home Assistant sees it.
#[derive(Debug, Default)]
struct Device {
    names: BTreeSet<String>,
    /// Where it says `online` and `offline` as a whole.
    availability: BTreeSet<String>,
    /// All other topics of its entities.
    topics: BTreeSet<String>,
}

/// The devices that were announced, by identifier.
fn devices(messages: &[Seen]) -> BTreeMap<String, Device> {
    let mut devices = BTreeMap::<String, Device>::new();
    for it in messages.iter().filter(|it| it.topic.starts_with("homeassistant/")) {
        let payload: Value = serde_json::from_slice(&it.payload).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let device = devices.entry(text(&payload["device"]["identifiers"][0]).unwrap()).or_default();
        device.names.extend(text(&payload["device"]["name"]));
        let mut availability: Vec<_> = payload["availability"].as_array().into_iter().flatten().collect();
        if !availability.is_empty() {
            device.availability.extend(text(&availability.remove(0)["topic"]));
        }
        device.availability.extend(text(&payload["availability_topic"]));
        device.topics.extend(availability.iter().filter_map(|it| text(&it["topic"])));
        let keys = ["state_topic", "command_topic", "json_attributes_topic"];
        device.topics.extend(keys.iter().filter_map(|key| text(&payload[key])));
    }
    devices
}

#[test]
fn the_daemon_and_programs_on_one_machine_leave_each_other_alone() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let port = mosquitto.port();
    let launch = Launch::new(&format!("[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Logging]\nLOG_FILE=\n"));
    let (file, temperature) =
        (launch.folder().join("luigi-mqtt.conf"), launch.folder().join("machine/proc/uptime"));
    let mut daemon = launch.start();

    // By the machine's file, in a process of its own, and in this one; and without any file. One of them is called as
    // an entity of the daemon's is, and so are its own entities.
    let mut thermometer = Command::new(example("temperature"));
    thermometer.args([temperature.to_str().unwrap(), "3600"]).stderr(Stdio::null());
    let mut thermometer = Process::start(thermometer.env_clear().env("MQTT_CONFIG_FILE", &file));
    let machine = Config::load(Some(&file), &Environment::of_process()).unwrap();
    let programs = [
        machine.for_program("mario").unwrap(),
        Config::builder("garage").broker("127.0.0.1", port).build().unwrap(),
        Config::builder("cpu_temperature").broker("127.0.0.1", port).build().unwrap(),
    ]
    .map(|config| Client::connect(config).unwrap());
    for it in &programs {
        for id in ["cpu_temperature", "set", "attributes"] {
            let switch = Switch::new(id, id).availability(true).attributes(true);
            it.register(switch).unwrap().set_available(true);
        }
    }

    observer.wait_for("five devices that are online", LIMIT, |messages| {
        let is_online =
            |it: &String| messages.iter().any(|seen| seen.topic == *it && seen.text() == "online");
        let devices = devices(messages);
        devices.len() == 5 && devices.values().all(|it| it.availability.iter().all(is_online))
    });
    let devices = devices(&observer.messages());
    let distinct = |of: fn(&Device) -> &BTreeSet<String>| {
        let all: Vec<_> = devices.values().flat_map(of).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{devices:#?}");
        all
    };
    assert_eq!(distinct(|it| &it.names).len(), 5, "{devices:#?}");
    let availability = distinct(|it| &it.availability);
    assert_eq!(availability.len(), 5, "{devices:#?}");
    assert!(distinct(|it| &it.topics).iter().all(|it| !availability.contains(it)), "{devices:#?}");

    thermometer.kill();
    let theirs = availability.iter().find(|it| it.ends_with("/thermometer/availability")).unwrap();
    observer.wait_for_latest(theirs, "offline");
    for it in availability.iter().filter(|it| *it != theirs) {
        let said: Vec<_> =
            observer.messages().iter().filter(|seen| seen.topic == **it).map(Seen::text).collect();
        assert!(said.iter().all(|it| it == "online"), "{it}: {said:?}");
    }

    let log = mosquitto.log();
    assert!(!log.contains("already connected"), "{log}");
    for id in devices.keys() {
        let logins = log.matches(&format!(" as {id} (")).count();
        assert_eq!(logins, 1, "{id}:\n{log}");
    }
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success(), "{:#?}", daemon.lines());
}
