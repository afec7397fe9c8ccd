//! What Home Assistant would read of one entity out of a discovery payload: [`Announced`].

use serde_json::{Map, Value};

use crate::entity;
use crate::model::Topic;

/// An entity as it was announced. Every key may have its long or its short name.
#[derive(Debug)]
pub(super) struct Announced {
    /// The topic by which alone it changes.
    pub(super) announced_on: String,
    platform: Platform,
    unique_id: Option<String>,
    pub(super) name: String,
    pub(super) device: String,
    pub(super) unit: String,
    /// Empty where it tells no state.
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
    /// Whatever it tells.
    Other(&'static str),
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
    /// The entity of `platform` that `config` announces on `topic`; else why Home Assistant would not take it.
    pub(super) fn new(
        topic: &str,
        platform: entity::Platform,
        config: &Map<String, Value>,
    ) -> Result<Announced, String> {
        let announced_on = topic.to_owned();
        let platform = match platform {
            entity::Platform::Sensor => sensor(config)?,
            entity::Platform::BinarySensor => Platform::BinarySensor {
                on: text(config, "payload_on", "pl_on")?.unwrap_or("ON".to_owned()),
                off: text(config, "payload_off", "pl_off")?.unwrap_or("OFF".to_owned()),
            },
            other => Platform::Other(other.as_str()),
        };
        let device = match find(config, "device", "dev") {
            Some(Value::Object(device)) => text(device, "name", "name")?.unwrap_or_default(),
            Some(_) => return Err("device: expected an object".to_owned()),
            None => String::new(),
        };
        let name = match config.get("name") {
            Some(Value::Null) => device.clone(),
            _ => text(config, "name", "name")?.unwrap_or_else(|| platform.default_name()),
        };
        Ok(Announced {
            unique_id: text(config, "unique_id", "uniq_id")?,
            unit: text(config, "unit_of_measurement", "unit_of_meas")?.unwrap_or_default(),
            state_topic: match self::topic(config, "state_topic", "stat_t")? {
                None if !matches!(platform, Platform::Other(_)) => {
                    return Err("state_topic: expected one, found none".to_owned());
                }
                topic => topic.unwrap_or_default(),
            },
            announced_on,
            availability: availability(config)?,
            rule: match text(config, "availability_mode", "avty_mode")?.as_deref() {
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
        self.platform.name() == other.platform.name()
            && self.unique_id.is_some()
            && self.unique_id == other.unique_id
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
            Platform::Sensor { .. } => short(payload),
            Platform::Other(_) => short(&said(payload)),
        }
    }
}

impl Platform {
    fn name(&self) -> &'static str {
        match self {
            Platform::Sensor { .. } => "sensor",
            Platform::BinarySensor { .. } => "binary_sensor",
            Platform::Other(name) => name,
        }
    }

    /// What an entity without a name is called.
    fn default_name(&self) -> String {
        match self {
            Platform::Sensor { .. } => "MQTT Sensor".to_owned(),
            Platform::BinarySensor { .. } => "MQTT Binary sensor".to_owned(),
            Platform::Other(name) => format!("MQTT {name}"),
        }
    }
}

fn short(state: &str) -> Result<String, String> {
    match state.chars().count() {
        0..=MAX_STATE_CHARS => Ok(state.to_owned()),
        count => Err(format!("expected at most {MAX_STATE_CHARS} characters, found {count}")),
    }
}

/// What `payload` says in one word: on and off in lower case, of a light its state, of an event its type.
fn said(payload: &str) -> String {
    let json = serde_json::from_str::<Map<String, Value>>(payload).unwrap_or_default();
    let word = ["state", "event_type"].iter().find_map(|key| json.get(*key)?.as_str());
    match word.unwrap_or(payload) {
        word @ ("ON" | "OFF") => word.to_lowercase(),
        word => word.to_owned(),
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
pub(super) fn find<'a>(config: &'a Map<String, Value>, long: &str, short: &str) -> Option<&'a Value> {
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
    use super::super::announcement::components;
    use super::*;

    fn parse(levels: &str, payload: &str) -> Result<Announced, String> {
        let mut components = components("t", levels, payload)?;
        components.remove(0).map(|(_, entity)| entity.unwrap())
    }

    #[track_caller]
    fn check_state(platform: &str, config: &str, payload: &str, expected: Result<&str, &str>) {
        let config = format!(r#"{{"state_topic":"s"{config}}}"#);
        let entity = parse(&format!("{platform}/x"), &config).unwrap();
        assert_eq!(entity.state(payload), expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[track_caller]
    fn check_refused(levels: &str, payload: &str, expected: &str) {
        assert_eq!(parse(levels, payload).unwrap_err(), expected);
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
            ("switch", "", "ON", Ok("on")),
            ("number", "", "20.5", Ok("20.5")),
            ("light", "", r#"{"state":"OFF","brightness":3}"#, Ok("off")),
            ("event", "", r#"{"event_type":"press"}"#, Ok("press")),
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
            assert_eq!(parse(&format!("{platform}/pi/x"), config).unwrap().name, name);
        }
    }

    #[test]
    fn what_home_assistant_would_not_take_is_said() {
        let id = r#"expected 1 to 64 of a-z A-Z 0-9 _ -, found "k.lan""#;
        check_refused("sensor/k.lan/x", "{}", id);
        check_refused("sensor/k.lan", "{}", id);
        check_refused("sensor/a/b/c", "{}", "expected a topic prefix/platform/[node/]object/config");
        check_refused("switches/x", "{}", r#"expected a platform of entities, found "switches""#);
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
