//! What a light tells.

use serde_json::{Map, Value as Json};

use super::super::refusal::{Refusal, quoted};
use super::super::state::{OFF, ON};
use super::{Abilities, Color, LightCommand};
use crate::model::Value;
use crate::model::json;

/// The state of a light: on or off, and what it shines like. It turns into a [`Value`]; whether the light can be like
/// that, [`Entity::state_payload`](crate::entity::Entity::state_payload) checks.
#[derive(Clone, Debug, PartialEq)]
pub struct LightState {
    on: bool,
    brightness: Option<u32>,
    color: Option<Color>,
    effect: Option<String>,
}

impl LightState {
    /// On, and nothing is said of the rest.
    pub fn on() -> LightState {
        LightState { on: true, brightness: None, color: None, effect: None }
    }

    /// Off, and nothing is said of the rest.
    pub fn off() -> LightState {
        LightState { on: false, ..LightState::on() }
    }

    /// As bright as this, 1 to the light's [scale](super::Light::brightness_scale).
    pub fn brightness(mut self, brightness: u32) -> LightState {
        self.brightness = Some(brightness);
        self
    }

    /// In this colour.
    pub fn color(mut self, color: Color) -> LightState {
        self.color = Some(color);
        self
    }

    /// With this effect.
    pub fn effect(mut self, effect: &str) -> LightState {
        self.effect = Some(effect.to_owned());
        self
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Does what `command` asks for; what it says nothing of stays as it is.
    pub fn apply(&mut self, command: &LightCommand) {
        self.on = command.on;
        self.brightness = command.brightness.or(self.brightness);
        self.color = command.color.or(self.color);
        if command.effect.is_some() {
            self.effect.clone_from(&command.effect);
        }
    }
}

impl From<LightState> for Value {
    fn from(state: LightState) -> Value {
        let mut object = Map::new();
        object.insert("state".to_owned(), if state.on { ON } else { OFF }.into());
        if let Some(brightness) = state.brightness {
            object.insert("brightness".to_owned(), brightness.into());
        }
        if let Some(color) = state.color {
            color.write(&mut object);
        }
        if let Some(effect) = state.effect {
            object.insert("effect".to_owned(), effect.into());
        }
        Value::Text(Json::Object(object).to_string())
    }
}

/// How `value` is told by a light of these `abilities`.
pub(in super::super) fn state_payload(abilities: &Abilities, value: &Value) -> Result<String, Refusal> {
    match value {
        Value::Unknown => Ok(UNKNOWN.to_owned()),
        Value::Switch(on) => Ok(if *on { r#"{"state":"ON"}"# } else { r#"{"state":"OFF"}"# }.to_owned()),
        Value::Text(text) => {
            let mut object: Map<String, Json> =
                json::from_slice(text.as_bytes()).map_err(|_| refusal(value))?;
            let Some(mode) = check(abilities, &object)? else { return Ok(text.clone()) };
            object.insert("color_mode".to_owned(), mode.into());
            Ok(Json::Object(object).to_string())
        }
        Value::Number(_) | Value::Unavailable => Err(refusal(value)),
    }
}

fn refusal(value: &Value) -> Refusal {
    Refusal::of("on or off, or a JSON object with state ON or OFF", value)
}

/// Looks whether `object` is a state of such a light. Returns the colour mode that it lacks: a command that is told again as the
/// state has none, for Home Assistant sends none.
fn check(abilities: &Abilities, object: &Map<String, Json>) -> Result<Option<&'static str>, Refusal> {
    if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(Refusal::new(
            format!("a JSON object of {}", KEYS.join(", ")),
            format!("the key {}", quoted(key)),
        ));
    }
    match object.get("state") {
        Some(Json::Null) => {}
        Some(Json::String(state)) if state == ON || state == OFF => {}
        other => return Err(Refusal::new(r#"state "ON", "OFF" or null"#, shown(other))),
    }
    read_brightness(object, abilities)?;
    read_effect(object, abilities)?;
    let color = Color::read(object, abilities)?;
    match (object.get("color_mode").map(Json::as_str), color) {
        (None, color) => Ok(color.map(|it| it.mode())),
        (Some(Some(mode)), Some(color)) if mode == color.mode() => Ok(None),
        (Some(Some(mode)), None) if abilities.modes.contains(&mode) && WITHOUT_COLOR.contains(&mode) => {
            Ok(None)
        }
        (_, Some(color)) => Err(Refusal::new(
            format!("color_mode {:?} with such a colour", color.mode()),
            shown(object.get("color_mode")),
        )),
        (Some(_), None) => {
            let modes = abilities.modes.join(", ");
            let expected = format!("color_mode one of {modes}, with its colour");
            Err(Refusal::new(expected, shown(object.get("color_mode"))))
        }
    }
}

/// The brightness in `object`, if it says any.
pub(super) fn read_brightness(
    object: &Map<String, Json>,
    abilities: &Abilities,
) -> Result<Option<u32>, Refusal> {
    read_level("brightness", object, abilities, abilities.has_brightness())
}

/// The level in `object` by the name of `key`, on the light's scale, if it says any.
pub(super) fn read_level(
    key: &str,
    object: &Map<String, Json>,
    abilities: &Abilities,
    offered: bool,
) -> Result<Option<u32>, Refusal> {
    let Some(found) = object.get(key) else { return Ok(None) };
    let scale = abilities.brightness_scale;
    let level = found.as_u64().and_then(|it| u32::try_from(it).ok());
    match level.filter(|it| offered && (1..=scale).contains(it)) {
        Some(level) => Ok(Some(level)),
        None if offered => Err(Refusal::new(format!("{key} from 1 to {scale}"), shown(Some(found)))),
        None => Err(Refusal::new(format!("no {key}, for the light has none"), shown(Some(found)))),
    }
}

/// The effect in `object`, if it says any.
pub(super) fn read_effect(
    object: &Map<String, Json>,
    abilities: &Abilities,
) -> Result<Option<String>, Refusal> {
    let Some(found) = object.get("effect") else { return Ok(None) };
    let known = found.as_str().filter(|effect| abilities.effects.iter().any(|it| it == effect));
    match known {
        Some(effect) => Ok(Some(effect.to_owned())),
        None if abilities.effects.is_empty() => {
            Err(Refusal::new("no effect, for the light has none", shown(Some(found))))
        }
        None => {
            Err(Refusal::new(format!("effect one of {}", abilities.effects.join(", ")), shown(Some(found))))
        }
    }
}

pub(super) fn shown(found: Option<&Json>) -> String {
    found.map_or("none".to_owned(), |found| match found {
        Json::String(text) => quoted(text),
        other => quoted(&other.to_string()),
    })
}

/// What Home Assistant reads (`_state_received` in `homeassistant/components/mqtt/light/schema_json.py`).
const KEYS: &[&str] = &["state", "brightness", "color_mode", "color", "color_temp", "effect"];
/// The modes that have no colour to tell.
const WITHOUT_COLOR: &[&str] = &[super::ON_OFF, super::BRIGHTNESS, super::WHITE];
/// That nobody knows.
pub(in super::super) const UNKNOWN: &str = r#"{"state":null}"#;
