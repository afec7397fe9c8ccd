//! The fields of a JSON object, taken out one by one: what is left is unknown.

use serde_json::{Map, Value};

use crate::model::json;

/// An object that is emptied field by field as it is read.
pub(super) struct Fields {
    fields: Map<String, Value>,
    flaws: Vec<String>,
}

impl Fields {
    /// The object that `bytes` are.
    ///
    /// # Errors
    ///
    /// A sentence about what they are instead.
    pub(super) fn parse(bytes: &[u8]) -> Result<Fields, String> {
        match json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Fields { fields, flaws: Vec::new() }),
            Ok(other) => Err(format!("expected a JSON object, found {}", shown(&other))),
            Err(cause) => Err(format!("expected JSON: {cause}")),
        }
    }

    /// Takes the text of the field `key`; none where it is absent, `null` or empty, or is a flaw.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.fields.remove(key)? {
            Value::String(text) if text.chars().count() > MOST_CHARS => {
                let found = text.chars().count();
                self.flaws.push(format!("{key}: expected at most {MOST_CHARS} characters, found {found}"));
                None
            }
            Value::String(text) => Some(text).filter(|it| !it.is_empty()),
            Value::Null => None,
            other => {
                self.flaws.push(format!("{key}: expected a text, found {}", shown(&other)));
                None
            }
        }
    }

    /// Takes the text of the field `key`, which has to be there.
    pub(super) fn required(&mut self, key: &str) -> String {
        let flaws = self.flaws.len();
        self.text(key).unwrap_or_else(|| {
            if self.flaws.len() == flaws {
                self.flaws.push(format!("{key}: expected a text, found none"));
            }
            String::new()
        })
    }

    /// Ends the object, and returns the names of what is still in it.
    ///
    /// # Errors
    ///
    /// What was wrong with the fields that were taken.
    pub(super) fn finish(self) -> Result<Vec<String>, String> {
        match self.flaws.is_empty() {
            true => Ok(self.fields.into_iter().map(|(key, _)| key).collect()),
            false => Err(self.flaws.join("; ")),
        }
    }
}

/// What `value` is, for people; not all of it.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Home Assistant shows no longer text as a state.
const MOST_CHARS: usize = 255;
