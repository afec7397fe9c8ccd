//! What entities tell of their states.

use crate::model::Delivery;
use crate::model::Value;

use super::super::*;
use super::{cat, doorbell, gate, lamp, level, pump, strip, update};

/// Whatever has no expected payload is to be refused.
#[track_caller]
fn tells(entity: Result<Entity, EntityError>, rows: impl IntoIterator<Item = (Value, Option<&'static str>)>) {
    let entity = entity.unwrap();
    for (value, expected) in rows {
        assert_eq!(entity.state_payload(&value).ok().as_deref(), expected, "{} {value:?}", entity.platform());
    }
}

#[test]
fn what_can_be_set_tells_what_it_is_set_to() {
    tells(
        pump().build(),
        [
            (true.into(), Some("ON")),
            ("OFF".into(), Some("OFF")),
            ("on".into(), None),
            (1.0.into(), None),
            (Value::Unknown, Some("None")),
        ],
    );
    tells(
        level().build(),
        [
            (30.0.into(), Some("30")),
            ((-5.0).into(), Some("-5")),
            (30.1.into(), None),
            ((-5.1).into(), None),
            ("21.5".into(), Some("21.5")),
            ("31".into(), None),
            ("nan".into(), None),
            (true.into(), None),
            (Value::Unknown, Some("None")),
        ],
    );
    let select = Select::new("mode", "Mode", ["eco"]).build();
    tells(select, [("eco".into(), Some("eco")), ("Eco".into(), None), (Value::Unknown, Some("None"))]);
    let text = Text::new("code", "Code").min(2).max(4).pattern("[a-z]+$").build();
    tells(
        text,
        [
            ("abcd".into(), Some("abcd")),
            ("a".into(), None),
            ("abcde".into(), None),
            ("1ab".into(), None),
            ("ab1".into(), None),
            // Home Assistant would show the word.
            (Value::Unknown, None),
        ],
    );
    tells(Text::new("a", "A").build(), [("".into(), Some("")), ("ä".repeat(256).into(), None)]);
    tells(
        Button::new("a", "A").build(),
        [("PRESS".into(), None), (true.into(), None), (Value::Unknown, None)],
    );
}

#[test]
fn a_tracker_tells_a_place() {
    tells(
        cat().build(),
        [
            (true.into(), Some("home")),
            (false.into(), Some("not_home")),
            ("garden".into(), Some("garden")),
            (" ".into(), None),
            ("None".into(), None),
            (1.0.into(), None),
            (Value::Unknown, Some("None")),
        ],
    );
}

#[test]
fn an_event_tells_one_of_its_types_and_perhaps_more() {
    const LONG: &str = r#"{"event_type":"knock","times":3}"#;
    tells(
        doorbell().build(),
        [
            ("ring".into(), Some(r#"{"event_type":"ring"}"#)),
            (LONG.into(), Some(LONG)),
            ("rang".into(), None),
            (r#"{"event_type":"rang"}"#.into(), None),
            (r#"{"times":3}"#.into(), None),
            (r#"["ring"]"#.into(), None),
            (true.into(), None),
            (Value::Unknown, None),
        ],
    );
    let entity = doorbell().build().unwrap();
    assert!(entity.is_momentary() && !entity.retained());
    assert_eq!(entity.delivery(), Delivery::Every);
    assert_eq!(
        entity.state_payload(&"rang".into()).unwrap_err().to_string(),
        "event \"doorbell\": expected one of ring, knock, or a JSON object with one as event_type, found \"rang\"",
    );
}

#[test]
fn an_update_tells_versions() {
    const NEWER: &str = r#"{"installed_version":"1.10","update_percentage":null}"#;
    tells(
        update().build(),
        [
            ("1.10".into(), Some(r#"{"installed_version":"1.10"}"#)),
            (NEWER.into(), Some(NEWER)),
            (
                UpdateState::new("1").in_progress(true).into(),
                Some(r#"{"in_progress":true,"installed_version":"1"}"#),
            ),
            (
                UpdateState::new("1").update_percentage(Some(100.0)).into(),
                Some(r#"{"installed_version":"1","update_percentage":100.0}"#),
            ),
            (UpdateState::new("1").update_percentage(Some(100.5)).into(), None),
            (UpdateState::new("").into(), None),
            (UpdateState::new("1").latest_version(" ").into(), None),
            (UpdateState::new("1").release_url("www.example.org").into(), None),
            (UpdateState::new("1").release_url("https:///a").into(), None),
            (UpdateState::new("1").entity_picture("https://a b/").into(), None),
            (UpdateState::new("1").release_summary(&"x".repeat(256)).into(), None),
            (r#"{"version":"1"}"#.into(), None),
            (r#"{"in_progress":"yes"}"#.into(), None),
            ("{}".into(), None),
            (" ".into(), None),
            (1.1.into(), None),
            (Value::Unknown, None),
        ],
    );
    let summary = "x".repeat(255);
    let url = "http://example.org/1";
    let full =
        UpdateState::new("1").title("T").release_summary(&summary).release_url(url).entity_picture(url);
    assert!(update().build().unwrap().state_payload(&full.into()).is_ok());
}

#[test]
fn a_light_tells_what_it_has() {
    tells(
        lamp().build(),
        [
            (true.into(), Some(r#"{"state":"ON"}"#)),
            (LightState::off().into(), Some(r#"{"state":"OFF"}"#)),
            (Value::Unknown, Some(r#"{"state":null}"#)),
            (r#"{"state":"ON","color_mode":"onoff"}"#.into(), Some(r#"{"state":"ON","color_mode":"onoff"}"#)),
            (LightState::on().brightness(1).into(), None),
            (LightState::on().color(Color::White).into(), None),
            (LightState::on().effect("fire").into(), None),
            (r#"{"state":"on"}"#.into(), None),
            (r#"{"brightness":1}"#.into(), None),
            (r#"{"state":"ON","power":3}"#.into(), None),
            ("ON".into(), None),
            (1.0.into(), None),
        ],
    );
    tells(
        strip().brightness_scale(100).effects(["fire"]).build(),
        [
            (
                LightState::on().brightness(100).color(Color::Temperature(2700)).effect("fire").into(),
                Some(
                    r#"{"brightness":100,"color_mode":"color_temp","color_temp":2700,"effect":"fire","state":"ON"}"#,
                ),
            ),
            (
                LightState::on().color(Color::Hs(360.0, 0.5)).into(),
                Some(r#"{"color":{"h":360.0,"s":0.5},"color_mode":"hs","state":"ON"}"#),
            ),
            (
                LightState::on().color(Color::Xy(0.25, 1.0)).into(),
                Some(r#"{"color":{"x":0.25,"y":1.0},"color_mode":"xy","state":"ON"}"#),
            ),
            (
                LightState::on().color(Color::Rgbw([1, 2, 3, 4])).into(),
                Some(r#"{"color":{"b":3,"g":2,"r":1,"w":4},"color_mode":"rgbw","state":"ON"}"#),
            ),
            (
                LightState::on().color(Color::Rgbww([1, 2, 3, 4, 5])).into(),
                Some(r#"{"color":{"b":3,"c":4,"g":2,"r":1,"w":5},"color_mode":"rgbww","state":"ON"}"#),
            ),
            (
                LightState::on().brightness(1).color(Color::White).into(),
                Some(r#"{"brightness":1,"color_mode":"white","state":"ON"}"#),
            ),
            (LightState::on().brightness(0).into(), None),
            (LightState::on().brightness(101).into(), None),
            (LightState::on().color(Color::Temperature(2699)).into(), None),
            (LightState::on().color(Color::Temperature(6501)).into(), None),
            (LightState::on().color(Color::Hs(360.5, 0.0)).into(), None),
            (LightState::on().color(Color::Hs(0.0, 100.5)).into(), None),
            (LightState::on().color(Color::Hs(0.0, f64::NAN)).into(), None),
            (LightState::on().color(Color::Xy(-0.1, 0.0)).into(), None),
            (LightState::on().effect("rain").into(), None),
            (
                r#"{"state":"ON","color":{"r":1,"g":2,"b":3}}"#.into(),
                Some(r#"{"color":{"b":3,"g":2,"r":1},"color_mode":"rgb","state":"ON"}"#),
            ),
            (r#"{"state":"ON","color_mode":"hs","color":{"r":1,"g":2,"b":3}}"#.into(), None),
            (r#"{"state":"ON","color_mode":"rgb","color":{"r":1,"g":2,"b":256}}"#.into(), None),
            (r#"{"state":"ON","color_mode":"rgb"}"#.into(), None),
            (r#"{"state":"ON","color_mode":null}"#.into(), None),
        ],
    );
}

/// What a light that lacks something says of it.
#[test]
fn a_light_says_what_it_has_not() {
    for (light, state, expected) in [
        (lamp(), LightState::on().brightness(9), r#"no brightness, for the light has none, found "9""#),
        (
            lamp().color_modes(["brightness"]),
            LightState::on().brightness(256),
            r#"brightness from 1 to 255, found "256""#,
        ),
        (
            strip(),
            LightState::on().color(Color::Temperature(1)),
            r#"color_temp from 2700 to 6500 kelvin, found "1""#,
        ),
        (
            lamp().color_modes(["rgb"]),
            LightState::on().color(Color::Hs(1.0, 1.0)),
            "a colour of the modes rgb, found one of hs",
        ),
        (lamp().effects(["fire"]), LightState::on().effect("rain"), r#"effect one of fire, found "rain""#),
    ] {
        let error = light.build().unwrap().state_payload(&state.into()).unwrap_err();
        assert_eq!(error.to_string(), format!("light \"lamp\": expected {expected}"));
    }
}

#[test]
fn another_platform_tells_states_where_it_was_built_to() {
    tells(
        gate().states(true).build(),
        [
            ("opening".into(), Some("opening")),
            (true.into(), Some("ON")),
            (50.0.into(), Some("50")),
            ("".into(), None),
            (f64::NAN.into(), None),
            (Value::Unknown, Some("None")),
        ],
    );
    tells(gate().build(), [("opening".into(), None), (Value::Unknown, None)]);
    assert!(!gate().build().unwrap().has_states());
}

#[test]
fn what_cannot_be_told_to_be_unknown_says_so() {
    for (entity, expected) in [
        (pump().build(), Some("None")),
        (lamp().build(), Some(r#"{"state":null}"#)),
        (cat().build(), Some("None")),
        (gate().states(true).build(), Some("None")),
        (gate().build(), None),
        (Button::new("a", "A").build(), None),
        (Text::new("a", "A").build(), None),
        (doorbell().build(), None),
        (update().build(), None),
    ] {
        let entity = entity.unwrap();
        assert_eq!(entity.unknown_payload(), expected, "{}", entity.platform());
        assert_eq!(entity.state_payload(&Value::Unknown).ok().as_deref(), expected, "{}", entity.platform());
    }
}
