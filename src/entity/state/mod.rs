//! How a value is told to Home Assistant: the payloads on an entity's state topic.

mod shape;
#[cfg(test)]
mod tests;

pub(super) use shape::{a_number_within, a_text_of, has_chars, within};

use std::error::Error;
use std::fmt;

use crate::model::ObjectId;
use crate::model::Value;

use shape::Shape;

use super::refusal::Refusal;
use super::{Entity, Kind, Platform, event, light, update};

/// Why a value is no state of an entity, or what is to be its attributes are none. It is not published; the entity
/// keeps what it had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ValueError {
    /// What kind of entity it was for.
    pub platform: Platform,
    /// Which one.
    pub entity: ObjectId,
    /// What it may be.
    pub expected: String,
    /// What it was to be, cut where it is long.
    pub found: String,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ValueError { platform, entity, expected, found } = self;
        write!(f, "{platform} \"{entity}\": expected {expected}, found {found}")
    }
}

impl Error for ValueError {}

impl Entity {
    /// The payload that tells Home Assistant that the entity's state is `value`.
    ///
    /// Numbers have at most six decimals, or six significant digits where they are below one, and no
    /// exponent; texts stay as they are. What is on or off may be a switch of either, and so may a device tracker be
    /// home. A light's state is a switch or a [`LightState`](super::LightState), an update's a version or an
    /// [`UpdateState`](super::UpdateState), an event's one of its types: each may be a JSON object in a text too.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when Home Assistant would refuse, ignore or misread it: a text, `NaN` or infinity where it
    /// expects a number, one out of its range, a text that is empty or longer than 255 characters, one that is not
    /// among the options, a time without a zone, a number for something that is on or off, a colour that the light
    /// does not have; and always for what [has no states](Entity::has_states).
    pub fn state_payload(&self, value: &Value) -> Result<String, ValueError> {
        match &self.kind {
            Kind::Light(abilities) => light::state_payload(abilities, value),
            Kind::Event { types, .. } => event::state_payload(types, value),
            Kind::Update { .. } => update::state_payload(value),
            kind => {
                let shape = Shape::of(kind);
                shape.payload(value).ok_or_else(|| Refusal::of(shape.to_string(), value))
            }
        }
        .map_err(|refusal| self.value_error(refusal))
    }

    /// The payload that says that its state is not known; `None` where Home Assistant has no way to be told.
    pub fn unknown_payload(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Light(_) => Some(light::UNKNOWN),
            Kind::Event { .. } | Kind::Update { .. } | Kind::Text { .. } => None,
            kind => kind.has_states().then_some(UNKNOWN),
        }
    }

    pub(super) fn value_error(&self, refusal: Refusal) -> ValueError {
        let Refusal { expected, found } = refusal;
        ValueError { platform: self.platform(), entity: self.id.clone(), expected, found }
    }
}

/// Longest state that Home Assistant keeps (`MAX_LENGTH_STATE_STATE` in `homeassistant/const.py`).
pub(super) const MAX_CHARS: usize = 255;
/// What Home Assistant's MQTT entities take for "unknown" (`PAYLOAD_NONE`).
pub(super) const UNKNOWN: &str = "None";
/// Home Assistant's own payloads of what is on or off (`homeassistant/components/mqtt/const.py`).
pub(super) const ON: &str = "ON";
pub(super) const OFF: &str = "OFF";
