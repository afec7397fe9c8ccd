//! The usage examples of the two Python programs that this one replaces, translated, with a real Mosquitto.

use std::fs;
use std::thread;
use std::time::Duration;

use crossbeam_channel::unbounded;
use serde_json::{Value, json};

use luigi_mqtt::Client;
use luigi_mqtt::Config;
use luigi_mqtt::Error;
use luigi_mqtt::ErrorKind;
use luigi_mqtt::client::Subscription;
use luigi_mqtt::config::Environment;
use luigi_mqtt::entity::BinarySensor;
use luigi_mqtt::entity::Sensor;
use luigi_mqtt::model::Qos;

use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::free_port;
use crate::support::wait_until;

fn client(mosquitto: &Mosquitto) -> Client {
    let config = Config::builder("smart-home").broker("127.0.0.1", mosquitto.port()).build().unwrap();
    let client = Client::connect(config).unwrap();
    client.wait_connected(LIMIT).unwrap();
    client
}

/// A Mosquitto that lets one user in.
fn guarded() -> Mosquitto {
    let users = vec![("user".to_owned(), "secret".to_owned())];
    Mosquitto::start(MosquittoOptions { users, ..Default::default() })
}

#[test]
fn basic_usage() {
    let mosquitto = guarded();
    let observer = Observer::start(&mosquitto, &["smarthome/#"]);
    let client = Client::connect(
        Config::builder("smart-home")
            .broker("127.0.0.1", mosquitto.port())
            .credentials("user", "secret")
            .build()
            .unwrap(),
    )
    .unwrap();

    client.publish("smarthome/light/kitchen/set", r#"{"state": "on"}"#).unwrap();
    let (received, messages) = unbounded();
    // The original's "smarthome/+/state" has a level too few for its own topics.
    let subscription: Subscription = client
        .subscribe("smarthome/+/+/state", Qos::AtMostOnce, move |_, message| {
            let payload = String::from_utf8_lossy(&message.payload);
            received.send(format!("Received on {}: {payload}", message.topic)).unwrap();
        })
        .unwrap();
    observer.wait_for_latest("smarthome/light/kitchen/set", r#"{"state": "on"}"#);
    client.message("smarthome/light/kitchen/state", "on").retain().publish().unwrap();
    assert_eq!(messages.recv_timeout(LIMIT).unwrap(), "Received on smarthome/light/kitchen/state: on");
    subscription.unsubscribe();
    client.disconnect(LIMIT);
}

#[test]
fn context_manager() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["smarthome/#"]);
    {
        let client = client(&mosquitto);
        let wanted = json!({"state": "on", "brightness": 80});
        client.publish_json("smarthome/light/bedroom/set", &wanted).unwrap();
    } // Leaving the block disconnects, with everything delivered.
    observer.wait_for_latest("smarthome/light/bedroom/set", r#"{"brightness":80,"state":"on"}"#);
}

/// The original's announcement of a light, but for what Home Assistant refuses today: `color_mode` is no option any more.
fn custom_kitchen_light() -> Value {
    json!({
        "name": "Custom Kitchen Light",
        "unique_id": "custom_kitchen_light_001",
        "device": {
            "identifiers": ["custom_kitchen_light_001"],
            "name": "Kitchen Light",
            "manufacturer": "DIY"
        },
        "command_topic": "smarthome/light/kitchen/set",
        "state_topic": "smarthome/light/kitchen/state",
        "schema": "json",
        "brightness": true,
        "supported_color_modes": ["color_temp", "rgb"]
    })
}

#[test]
fn device_discovery_and_control() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let owner = client(&mosquitto);
    let topic = "homeassistant/light/custom_kitchen_light/config";
    let announcement = owner.json_message(topic, &custom_kitchen_light()).unwrap();
    announcement.retain().publish_and_wait(LIMIT).unwrap();
    // The light itself: it does what it is told, and says so.
    owner
        .subscribe("smarthome/light/kitchen/set", Qos::AtLeastOnce, |client, message| {
            let wanted: Value = serde_json::from_slice(&message.payload).unwrap();
            let state = client.json_message("smarthome/light/kitchen/state", &wanted).unwrap();
            state.retain().publish().unwrap();
        })
        .unwrap();

    let config = Config::builder("remote").broker("127.0.0.1", mosquitto.port()).build().unwrap();
    let remote = Client::connect(config).unwrap();
    remote.wait_connected(LIMIT).unwrap();
    remote.start_discovery().unwrap();
    wait_until("the light to be found", LIMIT, || remote.discovered_devices().len() == 1);
    let light = remote.device("custom_kitchen_light_001").unwrap();
    assert_eq!(
        (light.name.as_str(), light.unique_id.as_deref()),
        ("Custom Kitchen Light", Some("custom_kitchen_light_001"))
    );

    let wanted = json!({"state": "on", "brightness": 100, "color_temp": 4000});
    remote.set_state("custom_kitchen_light_001", &wanted).unwrap();
    wait_until("the light to be on", LIMIT, || {
        let state = remote.state("custom_kitchen_light_001").unwrap();
        state.fields.known("state") == Some(&json!("on"))
    });
    let state = remote.state("custom_kitchen_light_001").unwrap();
    assert_eq!(state.fields.known("brightness"), Some(&json!(100)));
    remote.stop_discovery();
    assert!(remote.discovered_devices().is_empty());
}

#[test]
fn the_layout_without_an_announcement() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["smarthome/+/+/set"]);
    let client = client(&mosquitto);
    client.message("smarthome/light/kitchen/state", r#"{"state": "off"}"#).retain().publish().unwrap();
    client.message("smarthome/switch/fan/state", "OFF").retain().publish().unwrap();
    client.start_discovery().unwrap();
    wait_until("both", LIMIT, || {
        client.state("light_kitchen").is_some() && client.state("switch_fan").is_some()
    });
    client.set_state("light_kitchen", &json!({"state": "on", "brightness": 100})).unwrap();
    client.set_state("switch_fan", &json!({"state": "on"})).unwrap();
    observer.wait_for_latest("smarthome/switch/fan/set", "ON");
    wait_until("the light's command", LIMIT, || {
        let seen = observer.messages();
        let light = seen.iter().find(|it| it.topic == "smarthome/light/kitchen/set");
        light.is_some_and(|it| {
            let wanted: Value = serde_json::from_slice(&it.payload).unwrap();
            wanted == json!({"state": "ON", "brightness": 100})
        })
    });
}

#[test]
fn error_handling() {
    let config = Config::builder("smart-home").broker("127.0.0.1", free_port()).build().unwrap();
    let client = Client::connect(config).unwrap();
    let error = Error::from(client.wait_connected(Duration::from_millis(100)).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Connection);
    let error = Error::from(client.publish("not/a/+/topic", "message").unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Publish);
}

#[test]
fn quality_of_service_and_retained_messages() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["smarthome/#"]);
    let client = client(&mosquitto);
    let alarm = client.message("smarthome/security/alarm/set", r#"{"state": "arm"}"#);
    alarm.qos(Qos::ExactlyOnce).publish().unwrap();
    client.message("smarthome/sensor/temp/state", "22.5").qos(Qos::AtMostOnce).publish().unwrap();
    let light = client.message("smarthome/light/living_room/state", r#"{"state": "on"}"#);
    light.retain().publish_and_wait(LIMIT).unwrap();
    observer.wait_for_latest("smarthome/security/alarm/set", r#"{"state": "arm"}"#);
    observer.wait_for_latest("smarthome/sensor/temp/state", "22.5");
    let late = client.subscribe_channel("smarthome/light/+/state").unwrap();
    let message = late.recv_timeout(LIMIT).unwrap();
    assert!(message.retained);
    assert_eq!(&message.payload[..], br#"{"state": "on"}"#);
}

/// The machine's configuration, as the Luigi project's setup script leaves it.
fn machine(mosquitto: &Mosquitto) -> (tempfile::TempDir, Environment) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/luigi/iot/ha-mqtt-py");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("[Broker]\nHOST=127.0.0.1\nPORT={}\n", mosquitto.port());
    fs::write(folder.join("ha-mqtt-py.conf"), text).unwrap();
    let environment = Environment::new("pi", root.path());
    (root, environment)
}

#[test]
fn integrate_mario_motion_detector() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let (_root, environment) = machine(&mosquitto);

    let config = Config::load(None, &environment).unwrap().for_program("mario").unwrap();
    let client = Client::connect(config).unwrap();
    let motion = BinarySensor::new("mario_motion", "Mario Motion Detector").device_class("motion");
    let motion = client.register(motion).unwrap();

    motion.publish(true).unwrap();
    observer.wait_for_latest(motion.state_topic().as_str(), "ON");
    motion.publish(false).unwrap();
    observer.wait_for_latest(motion.state_topic().as_str(), "OFF");
    let announced = observer.messages().iter().any(|it| it.topic.ends_with("/mario_motion/config"));
    assert!(announced);
}

#[test]
fn standalone_sensor_publishing() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let (_root, environment) = machine(&mosquitto);

    let config = Config::load(None, &environment).unwrap().for_program("room").unwrap();
    let client = Client::connect(config).unwrap();
    let room = client
        .register(
            Sensor::new("room_temperature", "Room Temperature")
                .device_class("temperature")
                .unit("°C")
                .state_class("measurement"),
        )
        .unwrap();
    for celsius in [21.5, 21.625] {
        room.publish(celsius).unwrap();
        observer.wait_for_latest(room.state_topic().as_str(), &celsius.to_string());
        thread::yield_now(); // The original sleeps a minute.
    }
}
