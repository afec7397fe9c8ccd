//! Whatever somebody asks an entity of ours, it is refused with a reason, or is something that the entity can then be.
//!
//! The input is a line with the entity, as in `tests/data/home-assistant/commands`, and the payload.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::entity::{
    Button, Command, Entity, Light, LightState, Number, Other, Select, Sensor, Switch, Text, Update,
};
use luigi_mqtt::model::Value;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|it| *it == b'\n').unwrap_or(input.len());
    let payload = input.get(end + 1..).unwrap_or_default();
    let Some(entity) = ENTITIES.iter().find(|it| it.id().as_str().as_bytes() == &input[..end]) else {
        return;
    };
    if let Ok(text) = std::str::from_utf8(payload) {
        // What may be told may be told again, in the very same words.
        if let Ok(told) = entity.state_payload(&Value::from(text)) {
            assert_eq!(entity.state_payload(&Value::from(told.as_str())).as_ref(), Ok(&told));
        }
        if let Ok(attributes) = serde_json::from_str(text) {
            let _ = entity.attributes_payload(&attributes);
        }
    }
    let state = match entity.command(payload) {
        Err(error) => return assert!(!error.to_string().is_empty()),
        Ok(Command::Switch(on)) => Value::from(on),
        Ok(Command::Number(number)) => Value::from(number),
        Ok(Command::Select(text) | Command::Text(text)) => Value::from(text.as_str()),
        Ok(Command::Light(command)) => {
            let mut state = LightState::off();
            state.apply(&command);
            assert_eq!(state.is_on(), command.on);
            Value::from(state)
        }
        Ok(_) => return,
    };
    assert!(entity.state_payload(&state).is_ok(), "{state:?}: {:?}", entity.state_payload(&state));
});

/// One of each way to be asked.
static ENTITIES: LazyLock<Vec<Entity>> = LazyLock::new(|| {
    let entities = [
        Switch::new("pump", "Pump").build(),
        Button::new("restart", "Restart").build(),
        Number::new("target", "Target").min(-5.5).max(30.0).step(0.5).build(),
        Number::new("level", "Level").min(0.1 + 0.2).max(1e9 / 3.0).step(0.001).build(),
        Select::new("speed", "Speed", ["slow", "fast"]).build(),
        Text::new("code", "Code").min(2).max(8).pattern("[0-9]+").build(),
        Text::new("note", "Note").build(),
        Light::new("spot", "Spot").build(),
        Light::new("dimmer", "Dimmer").color_modes(["brightness"]).brightness_scale(100).build(),
        Light::new("strip", "Strip")
            .color_modes(["hs", "rgbww", "color_temp", "white"])
            .kelvin(2700, 6500)
            .effects(["fire", "rainbow"])
            .transition(true)
            .flash(true)
            .build(),
        Update::new("firmware", "Firmware").installable(true).build(),
        Sensor::new("bare", "Bare").build(),
        Other::new("cover", "gate", "Gate").states(true).commands(true).build(),
    ];
    entities.map(|it| it.expect("as in the tests")).into()
});
