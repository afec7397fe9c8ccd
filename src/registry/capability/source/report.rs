//! Messages that are JSON and tell several things.

use serde_json::{Map, Value};

use super::plain::switched;
use super::reads::Reads;
use crate::model::UPDATE_KEYS;
use crate::model::is_reserved_attribute;
use crate::registry::capability::Fields;
use crate::registry::capability::Payload;
use crate::registry::capability::config::Config;
use crate::registry::capability::template::Py;

/// The JSON attributes of an entity.
pub(super) fn attributes(
    field: &'static str,
    text: &str,
    payload: &Payload<'_>,
    fields: &mut Fields,
) -> bool {
    match object(payload) {
        Some(mut attributes) => {
            attributes.retain(|name, _| !is_reserved_attribute(name));
            fields.put_known(field, attributes);
        }
        None => fields.put_raw(field, text),
    }
    true
}

/// An event of one of these `types`.
pub(super) fn event(types: &[String], text: &str, payload: &Payload<'_>, fields: &mut Fields) -> bool {
    if matches!(text, "None" | "{}") {
        return false;
    }
    let kind = payload.json().and_then(|json| json.member("event_type")).map(Py::print);
    match (kind, object(payload)) {
        (Some(kind), Some(mut attributes)) if types.contains(&kind) => {
            attributes.remove("event_type");
            fields.put_known("event_type", kind);
            fields.put_known("attributes", attributes);
        }
        _ => fields.put_raw("event_type", text),
    }
    true
}

/// The versions of an update: a JSON object, or the installed version alone.
pub(super) fn update(text: &str, payload: &Payload<'_>, fields: &mut Fields) -> bool {
    if text == "{}" {
        return false;
    }
    let Some(members) = object(payload) else {
        fields.put_known("installed_version", text);
        return true;
    };
    let percentage = members.get("update_percentage").cloned();
    if let Some(percentage) = &percentage {
        fields.put_known("in_progress", !percentage.is_null());
    }
    for name in UPDATE_KEYS {
        if let Some(value) = members.get(*name) {
            // Home Assistant's schema makes texts of versions; a number is a version too.
            let is_version = name.ends_with("_version") && value.is_number();
            fields.put_known(name, if is_version { Py::from(value).print().into() } else { value.clone() });
        }
    }
    true
}

/// What a vacuum does, and how hard.
pub(super) fn vacuum(payload: &Payload<'_>, fields: &mut Fields) -> bool {
    let Some(members) = object(payload) else { return false };
    match members.get("state") {
        Some(Value::Null) => fields.put_known("state", Value::Null),
        Some(Value::String(state)) if VACUUM_STATES.contains(&state.as_str()) => {
            fields.put_known("state", state.as_str());
        }
        Some(other) => fields.put_raw("state", &Py::from(other).print()),
        None => {}
    }
    if let Some(speed) = members.get("fan_speed") {
        fields.put_known("fan_speed", speed.clone());
    }
    true
}

/// How a siren tells its state: in one word, or as JSON with its tone and so on.
#[derive(Clone, Debug)]
pub(super) struct Siren {
    states: Vec<(String, Value)>,
}

impl Siren {
    pub(super) fn new(config: Config<'_>) -> Siren {
        match switched(config) {
            Reads::Choice(states) => Siren { states },
            _ => Siren { states: Vec::new() },
        }
    }

    pub(super) fn read(&self, text: &str, payload: &Payload<'_>, fields: &mut Fields) -> bool {
        if text == "{}" {
            return false;
        }
        if let Some(shown) = self.shown(text) {
            fields.put_known("state", shown);
            return true;
        }
        let Some(members) = object(payload) else {
            fields.put_raw("state", text);
            return true;
        };
        if let Some(state) = members.get("state") {
            let state = Py::from(state).print();
            match self.shown(&state) {
                Some(shown) => fields.put_known("state", shown),
                None => fields.put_raw("state", &state),
            }
        }
        for name in SIREN_FIELDS {
            if let Some(value) = members.get(*name) {
                fields.put_known(name, value.clone());
            }
        }
        true
    }

    fn shown(&self, state: &str) -> Option<Value> {
        self.states.iter().find(|(found, _)| found == state).map(|(_, shown)| shown.clone())
    }
}

/// The JSON object that `payload` is.
fn object(payload: &Payload<'_>) -> Option<Map<String, Value>> {
    match payload.json()? {
        json @ Py::Dict(_) => match json.value()? {
            Value::Object(members) => Some(members),
            _ => None,
        },
        _ => None,
    }
}

const SIREN_FIELDS: &[&str] = &["tone", "duration", "volume_level"];

const VACUUM_STATES: &[&str] = &["idle", "docked", "error", "paused", "returning", "cleaning"];
