//! What Home Assistant would read out of one discovery payload: [`Announced`].

use serde_json::{Map, Value};

use crate::model::ObjectId;
use crate::model::Topic;

/// An entity as it was announced. Every key may have its long or its short name.
#[derive(Debug)]
pub(super) struct Announced {
    platform: Platform,
    unique_id: Option<String>,
    pub(super) name: String,
    pub(super) device: String,
    pub(super) unit: String,
    pub(super) state_topic: String,
    pub(super) availability: Vec<Availability>,
    pub(super) rule: Rule,
}

/// What a state must look like.
#[derive(Debug)]
enum Platform {
    /// Only numbers where `numeric`, only `options` where there are some.
    Sensor {
        numeric: bool,
        precision: Option<usize>,
        options: Vec<String>,
    },
    BinarySensor {
        on: String,
        off: String,
    },
}

/// A topic that tells whether the entity is available.
#[derive(Debug)]
pub(super) struct Availability {
    pub(super) topic: String,
    pub(super) online: String,
    pub(super) offline: String,
}

/// Which of several [`Availability`] topics must say yes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    All,
    Any,
    Latest,
}

impl Announced {
    /// The entity that `payload` announces on a discovery topic with `levels` between prefix and `config`;
    /// else why Home Assistant would not take it.
    pub(super) fn parse(levels: &str, payload: &str) -> Result<Announced, String> {
        let levels: Vec<&str> = levels.split('/').collect();
        let (platform, ids) = match levels[..] {
            [platform, object] => (platform, vec![object]),
            [platform, node, object] => (platform, vec![node, object]),
            _ => return Err("expected a topic prefix/platform/[node/]object/config".to_owned()),
        };
        for id in ids {
            ObjectId::new(id).map_err(|error| error.to_string())?;
        }
        let config: Map<String, Value> =
            serde_json::from_str(payload).map_err(|error| format!("expected a JSON object: {error}"))?;
        let platform = match platform {
            "sensor" => sensor(&config)?,
            "binary_sensor" => Platform::BinarySensor {
                on: text(&config, "payload_on", "pl_on")?.unwrap_or("ON".to_owned()),
                off: text(&config, "payload_off", "pl_off")?.unwrap_or("OFF".to_owned()),
            },
            it => return Err(format!("expected a sensor or binary_sensor, found {it:?}")),
        };
        let device = match find(&config, "device", "dev") {
            Some(Value::Object(device)) => text(device, "name", "name")?.unwrap_or_default(),
            Some(_) => return Err("device: expected an object".to_owned()),
            None => String::new(),
        };
        let name = match config.get("name") {
            Some(Value::Null) => device.clone(),
            _ => text(&config, "name", "name")?.unwrap_or_else(|| platform.default_name().to_owned()),
        };
        Ok(Announced {
            unique_id: text(&config, "unique_id", "uniq_id")?,
            unit: text(&config, "unit_of_measurement", "unit_of_meas")?.unwrap_or_default(),
            state_topic: topic(&config, "state_topic", "stat_t")?
                .ok_or("state_topic: expected one, found none")?,
            availability: availability(&config)?,
            rule: match text(&config, "availability_mode", "avty_mode")?.as_deref() {
                Some("all") => Rule::All,
                Some("any") => Rule::Any,
                Some("latest") | None => Rule::Latest,
                Some(it) => {
                    return Err(format!("availability_mode: expected all, any or latest, found {it:?}"));
                }
            },
            platform,
            name,
            device,
        })
    }

    /// Whether Home Assistant would take the two for one entity.
    pub(super) fn is_same_as(&self, other: &Announced) -> bool {
        let same_platform = std::mem::discriminant(&self.platform) == std::mem::discriminant(&other.platform);
        same_platform && self.unique_id.is_some() && self.unique_id == other.unique_id
    }

    /// Whether `topic` tells its availability.
    pub(super) fn waits_for(&self, topic: &str) -> bool {
        self.availability.iter().any(|it| it.topic == topic)
    }

    /// The state that `payload` sets, as it is shown; else why Home Assistant would not take it.
    pub(super) fn state(&self, payload: &str) -> Result<String, String> {
        match &self.platform {
            _ if payload == "None" => Ok("unknown".to_owned()),
            Platform::BinarySensor { on, .. } if payload == on => Ok("on".to_owned()),
            Platform::BinarySensor { off, .. } if payload == off => Ok("off".to_owned()),
            Platform::BinarySensor { on, off } => {
                Err(format!("expected {on:?} or {off:?}, found {payload:?}"))
            }
            Platform::Sensor { numeric: true, precision, .. } => {
                match (payload.trim().parse::<f64>(), precision) {
                    (Ok(number), Some(digits)) if number.is_finite() => Ok(format!("{number:.digits$}")),
                    (Ok(number), None) if number.is_finite() => Ok(payload.to_owned()),
                    _ => Err(format!("expected a finite number, found {payload:?}")),
                }
            }
            Platform::Sensor { options, .. }
                if !options.is_empty() && !options.iter().any(|it| it == payload) =>
            {
                Err(format!("expected one of {options:?}, found {payload:?}"))
            }
            Platform::Sensor { .. } => match payload.chars().count() {
                0..=MAX_STATE_CHARS => Ok(payload.to_owned()),
                count => Err(format!("expected at most {MAX_STATE_CHARS} characters, found {count}")),
            },
        }
    }
}

impl Platform {
    /// What an entity without a name is called.
    fn default_name(&self) -> &'static str {
        match self {
            Platform::Sensor { .. } => "MQTT Sensor",
            Platform::BinarySensor { .. } => "MQTT Binary sensor",
        }
    }
}

/// Home Assistant expects numbers where there is a unit, a state class, a precision, or a device class of numbers.
fn sensor(config: &Map<String, Value>) -> Result<Platform, String> {
    let precision = match find(config, "suggested_display_precision", "sug_dsp_prc") {
        None => None,
        Some(it) => match it.as_u64() {
            Some(digits) => Some(usize::try_from(digits).unwrap_or(MAX_DIGITS).min(MAX_DIGITS)),
            None => return Err(format!("suggested_display_precision: expected a whole number, found {it}")),
        },
    };
    let options = match find(config, "options", "ops") {
        None => Vec::new(),
        Some(Value::Array(options)) => options.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(it) => return Err(format!("options: expected a list, found {it}")),
    };
    let class = text(config, "device_class", "dev_cla")?;
    let numeric = precision.is_some()
        || text(config, "unit_of_measurement", "unit_of_meas")?.is_some()
        || text(config, "state_class", "stat_cla")?.is_some()
        || class.is_some_and(|it| !CLASSES_OF_TEXT.contains(&it.as_str()));
    Ok(Platform::Sensor { numeric, precision, options })
}

fn availability(config: &Map<String, Value>) -> Result<Vec<Availability>, String> {
    let single = topic(config, "availability_topic", "avty_t")?;
    match (single, find(config, "availability", "avty")) {
        (None, None) => Ok(Vec::new()),
        (Some(topic), None) => Ok(vec![one_availability(config, topic)?]),
        (None, Some(Value::Array(list))) => list
            .iter()
            .map(|it| {
                let it = it.as_object().ok_or("availability: expected a list of objects")?;
                let topic = topic(it, "topic", "t")?.ok_or("availability: expected a topic, found none")?;
                one_availability(it, topic)
            })
            .collect(),
        (None, Some(it)) => Err(format!("availability: expected a list, found {it}")),
        (Some(_), Some(_)) => {
            Err("expected either availability_topic or availability, found both".to_owned())
        }
    }
}

fn one_availability(config: &Map<String, Value>, topic: String) -> Result<Availability, String> {
    Ok(Availability {
        topic,
        online: text(config, "payload_available", "pl_avail")?.unwrap_or("online".to_owned()),
        offline: text(config, "payload_not_available", "pl_not_avail")?.unwrap_or("offline".to_owned()),
    })
}

/// The value of a key under its long or its short name.
fn find<'a>(config: &'a Map<String, Value>, long: &str, short: &str) -> Option<&'a Value> {
    config.get(long).or_else(|| config.get(short))
}

fn text(config: &Map<String, Value>, long: &str, short: &str) -> Result<Option<String>, String> {
    match find(config, long, short) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(it) => Err(format!("{long}: expected a text, found {it}")),
    }
}

fn topic(config: &Map<String, Value>, long: &str, short: &str) -> Result<Option<String>, String> {
    let Some(text) = text(config, long, short)? else { return Ok(None) };
    Topic::new(&text).map_err(|error| format!("{long}: {error}"))?;
    Ok(Some(text))
}

/// Device classes whose states are no numbers (`homeassistant/components/sensor/const.py`).
const CLASSES_OF_TEXT: &[&str] = &["date", "enum", "timestamp", "uptime"];
/// More digits than a double has.
const MAX_DIGITS: usize = 20;

/// Home Assistant's longest state.
pub(super) const MAX_STATE_CHARS: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_state(platform: &str, config: &str, payload: &str, expected: Result<&str, &str>) {
        let config = format!(r#"{{"state_topic":"s"{config}}}"#);
        let entity = Announced::parse(&format!("{platform}/x"), &config).unwrap();
        assert_eq!(entity.state(payload), expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[track_caller]
    fn check_refused(levels: &str, payload: &str, expected: &str) {
        assert_eq!(Announced::parse(levels, payload).unwrap_err(), expected);
    }

    #[test]
    fn a_state_is_shown_as_its_platform_and_options_say() {
        let number = Err("expected a finite number, found \"ok\"");
        for (platform, config, payload, expected) in [
            ("sensor", "", "any text", Ok("any text")),
            ("sensor", r#","unit_of_measurement":"%""#, "48.20", Ok("48.20")),
            ("sensor", r#","sug_dsp_prc":0"#, "48.6", Ok("49")),
            ("sensor", r#","unit_of_measurement":"%""#, "ok", number),
            ("sensor", r#","stat_cla":"measurement""#, "ok", number),
            ("sensor", r#","suggested_display_precision":2"#, "ok", number),
            ("sensor", r#","device_class":"temperature""#, "ok", number),
            ("sensor", r#","device_class":"timestamp""#, "2026-01-01T00:00:00Z", Ok("2026-01-01T00:00:00Z")),
            ("sensor", r#","unit_of_measurement":"%""#, "None", Ok("unknown")),
            ("sensor", r#","device_class":"enum","options":["a"]"#, "a", Ok("a")),
            (
                "sensor",
                r#","device_class":"enum","options":["a"]"#,
                "b",
                Err(r#"expected one of ["a"], found "b""#),
            ),
            ("binary_sensor", "", "OFF", Ok("off")),
            ("binary_sensor", "", "on", Err(r#"expected "ON" or "OFF", found "on""#)),
            ("binary_sensor", r#","payload_on":"1","pl_off":"0""#, "1", Ok("on")),
            ("binary_sensor", r#","payload_on":"1","pl_off":"0""#, "0", Ok("off")),
            ("binary_sensor", "", "None", Ok("unknown")),
        ] {
            check_state(platform, config, payload, expected);
        }
        let long = "ü".repeat(256);
        check_state("sensor", "", &long[2..], Ok(&long[2..]));
        check_state("sensor", "", &long, Err("expected at most 255 characters, found 256"));
    }

    #[test]
    fn the_name_is_its_own_or_its_devices_or_a_default() {
        for (platform, config, name) in [
            ("sensor", r#"{"state_topic":"s","name":"CPU","device":{"name":"Pi"}}"#, "CPU"),
            ("sensor", r#"{"state_topic":"s","name":null,"device":{"name":"Pi"}}"#, "Pi"),
            ("sensor", r#"{"state_topic":"s","device":{"name":"Pi"}}"#, "MQTT Sensor"),
            ("binary_sensor", r#"{"state_topic":"s"}"#, "MQTT Binary sensor"),
        ] {
            assert_eq!(Announced::parse(&format!("{platform}/pi/x"), config).unwrap().name, name);
        }
    }

    #[test]
    fn what_home_assistant_would_not_take_is_said() {
        let id = r#"expected 1 to 64 of a-z A-Z 0-9 _ -, found "k.lan""#;
        check_refused("sensor/k.lan/x", "{}", id);
        check_refused("sensor/k.lan", "{}", id);
        check_refused("sensor/a/b/c", "{}", "expected a topic prefix/platform/[node/]object/config");
        check_refused("switch/x", "{}", r#"expected a sensor or binary_sensor, found "switch""#);
        for (payload, problem) in [
            ("[]", "expected a JSON object: invalid type: sequence, expected a map at line 1 column 0"),
            ("{}", "state_topic: expected one, found none"),
            (r#"{"state_topic":"a/#"}"#, "state_topic: expected a topic without the wildcards + and #"),
            (r#"{"state_topic":7}"#, "state_topic: expected a text, found 7"),
            (r#"{"stat_t":"s","dev":[]}"#, "device: expected an object"),
            (
                r#"{"stat_t":"s","sug_dsp_prc":-1}"#,
                "suggested_display_precision: expected a whole number, found -1",
            ),
            (r#"{"stat_t":"s","options":"a"}"#, "options: expected a list, found \"a\""),
            (r#"{"stat_t":"s","avty":"a"}"#, "availability: expected a list, found \"a\""),
            (r#"{"stat_t":"s","avty":[{}]}"#, "availability: expected a topic, found none"),
            (r#"{"stat_t":"s","avty":[1]}"#, "availability: expected a list of objects"),
            (
                r#"{"stat_t":"s","avty":[],"avty_t":"a"}"#,
                "expected either availability_topic or availability, found both",
            ),
            (
                r#"{"stat_t":"s","avty_mode":"some"}"#,
                "availability_mode: expected all, any or latest, found \"some\"",
            ),
        ] {
            check_refused("sensor/x", payload, problem);
        }
    }
}
