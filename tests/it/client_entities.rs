//! Entities that a program registers: announced, told and asked as Home Assistant has it.

use std::collections::BTreeMap;

use crossbeam_channel::unbounded;
use serde_json::{Value as Json, json};

use luigi_mqtt::Error;
use luigi_mqtt::client::PublishError;
use luigi_mqtt::client::SubscribeError;
use luigi_mqtt::entity::{
    BinarySensor, Button, Command, DeviceTracker, Event, Light, LightState, Number, Other, Select, Sensor,
    Switch, Text, Update, UpdateState,
};
use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::model::ObjectId;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::STATES;
use crate::support::Witness;
use crate::support::connected;
use crate::support::is_subscribed;
use crate::support::retained;
use crate::support::wait_for_retained;
use crate::support::wait_until;

fn topic(text: &str) -> Topic {
    Topic::new(text).unwrap()
}

#[test]
fn an_entity_of_each_platform_is_announced_and_tells_its_state() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    let client = connected(&broker);
    let all = [
        client.register(Sensor::new("s", "S")).unwrap(),
        client.register(BinarySensor::new("b", "B")).unwrap(),
        client.register(Switch::new("w", "W")).unwrap(),
        client.register(Button::new("u", "U")).unwrap(),
        client.register(Number::new("n", "N")).unwrap(),
        client.register(Select::new("e", "E", ["eco"])).unwrap(),
        client.register(Text::new("t", "T")).unwrap(),
        client.register(Light::new("l", "L")).unwrap(),
        client.register(Event::new("v", "V", ["pressed"])).unwrap(),
        client.register(Update::new("p", "P")).unwrap(),
        client.register(DeviceTracker::new("d", "D")).unwrap(),
        client.register(Other::new("siren", "o", "O").commands(true)).unwrap(),
    ];
    let platforms = [
        "sensor",
        "binary_sensor",
        "switch",
        "button",
        "number",
        "select",
        "text",
        "light",
        "event",
        "update",
        "device_tracker",
        "siren",
    ];
    for (entity, platform) in all.iter().zip(platforms) {
        let config = format!("homeassistant/{platform}/porch-pi/{}/config", entity.id());
        wait_until(&config, LIMIT, || retained(&broker, &config).is_some());
    }
    let [sensor, binary, switch, _, number, select, text, light, event, update, tracker, _] = &all;
    sensor.publish("warm").unwrap();
    binary.publish(true).unwrap();
    switch.publish(false).unwrap();
    number.publish(21.5).unwrap();
    select.publish("eco").unwrap();
    text.publish("hello").unwrap();
    light.publish(LightState::on()).unwrap();
    event.publish("pressed").unwrap();
    update.publish(UpdateState::new("1.0").latest_version("1.1")).unwrap();
    tracker.publish("home").unwrap();
    for (id, payload) in [
        ("s", "warm"),
        ("b", "ON"),
        ("w", "OFF"),
        ("n", "21.5"),
        ("e", "eco"),
        ("t", "hello"),
        ("l", r#"{"state":"ON"}"#),
        ("v", r#"{"event_type":"pressed"}"#),
        ("p", r#"{"installed_version":"1.0","latest_version":"1.1"}"#),
        ("d", "home"),
    ] {
        witness.wait_for_line(&format!("{STATES}/{id}"), payload);
    }
    assert_eq!(retained(&broker, "luigi/pi/porch/v"), None, "an event is over");
}

#[test]
fn a_value_that_home_assistant_would_refuse_is_refused_here_and_nothing_is_published() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let room = client.register(Sensor::new("room", "Room").device_class("temperature").unit("°C")).unwrap();
    let error = room.publish("warm").unwrap_err();
    assert!(matches!(error, PublishError::Value(_)), "{error}");
    assert_eq!(
        error.to_string(),
        r#"sensor "room": expected a finite number of at most 255 digits, found "warm""#
    );
    let error =
        client.register(Sensor::new("room", "Room").unit("°C").device_class("temprature")).unwrap_err();
    assert!(matches!(error, Error::Entity(_)), "{error}");
    assert!(error.to_string().contains("did you mean temperature?"), "{error}");
}

#[test]
fn commands_reach_the_program_checked_and_what_is_none_does_not() {
    let broker = Broker::start(Faults::default()).unwrap();
    let witness = Witness::of(&broker);
    broker.publish(&topic("luigi/pi/porch/level/set"), "40", true);
    let client = connected(&broker);
    let (sender, commands) = unbounded();
    let level = client.register(Number::new("level", "Level").min(0.0).max(50.0)).unwrap();
    level
        .on_command(move |level, command, message| {
            sender.send((command.clone(), message.retained)).unwrap();
            if let Command::Number(value) = command {
                level.publish(value).unwrap();
            }
        })
        .unwrap();
    let next = || commands.recv_timeout(LIMIT).unwrap();
    assert_eq!(next(), (Command::Number(40.0), true));
    for payload in ["51", "much", "12.5"] {
        broker.publish(&topic("luigi/pi/porch/level/set"), payload, false);
    }
    assert_eq!(next(), (Command::Number(12.5), false));
    witness.wait_for_line("luigi/pi/porch/level", "12.5");

    let sensor = client.register(Sensor::new("s", "S")).unwrap();
    let error = sensor.on_command(|_, _, _| {}).unwrap_err();
    assert_eq!(error, SubscribeError::NoCommands { entity: "s".to_owned() });
}

#[test]
fn attributes_and_an_availability_of_its_own_are_told_and_told_again() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let pump = client.register(Switch::new("pump", "Pump").attributes(true).availability(true)).unwrap();
    wait_for_retained(&broker, "luigi/pi/porch/pump/availability", Some("online"));
    pump.publish_attributes(&json!({"hours": 12, "since": "Monday"})).unwrap();
    pump.set_available(false);
    wait_for_retained(&broker, "luigi/pi/porch/pump/availability", Some("offline"));
    wait_for_retained(&broker, "luigi/pi/porch/pump/attributes", Some(r#"{"hours":12,"since":"Monday"}"#));
    // A broker that has forgotten everything.
    for it in ["availability", "attributes"] {
        broker.publish(&topic(&format!("luigi/pi/porch/pump/{it}")), "", true);
    }
    broker.cut();
    wait_for_retained(&broker, "luigi/pi/porch/pump/availability", Some("offline"));
    wait_for_retained(&broker, "luigi/pi/porch/pump/attributes", Some(r#"{"hours":12,"since":"Monday"}"#));

    assert!(pump.publish_attributes(&json!(["no object"])).is_err());
    assert!(pump.publish_attributes(&json!({"icon": "mdi:x"})).is_err());
    let plain = client.register(Switch::new("plain", "Plain")).unwrap();
    assert!(plain.publish_attributes(&BTreeMap::from([("a", 1)])).is_err());
}

#[test]
fn an_entity_that_is_removed_leaves_nothing_behind() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let description = Switch::new("pump", "Pump").attributes(true).availability(true);
    let pump = client.register(description.clone()).unwrap();
    pump.on_command(|_, _, _| {}).unwrap();
    pump.publish(true).unwrap();
    pump.publish_attributes(&json!({"hours": 12})).unwrap();
    let config = "homeassistant/switch/porch-pi/pump/config";
    let topics =
        ["luigi/pi/porch/pump/attributes", "luigi/pi/porch/pump/availability", "luigi/pi/porch/pump"];
    let has_commands = || is_subscribed(&broker, "luigi/pi/porch/pump/set");
    for it in topics {
        wait_until(it, LIMIT, || retained(&broker, it).is_some());
    }
    wait_until("the subscription", LIMIT, has_commands);

    // Without attributes and availability: what they were goes, the rest stays.
    client.register(Switch::new("pump", "Pump")).unwrap();
    for it in &topics[..2] {
        wait_for_retained(&broker, it, None);
    }
    assert_eq!(retained(&broker, topics[2]).as_deref(), Some("ON"));
    assert!(has_commands());

    let gone = pump.clone();
    pump.unregister();
    for it in [config, topics[2]] {
        wait_for_retained(&broker, it, None);
    }
    wait_until("the end of the subscription", LIMIT, || !has_commands());
    let removed = gone.on_command(|_, _, _| {}).unwrap_err();
    assert_eq!(removed, SubscribeError::NoCommands { entity: "pump".to_owned() });
    client.unregister(&ObjectId::new("never").unwrap());
}

#[test]
fn the_announcement_is_what_the_handle_says() {
    let broker = Broker::start(Faults::default()).unwrap();
    let client = connected(&broker);
    let pump = client.register(Switch::new("pump", "Pump")).unwrap();
    let config = "homeassistant/switch/porch-pi/pump/config";
    wait_until("it", LIMIT, || retained(&broker, config).is_some());
    let payload: Json = serde_json::from_str(&retained(&broker, config).unwrap()).unwrap();
    assert_eq!(payload["command_topic"], pump.command_topic().unwrap().as_str());
    assert_eq!(payload["state_topic"], pump.state_topic().as_str());
    assert_eq!(payload["unique_id"], "porch-pi_pump");
}
