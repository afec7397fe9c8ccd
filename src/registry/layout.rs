//! Devices that announce nothing, and are known by the first seed's layout of topics:
//! `<prefix>/<device_type>/<device_id>/<set|state|availability>`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::model::Incoming;
use crate::model::Topic;

use super::Change;
use super::Flaw;
use super::Registry;
use super::address::Place;
use super::capability::ANY_CASE;
use super::document::{Document, Form, Shape};
use super::known::Draft;
use super::platform::platform;

impl Registry {
    /// Knows the device that `incoming` comes from, where it is one of the layout and nobody announced it.
    pub(super) fn hear_layout(&mut self, incoming: &Incoming, changes: &mut Vec<Change>) {
        let Some(prefix) = &self.layout_prefix else { return };
        let Some(place) = Place::of(prefix, incoming.topic.as_str()) else { return };
        if !matches!(place.leaf, "state" | "availability") || incoming.payload.is_empty() {
            return;
        }
        let Ok(base) = prefix.join(&format!("{}/{}", place.device_type, place.device_id)) else { return };
        let identity = layout_identity(place);
        let id = self.identities.get(identity.as_str());
        let known = id.and_then(|it| self.entities.get(it));
        if known.is_none() && self.is_announced(&base) {
            return;
        }
        let before = match known.map(|it| it.document.form) {
            Some(Form::Heard(shape)) => Some(shape),
            _ => None,
        };
        let mut shape = before.unwrap_or_default();
        match place.leaf {
            "state" => shape.json = Some(incoming.payload.trim_ascii_start().starts_with(b"{")),
            _ => shape.availability = true,
        }
        if before == Some(shape) {
            return;
        }
        let own = platform(place.device_type).unwrap_or("sensor");
        let config = config(own, place.device_id, &base, shape);
        let payload = Value::Object(config.clone()).to_string().into_bytes().into();
        let document = Arc::new(Document { topic: base, payload, form: Form::Heard(shape) });
        let draft = Draft::new(identity, place.device_id, own, &document, None, &config);
        match self.admit(&document, |registry| registry.take(draft, &config, None, changes)) {
            // An announced entity has that identifier. It counts, and nobody need hear of it at each message.
            Ok(()) | Err(Flaw::Taken { .. }) => {}
            Err(flaw) => self.refuse(&incoming.topic, None, flaw, changes),
        }
    }

    /// Whether an announced entity has the topics below `base`.
    fn is_announced(&self, base: &Topic) -> bool {
        let topics = ["state", "availability", "set"].into_iter().filter_map(|leaf| base.join(leaf).ok());
        topics.into_iter().any(|it| self.topics.has(&it.into()))
    }
}

/// The place in discovery of what is only heard; `layout` is no platform.
pub(super) fn layout_identity(place: Place<'_>) -> String {
    format!("layout {} {}", place.device_type, place.device_id)
}

/// What a device of the layout would announce, by what was heard of it.
fn config(platform: &str, device_id: &str, base: &Topic, shape: Shape) -> Map<String, Value> {
    let mut config = Map::new();
    let mut put = |key: &str, value: Value| config.insert(key.to_owned(), value);
    put("name", json!(device_id));
    put("state_topic", json!(format!("{base}/state")));
    if !matches!(platform, "sensor" | "binary_sensor" | "event" | "device_tracker") {
        put("command_topic", json!(format!("{base}/set")));
    }
    if shape.availability {
        put("availability_topic", json!(format!("{base}/availability")));
    }
    // The first seed sends JSON to every light: that is assumed before the first state too.
    if platform == "light" && shape.json != Some(false) {
        put("schema", json!("json"));
        put("brightness", json!(true));
        put("supported_color_modes", json!(["color_temp", "rgb"]));
        put("color_temp_kelvin", json!(true));
        put(ANY_CASE, json!(true));
    } else if platform == "light" {
        put("state_value_template", json!(ON_OR_OFF));
    } else if matches!(platform, "switch" | "binary_sensor") {
        put("value_template", json!(if shape.json == Some(true) { ON_OR_OFF_IN_JSON } else { ON_OR_OFF }));
    } else if shape.json == Some(true) {
        put("value_template", json!(STATE_OR_ALL));
    }
    if shape.json == Some(true) {
        put("json_attributes_topic", json!(format!("{base}/state")));
    }
    config
}

/// The member `state` where an object has it.
const STATE_OR_ALL: &str = "{{ value_json.state if value_json.state is defined else value }}";

/// In capitals, as Home Assistant's defaults are: whoever announces nothing need not write as it wants.
const ON_OR_OFF: &str = "{{ value | upper }}";

/// Both of it.
const ON_OR_OFF_IN_JSON: &str = "{{ (value_json.state if value_json.state is defined else value) | upper }}";
