//! The states that are one word: numbers, texts, times, on and off.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::kind::Kind;
use super::super::text::Pattern;
use super::{MAX_CHARS, OFF, ON, UNKNOWN};
use crate::model::Value;

/// What the states of an entity look like.
pub(super) enum Shape<'a> {
    OnOff {
        on: &'a str,
        off: &'a str,
    },
    Number,
    /// Anything that is not empty.
    Text,
    Date,
    /// A moment, which takes a time zone.
    Instant,
    OneOf(&'a [String]),
    /// Where something is.
    Place,
    Range {
        min: f64,
        max: f64,
    },
    /// A text of so many characters.
    Chars {
        min: u8,
        max: u8,
        pattern: Option<&'a Pattern>,
    },
    /// Whatever the caller's own fields make of it.
    Raw,
    None,
}

impl<'a> Shape<'a> {
    pub(super) fn of(kind: &'a Kind) -> Shape<'a> {
        match kind {
            Kind::BinarySensor { payload_on, payload_off, .. } => {
                Shape::OnOff { on: payload_on, off: payload_off }
            }
            Kind::Sensor { class, unit, state_class, precision, options } => match class {
                Some(class) if class.name == "date" => Shape::Date,
                Some(class) if class.name == "enum" && options.is_empty() => Shape::Text,
                Some(class) if class.name == "enum" => Shape::OneOf(options),
                Some(class) if !class.is_numeric() => Shape::Instant,
                None if unit.is_none() && state_class.is_none() && precision.is_none() => Shape::Text,
                _ => Shape::Number,
            },
            Kind::Switch { .. } => Shape::OnOff { on: ON, off: OFF },
            Kind::Number { min, max, .. } => Shape::Range { min: *min, max: *max },
            Kind::Select { options } => Shape::OneOf(options),
            Kind::Text { min, max, pattern, .. } => {
                Shape::Chars { min: *min, max: *max, pattern: pattern.as_ref() }
            }
            Kind::DeviceTracker { .. } => Shape::Place,
            Kind::Other { states: true, .. } => Shape::Raw,
            _ => Shape::None,
        }
    }

    pub(super) fn payload(&self, value: &Value) -> Option<String> {
        match (self, value) {
            (Shape::Chars { .. } | Shape::None, Value::Unknown) => None,
            (_, Value::Unknown) => Some(UNKNOWN.to_owned()),
            (Shape::Place, Value::Switch(is_home)) => Some(if *is_home { HOME } else { NOT_HOME }.to_owned()),
            (Shape::Raw, Value::Switch(is_on)) => Some(if *is_on { ON } else { OFF }.to_owned()),
            (Shape::OnOff { on, off }, Value::Switch(is_on)) => {
                Some(if *is_on { on } else { off }.to_string())
            }
            (Shape::Number | Shape::Range { .. } | Shape::Text | Shape::Raw, Value::Number(number)) => {
                plain(*number).filter(|it| self.admits(it))
            }
            (shape, Value::Text(text)) => shape.admits(text).then(|| text.clone()),
            _ => None,
        }
    }

    fn admits(&self, text: &str) -> bool {
        let fits = matches!(self, Shape::Raw) || text.chars().count() <= MAX_CHARS;
        fits && match self {
            Shape::OnOff { on, off } => text == *on || text == *off,
            Shape::Number => text.parse().is_ok_and(f64::is_finite),
            Shape::Text => !text.is_empty() && text != UNKNOWN,
            Shape::Place => !text.trim().is_empty() && text != UNKNOWN,
            Shape::Range { min, max } => within(text, *min, *max).is_some(),
            Shape::Chars { min, max, pattern } => has_chars(text, *min, *max, *pattern),
            Shape::Raw => !text.is_empty(),
            Shape::None => false,
            Shape::Date => is_instant(&format!("{text}T00:00:00Z")),
            Shape::Instant => is_instant(text),
            Shape::OneOf(options) => options.iter().any(|option| option == text),
        }
    }
}

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::OnOff { on, off } => write!(f, "on or off ({on:?} or {off:?})"),
            Shape::Number => write!(f, "a finite number of at most {MAX_CHARS} digits"),
            Shape::Text => write!(f, "a number or a text of 1 to {MAX_CHARS} characters but {UNKNOWN}"),
            Shape::Date => write!(f, "a date such as 2026-11-21"),
            Shape::Instant => write!(f, "a time with its zone such as 2026-11-21T20:46:00+01:00"),
            Shape::OneOf(options) => write!(f, "one of {}", options.join(", ")),
            Shape::Place => {
                write!(f, "home, not_home or the name of a place, of 1 to {MAX_CHARS} characters")
            }
            Shape::Range { min, max } => write!(f, "{}", a_number_within(*min, *max)),
            Shape::Chars { min, max, pattern } => write!(f, "{}", a_text_of(*min, *max, *pattern)),
            Shape::Raw => write!(f, "a finite number, on or off, or a text that is not empty"),
            Shape::None => write!(f, "no state, for it has none"),
        }
    }
}

/// The number that `text` is, where that is within `min` and `max`.
pub(in super::super) fn within(text: &str, min: f64, max: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

pub(in super::super) fn a_number_within(min: f64, max: f64) -> String {
    format!("a number from {min} to {max}")
}

/// Whether `text` has as many characters as it may, and begins as it is to.
pub(in super::super) fn has_chars(text: &str, min: u8, max: u8, pattern: Option<&Pattern>) -> bool {
    (usize::from(min)..=usize::from(max)).contains(&text.chars().count())
        && pattern.is_none_or(|pattern| pattern.matches(text))
}

pub(in super::super) fn a_text_of(min: u8, max: u8, pattern: Option<&Pattern>) -> String {
    let matching = pattern.map_or(String::new(), |it| format!(" that matches {:?}", it.as_str()));
    format!("a text of {min} to {max} characters{matching}")
}

/// `number` without noise in its last digits, such as 0.30000000000000004 has it.
fn plain(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    // Adding 0 makes 0 of -0.
    let shortest = (number + 0.0).to_string();
    let decimals = shortest.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals <= DECIMALS {
        return Some(shortest);
    }
    // 0 for 0.1 and above, 1 for 0.01, 2 for 0.001; what is too small to matter becomes 0. (By its text, not by
    // `log10`: that one function would map the C library's mathematics, 0.5 MB of it, into the process.)
    let scientific = format!("{number:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, it)| it.parse().ok())?;
    let zeros = (-exponent - 1).clamp(0, 20);
    let rounded: f64 = format!("{number:.*}", DECIMALS + zeros as usize).parse().ok()?;
    Some((rounded + 0.0).to_string())
}

/// Whether `text` is a moment that Home Assistant can read too: its years begin with 1.
fn is_instant(text: &str) -> bool {
    OffsetDateTime::parse(text, &Rfc3339).is_ok_and(|moment| moment.year() >= 1)
}

/// How many decimals tell more than any sensor knows.
const DECIMALS: usize = 6;
/// Home Assistant's own payloads of device trackers (`homeassistant/components/mqtt/device_tracker.py`).
const HOME: &str = "home";
const NOT_HOME: &str = "not_home";
