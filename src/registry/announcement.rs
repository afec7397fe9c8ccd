//! What was announced on one discovery topic, and what its owner has said since: for whoever looks for ghosts.

use std::sync::Arc;
use std::time::Instant;

use crate::model::Topic;
use crate::model::TopicFilter;

use super::discovered::discovered;
use super::document::Form;
use super::known::Known;
use super::{Device, Origin, Registry};

/// What was announced on one topic: an entity, or a device with several.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Where.
    pub topic: Topic,
    /// The name of the entity, of the first where there are several.
    pub name: String,
    /// The device of all of them.
    pub device: Option<Device>,
    /// The program that announced it.
    pub origin: Option<Origin>,
    /// The entities; one at least.
    pub entities: Vec<Trace>,
}

/// What of one entity its owner can be known by.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Where it tells its state and attributes.
    pub states: Vec<TopicFilter>,
    /// Where it says whether it is available, and what it has said there last.
    pub availability: Vec<(TopicFilter, Option<bool>)>,
    /// Whether it is available by all of that.
    pub is_available: bool,
}

impl Trace {
    /// All of its topics that its owner speaks on.
    pub fn topics(&self) -> impl Iterator<Item = &TopicFilter> {
        self.states.iter().chain(self.availability.iter().map(|(topic, _)| topic))
    }
}

impl Registry {
    #[doc(hidden)]
    /// All announcements, in the order of their topics. Each takes the time to parse it.
    pub fn announcements(&self, now: Instant) -> Vec<Announcement> {
        let mut known: Vec<(&Arc<str>, &Known)> =
            self.entities.iter().filter(|(_, it)| !matches!(it.document.form, Form::Heard(_))).collect();
        known.sort_by(|(_, a), (_, b)| a.document.topic.cmp(&b.document.topic));
        let by_topic = known.chunk_by(|(_, a), (_, b)| a.document.topic == b.document.topic);
        by_topic
            .map(|entities| {
                let (id, first) = entities[0];
                let seen = discovered(id, first, &first.config(), now);
                Announcement {
                    topic: first.document.topic.clone(),
                    name: seen.name,
                    device: seen.device,
                    origin: seen.origin,
                    entities: entities.iter().map(|(_, it)| self.trace(it)).collect(),
                }
            })
            .collect()
    }

    fn trace(&self, known: &Known) -> Trace {
        let said = |(topic, at): &(TopicFilter, u16)| {
            let heard = self.topics.heard(topic, *at);
            (topic.clone(), (heard.at > 0).then_some(heard.available))
        };
        Trace {
            states: known.sources.iter().map(|it| it.topic.clone()).collect(),
            availability: known.rules.iter().map(said).collect(),
            is_available: known.available,
        }
    }
}
