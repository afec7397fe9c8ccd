//! What a program tells as a value, as the entity has it: [`value`].

use serde_json::{Number, Value as Json};

use super::{Code, Failure, shown};
use crate::entity::Entity;
use crate::entity::Platform;
use crate::model::Value;

/// `found` as a value of `entity`: a number, a text, `true` or `false`, `null` for unknown, of lights, events and updates a JSON
/// object too. A text is read as what the entity is, for shell scripts have nothing else: `"21.5"` of a sensor with a unit is a
/// number, `"on"` of a switch is on. What is on or off may be told by 1 and 0 as well.
///
/// # Errors
///
/// [`Code::Invalid`] where the entity has no such state, or Home Assistant would refuse it.
pub fn value(entity: &Entity, found: &Json) -> Result<Value, Failure> {
    let is_on_off = matches!(entity.platform(), Platform::BinarySensor | Platform::Switch | Platform::Light);
    let value = match found {
        Json::Null => Value::Unknown,
        Json::Bool(on) => Value::Switch(*on),
        Json::Number(number) if is_on_off => on_or_off(&number.to_string()),
        Json::Number(number) if has_words(entity) => Value::Text(number.to_string()),
        Json::Number(number) => Value::Number(float(number)),
        Json::String(text) if is_on_off => on_or_off(text),
        Json::String(text) if entity.has_numbers() => {
            text.trim().parse().map_or_else(|_| Value::Text(text.clone()), Value::Number)
        }
        Json::String(text) => Value::Text(text.clone()),
        Json::Object(_) if takes_objects(entity.platform()) => Value::Text(found.to_string()),
        Json::Object(_) | Json::Array(_) => {
            return Err(refusal(entity, found).expected("a number, a text, true, false or null"));
        }
    };
    match entity.state_payload(&value) {
        Ok(_) => Ok(value),
        Err(error) => Err(refusal(entity, found).expected(error.expected)),
    }
}

fn refusal(entity: &Entity, found: &Json) -> Failure {
    let found = if entity.is_secret() { "another".to_owned() } else { shown(&found.to_string()) };
    Failure::new(Code::Invalid, format!("{} \"{}\": the value is {found}", entity.platform(), entity.id()))
}

/// What `text` says of something that is on or off, in any case; itself where it says nothing known: there may be other words
/// for that entity.
fn on_or_off(text: &str) -> Value {
    let word = text.trim();
    let is_one = |words: &[&str]| words.iter().any(|it| word.eq_ignore_ascii_case(it));
    match (is_one(&ON), is_one(&OFF)) {
        (true, _) => Value::Switch(true),
        (_, true) => Value::Switch(false),
        _ => Value::Text(text.to_owned()),
    }
}

/// Whether its states are words, though they may look like numbers.
fn has_words(entity: &Entity) -> bool {
    matches!(entity.platform(), Platform::Select | Platform::Text) || entity.device_class() == Some("enum")
}

/// Whether one state says several things.
fn takes_objects(platform: Platform) -> bool {
    matches!(platform, Platform::Light | Platform::Event | Platform::Update | Platform::Other(_))
}

fn float(number: &Number) -> f64 {
    number.as_f64().expect("a number is kept as an integer or a float")
}

/// The words that the configuration has for the same, where a section says nothing else.
const ON: [&str; 4] = ["1", "on", "true", "yes"];
const OFF: [&str; 4] = ["0", "off", "false", "no"];
