//! What to send so that an entity does what is wanted of it.

mod light;
mod outgoing;
mod verb;
mod wish;

use serde_json::{Map, Value};

use crate::model::Message;

use self::outgoing::Outgoing;
use self::wish::Wish;
use super::config::Config;
use super::{Fields, SetError, offers};

/// The messages that make an entity of `platform` with the discovery configuration `config` do what is `wanted`:
/// those that Home Assistant sends for the same wish, in its order. `fields` is what the entity has told of itself.
///
/// A wish names fields as [`offers`] lists them: `{"state": "on", "brightness": 100}`, `{"position": 40}`,
/// `{"temperature": 20, "hvac_mode": "heat"}`, `{"press": true}`. Words may be in any case of letters; `true` and
/// `false` are `on` and `off`; `state` also stands for the one thing that an entity is about (`value`, `option`,
/// `hvac_mode`). A brightness is 0 to 255; a position or percentage 0 to 100; `color_temp` is in kelvin from
/// 1,000 on and in mireds below; colours are lists or objects of their channels, under their own name or `color`.
/// A light that is told `off` is told nothing else.
///
/// ```
/// use luigi_mqtt::registry::capability::{Fields, set};
/// use serde_json::json;
///
/// let config = json!({
///     "schema": "json", "command_topic": "zigbee2mqtt/desk/set", "supported_color_modes": ["color_temp"],
/// });
/// let (config, wanted) = (config.as_object().unwrap(), json!({ "brightness": 100, "color_temp": 4000 }));
/// let messages = set("light", config, &Fields::new(), wanted.as_object().unwrap())?;
/// assert_eq!(&*messages[0].payload, br#"{"state":"ON","brightness":100,"color_temp":250}"#);
/// # Ok::<(), luigi_mqtt::registry::capability::SetError>(())
/// ```
///
/// # Errors
///
/// [`SetError`] where the entity does not offer that; it names what it does offer.
pub fn set(
    platform: &str,
    config: &Map<String, Value>,
    fields: &Fields,
    wanted: &Map<String, Value>,
) -> Result<Vec<Message>, SetError> {
    let wish = Wish::new(platform, &offers(platform, config), wanted)?;
    let config = Config(config);
    let mut outgoing = Outgoing::new(config);
    match platform {
        "light" => light::send(config, fields, &wish, &mut outgoing)?,
        _ => verb::send(platform, config, &wish, &mut outgoing)?,
    }
    let messages = outgoing.into_messages();
    if messages.is_empty() { Err(SetError::Nothing { offered: wish.fields() }) } else { Ok(messages) }
}

#[cfg(test)]
mod tests;
