//! What programs tell as values.

use serde_json::{Value as Json, json};

use super::super::{Code, value};
use crate::entity::{
    BinarySensor, Button, DeviceTracker, Entity, EntityError, Event, Light, Number, Other, Select, Sensor,
    Switch, Text, Update,
};
use crate::model::Value;

/// What `entity` takes `found` for, or what it expects in its place.
#[track_caller]
fn check(entity: &Result<Entity, EntityError>, rows: &[(Json, Result<Value, &str>)]) {
    for (found, expected) in rows {
        let read = value(entity.as_ref().unwrap(), found);
        if let Err(failure) = &read {
            assert_eq!(failure.code, Code::Invalid);
        }
        let read = read.map_err(|it| it.expected.unwrap_or_default());
        assert_eq!(read.as_ref().map_err(String::as_str), expected.as_ref().map_err(|it| *it), "{found}");
    }
}

fn text(text: &str) -> Result<Value, &'static str> {
    Ok(Value::from(text))
}

fn number(number: f64) -> Result<Value, &'static str> {
    Ok(Value::from(number))
}

const ON: Result<Value, &str> = Ok(Value::Switch(true));
const OFF: Result<Value, &str> = Ok(Value::Switch(false));
const UNKNOWN: Result<Value, &str> = Ok(Value::Unknown);

#[test]
fn a_sensor_with_numbers_takes_them_as_texts_too() {
    const EXPECTED: Result<Value, &str> = Err("a finite number of at most 255 digits");
    let attic = Sensor::new("attic", "Attic").unit("°C").build();
    check(
        &attic,
        &[
            (json!(21.5), number(21.5)),
            (json!(-3), number(-3.0)),
            (json!(u64::MAX), number(u64::MAX as f64)),
            (json!("21.5"), number(21.5)),
            (json!(" 21.5\n"), number(21.5)),
            (json!("1e3"), number(1000.0)),
            (json!(null), UNKNOWN),
            (json!("nan"), EXPECTED),
            (json!("inf"), EXPECTED),
            (json!(""), EXPECTED),
            (json!("21,5"), EXPECTED),
            (json!("21.5 °C"), EXPECTED),
            (json!(true), EXPECTED),
            (json!({"value": 1}), Err("a number, a text, true, false or null")),
            (json!([1]), Err("a number, a text, true, false or null")),
        ],
    );
}

#[test]
fn what_is_on_or_off_takes_the_usual_words_in_any_case() {
    for entity in [
        BinarySensor::new("door", "Door").device_class("door").build(),
        Switch::new("pump", "Pump").build(),
        Light::new("lamp", "Lamp").build(),
    ] {
        for on in [json!(true), json!(1), json!("ON"), json!("on"), json!("True"), json!("yes\n"), json!("1")]
        {
            check(&entity, &[(on, ON)]);
        }
        for off in
            [json!(false), json!(0), json!("OFF"), json!("off"), json!("false"), json!("No"), json!("0")]
        {
            check(&entity, &[(off, OFF), (json!(null), UNKNOWN)]);
        }
        for neither in [json!(2), json!(0.5), json!("open"), json!(""), json!("onn"), json!([true])] {
            assert!(value(entity.as_ref().unwrap(), &neither).is_err(), "{neither}");
        }
    }
    let door = BinarySensor::new("door", "Door").payload_on("open").payload_off("0").build();
    check(
        &door,
        &[
            (json!("open"), text("open")),
            (json!("on"), ON),
            (json!(0), OFF),
            (json!("shut"), Err(r#"on or off ("open" or "0")"#)),
        ],
    );
}

#[test]
fn a_text_stays_one_where_texts_are_what_the_entity_has() {
    let mode = Select::new("mode", "Mode", ["eco", "1"]).build();
    check(
        &mode,
        &[
            (json!("eco"), text("eco")),
            (json!(1), text("1")),
            (json!("Eco"), Err("one of eco, 1")),
            (json!(2), Err("one of eco, 1")),
            (json!(null), UNKNOWN),
        ],
    );
    let note = Text::new("note", "Note").max(5).build();
    check(
        &note,
        &[
            (json!(" 21 "), text(" 21 ")),
            (json!(21.5), text("21.5")),
            (json!("on"), text("on")),
            (json!(null), Err("a text of 0 to 5 characters")),
            (json!(true), Err("a text of 0 to 5 characters")),
        ],
    );
    let plain = Sensor::new("plain", "Plain").build();
    check(
        &plain,
        &[(json!("21.50"), text("21.50")), (json!(21.50), number(21.5)), (json!("on"), text("on"))],
    );
    let state = Sensor::new("state", "State").device_class("enum").options(["7", "b"]).build();
    check(&state, &[(json!(7), text("7")), (json!("b"), text("b")), (json!(8), Err("one of 7, b"))]);
    let start = Sensor::new("start", "Start").device_class("timestamp").build();
    check(
        &start,
        &[
            (json!("2026-11-21T20:46:00+01:00"), text("2026-11-21T20:46:00+01:00")),
            (json!(1_790_000_000), Err("a time with its zone such as 2026-11-21T20:46:00+01:00")),
        ],
    );
}

#[test]
fn what_says_several_things_takes_an_object() {
    let lamp = Light::new("lamp", "Lamp").color_modes(["brightness"]).build();
    let told = r#"{"brightness":80,"state":"ON"}"#;
    check(
        &lamp,
        &[
            (json!({"state": "ON", "brightness": 80}), text(told)),
            (json!(told), text(told)),
            (json!({"state": "ON", "brightness": 300}), Err("brightness from 1 to 255")),
            (json!({"state": "on"}), Err(r#"state "ON", "OFF" or null"#)),
        ],
    );
    let bell = Event::new("bell", "Bell", ["ring"]).build();
    const TYPES: Result<Value, &str> = Err("one of ring, or a JSON object with one as event_type");
    check(
        &bell,
        &[
            (json!("ring"), text("ring")),
            (json!({"event_type": "ring", "times": 2}), text(r#"{"event_type":"ring","times":2}"#)),
            (json!("knock"), TYPES),
            (json!({"event_type": "knock"}), TYPES),
            (json!(null), TYPES),
        ],
    );
    let firmware = Update::new("firmware", "Firmware").build();
    let version = r#"{"installed_version":"1.10"}"#;
    check(&firmware, &[(json!("1.10"), text("1.10")), (json!({"installed_version": "1.10"}), text(version))]);
    let gate = Other::new("cover", "gate", "Gate").states(true).build();
    check(
        &gate,
        &[
            (json!({"a": 1}), text(r#"{"a":1}"#)),
            (json!("opening"), text("opening")),
            (json!(5), number(5.0)),
        ],
    );
}

#[test]
fn what_has_limits_or_no_state_keeps_to_that() {
    let target = Number::new("target", "Target").min(5.0).max(30.0).build();
    const RANGE: Result<Value, &str> = Err("a number from 5 to 30");
    check(
        &target,
        &[(json!("21"), number(21.0)), (json!(31), RANGE), (json!("NaN"), RANGE), (json!("x"), RANGE)],
    );
    let cat = DeviceTracker::new("cat", "Cat").build();
    check(&cat, &[(json!(true), ON), (json!("garden"), text("garden"))]);
    let restart = Button::new("restart", "Restart").build();
    for any in [json!("PRESS"), json!(1), json!(null)] {
        check(&restart, &[(any, Err("no state, for it has none"))]);
    }
}

#[test]
fn a_refusal_says_what_was_found_unless_it_is_a_secret() {
    let attic = Sensor::new("attic", "Attic").unit("°C").build().unwrap();
    let failure = value(&attic, &json!("warm")).unwrap_err().to_string();
    assert_eq!(
        failure,
        r#"sensor "attic": the value is "warm": expected a finite number of at most 255 digits"#
    );
    let pin = Text::new("pin", "PIN").mode("password").min(8).build().unwrap();
    let failure = value(&pin, &json!("hunter2")).unwrap_err().to_string();
    assert_eq!(failure, r#"text "pin": the value is another: expected a text of 8 to 255 characters"#);
}
