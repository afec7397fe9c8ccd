//! The builder of events, and how one is told.

use serde_json::{Map, Value as Json};

use super::check;
use super::draft::{Draft, common_setters};
use super::refusal::Refusal;
use super::{Entity, EntityError, Kind, Platform};
use crate::model::Delivery;
use crate::model::Value;
use crate::model::json;

/// Describes an event: something that happens, such as the press of a doorbell. What happens is told once, neither
/// retained nor repeated, and delivered after an outage too. Nothing is checked before [`Event::build`].
///
/// ```
/// use luigi_mqtt::entity::Event;
///
/// let doorbell = Event::new("doorbell", "Doorbell", ["ring"]).device_class("doorbell").build()?;
/// assert_eq!(doorbell.state_payload(&"ring".into())?, r#"{"event_type":"ring"}"#);
/// // More may be said of it.
/// let long = r#"{"event_type":"ring","seconds":3}"#;
/// assert_eq!(doorbell.state_payload(&long.into())?, long);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Event {
    draft: Draft,
    types: Vec<String>,
}

impl Event {
    /// Something of which one of `types` happens: texts of 1 to 255 characters, each once, at least one.
    pub fn new<T: Into<String>>(id: &str, name: &str, types: impl IntoIterator<Item = T>) -> Event {
        let draft = Draft { delivery: Delivery::Every, ..Draft::new(id, name) };
        Event { draft, types: types.into_iter().map(T::into).collect() }
    }

    /// What it is an event of, by Home Assistant's name for it: `button`, `doorbell` or `motion`. One of its types
    /// must be `ring` where it is a doorbell's.
    pub fn device_class(mut self, class: &str) -> Event {
        self.draft.device_class = Some(class.to_owned());
        self
    }

    /// The event, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Event { draft, types } = self;
        let mut problems = draft.problems(Platform::Event);
        let class =
            check::one_of_known("device_class", draft.device_class.as_deref(), CLASSES, &mut problems);
        check::options("event_types", &types, &mut problems);
        if class == Some("doorbell") && !types.iter().any(|it| it == "ring") {
            problems.add("event_types", "ring among them for device class doorbell", format!("{types:?}"));
        }
        draft.into_entity(Kind::Event { class, types }, problems)
    }
}

common_setters!(Event, "event");

/// How `value` is told by an event of `types`: one of them, or a JSON object that says more of one.
pub(super) fn state_payload(types: &[String], value: &Value) -> Result<String, Refusal> {
    let is_known = |found: &str| types.iter().any(|it| it == found);
    match value {
        Value::Text(text) if is_known(text) => {
            Some(Json::from_iter([("event_type", text.as_str())]).to_string())
        }
        Value::Text(text) => {
            let object: Option<Map<_, _>> = json::from_slice(text.as_bytes()).ok();
            let found = object.as_ref().and_then(|it| it.get("event_type")).and_then(Json::as_str);
            found.is_some_and(is_known).then(|| text.clone())
        }
        _ => None,
    }
    .ok_or_else(|| {
        let expected = format!("one of {}, or a JSON object with one as event_type", types.join(", "));
        Refusal::of(expected, value)
    })
}

/// From `homeassistant/components/event/const.py`.
pub(super) const CLASSES: &[&str] = &["button", "doorbell", "motion"];
