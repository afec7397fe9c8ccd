//! Commands, next to those of Home Assistant.

use std::str;

use serde_json::json;

use super::*;
use crate::model::Qos;

/// A platform, a configuration, a wish, and the messages: topic, payload, quality of service, retained.
type Row = (String, Value, Value, Vec<(String, String, u8, bool)>);

#[track_caller]
fn wish(platform: &str, config: &Value, wanted: &Value) -> Result<Vec<Message>, SetError> {
    set(platform, config.as_object().unwrap(), &Fields::new(), wanted.as_object().unwrap())
}

#[track_caller]
fn refuses(platform: &str, config: Value, wanted: Value, expected: &str) {
    assert_eq!(wish(platform, &config, &wanted).unwrap_err().to_string(), expected);
}

/// Each line is a [`Row`], the messages those that Home Assistant 2026.11's own entity of that configuration
/// published when its service for the same wish was called.
#[test]
fn commands_are_those_that_home_assistant_sends() {
    let table = include_str!("../../../../tests/data/capability/commands.jsonl");
    let mut differ = Vec::new();
    for line in table.lines() {
        let (platform, config, wanted, expected): Row = serde_json::from_str(line).unwrap();
        let sent = wish(&platform, &config, &wanted).map(|messages| {
            let rows = messages.iter().map(|it| {
                let payload = String::from_utf8_lossy(&it.payload).into_owned();
                (it.topic.to_string(), payload, it.qos.level(), it.retain)
            });
            rows.collect::<Vec<_>>()
        });
        if sent.as_ref() != Ok(&expected) {
            differ.push(format!("{platform} {config} {wanted}: {sent:?}, expected {expected:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(table.lines().count() > 200);
}

#[test]
fn what_is_not_offered_is_refused_with_what_is() {
    let light = json!({
        "schema": "json", "command_topic": "c", "supported_color_modes": ["color_temp"],
        "effect": true, "effect_list": ["blink"], "max_mireds": 454, "min_mireds": 153, "flash": false,
    });
    for (wanted, expected) in [
        (
            json!({ "rgb_color": [1, 2, 3] }),
            "cannot set rgb_color: expected one of state, brightness, color_temp, effect, transition",
        ),
        (
            json!({ "color": { "r": 1, "g": 2, "b": 3 } }),
            "cannot set color: expected one of state, brightness, color_temp, effect, transition",
        ),
        (json!({ "state": "dim" }), r#"cannot set state: expected one of on, off, found "dim""#),
        (json!({ "effect": "rave" }), r#"cannot set effect: expected blink, found "rave""#),
        (json!({ "brightness": 256 }), "cannot set brightness: expected 0 to 255 in steps of 1, found 256"),
        (
            json!({ "brightness": "half" }),
            "cannot set brightness: expected 0 to 255 in steps of 1, found \"half\"",
        ),
        (json!({ "color_temp": 7000 }), "cannot set color_temp: expected 2202 to 6535, found 7000"),
        (json!({ "color_temp": 500 }), "cannot set color_temp: expected 2202 to 6535, found 500"),
        (json!({}), "cannot set nothing: expected one of state, brightness, color_temp, effect, transition"),
    ] {
        refuses("light", light.clone(), wanted, expected);
    }
    let topic = json!({ "command_topic": "c" });
    refuses(
        "switch",
        topic.clone(),
        json!({ "brightness": 1 }),
        "cannot set brightness: expected one of state",
    );
    refuses(
        "sensor",
        json!({ "state_topic": "s" }),
        json!({ "state": 1 }),
        "cannot set a sensor that takes no commands",
    );
    refuses(
        "switch",
        json!({ "state_topic": "s" }),
        json!({ "state": 1 }),
        "cannot set a switch that takes no commands",
    );
    refuses(
        "number",
        json!({ "command_topic": "c", "min": 5, "max": 30, "step": 0.5 }),
        json!({ "value": 21.3 }),
        "cannot set value: expected 5 to 30 in steps of 0.5, found 21.3",
    );
    refuses(
        "text",
        json!({ "command_topic": "c", "max": 3 }),
        json!({ "value": "long" }),
        "cannot set value: expected 0 to 3 characters, found \"long\"",
    );
    refuses("button", topic, json!({ "press": false }), "cannot set nothing: expected one of press");
    refuses(
        "switch",
        json!({ "command_topic": "a/#" }),
        json!({ "state": "on" }),
        r##"cannot publish to command_topic: expected a topic, found "a/#""##,
    );
    refuses(
        "switch",
        json!({ "command_topic": "c", "command_template": "{{ now() }}" }),
        json!({ "state": "on" }),
        r#"cannot render command_template: expected a template of a known shape, found "{{ now() }}""#,
    );
    refuses(
        "cover",
        json!({ "command_topic": "c", "payload_stop": null }),
        json!({ "state": "stop" }),
        r#"cannot set state: expected one of open, close, found "stop""#,
    );
}

#[test]
fn a_truth_value_is_the_word_that_the_entity_has_for_it() {
    let select = json!({ "command_topic": "c", "options": ["true", "no"] });
    let text = json!({ "command_topic": "c" });
    for (platform, config, wanted, expected) in [
        ("select", &select, json!({ "option": true }), Ok("true")),
        ("select", &select, json!({ "option": false }), Err(())),
        ("text", &text, json!({ "value": false }), Ok("false")),
        ("switch", &text, json!({ "state": "True" }), Ok("ON")),
    ] {
        let sent = wish(platform, config, &wanted);
        let sent = sent.as_ref().map(|it| str::from_utf8(&it[0].payload).unwrap()).map_err(drop);
        assert_eq!(sent, expected, "{platform} {wanted}");
    }
}

#[test]
fn a_light_is_dimmed_by_the_colour_that_it_told() {
    let config = json!({ "command_topic": "c", "rgb_command_topic": "c/rgb", "rgb_state_topic": "s" });
    let config = config.as_object().unwrap();
    let mut fields = Fields::new();
    let source = &crate::registry::capability::sources("light", config)[0];
    source.read(&crate::registry::capability::Payload::new(b"100,50,0", false), &mut fields);
    let sent = |wanted: Value| {
        let messages = set("light", config, &fields, wanted.as_object().unwrap()).unwrap();
        String::from_utf8_lossy(&messages[0].payload).into_owned()
    };
    assert_eq!(sent(json!({ "brightness": 51 })), "51,25,0");
    assert_eq!(sent(json!({ "rgb": [255, 255, 255] })), "100,100,100");
}

#[test]
fn a_brightness_of_nothing_turns_a_light_off() {
    let config = json!({ "schema": "json", "command_topic": "c", "brightness": true, "qos": 1 });
    let messages = wish("light", &config, &json!({ "state": "on", "brightness": 0 })).unwrap();
    assert_eq!((&*messages[0].payload, messages[0].qos), (&br#"{"state":"OFF"}"#[..], Qos::AtLeastOnce));
}
