//! States, as Home Assistant would show them.

use serde_json::json;

use super::*;
use crate::registry::capability::FieldValue;

/// What an entity is known to be in, after these payloads on these topics, as JSON; what is raw stands in an object
/// with `raw`.
#[track_caller]
fn told(platform: &str, config: Value, payloads: &[(&str, &str)]) -> Value {
    let sources = sources(platform, config.as_object().unwrap());
    let mut fields = Fields::new();
    for (topic, payload) in payloads {
        for source in sources.iter().filter(|source| source.topic.as_str() == *topic) {
            source.read(&Payload::new(payload.as_bytes(), false), &mut fields);
        }
    }
    let shown = fields.iter().map(|(name, value)| {
        let value = match value {
            FieldValue::Known(value) => value.clone(),
            FieldValue::Raw(text) => json!({ "raw": text }),
        };
        (name.to_owned(), value)
    });
    Value::Object(shown.collect())
}

#[track_caller]
fn check(platform: &str, config: Value, payloads: &[(&str, &str)], expected: Value) {
    assert_eq!(told(platform, config, payloads), expected);
}

#[test]
fn sensors_tell_numbers_where_they_measure_and_words_elsewhere() {
    let measures = json!({ "state_topic": "s", "unit_of_measurement": "W" });
    check("sensor", measures.clone(), &[("s", "21.50")], json!({ "state": 21.5 }));
    check("sensor", measures.clone(), &[("s", "21")], json!({ "state": 21 }));
    check("sensor", measures.clone(), &[("s", "21"), ("s", "")], json!({ "state": 21 }));
    check("sensor", measures.clone(), &[("s", "21"), ("s", "None")], json!({ "state": null }));
    check("sensor", measures, &[("s", "lots")], json!({ "state": { "raw": "lots" } }));
    check("sensor", json!({ "state_topic": "s" }), &[("s", "21.50")], json!({ "state": "21.50" }));
    let zigbee =
        json!({ "state_topic": "z", "device_class": "humidity", "value_template": "{{ value_json.h }}" });
    check("sensor", zigbee.clone(), &[("z", r#"{"h":45.37}"#)], json!({ "state": 45.37 }));
    check("sensor", zigbee.clone(), &[("z", r#"{"h":1}"#), ("z", "{}")], json!({ "state": 1 }));
    check("sensor", zigbee, &[("z", r#"{"h":1}"#), ("z", "no json")], json!({ "state": 1 }));
    let strange = json!({ "state_topic": "s", "value_template": "{{ as_timestamp(value) }}" });
    check("sensor", strange, &[("s", "now")], json!({ "state": { "raw": "now" } }));
    let options = json!({ "state_topic": "s", "device_class": "enum", "options": ["a", "b"] });
    check("sensor", options.clone(), &[("s", "a")], json!({ "state": "a" }));
    check("sensor", options, &[("s", "c")], json!({ "state": { "raw": "c" } }));
}

#[test]
fn on_and_off_are_told_in_the_words_of_the_configuration() {
    let plain = json!({ "state_topic": "s" });
    check("binary_sensor", plain.clone(), &[("s", "ON")], json!({ "state": "on" }));
    check("binary_sensor", plain.clone(), &[("s", "None")], json!({ "state": null }));
    check("switch", plain, &[("s", "on")], json!({ "state": { "raw": "on" } }));
    let truth = json!({
        "state_topic": "s", "payload_on": true, "payload_off": false, "value_template": "{{ value_json.occupancy }}",
    });
    check("binary_sensor", truth.clone(), &[("s", r#"{"occupancy":true}"#)], json!({ "state": "on" }));
    check("binary_sensor", truth, &[("s", r#"{"occupancy":false}"#)], json!({ "state": "off" }));
    let other = json!({ "state_topic": "s", "payload_on": "do", "state_on": "done" });
    check("switch", other.clone(), &[("s", "done")], json!({ "state": "on" }));
    check("switch", other, &[("s", "do")], json!({ "state": { "raw": "do" } }));
}

#[test]
fn a_json_light_tells_all_in_one_message() {
    let light = json!({
        "schema": "json", "state_topic": "l", "supported_color_modes": ["xy", "color_temp", "rgb"],
        "brightness_scale": 254, "effect": true,
    });
    check(
        "light",
        light.clone(),
        &[(
            "l",
            r#"{"state":"ON","brightness":254,"color_mode":"color_temp","color_temp":250,"color":{"x":0.1}}"#,
        )],
        json!({ "state": "on", "brightness": 255, "color_mode": "color_temp", "color_temp": 4000 }),
    );
    check(
        "light",
        light.clone(),
        &[(
            "l",
            r#"{"state":"OFF","brightness":0,"color_mode":"xy","color":{"x":0.5,"y":1},"effect":"blink"}"#,
        )],
        json!({ "state": "off", "color_mode": "xy", "xy_color": [0.5, 1.0], "effect": "blink" }),
    );
    check(
        "light",
        light.clone(),
        &[("l", r#"{"state":null,"brightness":1,"color_mode":"rgb","color":{"r":1,"g":2,"b":3}}"#)],
        json!({ "state": null, "brightness": 1, "color_mode": "rgb", "rgb_color": [1, 2, 3] }),
    );
    check("light", light.clone(), &[("l", r#"{"brightness":5}"#), ("l", "x"), ("l", "[]")], json!({}));
    check(
        "light",
        light,
        &[("l", r#"{"state":"on","color_mode":"hs"}"#)],
        json!({ "state": { "raw": "on" } }),
    );
    let plain = json!({ "schema": "json", "state_topic": "l" });
    check("light", plain, &[("l", r#"{"state":"ON","brightness":9}"#)], json!({ "state": "on" }));
}

#[test]
fn a_basic_light_tells_each_thing_on_its_topic() {
    let light = json!({
        "state_topic": "s", "brightness_state_topic": "b", "brightness_scale": 100, "rgb_state_topic": "c",
        "hs_state_topic": "h", "color_temp_state_topic": "t", "effect_state_topic": "e",
        "state_value_template": "{{ value_json.POWER }}",
    });
    check(
        "light",
        light.clone(),
        &[("s", r#"{"POWER":"ON"}"#), ("b", "50"), ("c", "255,10,0"), ("e", "rave")],
        json!({ "state": "on", "brightness": 128, "rgb_color": [255, 10, 0], "color_mode": "rgb", "effect": "rave" }),
    );
    check(
        "light",
        light,
        &[("b", "0"), ("h", "30,90.5"), ("t", "370"), ("c", "x")],
        json!({
            "hs_color": [30.0, 90.5], "color_temp": 2702, "color_mode": "color_temp", "rgb_color": { "raw": "x" },
        }),
    );
    check(
        "light",
        json!({ "rgb_state_topic": "c" }),
        &[("c", "0,0,0"), ("c", "100,50,0")],
        json!({ "rgb_color": [255, 128, 0], "brightness": 100, "color_mode": "rgb" }),
    );
    let template = json!({
        "schema": "template", "state_topic": "s", "state_template": "{{ value.split(',')[0] }}",
        "brightness_template": "{{ value.split(',')[1] }}",
    });
    check("light", template, &[("s", "on,77")], json!({ "state": "on", "brightness": 77 }));
}

#[test]
fn covers_and_valves_tell_states_and_percentages() {
    let cover = json!({
        "state_topic": "s", "position_topic": "p", "tilt_status_topic": "t", "position_open": 0,
        "position_closed": 255, "position_template": "{{ value_json.pos }}",
    });
    check(
        "cover",
        cover.clone(),
        &[("s", "opening"), ("p", r#"{"pos":127}"#), ("t", "30")],
        json!({ "state": "opening", "position": 50, "tilt_position": 30 }),
    );
    check(
        "cover",
        cover.clone(),
        &[("p", r#"{"pos":255}"#), ("s", "stopped"), ("t", "101")],
        json!({ "state": "closed", "position": 0, "tilt_position": { "raw": "101" } }),
    );
    let position = json!({ "position_topic": "p" });
    check("cover", position.clone(), &[("p", "40")], json!({ "state": "open", "position": 40 }));
    check("cover", position.clone(), &[("p", "0")], json!({ "state": "closed", "position": 0 }));
    check("cover", position, &[("p", "high")], json!({ "position": { "raw": "high" } }));
    check(
        "valve",
        json!({ "state_topic": "s" }),
        &[("s", r#"{"state":"closed"}"#)],
        json!({ "state": "closed" }),
    );
    let valve = json!({ "state_topic": "s", "reports_position": true, "position_open": 50 });
    check("valve", valve.clone(), &[("s", "25")], json!({ "state": "open", "position": 50 }));
    check(
        "valve",
        valve,
        &[("s", r#"{"state":"opening","position":10}"#)],
        json!({ "state": "opening", "position": 20 }),
    );
}

#[test]
fn other_platforms_tell_what_home_assistant_shows() {
    let s = || json!({ "state_topic": "s" });
    check("lock", s(), &[("s", "LOCKED")], json!({ "state": "locked" }));
    check("number", s(), &[("s", "0")], json!({ "state": 0 }));
    check("number", s(), &[("s", "100")], json!({ "state": 100 }));
    check("number", s(), &[("s", "101")], json!({ "state": { "raw": "101" } }));
    check("text", s(), &[("s", "")], json!({ "state": "" }));
    check("select", json!({ "state_topic": "s", "options": ["a"] }), &[("s", "a")], json!({ "state": "a" }));
    check("alarm_control_panel", s(), &[("s", "armed_away")], json!({ "state": "armed_away" }));
    check("device_tracker", s(), &[("s", "home")], json!({ "state": "home" }));
    check("device_tracker", s(), &[("s", "work")], json!({ "state": "work" }));
    check(
        "lawn_mower",
        json!({ "activity_state_topic": "s" }),
        &[("s", "docked")],
        json!({ "state": "docked" }),
    );
    check(
        "vacuum",
        s(),
        &[("s", r#"{"state":"docked","fan_speed":"max","battery_level":61}"#)],
        json!({ "state": "docked", "fan_speed": "max" }),
    );
    check(
        "siren",
        s(),
        &[("s", r#"{"state":"ON","tone":"bell"}"#), ("s", "OFF")],
        json!({ "state": "off", "tone": "bell" }),
    );
    check("update", s(), &[("s", "1.2")], json!({ "installed_version": "1.2" }));
    check(
        "update",
        json!({ "state_topic": "s", "value_template": "{{ value_json['update'] | tojson }}" }),
        &[("s", r#"{"update":{"installed_version":16,"latest_version":"17","update_percentage":5}}"#)],
        json!({
            "installed_version": "16", "latest_version": "17", "update_percentage": 5, "in_progress": true,
        }),
    );
    check(
        "fan",
        json!({ "percentage_state_topic": "p", "speed_range_max": 10, "oscillation_state_topic": "o" }),
        &[("p", "5"), ("o", "oscillate_on")],
        json!({ "percentage": 50, "oscillating": true }),
    );
    check(
        "climate",
        json!({
            "mode_state_topic": "z", "current_temperature_topic": "z", "temperature_state_topic": "t",
            "mode_state_template": "{{ value_json.m }}", "value_template": "{{ value_json.c }}",
            "temperature_state_template": "{{ value }}",
        }),
        &[("z", r#"{"m":"heat","c":20.5}"#), ("t", "22")],
        json!({ "hvac_mode": "heat", "current_temperature": 20.5, "temperature": 22 }),
    );
    check(
        "humidifier",
        json!({ "current_humidity_topic": "c", "target_humidity_state_topic": "t" }),
        &[("c", "45.5"), ("t", "101")],
        json!({ "current_humidity": 46, "humidity": { "raw": "101" } }),
    );
    check("image", json!({ "image_topic": "i" }), &[("i", "\u{1}\u{2}\u{3}")], json!({ "bytes": 3 }));
    check("button", json!({ "command_topic": "c" }), &[], json!({}));
    check("martian", s(), &[("s", "x")], json!({}));
}

#[test]
fn an_event_that_was_kept_has_not_happened_again() {
    let config = json!({ "state_topic": "e", "event_types": ["press"] });
    let sources = sources("event", config.as_object().unwrap());
    let mut fields = Fields::new();
    let payload = br#"{"event_type":"press","count":2}"#;
    assert!(!sources[0].read(&Payload::new(payload, true), &mut fields));
    assert!(fields.is_empty());
    assert!(sources[0].read(&Payload::new(payload, false), &mut fields));
    assert_eq!(fields.known("event_type"), Some(&json!("press")));
    assert_eq!(fields.known("attributes"), Some(&json!({ "count": 2 })));
}

#[test]
fn attributes_are_an_object_without_what_home_assistant_blocks() {
    let config =
        json!({ "json_attributes_topic": "a", "json_attributes_template": "{{ value_json.x | tojson }}" });
    check(
        "sensor",
        config.clone(),
        &[("a", r#"{"x":{"b":1,"icon":"y"}}"#)],
        json!({ "attributes": { "b": 1 } }),
    );
    check("sensor", config, &[("a", r#"{"x":5}"#)], json!({ "attributes": { "raw": "5" } }));
}

#[test]
fn no_payload_makes_any_platform_panic() {
    let mut random = fastrand::Rng::with_seed(2);
    let pieces =
        ["{", "}", "\"state\"", ":", ",", "0", "-1", "1e999", "ON", "None", "null", "[", "]", "\u{e4}", " "];
    let topics = [
        "state_topic",
        "position_topic",
        "tilt_status_topic",
        "brightness_state_topic",
        "rgb_state_topic",
        "color_temp_state_topic",
        "percentage_state_topic",
        "json_attributes_topic",
        "topic",
    ];
    let platforms =
        ["light", "cover", "valve", "sensor", "number", "fan", "event", "update", "vacuum", "siren"];
    let mut config: Map<String, Value> =
        topics.map(|topic| (topic.to_owned(), json!("t"))).into_iter().collect();
    for (key, values) in [
        ("schema", json!(["json", "basic", "template"])),
        ("brightness_scale", json!([0, -1, 1e300, "x"])),
        ("position_open", json!([0, 100, -1])),
        ("tilt_max", json!([0, -1e300])),
        ("speed_range_max", json!([0, 1])),
        ("reports_position", json!([true, false])),
    ] {
        for value in values.as_array().unwrap() {
            config.insert(key.to_owned(), value.clone());
            for platform in platforms {
                let sources = sources(platform, &config);
                for _ in 0..20 {
                    let count = random.usize(..8);
                    let payload: String = (0..count).map(|_| pieces[random.usize(..pieces.len())]).collect();
                    let mut fields = Fields::new();
                    for source in &sources {
                        source.read(&Payload::new(payload.as_bytes(), false), &mut fields);
                    }
                    assert!(fields.bytes() <= Fields::MAX_BYTES);
                }
            }
        }
    }
}
