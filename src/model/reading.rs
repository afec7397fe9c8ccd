//! A value worth telling.

use super::{Delivery, ObjectId, Qos};

/// A new value of an entity, in that entity's unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Whose value.
    pub entity: ObjectId,
    /// The value.
    pub value: Value,
    /// Which of its values are to be delivered after an outage; `None` as the entity has it.
    pub delivery: Option<Delivery>,
    /// How surely; `None` as the entity has it.
    pub qos: Option<Qos>,
}

/// What an entity's state can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number in the entity's unit. Finite; `5.0` is told as `5`.
    Number(f64),
    /// A text, 255 characters at most (Home Assistant's limit of a state).
    Text(String),
    /// On or off.
    Switch(bool),
    /// Nobody knows at the moment: Home Assistant shows "unknown".
    Unknown,
    /// What tells it fails: Home Assistant shows "unavailable" where the entity has an availability of its own, else
    /// "unknown". The next value of another kind ends it.
    Unavailable,
}

impl Reading {
    /// The reading `value` of `entity`, to be delivered as all of that entity's.
    pub fn new(entity: ObjectId, value: Value) -> Reading {
        Reading { entity, value, delivery: None, qos: None }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Value {
        Value::Number(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(on: bool) -> Value {
        Value::Switch(on)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_a_number_too() {
        assert_eq!(Value::from(-5), Value::Number(-5.0));
        assert_eq!(Value::from(u32::MAX), Value::Number(4_294_967_295.0));
        assert_eq!(Value::from(0.5), Value::Number(0.5));
    }
}
