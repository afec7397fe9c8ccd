//! What is kept of one entity.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::model::Qos;
use crate::model::Topic;

use super::Availability;
use super::availability::Mode;
use super::availability::Rule;
use super::capability::Fields;
use super::capability::Source;
use super::capability::sources;
use super::document::Document;
use super::limits::ALLOCATION;
use super::topics;

/// An entity that is known: what each of its messages needs. All else is read from its document when asked for.
#[derive(Debug)]
pub(super) struct Known {
    /// Its place in discovery: `sensor node object`.
    pub(super) identity: Arc<str>,
    pub(super) unique_id: Option<Arc<str>>,
    pub(super) platform: &'static str,
    pub(super) document: Arc<Document>,
    /// Its component, where the document is a device's.
    pub(super) key: Option<Box<str>>,
    pub(super) sources: Box<[Source]>,
    /// What of the sources lies elsewhere in memory, about.
    pub(super) source_heap: u32,
    /// Its rules of availability, by topic and place there.
    pub(super) rules: Box<[(Topic, u16)]>,
    pub(super) mode: Mode,
    /// What the rules last said.
    pub(super) available: bool,
    pub(super) expire_after: Option<Duration>,
    /// When its state was last told.
    pub(super) told: Option<Instant>,
    pub(super) fields: Fields,
    /// Whether another topic may take it over.
    pub(super) migrating: bool,
}

/// What a configuration says of an entity, before it is one.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) identity: String,
    pub(super) object_id: String,
    pub(super) unique_id: Option<String>,
    pub(super) platform: &'static str,
    pub(super) document: Arc<Document>,
    pub(super) key: Option<Box<str>>,
    pub(super) sources: Vec<Source>,
    pub(super) source_heap: u32,
    pub(super) rules: Vec<(Topic, Rule)>,
    pub(super) mode: Mode,
    pub(super) expire_after: Option<Duration>,
    pub(super) qos: Qos,
    pub(super) command_topics: Vec<Topic>,
}

impl Draft {
    /// The draft of an entity called `identity` in discovery, `object_id` the last part of it.
    pub(super) fn new(
        identity: String,
        object_id: &str,
        platform: &'static str,
        document: &Arc<Document>,
        key: Option<&str>,
        config: &Map<String, Value>,
    ) -> Draft {
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        let texts = |ending: &'static str| {
            config.iter().filter(move |(key, _)| key.ends_with(ending)).filter_map(|(_, it)| it.as_str())
        };
        // A parsed template takes about six times its text.
        let source_heap: usize = texts("_template").map(|it| 6 * it.len()).sum();
        let seconds = config.get("expire_after").and_then(Value::as_u64).filter(|it| *it > 0);
        let level = config.get("qos").and_then(Value::as_u64).and_then(|it| u8::try_from(it).ok());
        Draft {
            identity,
            object_id: object_id.to_owned(),
            unique_id: text("unique_id").filter(|it| !it.is_empty()).map(str::to_owned),
            platform,
            document: document.clone(),
            key: key.map(Box::from),
            sources: sources(platform, config),
            source_heap: u32::try_from(source_heap).unwrap_or(u32::MAX),
            rules: Rule::all(config),
            mode: Mode::of(config),
            expire_after: seconds.map(Duration::from_secs),
            qos: level.and_then(Qos::from_level).unwrap_or(Qos::AtMostOnce),
            command_topics: texts("command_topic").filter_map(|it| Topic::new(it).ok()).collect(),
        }
    }

    /// All topics that the entity reads, some of them more than once.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.sources.iter().map(|it| &it.topic).chain(self.rules.iter().map(|(topic, _)| topic))
    }

    /// The identifiers that the entity may have, the best first.
    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        let place = self.identity.replace(' ', "_");
        let own = match place.strip_prefix(LAYOUT) {
            Some(heard) => [None, Some(heard.to_owned()), None],
            None => {
                let object_id = format!("{}_{}", self.platform, self.object_id);
                [self.unique_id.clone(), Some(object_id), Some(place)]
            }
        };
        own.into_iter().flatten()
    }

    /// About the most bytes that it will take, were all its topics new.
    pub(super) fn weight(&self) -> usize {
        let topics: usize = self.topics().map(topics::weight).sum();
        let rules: usize = self.rules.iter().map(|(_, rule)| RULE + rule.heap()).sum();
        let readers = self.topics().count() * size_of::<Arc<str>>();
        let ids = self.unique_id.as_ref().map_or(2 * self.object_id.len(), String::len);
        let sources = self.sources.len() * size_of::<Source>() + self.source_heap as usize;
        let key = self.key.as_ref().map_or(0, |it| it.len());
        FIXED + ids + self.identity.len() + key + sources + topics + readers + rules
    }
}

impl Known {
    /// All topics that the entity reads, some of them more than once.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.sources.iter().map(|it| &it.topic).chain(self.rules.iter().map(|(topic, _)| topic))
    }

    /// The last part of its place in discovery.
    pub(super) fn object_id(&self) -> &str {
        let last = || self.identity.rsplit(' ').next().unwrap_or_default();
        self.key.as_deref().unwrap_or_else(last)
    }

    /// Whether it can be reached at `now`.
    pub(super) fn availability(&self, now: Instant) -> Availability {
        let fresh = |told: Instant, limit| now.saturating_duration_since(told) < limit;
        match self.expire_after {
            _ if !self.available => Availability::Unavailable,
            Some(limit) if !self.told.is_some_and(|told| fresh(told, limit)) => Availability::Expired,
            _ => Availability::Available,
        }
    }

    /// About how many bytes it takes, without its topics, its document and its fields.
    pub(super) fn weight(&self, id: &str) -> usize {
        let sources = self.sources.len() * size_of::<Source>() + self.source_heap as usize;
        let rules = self.rules.len() * size_of::<(Topic, u16)>();
        let key = self.key.as_ref().map_or(0, |it| it.len());
        FIXED + id.len() + self.identity.len() + key + sources + rules
    }
}

/// A map by identifier, a table by identity, the texts and lists of one entity: their own bytes and what the
/// allocator and half-empty nodes add.
const FIXED: usize = (size_of::<Known>() + 3 * size_of::<Arc<str>>()) * 5 / 3 + 5 * ALLOCATION;

/// How the place begins of what is only heard: `layout` is no platform.
const LAYOUT: &str = "layout_";

/// A rule with its place in the table of topics.
const RULE: usize = 96;
