//! How a value is told to Home Assistant: the payloads on an entity's state topic.

use std::error::Error;
use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::ObjectId;
use crate::model::Value;

use super::{Entity, Kind, Platform};

/// Why a value is no state of an entity. It is not published; the entity keeps the state it had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ValueError {
    /// What kind of entity it was for.
    pub platform: Platform,
    /// Which one.
    pub entity: ObjectId,
    /// What its state may be.
    pub expected: String,
    /// What was to be its state, cut where it is long.
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
    /// exponent; texts stay as they are.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when Home Assistant would refuse, ignore or misread it: a text, `NaN` or infinity where it
    /// expects a number, a text that is empty or longer than 255 characters, one that is not among the options,
    /// a time without a zone, a number for something that is on or off.
    pub fn state_payload(&self, value: &Value) -> Result<String, ValueError> {
        let shape = self.shape();
        shape.payload(value).filter(|payload| payload.chars().count() <= MAX_CHARS).ok_or_else(|| {
            ValueError {
                platform: self.platform(),
                entity: self.id.clone(),
                expected: shape.to_string(),
                found: found(value),
            }
        })
    }

    fn shape(&self) -> Shape<'_> {
        match &self.kind {
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
        }
    }
}

/// What the states of an entity look like.
enum Shape<'a> {
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
}

impl Shape<'_> {
    fn payload(&self, value: &Value) -> Option<String> {
        match (self, value) {
            (_, Value::Unknown) => Some(UNKNOWN.to_owned()),
            (Shape::OnOff { on, off }, Value::Switch(is_on)) => {
                Some(if *is_on { on } else { off }.to_string())
            }
            (Shape::Number | Shape::Text, Value::Number(number)) => plain(*number),
            (shape, Value::Text(text)) => shape.admits(text).then(|| text.clone()),
            _ => None,
        }
    }

    fn admits(&self, text: &str) -> bool {
        match self {
            Shape::OnOff { on, off } => text == *on || text == *off,
            Shape::Number => text.parse().is_ok_and(f64::is_finite),
            Shape::Text => !text.is_empty() && text != UNKNOWN,
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
        }
    }
}

/// `number` without noise in its last digits, such as 0.30000000000000004 has it.
fn plain(number: f64) -> Option<String> {
    if !number.is_finite() {
        return None;
    }
    // 0 for 0.1 and above, 1 for 0.01, 2 for 0.001; what is too small to matter becomes 0. (By its text, not by
    // `log10`: that one function would map the C library's mathematics, 0.5 MB of it, into the process.)
    let scientific = format!("{number:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, it)| it.parse().ok())?;
    let zeros = (-exponent - 1).clamp(0, 20);
    let rounded: f64 = format!("{number:.*}", 6 + zeros as usize).parse().ok()?;
    // Adding 0 makes 0 of -0.
    Some((rounded + 0.0).to_string())
}

/// Whether `text` is a moment that Home Assistant can read too: its years begin with 1.
fn is_instant(text: &str) -> bool {
    OffsetDateTime::parse(text, &Rfc3339).is_ok_and(|moment| moment.year() >= 1)
}

fn found(value: &Value) -> String {
    match value {
        Value::Number(number) => format!("the number {number:?}"),
        Value::Text(text) if text.chars().count() > SHOWN_CHARS => {
            let start: String = text.chars().take(SHOWN_CHARS).collect();
            format!("{start:?} and {} more characters", text.chars().count() - SHOWN_CHARS)
        }
        Value::Text(text) => format!("{text:?}"),
        Value::Switch(on) => if *on { "on" } else { "off" }.to_owned(),
        Value::Unknown => "nothing".to_owned(),
    }
}

/// Longest state that Home Assistant keeps (`MAX_LENGTH_STATE_STATE` in `homeassistant/const.py`).
pub(super) const MAX_CHARS: usize = 255;
/// What Home Assistant's MQTT entities take for "unknown" (`PAYLOAD_NONE`).
pub(super) const UNKNOWN: &str = "None";
/// How much of a refused text an error shows.
const SHOWN_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{BinarySensor, Sensor};
    use super::*;

    /// Whatever has no expected payload is to be refused.
    #[track_caller]
    fn check(entity: Entity, rows: impl IntoIterator<Item = (Value, Option<&'static str>)>) {
        for (value, expected) in rows {
            assert_eq!(entity.state_payload(&value).ok().as_deref(), expected, "{value:?}");
        }
    }

    fn plain_sensor() -> Sensor {
        Sensor::new("attic", "Attic")
    }

    fn of_class(class: &str) -> Entity {
        plain_sensor().device_class(class).build().unwrap()
    }

    fn temperature() -> Entity {
        plain_sensor().device_class("temperature").unit("°C").build().unwrap()
    }

    #[test]
    fn a_number_is_finite_and_without_noise() {
        check(
            temperature(),
            [
                (21.5.into(), Some("21.5")),
                ((0.1 + 0.2).into(), Some("0.3")),
                (45.123_456_789.into(), Some("45.123457")),
                (100.0.into(), Some("100")),
                ((-0.0).into(), Some("0")),
                ((-1e-30).into(), Some("0")),
                (0.000_012_345_678_9.into(), Some("0.0000123457")),
                (1e15.into(), Some("1000000000000000")),
                (1e20.into(), Some("100000000000000000000")),
                (f64::NAN.into(), None),
                (f64::INFINITY.into(), None),
                (f64::MAX.into(), None),
            ],
        );
    }

    #[test]
    fn where_a_number_is_expected_a_text_is_one() {
        let rows = || {
            [
                ("21.5".into(), Some("21.5")),
                ("1e3".into(), Some("1e3")),
                ("warm".into(), None),
                ("nan".into(), None),
                ("inf".into(), None),
                ("1e999".into(), None),
                ("".into(), None),
                (true.into(), None),
                (Value::Unknown, Some("None")),
            ]
        };
        check(temperature(), rows());
        check(of_class("aqi"), rows());
        check(plain_sensor().unit("widgets").build().unwrap(), rows());
        check(plain_sensor().state_class("total").build().unwrap(), rows());
        check(plain_sensor().precision(1).build().unwrap(), rows());
    }

    #[test]
    fn a_sensor_with_neither_unit_nor_class_says_what_it_likes() {
        check(
            plain_sensor().build().unwrap(),
            [
                ("192.168.1.2".into(), Some("192.168.1.2")),
                (1.0.into(), Some("1")),
                ("None".into(), None),
                ("".into(), None),
                ("ä".repeat(256).into(), None),
                (false.into(), None),
                (Value::Unknown, Some("None")),
            ],
        );
        let longest = "ä".repeat(255);
        let payload = plain_sensor().build().unwrap().state_payload(&longest.as_str().into());
        assert_eq!(payload, Ok(longest));
    }

    #[test]
    fn a_moment_has_a_zone() {
        for class in ["timestamp", "uptime"] {
            check(
                of_class(class),
                [
                    ("2026-11-21T20:46:00Z".into(), Some("2026-11-21T20:46:00Z")),
                    ("2026-11-21T20:46:00.25+01:00".into(), Some("2026-11-21T20:46:00.25+01:00")),
                    ("2026-11-21T20:46:00".into(), None),
                    ("2026-11-21".into(), None),
                    ("2026-02-30T00:00:00Z".into(), None),
                    (1.0.into(), None),
                    (Value::Unknown, Some("None")),
                ],
            );
        }
    }

    #[test]
    fn a_date_is_a_day_of_the_calendar() {
        check(
            of_class("date"),
            [
                ("2024-02-29".into(), Some("2024-02-29")),
                ("2026-02-29".into(), None),
                ("0000-01-01".into(), None),
                ("21.11.2026".into(), None),
                ("2026-11-21T20:46:00Z".into(), None),
                (20_261_121.0.into(), None),
            ],
        );
    }

    #[test]
    fn an_enum_is_one_of_its_options() {
        let mode = plain_sensor().device_class("enum").options(["eco", "comfort"]).build().unwrap();
        check(
            mode,
            [
                ("eco".into(), Some("eco")),
                ("Eco".into(), None),
                (1.0.into(), None),
                (Value::Unknown, Some("None")),
            ],
        );
        check(of_class("enum"), [("anything".into(), Some("anything"))]);
    }

    #[test]
    fn a_binary_sensor_is_on_or_off() {
        let motion = BinarySensor::new("hall", "Hall").payload_on("1").payload_off("0").build().unwrap();
        check(
            motion,
            [
                (true.into(), Some("1")),
                (false.into(), Some("0")),
                ("1".into(), Some("1")),
                ("ON".into(), None),
                (1.0.into(), None),
                (Value::Unknown, Some("None")),
            ],
        );
    }

    #[test]
    fn a_refusal_names_the_entity_and_what_it_takes() {
        let motion = BinarySensor::new("hall", "Hall").build().unwrap();
        for (entity, value, expected) in [
            (
                temperature(),
                f64::NAN.into(),
                r#"sensor "attic": expected a finite number of at most 255 digits, found the number NaN"#,
            ),
            (
                of_class("timestamp"),
                "soon".into(),
                r#"sensor "attic": expected a time with its zone such as 2026-11-21T20:46:00+01:00, found "soon""#,
            ),
            (
                motion,
                Value::from("x".repeat(50)),
                "binary_sensor \"hall\": expected on or off (\"ON\" or \"OFF\"), \
                 found \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" and 10 more characters",
            ),
        ] {
            assert_eq!(entity.state_payload(&value).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn states_are_retained_unless_they_expire() {
        assert!(temperature().retained());
        let expiring = plain_sensor().expire_after(Duration::from_secs(60)).build().unwrap();
        assert!(!expiring.retained());
    }
}
