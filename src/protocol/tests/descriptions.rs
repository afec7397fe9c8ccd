//! What programs describe.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::super::description::PLATFORMS;
use super::super::{Code, Failure, entity};
use crate::entity::{
    BinarySensor, Button, Device, Entity, EntityError, Event, Light, Number, Platform, Select, Sensor,
    Switch, Text,
};
use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;

fn ours() -> Device {
    Device {
        identifier: ObjectId::new("luigi-pi").unwrap(),
        name: "Pi".to_owned(),
        manufacturer: "Luigi".to_owned(),
        model: "Zero W".to_owned(),
        sw_version: "1".to_owned(),
        via: None,
    }
}

fn read(description: Json) -> Result<Entity, Failure> {
    entity(description.as_object().unwrap(), &ours())
}

#[track_caller]
fn check(description: Json, expected: Result<Entity, EntityError>) {
    assert_eq!(read(description.clone()), Ok(expected.unwrap()), "{description}");
}

/// All that is wrong with `description`.
#[track_caller]
fn check_refused(description: Json, code: Code, problems: &[&str]) {
    let failure = read(description.clone()).expect_err("it is refused");
    assert_eq!((failure.code, &failure.more["problems"]), (code, &json!(problems)), "{description}");
    problems.iter().for_each(|it| assert!(failure.reason.contains(it)));
}

#[test]
fn each_platform_is_described_by_the_fields_of_its_builder() {
    check(
        json!({"platform": "sensor", "id": "attic", "name": "Attic", "device_class": "temperature", "unit": "°C",
            "state_class": "measurement", "precision": 1, "expire_after": 600, "force_update": true}),
        Sensor::new("attic", "Attic")
            .device_class("temperature")
            .unit("°C")
            .state_class("measurement")
            .precision(1)
            .expire_after(Duration::from_secs(600))
            .force_update(true)
            .availability(true)
            .build(),
    );
    check(
        json!({"platform": "sensor", "id": "lux", "name": "Lux", "unit_of_measurement": "lx", "icon": "mdi:lamp",
            "category": "diagnostic", "enabled": false, "entity_id": "sensor.lux", "delivery": "every", "qos": 2,
            "attributes": true, "availability": false, "device_class": null}),
        Sensor::new("lux", "Lux")
            .unit("lx")
            .icon("mdi:lamp")
            .category("diagnostic")
            .enabled_by_default(false)
            .default_entity_id("sensor.lux")
            .delivery(Delivery::Every)
            .qos(Qos::ExactlyOnce)
            .attributes(true)
            .build(),
    );
    check(
        json!({"platform": "sensor", "id": "m", "name": "Mode", "device_class": "enum", "options": ["a", "b"]}),
        Sensor::new("m", "Mode").device_class("enum").options(["a", "b"]).availability(true).build(),
    );
    check(
        json!({"platform": "binary_sensor", "id": "door", "name": "Door", "device_class": "door", "off_delay": 30}),
        BinarySensor::new("door", "Door")
            .device_class("door")
            .off_delay(Duration::from_secs(30))
            .availability(true)
            .build(),
    );
    check(
        json!({"platform": "switch", "id": "pump", "name": "Pump", "device_class": "outlet"}),
        Switch::new("pump", "Pump").device_class("outlet").availability(true).build(),
    );
    check(
        json!({"platform": "button", "id": "restart", "name": "Restart", "category": "config"}),
        Button::new("restart", "Restart").category("config").availability(true).build(),
    );
    check(
        json!({"platform": "number", "id": "target", "name": "Target", "unit": "°C", "device_class": "temperature",
            "min": 5, "max": 30.5, "step": 0.5, "mode": "slider"}),
        Number::new("target", "Target")
            .unit("°C")
            .device_class("temperature")
            .min(5.0)
            .max(30.5)
            .step(0.5)
            .mode("slider")
            .availability(true)
            .build(),
    );
    check(
        json!({"platform": "select", "id": "mode", "name": "Mode", "options": ["eco", "full"]}),
        Select::new("mode", "Mode", ["eco", "full"]).availability(true).build(),
    );
    check(
        json!({"platform": "text", "id": "pin", "name": "PIN", "min": 4, "max": 8, "pattern": "[0-9]+",
            "mode": "password"}),
        Text::new("pin", "PIN").min(4).max(8).pattern("[0-9]+").mode("password").availability(true).build(),
    );
    check(
        json!({"platform": "light", "id": "lamp", "name": "Lamp", "brightness": true, "brightness_scale": 100}),
        Light::new("lamp", "Lamp")
            .color_modes(["brightness"])
            .brightness_scale(100)
            .availability(true)
            .build(),
    );
    check(
        json!({"platform": "light", "id": "strip", "name": "Strip", "color_modes": ["color_temp", "rgb"],
            "min_kelvin": 2700, "max_kelvin": 6500, "effects": ["fire"], "flash": true, "transition": true}),
        Light::new("strip", "Strip")
            .color_modes(["color_temp", "rgb"])
            .kelvin(2700, 6500)
            .effects(["fire"])
            .flash(true)
            .transition(true)
            .availability(true)
            .build(),
    );
    check(
        json!({"platform": "event", "id": "bell", "name": "Bell", "device_class": "doorbell", "event_types": ["ring"]}),
        Event::new("bell", "Bell", ["ring"]).device_class("doorbell").availability(true).build(),
    );
}

#[test]
fn every_platform_that_is_offered_can_be_described() {
    for platform in PLATFORMS {
        let mut description = json!({"platform": platform, "id": "a", "name": "A"});
        match platform {
            "select" => description["options"] = json!(["a"]),
            "event" => description["event_types"] = json!(["a"]),
            _ => {}
        }
        let entity = read(description).unwrap();
        assert_eq!(Some(entity.platform()), Platform::named(platform));
        assert!(entity.has_availability() && !entity.has_attributes() && entity.own_device().is_none());
    }
}

#[test]
fn a_device_of_its_own_is_below_ours() {
    let description = |device: Json| json!({"platform": "button", "id": "a", "name": "A", "device": device});
    let entity =
        read(description(json!({"id": "mario", "name": "Mario", "manufacturer": "N", "model": "64",
        "sw_version": "2"})));
    let device = Device {
        identifier: ObjectId::new("luigi-pi_mario").unwrap(),
        name: "Mario".to_owned(),
        manufacturer: "N".to_owned(),
        model: "64".to_owned(),
        sw_version: "2".to_owned(),
        via: Some(ObjectId::new("luigi-pi").unwrap()),
    };
    assert_eq!(entity.unwrap().own_device().map(|it| Device::clone(it)), Some(device));
    let named_by_its_id = read(description(json!({"id": "mario"}))).unwrap();
    assert_eq!(named_by_its_id.own_device().unwrap().name, "mario");
    check_refused(
        description(json!({"name": 5, "modle": "x"})),
        Code::Field,
        &[
            "device.id: is missing",
            "device.name: expected a text of at most 255 characters, found 5",
            "device.modle: is unknown (did you mean model?)",
        ],
    );
    check_refused(
        description(json!({"id": "a b"})),
        Code::Field,
        &[r#"device.id: expected 1 to 64 of a-z A-Z 0-9 _ -, found "a b""#],
    );
    check_refused(
        description(json!("mario")),
        Code::Field,
        &[r#"device: expected a JSON object, found "mario""#],
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once_by_our_names() {
    check_refused(
        json!({"platform": "sensor", "id": "a b", "name": "A", "icon": "lamp", "category": "config",
            "device_class": "temperature", "unit": "C", "entity_id": "A"}),
        Code::Invalid,
        &[
            r#"id: expected 1 to 64 of a-z A-Z 0-9 _ -, found "a b""#,
            r#"icon: expected prefix:name, such as mdi:thermometer, found "lamp""#,
            r#"category: expected diagnostic or none, found "config""#,
            r#"entity_id: expected sensor. and words of a-z 0-9 joined by _, found "A""#,
            r#"unit: expected one of °C, °F, K for device class temperature, found "C""#,
        ],
    );
    check_refused(
        json!({"platform": "sensor", "name": "A", "qos": 3, "delivery": "lates", "enabled": 1,
            "device_class": "temperature", "unit": 5, "precision": 7, "expire_after": 0, "off_delay": 5,
            "ofset": 1, "stat_class": "total", "options": "a"}),
        Code::Field,
        &[
            "id: is missing",
            "enabled: expected true or false, found 1",
            r#"delivery: expected one of latest, every, found "lates" (did you mean latest?)"#,
            "qos: expected a whole number from 0 to 2, found 3",
            "unit: expected a text of at most 255 characters, found 5",
            "precision: expected a whole number from 0 to 6, found 7",
            r#"options: expected a list of at most 256 texts, found "a""#,
            "expire_after: expected a whole number from 1 to 31536000, found 0",
            "off_delay: is unknown",
            "ofset: is unknown",
            "stat_class: is unknown (did you mean state_class?)",
        ],
    );
    check_refused(
        json!({"platform": "light", "id": "a", "name": "A", "brightness": true, "color_modes": ["rgb", "rgb"],
            "min_kelvin": 2000}),
        Code::Field,
        &[
            "brightness: expected none beside color_modes, which have one",
            "max_kelvin: expected both min_kelvin and max_kelvin, or neither",
            r#"color_modes: expected each one once, found "rgb" again"#,
        ],
    );
    check_refused(
        json!({"platform": "number", "id": "a", "name": "A", "unit": "m", "unit_of_measurement": "m"}),
        Code::Field,
        &["unit: expected it, or unit_of_measurement, found both"],
    );
}

#[test]
fn of_an_unknown_platform_only_what_all_have_is_looked_at() {
    check_refused(
        json!({"platform": "sensors", "id": "a", "name": 7, "whatever": 1}),
        Code::Field,
        &[
            "platform: expected one of sensor, binary_sensor, switch, button, number, select, text, light, event, \
             found \"sensors\" (did you mean sensor?)",
            "name: expected a text of at most 255 characters, found 7",
        ],
    );
    check_refused(json!({}), Code::Field, &["platform: is missing", "id: is missing", "name: is missing"]);
}

#[test]
fn what_goes_back_is_short_however_long_the_description_is() {
    let long = "x".repeat(200_000);
    let many = Json::from_iter((0..20_000).map(|it| (format!("f{it}"), json!(it))));
    let types: Vec<String> = (0..256).map(|it| format!("{it}{}", "é".repeat(250))).collect();
    for mut description in [
        json!({"id": long}),
        json!({"id": "a", "name": "A", "icon": [long]}),
        json!({"id": "a", "name": "A", "pattern": long}),
        json!({"id": "a", "name": "A", "device_class": "doorbell", "event_types": types}),
        json!({"id": "a", "name": "A", "options": types.iter().chain(&types).collect::<Vec<_>>()}),
        many,
    ] {
        for platform in ["event", "text", "sensor", "nothing"] {
            description["platform"] = platform.into();
            let line = read(description.clone()).unwrap_err().line(None);
            assert!(line.len() < 20_000, "{}", line.len());
        }
    }
}
