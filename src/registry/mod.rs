//! What others announce to Home Assistant, what they tell, and what can be done with it.
//!
//! A program gets to see it through [`Client::discovered_devices`](crate::client::Client::discovered_devices) and its kind;
//! [`Registry`] is what is behind them.
//!
//! All facts about discovery are those of Home Assistant 2026.11.0, `homeassistant/components/mqtt/`. Nothing here
//! has a thread, a clock or a connection: messages go in, [`Change`]s come out.

#[doc(hidden)]
pub mod capability;

mod abbreviations;
mod address;
mod announcement;
mod availability;
mod change;
mod discovered;
mod document;
mod flaw;
mod intake;
mod known;
mod layout;
mod limits;
mod platform;
mod topics;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::model::Incoming;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;
use crate::model::TopicFilter;

use self::address::{Address, Place};
use self::capability::Payload;
use self::discovered::discovered;
use self::document::Document;
use self::known::Known;
use self::topics::Topics;

#[doc(hidden)]
pub use announcement::{Announcement, Trace};
pub use availability::Availability;
pub use capability::{FieldValue, Fields, Offer, Range, SetError};
pub use change::Change;
pub use discovered::{Device, Discovered, Origin, State};
pub use flaw::{Flaw, MAX_PAYLOAD, Refusal};
pub use limits::Limits;
#[doc(hidden)]
pub use platform::PLATFORMS;

/// The entities that others announce, by Home Assistant's rules, with their states.
///
/// An entity has an identifier for as long as it is known: its `unique_id`; where it has none, or an entity of
/// another platform has the same, `<platform>_<object_id>`; where that too is taken, `<platform>_<node>_<object_id>`.
/// Who came first keeps it.
///
/// Bounded by [`Limits`]. A message costs what the entities that read its topic cost, not what all do.
#[derive(Debug)]
pub struct Registry {
    discovery_prefix: Topic,
    layout_prefix: Option<Topic>,
    limits: Limits,
    /// By identifier.
    entities: BTreeMap<Arc<str>, Known>,
    /// Identifiers by place in discovery. As many as `entities`.
    identities: HashMap<Arc<str>, Arc<str>>,
    topics: Topics,
    /// About what the entities and their documents take; the topics count for themselves.
    bytes: usize,
    refused: u64,
    /// Whether it was said that there is no room.
    full: bool,
}

impl Registry {
    /// A registry that knows nothing yet. Announcements are below `discovery_prefix` (Home Assistant's is
    /// `homeassistant`); where `layout_prefix` is given, devices on `<layout_prefix>/<device_type>/<device_id>/state`
    /// are known without any.
    pub fn new(discovery_prefix: &Topic, layout_prefix: Option<&Topic>, limits: Limits) -> Registry {
        Registry {
            discovery_prefix: discovery_prefix.clone(),
            layout_prefix: layout_prefix.cloned(),
            limits,
            entities: BTreeMap::new(),
            identities: HashMap::new(),
            topics: Topics::default(),
            bytes: 0,
            refused: 0,
            full: false,
        }
    }

    /// How much it may know.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What to listen to in any case: the discovery topics, and the layout where that is followed.
    pub fn filters(&self) -> Vec<TopicFilter> {
        let discovery = ["+/+/config", "+/+/+/config"].map(|it| (&self.discovery_prefix, it));
        let layout = self.layout_prefix.iter().flat_map(|it| [(it, "+/+/state"), (it, "+/+/availability")]);
        let texts = discovery.into_iter().chain(layout).map(|(prefix, it)| format!("{prefix}/{it}"));
        // A prefix of nearly 65,535 bytes leaves no room for a filter; no broker has messages there.
        texts.filter_map(|it| TopicFilter::new(it).ok()).collect()
    }

    /// The topics to listen to for what is known, beyond [`Registry::filters`], in no order.
    pub fn listening(&self) -> impl Iterator<Item = (&TopicFilter, Qos)> {
        self.topics.iter().filter(|(topic, _)| !self.is_covered(topic))
    }

    /// Takes a message, heard at `now`. Any topic and any bytes will do: what is for nobody changes nothing.
    pub fn receive(&mut self, incoming: &Incoming, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        match Address::of(&self.discovery_prefix, incoming.topic.as_str()) {
            Some(address) => {
                if let Err(flaw) = self.announced(address, incoming, &mut changes) {
                    self.refuse(&incoming.topic, None, flaw, &mut changes);
                }
            }
            None => {
                self.hear_layout(incoming, &mut changes);
                self.told(incoming, now, &mut changes);
            }
        }
        changes
    }

    /// All entities, in the order of their identifiers, as they are at `now`.
    pub fn devices(&self, now: Instant) -> Vec<Discovered> {
        self.devices_after(None, usize::MAX, now)
    }

    /// The first of [`Registry::devices`] whose identifiers come after `id`, where one is given: `most` of them. Each
    /// takes the time to parse what it was announced with.
    pub fn devices_after(&self, id: Option<&str>, most: usize, now: Instant) -> Vec<Discovered> {
        let first = id.map_or(Bound::Unbounded, Bound::Excluded);
        // Entities of one device share a document: each is parsed once.
        let known = self.entities.range::<str, _>((first, Bound::Unbounded));
        let mut known: Vec<(&Arc<str>, &Known)> = known.take(most).collect();
        known.sort_by_key(|(_, it)| Arc::as_ptr(&it.document));
        let mut devices: Vec<Discovered> = known
            .chunk_by(|(_, a), (_, b)| Arc::ptr_eq(&a.document, &b.document))
            .flat_map(|entities| {
                let assembly = entities[0].1.document.assembly();
                entities.iter().map(move |(id, known)| match (&assembly, &known.key) {
                    (Some(assembly), Some(key)) => {
                        discovered(id, known, &assembly.config_of(key).unwrap_or_default(), now)
                    }
                    _ => discovered(id, known, &known.config(), now),
                })
            })
            .collect();
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        devices
    }

    /// The entity that `id` names, as it is at `now`: by its identifier or its `unique_id`; else by
    /// `<platform>_<object_id>`, else by `object_id`, where only one entity has it. The latter look at all entities.
    pub fn device(&self, id: &str, now: Instant) -> Option<Discovered> {
        let (id, known) = self.find(id)?;
        Some(discovered(id, known, &known.config(), now))
    }

    /// What the entity that `id` names, as in [`Registry::device`], has told of its state until `now`.
    pub fn state(&self, id: &str, now: Instant) -> Option<State> {
        let (_, known) = self.find(id)?;
        Some(State { availability: known.availability(now), fields: known.fields_at(now) })
    }

    /// The messages that make the entity that `id` names, as in [`Registry::device`], do what is `wanted`; none
    /// where no entity is called so.
    ///
    /// # Errors
    ///
    /// [`SetError`] where the entity does not offer that; it names what it does offer.
    pub fn set(&self, id: &str, wanted: &Map<String, Value>) -> Option<Result<Vec<Message>, SetError>> {
        let (_, known) = self.find(id)?;
        Some(capability::set(known.platform, &known.config(), &known.fields, wanted))
    }

    /// The identifiers of all entities, in their order.
    pub fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entities.keys()
    }

    /// How many entities are known.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether no entity is known.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// About how many bytes of memory all that is known takes.
    pub fn bytes(&self) -> usize {
        limits::with_gaps(self.bytes + self.topics.bytes())
    }

    /// How many announcements and states were refused because there was no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn find(&self, id: &str) -> Option<(&Arc<str>, &Known)> {
        if let Some(found) = self.entities.get_key_value(id) {
            return Some(found);
        }
        let by_platform = |known: &Known| {
            let object_id = id.strip_prefix(known.platform).and_then(|it| it.strip_prefix('_'));
            object_id.is_some_and(|it| it == known.object_id())
        };
        self.only(by_platform).or_else(|| self.only(|known| known.object_id() == id))
    }

    /// The entity that fits, where it is the only one.
    fn only(&self, fits: impl Fn(&Known) -> bool) -> Option<(&Arc<str>, &Known)> {
        let mut found = self.entities.iter().filter(|(_, known)| fits(known));
        found.next().filter(|_| found.next().is_none())
    }

    /// Hands a message to the entities that read its topic.
    fn told(&mut self, incoming: &Incoming, now: Instant, changes: &mut Vec<Change>) {
        let room = limits::without_gaps(self.limits.bytes.saturating_sub(self.bytes()));
        let Some(spoke) = self.topics.receive(&incoming.topic, &incoming.payload, now, room) else { return };
        let payload = Payload::of(incoming);
        for (filter, id) in self.topics.readers(&incoming.topic) {
            let Some(known) = self.entities.get_mut(id) else { continue };
            let before = known.fields.bytes();
            let mut changed = known.read(filter, &payload, now);
            self.bytes = self.bytes + known.fields.bytes() - before;
            if limits::with_gaps(self.bytes + self.topics.bytes()) > self.limits.bytes {
                self.bytes -= known.fields.bytes();
                known.fields = Fields::new();
                self.refused += 1;
            }
            if spoke {
                changed |= known.look_at(&self.topics);
            }
            if changed {
                changes.push(Change::State(id.clone()));
            }
        }
    }

    /// Whether `topic` is heard by [`Registry::filters`] already, or is for commands and need not be.
    fn is_covered(&self, topic: &TopicFilter) -> bool {
        // The broker sends kept copies to a new subscription only: a wildcard's may have come before.
        let place = self.place(topic).filter(|_| !topic.has_wildcards());
        place.is_some_and(|it| matches!(it.leaf, "state" | "availability" | "set"))
    }

    /// The place of `topic` in the first seed's layout, where that is followed.
    fn place<'a>(&self, topic: &'a TopicFilter) -> Option<Place<'a>> {
        Place::of(self.layout_prefix.as_ref()?, topic.as_str())
    }

    /// Says that something does not count; that there is no room, once only.
    fn refuse(&mut self, topic: &Topic, component: Option<&str>, flaw: Flaw, changes: &mut Vec<Change>) {
        let full = matches!(flaw, Flaw::Full);
        self.refused += u64::from(full);
        if !(full && self.full) {
            let component = component.map(str::to_owned);
            changes.push(Change::Refused(Refusal { topic: topic.clone(), component, flaw }));
        }
        self.full |= full;
    }

    /// About how many bytes `document` takes.
    fn weight(document: &Document) -> usize {
        let texts = document.payload.len() + document.topic.as_str().len();
        size_of::<Document>() + texts + 3 * limits::ALLOCATION
    }
}

impl Known {
    /// Its whole configuration, parsed anew.
    fn config(&self) -> Map<String, Value> {
        self.document.config(self.key.as_deref())
    }

    /// What it has told, as Home Assistant shows it at `now`: a binary sensor that was on for its `off_delay` is off.
    fn fields_at(&self, now: Instant) -> Fields {
        let mut fields = self.fields.clone();
        let on = self.platform == "binary_sensor" && fields.known("state") == Some(&"on".into());
        // Few have it, so it is looked for when asked for, and not kept for each.
        let delay = || self.config().get("off_delay").and_then(Value::as_u64).map(Duration::from_secs);
        let lasted = self.told.filter(|_| on).map(|told| now.saturating_duration_since(told));
        if lasted.is_some_and(|lasted| delay().is_some_and(|delay| delay <= lasted)) {
            fields.put_known("state", "off");
        }
        fields
    }

    /// Takes what `payload` on `topic` tells. Returns whether it tells anything.
    fn read(&mut self, topic: &TopicFilter, payload: &Payload<'_>, now: Instant) -> bool {
        let mut told = false;
        for source in self.sources.iter().filter(|it| it.topic == *topic) {
            if source.read(payload, &mut self.fields) {
                told = true;
                if source.field != "attributes" {
                    self.told = Some(now);
                }
            }
        }
        told
    }

    /// Looks at its rules anew. Returns whether they say something else than before.
    fn look_at(&mut self, topics: &Topics) -> bool {
        let heard = self.rules.iter().map(|(topic, at)| topics.heard(topic, *at));
        let available = self.mode.is_available(heard);
        std::mem::replace(&mut self.available, available) != available
    }
}

#[cfg(test)]
mod tests;
