//! What a light is asked.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::super::refusal::{Refusal, quoted};
use super::super::state::{OFF, ON};
use super::state::{read_brightness, read_effect, read_level, shown};
use super::{Abilities, Color};
use crate::model::json;

/// What Home Assistant asks of a light: on or off always, and of the rest only what is to change.
#[derive(Clone, Debug, PartialEq)]
pub struct LightCommand {
    /// Whether it is to be on.
    pub on: bool,
    /// How bright, 1 to the light's [scale](super::Light::brightness_scale).
    pub brightness: Option<u32>,
    /// In which colour.
    pub color: Option<Color>,
    /// With which effect.
    pub effect: Option<String>,
    /// How long it may take to be so.
    pub transition: Option<Duration>,
    /// How long it is to flash.
    pub flash: Option<Duration>,
}

/// The command `payload` to a light of these `abilities`; keys that we do not know are let pass.
pub(in super::super) fn read(abilities: &Abilities, payload: &str) -> Result<LightCommand, Refusal> {
    let object: Map<String, Json> = json::from_slice(payload.as_bytes())
        .map_err(|_| Refusal::new("a JSON object with state ON or OFF", quoted(payload)))?;
    let on = match object.get("state").and_then(Json::as_str) {
        Some(ON) => true,
        Some(OFF) => false,
        _ => return Err(Refusal::new(r#"state "ON" or "OFF""#, shown(object.get("state")))),
    };
    // The light's own white comes with its brightness.
    let white = read_level("white", &object, abilities, abilities.has_white())?;
    Ok(LightCommand {
        on,
        brightness: white.or(read_brightness(&object, abilities)?),
        color: white.map(|_| Color::White).or(Color::read(&object, abilities)?),
        effect: read_effect(&object, abilities)?,
        transition: read_seconds("transition", &object, abilities.transition)?,
        flash: read_seconds("flash", &object, abilities.flash)?,
    })
}

/// The time in `object` by the name of `key`, if it says any.
fn read_seconds(key: &str, object: &Map<String, Json>, offered: bool) -> Result<Option<Duration>, Refusal> {
    let Some(found) = object.get(key) else { return Ok(None) };
    if !offered {
        return Err(Refusal::new(format!("no {key}, for the light has none"), shown(Some(found))));
    }
    let seconds = found.as_f64().and_then(|it| Duration::try_from_secs_f64(it).ok());
    seconds.map(Some).ok_or_else(|| Refusal::new(format!("{key} in seconds, at least 0"), shown(Some(found))))
}
