//! What a program gets to see of an entity.

use std::time::Instant;

use serde_json::{Map, Value};

use super::Availability;
use super::capability::Fields;
use super::capability::Offer;
use super::capability::offers;
use super::document::Form;
use super::known::Known;

/// An entity that somebody announced, or that is heard in the first seed's layout.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Discovered {
    /// Names it in this registry: see [`Registry`](super::Registry).
    pub id: String,
    /// The `unique_id` it was announced with.
    pub unique_id: Option<String>,
    /// Its name; the device's where it has none of its own; else the last part of its discovery topic.
    pub name: String,
    /// Home Assistant's name for its kind: `sensor`.
    pub platform: &'static str,
    /// What it measures or is, in Home Assistant's words: `temperature`.
    pub device_class: Option<String>,
    /// In which unit it tells its state.
    pub unit: Option<String>,
    /// The device to which it belongs.
    pub device: Option<Device>,
    /// The program that announced it.
    pub origin: Option<Origin>,
    /// Whether it was announced; else it is only heard.
    pub announced: bool,
    /// Whether it can be reached now.
    pub availability: Availability,
    /// What it tells of itself: `state`, `brightness`. Each once, in alphabetical order.
    pub fields: Vec<&'static str>,
    /// What it can be asked.
    pub offers: Vec<Offer>,
}

/// What an entity has told of its state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct State {
    /// Whether it can be reached now. Where it cannot, `fields` is what it told last.
    pub availability: Availability,
    /// What it told, by field. Empty before it told anything.
    pub fields: Fields,
}

/// A device, as it was announced with an entity.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Device {
    /// What identifies it.
    pub identifiers: Vec<String>,
    /// Addresses that identify it, e.g. (`mac`, `02:5b:26:a8:dc:12`).
    pub connections: Vec<(String, String)>,
    /// Its name.
    pub name: Option<String>,
    /// Who makes it.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The maker's identifier of the model.
    pub model_id: Option<String>,
    /// The version of its software.
    pub sw_version: Option<String>,
    /// The version of its hardware.
    pub hw_version: Option<String>,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// The room where it probably is.
    pub suggested_area: Option<String>,
    /// A page to configure it.
    pub configuration_url: Option<String>,
    /// An identifier of the device by which it is reached; of a child device, its parent's first.
    pub via_device: Option<String>,
}

/// The program that announced an entity.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Origin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub sw_version: Option<String>,
    /// Where there is help for it.
    pub support_url: Option<String>,
}

/// What is to be seen at `now` of the entity `id`, whose configuration is `config`.
pub(super) fn discovered(id: &str, known: &Known, config: &Map<String, Value>, now: Instant) -> Discovered {
    let device = config.get("device").and_then(Value::as_object).map(Device::new);
    // ESPHome says "" of what has the name of its device.
    let name = text(config, "name").filter(|it| !it.is_empty()).or_else(|| device.as_ref()?.name.clone());
    let mut fields: Vec<&'static str> = known.sources.iter().map(|it| it.field).collect();
    fields.sort_unstable();
    fields.dedup();
    Discovered {
        id: id.to_owned(),
        unique_id: known.unique_id.as_deref().map(str::to_owned),
        name: name.unwrap_or_else(|| known.object_id().to_owned()),
        platform: known.platform,
        device_class: text(config, "device_class"),
        unit: text(config, "unit_of_measurement"),
        device,
        origin: config.get("origin").and_then(Value::as_object).map(Origin::new),
        announced: !matches!(known.document.form, Form::Heard(_)),
        availability: known.availability(now),
        fields,
        offers: offers(known.platform, config),
    }
}

impl Device {
    fn new(map: &Map<String, Value>) -> Device {
        let device = Device {
            identifiers: texts(map.get("identifiers")),
            connections: pairs(map.get("connections")),
            name: text(map, "name"),
            manufacturer: text(map, "manufacturer"),
            model: text(map, "model"),
            model_id: text(map, "model_id"),
            sw_version: text(map, "sw_version"),
            hw_version: text(map, "hw_version"),
            serial_number: text(map, "serial_number"),
            suggested_area: text(map, "suggested_area"),
            configuration_url: text(map, "configuration_url"),
            via_device: text(map, "via_device"),
        };
        let Some(child) = map.get("child_device").and_then(Value::as_object) else { return device };
        Device {
            identifiers: texts(child.get("identifiers")),
            name: text(child, "name"),
            via_device: device.identifiers.into_iter().next(),
            ..Device::default()
        }
    }
}

impl Origin {
    fn new(map: &Map<String, Value>) -> Origin {
        Origin {
            name: text(map, "name").unwrap_or_default(),
            sw_version: text(map, "sw_version"),
            support_url: text(map, "support_url"),
        }
    }
}

/// Home Assistant takes a number for a text here too.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(word)
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(word).collect(),
        single => single.and_then(word).into_iter().collect(),
    }
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    let pair = |it: &Value| Some((word(it.get(0)?)?, word(it.get(1)?)?));
    list.filter_map(pair).collect()
}
