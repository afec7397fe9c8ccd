//! Tests of what is announced.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::super::{
    BinarySensor, Button, DeviceTracker, EntityError, Event, Light, Number, Other, Platform, Select, Sensor,
    Switch, Text, Update,
};
use super::device_form::DeviceFormPayload;
use super::*;

/// Each is announced as `tests/data/discovery/<its id>.json` says. All of them were shown to Home
/// Assistant's own schemas of 2026.11, and those that it [knew](Entity::known_in_2023_12) to those of 2023.12.
pub(in crate::entity) fn entities() -> Result<Vec<Entity>, EntityError> {
    Ok(vec![
        Sensor::new("bare", "Bare").build()?,
        Sensor::new("cpu_temperature", "Processor temperature")
            .device_class("temperature")
            .unit("°C")
            .state_class("measurement")
            .precision(1)
            .category_diagnostic()
            .build()?,
        Sensor::new("last_boot", "Last boot").device_class("timestamp").build()?,
        Sensor::new("mode", "Mode")
            .device_class("enum")
            .options(["eco", "comfort"])
            .icon("mdi:fan")
            .build()?,
        Sensor::new("dust", "Dust \"fine\"")
            .device_class("pm25")
            .unit("\u{b5}g/m³")
            .state_class("measurement")
            .expire_after(Duration::from_secs(300))
            .force_update(true)
            .enabled_by_default(false)
            .default_entity_id("sensor.dust_outside")
            .build()?,
        BinarySensor::new("under_voltage", "Under-voltage")
            .device_class("problem")
            .category_diagnostic()
            .build()?,
        BinarySensor::new("hall-motion", "Hall motion")
            .device_class("motion")
            .payload_on("1")
            .payload_off("0")
            .off_delay(Duration::from_secs(30))
            .expire_after(Duration::from_secs(3600))
            .icon("mdi:run")
            .default_entity_id("binary_sensor.hall")
            .build()?,
        Switch::new("pump", "Pump").build()?,
        Switch::new("socket", "Socket")
            .device_class("outlet")
            .icon("mdi:power-socket-eu")
            .category("config")
            .default_entity_id("switch.garden_socket")
            .attributes(true)
            .availability(true)
            .qos(Qos::ExactlyOnce)
            .build()?,
        Button::new("press", "Press").build()?,
        Button::new("restart", "Restart")
            .device_class("restart")
            .category("config")
            .enabled_by_default(false)
            .availability(true)
            .build()?,
        Number::new("level", "Level").build()?,
        Number::new("target", "Target")
            .device_class("temperature")
            .unit("°C")
            .min(-5.5)
            .max(30.0)
            .step(0.5)
            .mode("slider")
            .category("config")
            .attributes(true)
            .build()?,
        Select::new("speed", "Speed", ["slow", "fast"]).build()?,
        Select::new("scene", "Scene", ["day", "night"]).icon("mdi:lamp").category_diagnostic().build()?,
        Text::new("note", "Note").build()?,
        Text::new("code", "Code")
            .min(4)
            .max(8)
            .mode("password")
            .pattern("[0-9]+$")
            .category("config")
            .build()?,
        Light::new("spot", "Spot").build()?,
        Light::new("dimmer", "Dimmer").color_modes(["brightness"]).brightness_scale(100).build()?,
        Light::new("strip", "Strip")
            .color_modes(["color_temp", "rgbww", "hs", "white"])
            .kelvin(2700, 6500)
            .effects(["rainbow", "fire"])
            .flash(true)
            .transition(true)
            .icon("mdi:led-strip")
            .attributes(true)
            .availability(true)
            .build()?,
        Event::new("remote", "Remote", ["short", "long"]).build()?,
        Event::new("doorbell", "Doorbell", ["ring", "knock"])
            .device_class("doorbell")
            .icon("mdi:bell")
            .attributes(true)
            .build()?,
        Update::new("software", "Software").build()?,
        Update::new("firmware", "Firmware")
            .device_class("firmware")
            .title("Firmware of the board")
            .installable(true)
            .category("config")
            .build()?,
        DeviceTracker::new("cat", "Cat").build()?,
        DeviceTracker::new("phone", "Phone")
            .source_type("bluetooth_le")
            .icon("mdi:phone")
            .attributes(true)
            .build()?,
        Other::new("notify", "display", "Display").commands(true).build()?,
        Other::new("cover", "gate", "Gate")
            .field("device_class", "gate")
            .field("position_topic", "gate/position")
            .field("position_open", 90)
            .states(true)
            .commands(true)
            .icon("mdi:gate")
            .default_entity_id("cover.gate")
            .attributes(true)
            .availability(true)
            .build()?,
    ])
}

fn device() -> Device {
    Device {
        identifier: ObjectId::new("luigi-pi").unwrap(),
        name: "Luigi-pi".to_owned(),
        manufacturer: "Luigi Project".to_owned(),
        model: "Raspberry Pi Zero W".to_owned(),
        sw_version: "1.2.3".to_owned(),
        via: None,
    }
}

fn topics() -> Topics {
    let [prefix, state, availability] =
        ["homeassistant", "luigi/pi", "luigi/pi/availability"].map(|text| Topic::new(text).unwrap());
    Topics::new(prefix, ObjectId::new("luigi-pi").unwrap(), state, availability).unwrap()
}

#[test]
fn entities_are_announced_as_the_golden_payloads_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/discovery");
    let origin = Origin { sw_version: "1.2.3", support_url: "https://example.org/luigi", ..Origin::OURS };
    let (device, topics) = (device(), topics());
    let mut files = BTreeSet::new();
    for entity in entities().unwrap() {
        let file = format!("{}.json", entity.id());
        let payload = EntityPayload::new(&entity, &device, &topics, Qos::AtLeastOnce, origin);
        let golden = fs::read_to_string(folder.join(&file)).unwrap_or_default();
        assert_eq!(serde_json::to_string_pretty(&payload).unwrap(), golden.trim_end(), "{file}");
        files.insert(file);
    }
    let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files, found.collect());
}

#[test]
fn a_payload_is_one_line_with_our_own_origin() {
    let entity = Sensor::new("bare", "Bare").build().unwrap();
    let payload = discovery_payload(&entity, &device(), &topics(), Qos::AtMostOnce);
    assert!(!payload.contains('\n'));
    assert!(payload.contains(r#","qos":0,"device":{"#), "{payload}");
    let origin = format!(r#""origin":{{"name":"luigi-mqtt","sw_version":"{}""#, env!("CARGO_PKG_VERSION"));
    assert!(payload.contains(&origin), "{payload}");
}

/// What belongs to a device that ours connects, with states that nobody tells about itself where ours is available.
fn of_module() -> Vec<Entity> {
    let module = Arc::new(Device {
        identifier: ObjectId::new("luigi-pi_weather").unwrap(),
        name: "Weather".to_owned(),
        manufacturer: String::new(),
        model: String::new(),
        sw_version: String::new(),
        via: Some(ObjectId::new("luigi-pi").unwrap()),
    });
    let wind = Sensor::new("wind", "Wind").device_class("wind_speed").unit("m/s").state_class("measurement");
    let rain = BinarySensor::new("rain", "Rain").availability(true).qos(Qos::AtMostOnce);
    let of_module = [wind.build().unwrap(), rain.build().unwrap()];
    of_module.map(|it| it.on_device(Arc::clone(&module))).to_vec()
}

/// As `tests/data/discovery-device/<file>.json` says. They too were shown to Home Assistant's own schemas of 2026.11.
#[test]
fn a_device_is_announced_in_one_message_as_the_golden_payloads_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/discovery-device");
    let origin = Origin { sw_version: "1.2.3", support_url: "https://example.org/luigi", ..Origin::OURS };
    let (ours, topics, all, of_module) = (device(), topics(), entities().unwrap(), of_module());
    let gone = ObjectId::new("gone").unwrap();
    let module = of_module[0].own_device().unwrap();
    for (file, device, entities, removed) in [
        ("all.json", &ours, &all[..], None),
        ("module.json", module, &of_module, None),
        ("one_removed.json", &ours, &all[..1], Some((&gone, Platform::BinarySensor))),
        ("all_removed.json", &ours, &[], Some((&gone, Platform::Other("cover")))),
    ] {
        let (entities, removed) = (entities.iter(), removed.into_iter());
        let payload = DeviceFormPayload::new(device, entities, removed, &topics, Qos::AtLeastOnce, origin);
        let golden = fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert_eq!(serde_json::to_string_pretty(&payload).unwrap(), golden.trim_end(), "{file}");
    }
}

#[test]
fn an_entity_of_another_device_says_so_wherever_it_is_announced() {
    let [wind, _] = &of_module()[..] else { panic!() };
    let payload = discovery_payload(wind, &device(), &topics(), Qos::AtLeastOnce);
    let expected =
        r#""device":{"identifiers":["luigi-pi_weather"],"name":"Weather","via_device":"luigi-pi"}"#;
    assert!(payload.contains(expected), "{payload}");
    let topic = |device: &Device| topics().device_config(device).to_string();
    assert_eq!(topic(wind.own_device().unwrap()), "homeassistant/device/luigi-pi_weather/config");
    assert_eq!(topic(&device()), "homeassistant/device/luigi-pi/config");
}

#[test]
fn what_home_assistant_knows_an_entity_by_stays_when_the_node_changes() {
    let id = ObjectId::new("attic").unwrap();
    let identity = ObjectId::new("raspberrypi").unwrap();
    let topics = topics().with_identity(identity.clone());
    assert_eq!(topics.unique_id(&id), "raspberrypi_attic");
    assert_eq!(topics.config(Platform::Sensor, &id).as_str(), "homeassistant/sensor/luigi-pi/attic/config");
    let ours = Device { identifier: identity, ..device() };
    assert_eq!(topics.device_config(&ours).as_str(), "homeassistant/device/luigi-pi/config");
    let there = Sensor::new("attic", "Attic").build().unwrap().on_device(Arc::new(device()));
    let error = there.check_with(&ours, &topics).unwrap_err().to_string();
    let expected = "sensor \"attic\": device: expected another identifier: our own device is announced there, \
                    found \"luigi-pi\"";
    assert_eq!(error, expected);
}
