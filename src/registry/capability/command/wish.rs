//! What somebody wants, checked against what the entity offers.

use serde_json::{Map, Value};

use crate::registry::capability::Offer;
use crate::registry::capability::Range;
use crate::registry::capability::SetError;
use crate::registry::capability::template::Py;

/// A wish that the entity can fulfil: each value is one that its field takes.
#[derive(Debug)]
pub(super) struct Wish(Vec<(&'static str, Asked)>);

/// A value, in the shape that its field's range has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// One of the options, spelled as the entity spells it, or a text.
    Word(String),
    Number(f64),
    Flag(bool),
    Color(Vec<f64>),
}

impl Wish {
    /// What `wanted` asks of an entity of `platform` with these `offers`.
    pub(super) fn new(
        platform: &str,
        offers: &[Offer],
        wanted: &Map<String, Value>,
    ) -> Result<Wish, SetError> {
        if offers.is_empty() {
            return Err(SetError::NotControllable { platform: platform.to_owned() });
        }
        let offered = || offers.iter().map(|offer| offer.field).collect();
        let mut asked = Vec::new();
        for (field, value) in wanted {
            let offer = offer(offers, field, value);
            let offer =
                offer.ok_or_else(|| SetError::UnknownField { field: field.clone(), offered: offered() })?;
            asked.push((offer.field, ask(offer, value)?));
        }
        if asked.is_empty() { Err(SetError::Nothing { offered: offered() }) } else { Ok(Wish(asked)) }
    }

    /// The fields that are asked for.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        self.0.iter().map(|(field, _)| *field).collect()
    }

    pub(super) fn asked(&self, field: &str) -> Option<&Asked> {
        self.0.iter().find(|(found, _)| *found == field).map(|(_, asked)| asked)
    }

    pub(super) fn word(&self, field: &str) -> Option<&str> {
        match self.asked(field)? {
            Asked::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn number(&self, field: &str) -> Option<f64> {
        match self.asked(field)? {
            Asked::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn flag(&self, field: &str) -> Option<bool> {
        match self.asked(field)? {
            Asked::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn color(&self, field: &str) -> Option<&[f64]> {
        match self.asked(field)? {
            Asked::Color(channels) => Some(channels),
            _ => None,
        }
    }
}

impl Asked {
    /// The value as a command template sees it.
    pub(super) fn value(&self) -> Py {
        match self {
            Asked::Word(word) => Py::Str(word.clone()),
            Asked::Number(number) => whole_or_float(*number),
            Asked::Flag(flag) => Py::Bool(*flag),
            Asked::Color(channels) => Py::List(channels.iter().copied().map(whole_or_float).collect()),
        }
    }
}

/// A whole number where it is one.
pub(super) fn whole_or_float(number: f64) -> Py {
    if number.fract() == 0.0 { Py::Int(number as i128) } else { Py::Float(number) }
}

/// The offer that `field` means: by its name, by another that programs use for it, or by the letters of a colour.
fn offer<'o>(offers: &'o [Offer], field: &str, value: &Value) -> Option<&'o Offer> {
    let named = |name: &str| offers.iter().find(|offer| offer.field == name);
    if field == "color" {
        return offers.iter().find(|offer| match offer.range {
            Range::Color { channels, .. } => channel_values(value, channels).is_some(),
            _ => false,
        });
    }
    named(field)
        .or_else(|| ALIASES.iter().filter(|(alias, _)| *alias == field).find_map(|(_, name)| named(name)))
}

fn ask(offer: &Offer, value: &Value) -> Result<Asked, SetError> {
    let refused = || SetError::NotOffered {
        field: offer.field,
        expected: offer.range.to_string(),
        found: value.to_string(),
    };
    let out_of_range = || SetError::OutOfRange {
        field: offer.field,
        expected: offer.range.to_string(),
        found: value.to_string(),
    };
    match &offer.range {
        Range::Options(options) => {
            option(options, value).map(|it| Asked::Word(it.to_owned())).ok_or_else(refused)
        }
        Range::Number { min, max, step } => {
            let number = Py::from(value).as_f64().filter(|it| it.is_finite() && !value.is_boolean());
            let number = number.ok_or_else(refused)?;
            let number = if offer.field == "color_temp" { kelvin(number) } else { number };
            let steps = (number - min) / step;
            let between = *step > 0.0 && (steps - steps.round()).abs() > STEP_TOLERANCE;
            if number < *min || number > *max || between {
                Err(out_of_range())
            } else {
                Ok(Asked::Number(number))
            }
        }
        Range::Text { min, max } => {
            let text = value.as_str().map(str::to_owned);
            let is_plain = value.is_number() || value.is_boolean();
            let text = text.or_else(|| is_plain.then(|| value.to_string())).ok_or_else(refused)?;
            let fits = (*min..=*max).contains(&text.chars().count());
            if fits { Ok(Asked::Word(text)) } else { Err(out_of_range()) }
        }
        Range::Flag => match option(&["on".to_owned(), "off".to_owned()], value) {
            Some(word) => Ok(Asked::Flag(word == "on")),
            // A button is pressed by whatever word.
            None if value.is_string() && matches!(offer.field, "press" | "activate" | "install") => {
                Ok(Asked::Flag(true))
            }
            None => Err(refused()),
        },
        Range::Color { channels, max } => {
            let numbers = channel_values(value, channels).ok_or_else(refused)?;
            let fits = numbers.iter().zip(*max).all(|(number, max)| (0.0..=*max).contains(number));
            if fits { Ok(Asked::Color(numbers)) } else { Err(out_of_range()) }
        }
    }
}

/// The one of `options` that `value` means: the same word, the same in other letters, another word for it, or a
/// truth value for on and off.
fn option<'o>(options: &'o [String], value: &Value) -> Option<&'o str> {
    let word = match value {
        Value::String(word) => word.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return None,
    };
    let same = |word: &str| options.iter().find(|it| it.eq_ignore_ascii_case(word)).map(String::as_str);
    let exact = options.iter().find(|it| **it == word).map(String::as_str);
    exact.or_else(|| same(&word)).or_else(|| {
        WORDS.iter().filter(|(other, _)| other.eq_ignore_ascii_case(&word)).find_map(|(_, verb)| same(verb))
    })
}

/// The channels of a colour: a list, or an object of exactly these letters.
fn channel_values(value: &Value, letters: &str) -> Option<Vec<f64>> {
    let channels: Vec<_> = match value {
        Value::Array(items) => items.iter().map(Value::as_f64).collect::<Option<_>>()?,
        Value::Object(members) if members.len() == letters.len() => {
            let one = |letter: char| members.get(letter.encode_utf8(&mut [0; 4]))?.as_f64();
            letters.chars().map(one).collect::<Option<_>>()?
        }
        _ => return None,
    };
    (channels.len() == letters.len()).then_some(channels)
}

/// A colour temperature in kelvin: from 1,000 on it is in kelvin already, below in mireds.
fn kelvin(number: f64) -> f64 {
    if number >= 1000.0 || number <= 0.0 { number } else { (1e6 / number).floor() }
}

/// What programs call a field besides its name.
const ALIASES: &[(&str, &str)] = &[
    ("state", "value"),
    ("state", "option"),
    ("state", "hvac_mode"),
    ("state", "operation_mode"),
    ("state", "press"),
    ("state", "activate"),
    ("state", "install"),
    ("press", "activate"),
    ("mode", "hvac_mode"),
    ("mode", "operation_mode"),
    ("color_temp_kelvin", "color_temp"),
    ("hs", "hs_color"),
    ("rgb", "rgb_color"),
    ("rgbw", "rgbw_color"),
    ("rgbww", "rgbww_color"),
    ("xy", "xy_color"),
    ("tilt", "tilt_position"),
];

/// States where verbs are wanted, and truth values where words are.
const WORDS: &[(&str, &str)] = &[
    ("true", "on"),
    ("false", "off"),
    ("opened", "open"),
    ("closed", "close"),
    ("stopped", "stop"),
    ("locked", "lock"),
    ("unlocked", "unlock"),
    ("armed_home", "arm_home"),
    ("armed_away", "arm_away"),
    ("armed_night", "arm_night"),
    ("armed_vacation", "arm_vacation"),
    ("armed_custom_bypass", "arm_custom_bypass"),
    ("disarmed", "disarm"),
    ("return_home", "return_to_base"),
    ("docked", "dock"),
    ("mowing", "start_mowing"),
    ("paused", "pause"),
];

/// 0.1 + 0.2 is on a step of 0.1.
const STEP_TOLERANCE: f64 = 1e-6;
