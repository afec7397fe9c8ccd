//! Whether an entity can be reached, by Home Assistant's rules (`homeassistant/components/mqtt/entity.py`,
//! `MqttAvailabilityMixin`).

use serde_json::{Map, Value};

use crate::model::TopicFilter;

use super::capability::Rendered;
use super::capability::Template;

/// Whether an entity can be reached and says what is so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Availability {
    /// It says so, or has nothing that would say otherwise.
    Available,
    /// It says so, or has not yet said anything.
    Unavailable,
    /// It can be reached, but has told no state for longer than its `expire_after`.
    Expired,
}

/// How the topics of an entity make one answer: `availability_mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    All,
    Any,
    Latest,
}

/// What on one topic says that an entity can be reached. Entities with the same rule share it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rule {
    pub(super) available: Box<str>,
    pub(super) not_available: Box<str>,
    /// The text of a template; parsed for each message, for these are rare.
    pub(super) template: Option<Box<str>>,
}

/// What was last heard by a rule.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Heard {
    pub(super) available: bool,
    /// Counts messages over all topics: the greater one came later. 0 before the first.
    pub(super) at: u64,
}

impl Mode {
    /// The mode of an entity with this configuration.
    pub(super) fn of(config: &Map<String, Value>) -> Mode {
        match config.get("availability_mode").and_then(Value::as_str) {
            Some("all") => Mode::All,
            Some("any") => Mode::Any,
            _ => Mode::Latest,
        }
    }

    /// Whether an entity can be reached by what its rules have heard; true where it has none.
    pub(super) fn is_available(self, mut rules: impl Iterator<Item = Heard> + Clone) -> bool {
        match self {
            _ if rules.clone().next().is_none() => true,
            Mode::All => rules.all(|it| it.available),
            Mode::Any => rules.any(|it| it.available),
            Mode::Latest => rules.max_by_key(|it| it.at).is_some_and(|it| it.available),
        }
    }
}

impl Rule {
    /// The rules of an entity with this configuration, one a topic.
    pub(super) fn all(config: &Map<String, Value>) -> Vec<(TopicFilter, Rule)> {
        let mut rules: Vec<(TopicFilter, Rule)> = Vec::new();
        let mut add = |topic: Option<&Value>, options: &Map<String, Value>, template: &str| {
            let Some(topic) = topic.and_then(Value::as_str).and_then(|it| TopicFilter::new(it).ok()) else {
                return;
            };
            let text = |key: &str| options.get(key).and_then(Value::as_str).map(Box::from);
            let rule = Rule {
                available: text("payload_available").unwrap_or("online".into()),
                not_available: text("payload_not_available").unwrap_or("offline".into()),
                template: text(template),
            };
            rules.retain(|(it, _)| *it != topic);
            rules.push((topic, rule));
        };
        add(config.get("availability_topic"), config, "availability_template");
        let entries = match config.get("availability") {
            Some(Value::Array(entries)) => entries.as_slice(),
            Some(single) => std::slice::from_ref(single),
            None => &[],
        };
        for entry in entries.iter().filter_map(Value::as_object) {
            add(entry.get("topic"), entry, "value_template");
        }
        rules
    }

    /// What `payload` says; none where it says neither.
    pub(super) fn read(&self, payload: &[u8]) -> Option<bool> {
        let payload = std::str::from_utf8(payload).ok()?;
        let rendered = self.template.as_deref().map(|it| Template::new(it).render(payload));
        let said = match &rendered {
            None | Some(Rendered::Raw) => payload,
            Some(Rendered::Text(text)) => text,
            Some(Rendered::Nothing) => return None,
        };
        match said {
            said if said == &*self.available => Some(true),
            said if said == &*self.not_available => Some(false),
            _ => None,
        }
    }

    /// The bytes it holds beyond its own size.
    pub(super) fn heap(&self) -> usize {
        self.available.len() + self.not_available.len() + self.template.as_ref().map_or(0, |it| it.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(config: &str) -> Vec<(TopicFilter, Rule)> {
        Rule::all(serde_json::from_str::<Value>(config).unwrap().as_object().unwrap())
    }

    #[test]
    fn a_payload_says_available_only_when_it_is_exactly_that() {
        for (config, payload, expected) in [
            (r#"{"availability_topic":"a"}"#, "online", Some(true)),
            (r#"{"availability_topic":"a"}"#, "offline", Some(false)),
            (r#"{"availability_topic":"a"}"#, "Online", None),
            (r#"{"availability_topic":"a","payload_available":"1"}"#, "1", Some(true)),
            (r#"{"availability_topic":"a","payload_available":"1"}"#, "online", None),
            (r#"{"availability":[{"topic":"a","payload_not_available":"away"}]}"#, "away", Some(false)),
            (r#"{"availability":{"topic":"a"}}"#, "online", Some(true)),
            (
                r#"{"availability":[{"topic":"a","value_template":"{{ value_json.state }}"}]}"#,
                r#"{"state":"online"}"#,
                Some(true),
            ),
            (
                r#"{"availability_topic":"a","availability_template":"{{ value_json.state }}"}"#,
                r#"{"state":"offline"}"#,
                Some(false),
            ),
        ] {
            assert_eq!(rules(config)[0].1.read(payload.as_bytes()), expected, "{config} {payload}");
        }
        assert_eq!(rules(r#"{"availability_topic":"a"}"#)[0].1.read(b"\xff"), None);
        assert_eq!(rules(r#"{"availability":[{"topic":"a"},{"topic":"b"},{"topic":"a"},{},7]}"#).len(), 2);
    }

    #[test]
    fn the_mode_makes_one_answer_of_several() {
        let heard = |available, at| Heard { available, at };
        for (mode, heard, expected) in [
            (Mode::All, vec![], true),
            (Mode::All, vec![heard(true, 1), Heard::default()], false),
            (Mode::All, vec![heard(true, 1), heard(true, 2)], true),
            (Mode::Any, vec![heard(true, 1), Heard::default()], true),
            (Mode::Any, vec![Heard::default()], false),
            (Mode::Latest, vec![heard(false, 2), heard(true, 1)], false),
            (Mode::Latest, vec![heard(false, 1), heard(true, 2)], true),
            (Mode::Latest, vec![Heard::default()], false),
        ] {
            assert_eq!(mode.is_available(heard.iter().copied()), expected, "{mode:?} {heard:?}");
        }
    }
}
