//! What entities are asked.

use std::fs;
use std::path::Path;

use super::super::payload::tests::entities;
use super::super::*;
use super::{cat, gate, lamp, level, pump, strip, update};

#[test]
fn what_home_assistant_sends_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/home-assistant/commands");
    let announced = entities().unwrap();
    let text = fs::read_to_string(path).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [id, payload, expected] = line.split(" | ").collect::<Vec<_>>().try_into().expect(line);
        let entity = announced.iter().find(|it| it.id().as_str() == id).expect(line);
        let command = entity.command(payload.as_bytes());
        assert_eq!(
            command.map_or_else(|error| error.to_string(), |it| format!("{it:?}")),
            expected,
            "{line}"
        );
    }
}

#[test]
fn a_command_is_what_home_assistant_sends() {
    for (entity, payload, command) in [
        (pump().build(), "ON", Command::Switch(true)),
        (pump().build(), "OFF", Command::Switch(false)),
        (Button::new("a", "A").build(), "PRESS", Command::Press),
        (level().build(), "30", Command::Number(30.0)),
        (level().build(), "-1e-05", Command::Number(-0.000_01)),
        (Select::new("a", "A", ["eco", "comfort"]).build(), "comfort", Command::Select("comfort".to_owned())),
        (Text::new("a", "A").build(), "", Command::Text(String::new())),
        (update().installable(true).build(), "INSTALL", Command::Install),
        (gate().commands(true).build(), "OPEN", Command::Raw(b"OPEN".to_vec())),
    ] {
        assert_eq!(entity.unwrap().command(payload.as_bytes()), Ok(command));
    }
}

#[test]
fn a_command_out_of_the_limits_is_refused() {
    for (entity, payload, expected) in [
        (pump().build(), "on", r#"switch "pump": expected ON or OFF, found "on""#),
        (Button::new("a", "A").build(), "", r#"button "a": expected PRESS, found """#),
        (level().build(), "30.5", r#"number "level": expected a number from -5 to 30, found "30.5""#),
        (level().build(), "nan", r#"number "level": expected a number from -5 to 30, found "nan""#),
        (Select::new("a", "A", ["eco"]).build(), "Eco", r#"select "a": expected one of eco, found "Eco""#),
        (
            Text::new("a", "A").max(3).build(),
            "x123456789012345678901234567890123456789xyz",
            "text \"a\": expected a text of 0 to 3 characters, found \"x123456789012345678901234567890123456789\" and \
             3 more characters",
        ),
        (
            Text::new("a", "A").min(8).mode("password").build(),
            "pass",
            r#"text "a": expected a text of 8 to 255 characters, found another"#,
        ),
        (
            update().installable(true).build(),
            "install",
            r#"update "firmware": expected INSTALL, found "install""#,
        ),
        (
            update().build(),
            "INSTALL",
            r#"update "firmware": expected no command, for it takes none, found "INSTALL""#,
        ),
        (cat().build(), "x", r#"device_tracker "cat": expected no command, for it takes none, found "x""#),
        (gate().build(), "x", r#"cover "gate": expected no command, for it takes none, found "x""#),
    ] {
        let entity = entity.unwrap();
        assert_eq!(entity.command(payload.as_bytes()).unwrap_err().to_string(), expected);
    }
    let error = pump().build().unwrap().command(b"\xff").unwrap_err().to_string();
    assert_eq!(error, "switch \"pump\": expected a text in UTF-8, found \"\u{fffd}\"");
}

#[test]
fn a_light_is_asked_for_what_is_to_change() {
    const NOTHING: LightCommand =
        LightCommand { on: true, brightness: None, color: None, effect: None, transition: None, flash: None };
    let light = strip().effects(["fire"]).flash(true).transition(true).build().unwrap();
    for (payload, command) in [
        (r#"{"state":"OFF"}"#, LightCommand { on: false, ..NOTHING }),
        (r#"{"state":"ON","brightness":255}"#, LightCommand { brightness: Some(255), ..NOTHING }),
        (
            r#"{"state":"ON","color_temp":2700}"#,
            LightCommand { color: Some(Color::Temperature(2700)), ..NOTHING },
        ),
        (
            r#"{"state":"ON","color":{"h":30.5,"s":100}}"#,
            LightCommand { color: Some(Color::Hs(30.5, 100.0)), ..NOTHING },
        ),
        (
            r#"{"state":"ON","color":{"x":0.1,"y":0.2}}"#,
            LightCommand { color: Some(Color::Xy(0.1, 0.2)), ..NOTHING },
        ),
        (
            r#"{"state":"ON","color":{"r":1,"g":2,"b":3,"c":4,"w":5}}"#,
            LightCommand { color: Some(Color::Rgbww([1, 2, 3, 4, 5])), ..NOTHING },
        ),
        (
            r#"{"state":"ON","white":7}"#,
            LightCommand { brightness: Some(7), color: Some(Color::White), ..NOTHING },
        ),
        (
            r#"{"state":"ON","effect":"fire","transition":1.5,"flash":2,"more":true}"#,
            LightCommand {
                effect: Some("fire".to_owned()),
                transition: Some(Duration::from_millis(1500)),
                flash: Some(Duration::from_secs(2)),
                ..NOTHING
            },
        ),
    ] {
        assert_eq!(light.command(payload.as_bytes()), Ok(Command::Light(command)), "{payload}");
    }
    for (payload, expected) in [
        ("ON", r#"a JSON object with state ON or OFF, found "ON""#),
        (r#"{"brightness":1}"#, r#"state "ON" or "OFF", found none"#),
        (r#"{"state":"ON","brightness":0}"#, r#"brightness from 1 to 255, found "0""#),
        (r#"{"state":"ON","white":256}"#, r#"white from 1 to 255, found "256""#),
        (r#"{"state":"ON","color_temp":9000}"#, r#"color_temp from 2700 to 6500 kelvin, found "9000""#),
        (r#"{"state":"ON","color_temp":3000,"color":{"h":1,"s":1}}"#, "color or color_temp, found both"),
        (
            r#"{"state":"ON","color":{"r":1}}"#,
            r#"a colour of r g b, r g b w, r g b c w, h s or x y, found "{\"r\":1}""#,
        ),
        (r#"{"state":"ON","effect":"rain"}"#, r#"effect one of fire, found "rain""#),
        (r#"{"state":"ON","transition":-1}"#, r#"transition in seconds, at least 0, found "-1""#),
    ] {
        let error = light.command(payload.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, format!("light \"lamp\": expected {expected}"));
    }
    let error = lamp().build().unwrap().command(br#"{"state":"ON","flash":2}"#).unwrap_err().to_string();
    assert_eq!(error, "light \"lamp\": expected no flash, for the light has none, found \"2\"");
}

#[test]
fn a_light_keeps_what_it_is_not_asked_to_change() {
    let light = strip().effects(["fire"]).build().unwrap();
    let mut state = LightState::on().brightness(9).color(Color::Temperature(3000));
    for (payload, expected) in [
        (r#"{"state":"OFF"}"#, LightState::off().brightness(9).color(Color::Temperature(3000))),
        (r#"{"state":"ON","brightness":5}"#, LightState::on().brightness(5).color(Color::Temperature(3000))),
        (
            r#"{"state":"ON","color":{"r":1,"g":2,"b":3},"effect":"fire"}"#,
            LightState::on().brightness(5).color(Color::Rgb([1, 2, 3])).effect("fire"),
        ),
        (r#"{"state":"ON","white":7}"#, LightState::on().brightness(7).color(Color::White).effect("fire")),
    ] {
        let Ok(Command::Light(command)) = light.command(payload.as_bytes()) else { panic!("{payload}") };
        state.apply(&command);
        assert_eq!(state, expected);
        assert!(light.state_payload(&state.clone().into()).is_ok());
    }
}
