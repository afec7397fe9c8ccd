//! On which topics an entity tells what.

mod cover;
mod light;
mod plain;
mod reads;
mod report;

use serde_json::{Map, Value};

use crate::model::TopicFilter;

use self::reads::Reads;
use super::config::Config;
use super::template::{Py, Rendered, Template};
use super::{Fields, Payload};

pub(in super::super) use self::light::ANY_CASE;
pub(super) use self::light::{CHANNELS, json_color_modes};
pub(super) use self::plain::{FAN_MODES, HVAC_MODES, SWING_MODES, WATER_HEATER_MODES};

/// A topic on which an entity tells something of its state, and how to read it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is told; Home Assistant takes wildcards here too.
    pub topic: TopicFilter,
    /// The field that it is mainly about: `state`, `brightness`, `attributes`. One message can tell several.
    pub field: &'static str,
    template: Option<Template>,
    /// What the template can name besides the payload.
    names: Vec<(&'static str, Py)>,
    reads: Reads,
}

impl Source {
    /// Takes what `payload` tells into `fields`; false where it tells nothing, then all stays as it was.
    ///
    /// The values are those that Home Assistant shows: `on` and `off`, `open` and `closed`, numbers as numbers, a
    /// brightness of 0 to 255, a colour temperature in kelvin, a position in percent. What Home Assistant ignores
    /// because it does not belong to the entity is kept as [`FieldValue::Raw`](super::FieldValue::Raw).
    pub fn read(&self, payload: &Payload<'_>, fields: &mut Fields) -> bool {
        if let Reads::Length = self.reads {
            fields.put_known(self.field, payload.bytes().len());
            return true;
        }
        // Home Assistant ignores what is no UTF-8 too.
        let Some(text) = payload.text() else { return false };
        if self.reads.is_momentary() && payload.retained() {
            return false;
        }
        match &self.template {
            None => self.reads.read(self.field, text, payload, fields),
            Some(template) => match template.render_payload(payload, &self.names) {
                Rendered::Text(rendered) => {
                    let payload = Payload::new(rendered.as_bytes(), payload.retained());
                    self.reads.read(self.field, &rendered, &payload, fields)
                }
                Rendered::Nothing => false,
                Rendered::Raw => {
                    fields.put_raw(self.field, text);
                    true
                }
            },
        }
    }

    /// The source at the topic of `topic_key`, where the configuration has one that can be subscribed to.
    fn at(config: Config<'_>, topic_key: &str, field: &'static str, reads: Reads) -> Option<Source> {
        let topic = TopicFilter::new(config.text(topic_key)?).ok()?;
        Some(Source { topic, field, template: None, names: Vec::new(), reads })
    }

    /// The same with the template of `key`, where there is one.
    fn with_template(mut self, config: Config<'_>, key: &str) -> Source {
        self.template = config.template(key);
        self
    }
}

/// Every topic on which an entity of `platform` with the discovery configuration `config` tells its state. A topic
/// comes several times where it tells several things; what cannot be subscribed to (a misplaced wildcard, too long)
/// is left out.
/// Cheap enough to be made anew for each message.
///
/// ```
/// use luigi_mqtt::registry::capability::{Fields, Payload, sources};
/// use serde_json::json;
///
/// let config = json!({
///     "state_topic": "zigbee2mqtt/attic", "unit_of_measurement": "°C",
///     "value_template": "{{ value_json.temperature }}",
/// });
/// let sources = sources("sensor", config.as_object().unwrap());
/// let mut fields = Fields::new();
/// sources[0].read(&Payload::new(br#"{"temperature": 21.5}"#, false), &mut fields);
/// assert_eq!(fields.known("state"), Some(&json!(21.5)));
/// ```
pub fn sources(platform: &str, config: &Map<String, Value>) -> Vec<Source> {
    let config = Config(config);
    let mut sources = match platform {
        "light" => light::sources(config),
        "cover" => cover::sources(config),
        "valve" => cover::valve_sources(config),
        _ => plain::sources(platform, config),
    };
    let attributes = Source::at(config, "json_attributes_topic", "attributes", Reads::Attributes);
    sources.extend(attributes.map(|it| it.with_template(config, "json_attributes_template")));
    sources
}

#[cfg(test)]
mod tests;
