//! The programs in `examples/`, run as their reader would, against the mock broker.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::Process;
use crate::support::Witness;
use crate::support::example;
use crate::support::is_subscribed;
use crate::support::wait_until;
use crate::support::wait_until_or;

/// An example that runs, and what it prints.
struct Example {
    process: Process,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Example {
    #[track_caller]
    fn start(broker: &Broker, name: &str, arguments: &[&str]) -> Example {
        let mut command = Command::new(example(name));
        command.args(arguments).stdout(Stdio::piped()).env_clear();
        command.env("MQTT_BROKER_HOST", "127.0.0.1");
        command.env("MQTT_BROKER_PORT", broker.address().port().to_string());
        let mut process = Process::start(&mut command);
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let inbox = Arc::clone(&lines);
        Process::each_line(process.stdout(), move |line| inbox.lock().unwrap().push(line));
        Example { process, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until it has printed a line that contains `text`.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        let found = || self.lines().iter().any(|it| it.contains(text));
        wait_until_or(text, LIMIT, found, || self.lines());
    }

    /// Waits until it has ended well.
    #[track_caller]
    fn finish(mut self) {
        let status = self.process.wait_exit(LIMIT);
        assert!(status.success(), "{status}: {:?}", self.lines());
    }
}

/// The topic on which the entity `id` was announced.
#[track_caller]
fn announced(witness: &Witness, id: &str) -> Value {
    let end = format!("/{id}/config");
    witness.wait_for(&end, |publishes| publishes.iter().any(|it| it.topic.as_str().ends_with(&end)));
    let publishes = witness.publishes();
    let config = publishes.iter().find(|it| it.topic.as_str().ends_with(&end)).unwrap();
    serde_json::from_slice(&config.payload).unwrap()
}

/// The value of `key`, a topic.
fn topic(config: &Value, key: &str) -> Topic {
    Topic::new(config[key].as_str().unwrap()).unwrap()
}

#[test]
fn motion_comes_and_goes() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let example = Example::start(&broker, "motion", &["simulated", "2"]);
    let config = announced(&witness, "hall_motion");
    assert_eq!(config["device_class"], "motion");
    example.finish();
    let states = witness.on(topic(&config, "state_topic").as_str());
    // Home Assistant is given a moment to subscribe, and until then only the newest state counts.
    assert_eq!(states.last().map(String::as_str), Some("OFF"), "{states:?}");
    assert_eq!(
        witness.lines().last().unwrap(),
        &format!("{} = offline", config["availability_topic"].as_str().unwrap())
    );
}

#[test]
fn a_temperature_follows_its_file_and_is_unavailable_without_it() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("temp");
    fs::write(&file, "21500\n").unwrap();
    let _example = Example::start(&broker, "temperature", &[file.to_str().unwrap(), "1"]);
    let config = announced(&witness, "room_temperature");
    let state = topic(&config, "state_topic");
    witness.wait_for_line(state.as_str(), "21.5");
    fs::write(&file, "-250\n").unwrap();
    witness.wait_for_line(state.as_str(), "-0.25");
    fs::remove_file(&file).unwrap();
    witness.wait_for_line(&format!("{state}/availability"), "offline");
}

#[test]
fn a_light_obeys() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let example = Example::start(&broker, "light", &[]);
    let config = announced(&witness, "desk");
    let command = topic(&config, "command_topic");
    wait_until("the subscription", LIMIT, || is_subscribed(&broker, command.as_str()));
    broker.publish(&command, r#"{"state":"ON","brightness":128}"#, false);
    example.wait_for("on");
    let is_on = |payload: &[u8]| {
        let state: Value = serde_json::from_slice(payload).unwrap();
        state["state"] == "ON" && state["brightness"] == 128
    };
    let state = topic(&config, "state_topic");
    witness.wait_for("its state", |it| it.iter().any(|it| it.topic == state && is_on(&it.payload)));
}

#[test]
fn devices_are_shown_and_set() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let lamp = json!({
        "name": "Lamp", "unique_id": "lamp_1", "schema": "json", "brightness": true,
        "supported_color_modes": ["brightness"], "command_topic": "lamp/set", "state_topic": "lamp",
    });
    broker.publish(&Topic::new("homeassistant/light/lamp/config").unwrap(), lamp.to_string(), true);
    broker.publish(&Topic::new("lamp").unwrap(), r#"{"state":"ON","brightness":7}"#, true);
    let example = Example::start(&broker, "devices", &["0.5", "lamp_1", r#"{"state": "off"}"#]);
    example.wait_for("lamp_1");
    example.wait_for("Lamp");
    witness.wait_for_line("lamp/set", r#"{"state":"OFF"}"#);
    example.finish();
}

#[test]
fn threads_share_one_connection() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    Example::start(&broker, "threads", &["4", "5"]).finish();
    for number in 0..4 {
        let config = announced(&witness, &format!("level_{number}"));
        let states = witness.on(topic(&config, "state_topic").as_str());
        assert_eq!(states.last().map(String::as_str), Some("5"), "{states:?}");
    }
    assert_eq!(broker.connect_count(), 1);
}
