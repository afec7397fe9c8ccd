//! What announcements come to, from the messages to what a program sees.

mod bounds;
mod discovery;
mod golden;
mod heard;
mod identity;

use std::time::{Duration, Instant};

use crate::model::Incoming;
use crate::model::Topic;

use super::*;

/// A registry with a clock that stands until it is moved.
pub(super) struct Bench {
    pub(super) registry: Registry,
    pub(super) now: Instant,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Bench {
        let topic = |it| Topic::new(it).unwrap();
        let registry = Registry::new(&topic("homeassistant"), Some(&topic("smarthome")), limits);
        Bench { registry, now: Instant::now() }
    }

    /// Has the registry hear a message; returns what it said of it, a line each.
    pub(super) fn hear(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Vec<String> {
        let payload = payload.as_ref().into();
        let incoming = Incoming { topic: Topic::new(topic).unwrap(), payload, retained: false };
        self.registry.receive(&incoming, self.now).iter().map(line).collect()
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.registry.devices(self.now).into_iter().map(|it| it.id).collect()
    }

    #[track_caller]
    pub(super) fn device(&self, id: &str) -> Discovered {
        self.registry.device(id, self.now).unwrap_or_else(|| panic!("no {id} among {:?}", self.ids()))
    }

    #[track_caller]
    pub(super) fn availability(&self, id: &str) -> Availability {
        self.registry.state(id, self.now).unwrap().availability
    }

    /// The field `state` as text; `-` where nothing is known.
    #[track_caller]
    pub(super) fn state(&self, id: &str) -> String {
        match self.registry.state(id, self.now).unwrap().fields.field("state") {
            Some(capability::FieldValue::Known(serde_json::Value::String(text))) => text.clone(),
            Some(capability::FieldValue::Known(value)) => value.to_string(),
            Some(capability::FieldValue::Raw(text)) => format!("raw {text}"),
            None => "-".to_owned(),
        }
    }
}

fn line(change: &Change) -> String {
    match change {
        Change::Listen(topic, qos) => format!("listen {topic} {}", qos.level()),
        Change::Ignore(topic) => format!("ignore {topic}"),
        Change::Announced(id) => format!("announced {id}"),
        Change::Updated(id) => format!("updated {id}"),
        Change::Removed(id) => format!("removed {id}"),
        Change::State(id) => format!("state {id}"),
        Change::Refused(refusal) => format!("refused: {refusal}: {}", refusal.flaw),
    }
}
