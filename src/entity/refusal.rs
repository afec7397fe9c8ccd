//! Why something is refused: what it may be, and what it is.

use crate::model::Value;

/// What was expected, and what was found in its place.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) expected: String,
    pub(super) found: String,
}

impl Refusal {
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Refusal {
        Refusal { expected: expected.into(), found: found.into() }
    }

    /// A refusal of `value`.
    pub(super) fn of(expected: impl Into<String>, value: &Value) -> Refusal {
        let found = match value {
            Value::Number(number) => format!("the number {number:?}"),
            Value::Text(text) => quoted(text),
            Value::Switch(on) => if *on { "on" } else { "off" }.to_owned(),
            Value::Unknown => "nothing".to_owned(),
            Value::Unavailable => "that it is unavailable".to_owned(),
        };
        Refusal::new(expected, found)
    }
}

/// `text` in quotes, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => {
            format!("{:?} and {} more characters", &text[..end], text[end..].chars().count())
        }
        None => format!("{text:?}"),
    }
}

/// How much of a refused text an error shows.
const SHOWN_CHARS: usize = 40;
