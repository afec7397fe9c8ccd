//! What builds and what does not.

use crate::model::Topic;

use super::super::*;
use super::{cat, doorbell, gate, lamp, level, pump, strip, update};

/// Holds what does not build against its one problem.
#[track_caller]
fn refuses(rows: impl IntoIterator<Item = (Result<Entity, EntityError>, &'static str)>) {
    for (built, problem) in rows {
        let found: Vec<_> = built.expect_err(problem).problems.iter().map(ToString::to_string).collect();
        assert_eq!(found, [problem]);
    }
}

#[test]
fn a_class_is_one_of_the_platform() {
    for built in [
        pump().device_class("outlet").build(),
        Button::new("a", "A").device_class("identify").build(),
        level().device_class("power_factor").build(),
        level().device_class("voltage").unit("mV").build(),
        doorbell().device_class("doorbell").build(),
        update().device_class("firmware").build(),
    ] {
        built.unwrap();
    }
    refuses([
        (
            pump().device_class("socket").build(),
            r#"device_class: expected one of outlet, switch, found "socket""#,
        ),
        (
            Button::new("a", "A").device_class("reset").build(),
            r#"device_class: expected one of identify, restart, update, found "reset""#,
        ),
        (
            level().device_class("temperature").unit("C").build(),
            r#"unit_of_measurement: expected one of °C, °F, K for device class temperature, found "C""#,
        ),
        (
            doorbell().device_class("bell").build(),
            r#"device_class: expected one of button, doorbell, motion, found "bell""#,
        ),
        (update().device_class("software").build(), r#"device_class: expected firmware, found "software""#),
        (
            Event::new("door", "Door", ["knock"]).device_class("doorbell").build(),
            r#"event_types: expected ring among them for device class doorbell, found ["knock"]"#,
        ),
    ]);
    let error = level().device_class("timestamp").build().unwrap_err();
    let complaint = &error.problems[0].complaint;
    assert!(complaint.starts_with("expected one of absolute_humidity, "), "{complaint}");
    assert!(complaint.ends_with(r#", wind_speed, found "timestamp""#), "{complaint}");
    assert!(!complaint.contains("enum"), "{complaint}");
}

#[test]
fn what_can_be_set_may_be_configuration() {
    for category in ["config", "diagnostic"] {
        assert!(pump().category(category).build().is_ok());
        assert!(gate().category(category).build().is_ok());
    }
    refuses([
        (
            pump().category("setup").build(),
            r#"entity_category: expected config, diagnostic or none, found "setup""#,
        ),
        (
            Other::new("binary_sensor", "a", "A").category("config").build(),
            r#"entity_category: expected diagnostic or none, found "config""#,
        ),
    ]);
}

#[test]
fn limits_are_in_order_and_finite() {
    for built in [level().build(), level().min(30.0).build(), level().step(0.001).build()] {
        built.unwrap();
    }
    assert!(Text::new("a", "A").min(255).build().is_ok());
    refuses([
        (level().min(31.0).build(), "max: expected at least min, 31, found 30"),
        (level().max(f64::INFINITY).build(), "max: expected a finite number, found inf"),
        (level().min(f64::NAN).build(), "min: expected a finite number, found NaN"),
        (level().step(0.0009).build(), "step: expected a finite number, at least 0.001, found 0.0009"),
        (level().step(f64::NAN).build(), "step: expected a finite number, at least 0.001, found NaN"),
        (level().mode("knob").build(), r#"mode: expected one of auto, box, slider, found "knob""#),
        (Text::new("a", "A").min(9).max(8).build(), "max: expected at least min, 9, found 8"),
        (
            Text::new("a", "A").mode("secret").build(),
            r#"mode: expected one of text, password, found "secret""#,
        ),
    ]);
    for pattern in ["[0-9", "(?=a)", "a)|(b"] {
        let error = Text::new("a", "A").pattern(pattern).build().unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        assert_eq!(error.problems[0].field, "pattern");
    }
}

#[test]
fn there_is_something_to_choose_from() {
    let select = |options: &[&str]| Select::new("mode", "Mode", options.iter().copied()).build();
    assert!(select(&["eco"]).is_ok());
    refuses([
        (select(&[]), "options: expected at least one, found none"),
        (select(&["eco", "eco"]), r#"options: expected each one once, found "eco" again"#),
        (select(&["None"]), r#"options: expected texts of 1 to 255 characters but None, found "None""#),
        (select(&["NONE"]), r#"options: expected no blank ones, and no none in any case, found "NONE""#),
        (select(&[" "]), r#"options: expected no blank ones, and no none in any case, found " ""#),
        (Event::new("a", "A", [""; 0]).build(), "event_types: expected at least one, found none"),
        (
            Event::new("a", "A", [""]).build(),
            r#"event_types: expected texts of 1 to 255 characters but None, found """#,
        ),
        (
            lamp().effects(["fire", "fire"]).build(),
            r#"effect_list: expected each one once, found "fire" again"#,
        ),
        (
            cat().source_type("wifi").build(),
            r#"source_type: expected one of bluetooth, bluetooth_le, gps, router, found "wifi""#,
        ),
        (update().title(" ").build(), r#"title: expected a text, found " ""#),
    ]);
}

#[test]
fn a_light_has_a_combination_of_colour_modes_that_there_is() {
    for modes in [&["onoff"][..], &["brightness"], &["color_temp"], &["rgb", "white"], &["hs", "color_temp"]]
    {
        assert!(lamp().color_modes(modes.iter().copied()).build().is_ok(), "{modes:?}");
    }
    let of = |modes: &[&str]| lamp().color_modes(modes.iter().copied());
    refuses([
        (of(&[]).build(), "supported_color_modes: expected at least one, found none"),
        (
            of(&["rgbx"]).build(),
            "supported_color_modes: expected one of onoff, brightness, color_temp, hs, rgb, rgbw, rgbww, white, xy, \
             found \"rgbx\" (did you mean rgb?)",
        ),
        (of(&["rgb", "rgb"]).build(), r#"supported_color_modes: expected each one once, found "rgb" again"#),
        (of(&["onoff", "rgb"]).build(), "supported_color_modes: expected onoff alone, found onoff, rgb"),
        (
            of(&["brightness", "hs"]).build(),
            "supported_color_modes: expected brightness alone, found brightness, hs",
        ),
        (
            of(&["white", "color_temp"]).build(),
            "supported_color_modes: expected white beside one of hs, rgb, rgbw, rgbww, xy, found white, color_temp",
        ),
        (of(&["rgb"]).brightness_scale(0).build(), "brightness_scale: expected at least 1, found 0"),
        (
            of(&["rgb"]).kelvin(2700, 6500).build(),
            "min_kelvin: expected none without the colour mode color_temp, found 2700",
        ),
        (of(&["color_temp"]).kelvin(0, 6500).build(), "min_kelvin: expected at least 1, found 0"),
        (
            of(&["color_temp"]).kelvin(6500, 2700).build(),
            "max_kelvin: expected at least min_kelvin, 6500, found 2700",
        ),
    ]);
}

#[test]
fn fields_of_another_platform_leave_alone_what_is_set_otherwise() {
    assert!(gate().field("position_topic", "gate/position").states(true).build().is_ok());
    assert!(gate().field("state_topic", "gate/state").field("command_topic", "gate/set").build().is_ok());
    refuses([
        (
            gate().field("unique_id", "x").build(),
            r#"fields: expected no unique_id, which is set by Other::new, found "x""#,
        ),
        (
            gate().field("avty_t", "x").build(),
            r#"fields: expected no avty_t, which is set by availability(…), found "x""#,
        ),
        (
            gate().field("state_topic", "x").states(true).build(),
            r#"fields: expected no state_topic, which is set by states(true), found "x""#,
        ),
        (
            gate().field("cmd_t", "x").commands(true).build(),
            r#"fields: expected no cmd_t, which is set by commands(true), found "x""#,
        ),
        (
            gate().field("tilt_command_topic", "gate/+").build(),
            r#"fields: tilt_command_topic: expected a topic without wildcards, found "gate/+""#,
        ),
        (
            gate().field("position_topic", 1).build(),
            "fields: position_topic: expected a topic without wildcards, found 1",
        ),
        (gate().icon("gate").build(), r#"icon: expected prefix:name, such as mdi:thermometer, found "gate""#),
    ]);
    let error = Other::new("covers", "gate", "Gate").build().unwrap_err().to_string();
    assert!(
        error.starts_with("covers \"gate\": platform: expected one of alarm_control_panel, camera, "),
        "{error}"
    );
    assert!(error.ends_with("found \"covers\" (did you mean cover?)"), "{error}");
    assert_eq!(Other::new("light", "a", "A").build().unwrap().platform(), Platform::Light);
}

#[test]
fn an_id_leaves_the_availability_topic_alone_in_all_that_is_told_below_it() {
    let node = ObjectId::new("pi").unwrap();
    let device = Device {
        identifier: node.clone(),
        name: "Pi".to_owned(),
        manufacturer: String::new(),
        model: String::new(),
        sw_version: String::new(),
        via: None,
    };
    for (availability, told) in [
        ("luigi/pi/pump", Some("states")),
        ("luigi/pi/pump/set", Some("commands")),
        ("luigi/pi/pump/attributes", Some("attributes")),
        ("luigi/pi/pump/availability", Some("availability")),
        ("luigi/pi/pump/x", None),
        ("luigi/pi/availability", None),
    ] {
        let [prefix, state, topic] =
            ["homeassistant", "luigi/pi", availability].map(|it| Topic::new(it).unwrap());
        let topics = Topics::new(prefix, node.clone(), state, topic).unwrap();
        let checked = pump().build().unwrap().check_with(&device, &topics);
        let expected = told.map(|told| {
            format!(
                "switch \"pump\": id: expected another id: its {told} would go to the availability topic \
                 {availability}, found \"pump\""
            )
        });
        assert_eq!(checked.err().map(|error| error.to_string()), expected);
    }
}

#[test]
fn a_state_means_the_same_within_the_same_limits_only() {
    let level = || level().build().unwrap();
    assert!(
        level().shares_states_with(&Number::new("x", "Y").min(-5.0).max(30.0).step(0.5).build().unwrap())
    );
    assert!(!level().shares_states_with(&Number::new("level", "Level").build().unwrap()));
    assert!(!level().shares_states_with(&pump().build().unwrap()));
}

#[test]
fn what_home_assistant_2023_12_refused_is_known() {
    for (entity, expected) in [
        (pump().build(), true),
        (level().device_class("voltage").unit("kV").build(), false),
        (lamp().build(), true),
        (lamp().color_modes(["brightness"]).build(), true),
        (strip().build(), false),
        (gate().build(), true),
        (Other::new("valve", "a", "A").build(), false),
    ] {
        let entity = entity.unwrap();
        assert_eq!(entity.known_in_2023_12(), expected, "{entity:?}");
    }
}
