//! How the text of a message becomes fields.

use serde_json::Value;

use super::cover::{Cover, Valve};
use super::light::{Brightness, Color, JsonLight};
use super::report::{self, Siren};
use crate::registry::capability::Fields;
use crate::registry::capability::Payload;
use crate::registry::capability::config::Config;
use crate::registry::capability::template::Py;

/// How a message, or what a template made of it, is read.
#[derive(Clone, Debug)]
pub(super) enum Reads {
    /// Any text, as it is.
    Text,
    /// A number, else one of the words that stand for no number.
    Number(Number),
    /// One of these texts, and what Home Assistant shows for it.
    Choice(Vec<(String, Value)>),
    /// Any text as it is, but for these.
    Words(Vec<(String, Value)>),
    /// A percentage of a range of numbers, for a fan.
    Percentage {
        low: f64,
        high: f64,
        reset: String,
    },
    /// A text that Home Assistant takes for a press of a button, where it is this one.
    Trigger(Option<String>),
    Attributes,
    Event(Vec<String>),
    Update,
    Vacuum,
    Siren(Siren),
    /// How many bytes the message has.
    Length,
    Brightness(Brightness),
    /// Mireds, or kelvin.
    ColorTemp {
        kelvin: bool,
        color_mode: bool,
    },
    Color(Color),
    JsonLight(JsonLight),
    CoverState(Cover),
    CoverPosition(Cover),
    CoverTilt(Cover),
    Valve(Valve),
}

/// A number with what is allowed for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Number {
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    /// Rounded to a whole one.
    pub(super) whole: bool,
    /// The text that stands for "unknown".
    pub(super) reset: Option<String>,
}

impl Reads {
    /// Whether a kept copy tells nothing: what happened then does not happen again.
    pub(super) fn is_momentary(&self) -> bool {
        matches!(self, Reads::Event(_) | Reads::Trigger(_))
    }

    /// Takes what `text` tells into `fields`; `payload` is the same, for its JSON.
    pub(super) fn read(
        &self,
        field: &'static str,
        text: &str,
        payload: &Payload<'_>,
        fields: &mut Fields,
    ) -> bool {
        if text.is_empty() && !matches!(self, Reads::Text | Reads::Trigger(_)) {
            return false;
        }
        match self {
            Reads::Text => {
                fields.put_known(field, text);
                true
            }
            Reads::Number(number) => number.read(field, text, fields),
            Reads::Choice(choices) => {
                match choices.iter().find(|(found, _)| found == text) {
                    Some((_, shown)) => fields.put_known(field, shown.clone()),
                    None => fields.put_raw(field, text),
                }
                true
            }
            Reads::Words(choices) => {
                let known = choices.iter().find(|(found, _)| found == text).map(|(_, shown)| shown.clone());
                fields.put_known(field, known.unwrap_or_else(|| text.into()));
                true
            }
            Reads::Percentage { low, high, reset } => {
                if text == reset {
                    fields.put_known(field, Value::Null);
                    return true;
                }
                match text.trim().parse::<i64>() {
                    Ok(it) => match percentage(*low, *high, it as f64) {
                        Some(percent) if (0.0..=100.0).contains(&percent) => {
                            fields.put_known(field, shown(percent))
                        }
                        _ => fields.put_raw(field, text),
                    },
                    Err(_) => fields.put_raw(field, text),
                }
                true
            }
            Reads::Trigger(wanted) => {
                let ours = wanted.as_deref().is_none_or(|wanted| wanted == text);
                if ours {
                    fields.put_known(field, text);
                }
                ours
            }
            Reads::Attributes => report::attributes(field, text, payload, fields),
            Reads::Event(types) => report::event(types, text, payload, fields),
            Reads::Update => report::update(text, payload, fields),
            Reads::Vacuum => report::vacuum(payload, fields),
            Reads::Siren(siren) => siren.read(text, payload, fields),
            Reads::Length => false,
            Reads::Brightness(brightness) => brightness.read(text, fields),
            Reads::ColorTemp { kelvin, color_mode } => {
                let told = super::light::color_temp(text, *kelvin, fields);
                if told && *color_mode {
                    fields.put_known("color_mode", "color_temp");
                }
                told
            }
            Reads::Color(color) => color.read(text, fields),
            Reads::JsonLight(light) => light.read(payload, fields),
            Reads::CoverState(cover) => cover.read_state(text, fields),
            Reads::CoverPosition(cover) => cover.read_position(text, payload, fields),
            Reads::CoverTilt(cover) => cover.read_tilt(&Py::Str(text.to_owned()), fields),
            Reads::Valve(valve) => valve.read(text, payload, fields),
        }
    }
}

impl Number {
    fn read(&self, field: &'static str, text: &str, fields: &mut Fields) -> bool {
        if self.reset.as_deref() == Some(text) {
            fields.put_known(field, Value::Null);
            return true;
        }
        let number =
            text.trim().parse().ok().map(|it: f64| if self.whole { it.round_ties_even() } else { it });
        match number {
            Some(it)
                if it.is_finite()
                    && self.min.is_none_or(|min| it >= min)
                    && self.max.is_none_or(|max| it <= max) =>
            {
                fields.put_known(field, if self.whole { shown(it) } else { number_of(text, it) });
            }
            _ => fields.put_raw(field, text),
        }
        true
    }
}

/// Choices from rows of a key, its default and what is shown for it. An empty key is a word of Home Assistant's
/// own.
pub(super) fn choices(config: Config<'_>, rows: &[(&str, &str, Value)]) -> Vec<(String, Value)> {
    rows.iter().map(|(key, default, shown)| (config.text_or(key, default), shown.clone())).collect()
}

/// `on` and `off` for `payload_on` and `payload_off`, unknown for `None`.
pub(super) fn on_off(config: Config<'_>) -> Reads {
    Reads::Choice(choices(
        config,
        &[("payload_on", "ON", "on".into()), ("payload_off", "OFF", "off".into()), ("", "None", Value::Null)],
    ))
}

/// Which percentage of the numbers `low` to `high` the number `value` is, rounded down; below `low` lies 0 %.
pub(super) fn percentage(low: f64, high: f64, value: f64) -> Option<f64> {
    let states = high - low + 1.0;
    let percent = ((value - (low - 1.0)) * 100.0 / states).floor();
    percent.is_finite().then_some(percent)
}

/// The whole number `it`, without a fraction.
pub(super) fn shown(it: f64) -> Value {
    if it.fract() == 0.0 && it.abs() < 9e15 { Value::from(it as i64) } else { Value::from(it) }
}

/// The number that `text` is: whole where it is written without a fraction.
fn number_of(text: &str, it: f64) -> Value {
    text.trim().parse::<i64>().map_or(Value::from(it), Value::from)
}
