//! The builder of entities of any other platform.

use serde_json::{Map, Value as Json};

use super::check::quoted;
use super::draft::{Draft, common_setters};
use super::problem::Problems;
use super::{Entity, EntityError, Kind, Platform};
use crate::model::Topic;
use crate::model::nearest;

/// Describes an entity of any platform that Home Assistant knows, by the fields of its discovery payload: a door for
/// what has no builder of its own. What all platforms have in common is checked as for these; the fields are passed
/// on as they are. Nothing is checked before [`Other::build`].
///
/// ```
/// use luigi_mqtt::entity::{Command, Other};
///
/// let gate = Other::new("cover", "gate", "Gate").field("device_class", "gate").field("optimistic", false);
/// let gate = gate.states(true).commands(true).build()?;
/// assert_eq!(gate.state_payload(&"opening".into())?, "opening");
/// assert_eq!(gate.command(b"OPEN")?, Command::Raw(b"OPEN".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Other {
    draft: Draft,
    platform: &'static str,
    fields: Map<String, Json>,
    states: bool,
    commands: bool,
}

impl Other {
    /// An entity of `platform`, one of [`Platform::OTHERS`]; or of a platform that has a builder, to describe it in a
    /// way which that has not.
    pub fn new(platform: &'static str, id: &str, name: &str) -> Other {
        let draft = Draft::new(id, name);
        Other { draft, platform, fields: Map::new(), states: false, commands: false }
    }

    /// A field of the discovery payload, by its full name. Topics among them are whole ones, without wildcards.
    pub fn field(mut self, key: &str, value: impl Into<Json>) -> Other {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    /// More such fields.
    pub fn fields(mut self, fields: Map<String, Json>) -> Other {
        self.fields.extend(fields);
        self
    }

    /// Whether it tells states on [`Topics::state`](super::Topics::state), which is then its `state_topic`.
    /// Not unless told so.
    pub fn states(mut self, states: bool) -> Other {
        self.states = states;
        self
    }

    /// Whether it takes commands on [`Topics::command`](super::Topics::command), which is then its `command_topic`.
    /// Not unless told so.
    pub fn commands(mut self, commands: bool) -> Other {
        self.commands = commands;
        self
    }

    /// The entity, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] when Home Assistant does not know the platform, would refuse or complain of what all platforms
    /// have in common, or when the fields have what is set otherwise.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Other { draft, platform, fields, states, commands } = self;
        let platform = Platform::named(platform).unwrap_or(Platform::Other(platform));
        let mut problems = draft.problems(platform);
        if Platform::named(platform.as_str()).is_none() {
            let meant = nearest(platform.as_str(), Platform::OTHERS.into_iter());
            let suggestion = meant.map_or(String::new(), |name| format!(" (did you mean {name}?)"));
            let expected = format!("one of {}", Platform::OTHERS.join(", "));
            problems.add("platform", expected, quoted(platform.as_str()) + &suggestion);
        }
        check_fields(&fields, states, commands, &mut problems);
        draft.into_entity(Kind::Other { platform, fields, states, commands }, problems)
    }
}

common_setters!(Other, "<platform>");

fn check_fields(fields: &Map<String, Json>, states: bool, commands: bool, problems: &mut Problems) {
    for (key, value) in fields {
        let set_by = match key.as_str() {
            "state_topic" | "stat_t" if states => Some("states(true)"),
            "command_topic" | "cmd_t" if commands => Some("commands(true)"),
            key => OURS.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, set_by)| *set_by),
        };
        if let Some(set_by) = set_by {
            problems.push("fields", format!("expected no {key}, which is set by {set_by}, found {value}"));
        } else if key.ends_with("topic") && value.as_str().is_none_or(|topic| Topic::new(topic).is_err()) {
            problems.push("fields", format!("{key}: expected a topic without wildcards, found {value}"));
        }
    }
}

/// The fields that we set ourselves, with their abbreviations (`homeassistant/components/mqtt/abbreviations.py`),
/// and how.
const OURS: &[(&[&str], &str)] = &[
    (&["name", "unique_id", "uniq_id"], "Other::new"),
    (&["platform", "p"], "Other::new"),
    (&["device", "dev", "origin", "o", "~"], "whoever announces the entity"),
    (&["default_entity_id", "def_ent_id", "object_id", "obj_id"], "default_entity_id(…)"),
    (&["icon", "ic"], "icon(…)"),
    (&["entity_category", "ent_cat"], "category(…)"),
    (&["enabled_by_default", "en"], "enabled_by_default(…)"),
    (&["qos"], "qos(…)"),
    (&["json_attributes_topic", "json_attr_t"], "attributes(true)"),
    (
        &["availability", "avty", "availability_mode", "avty_mode", "availability_topic", "avty_t"],
        "availability(…)",
    ),
    (&["availability_template", "avty_tpl"], "availability(…)"),
    (&["payload_available", "pl_avail", "payload_not_available", "pl_not_avail"], "availability(…)"),
    (&["expire_after", "exp_aft", "force_update", "frc_upd"], "Sensor and BinarySensor alone"),
];
