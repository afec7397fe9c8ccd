//! Which entities read which topic, and what was last said there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::model::Qos;
use crate::model::Topic;

use super::availability::Heard;
use super::availability::Rule;
use super::limits::ALLOCATION;

/// The topics that known entities read. A message finds its readers without a look at any other entity.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: HashMap<Topic, Entry>,
    /// Of messages that said something of availability.
    count: u64,
    /// What the entries hold.
    bytes: usize,
}

/// The last message on a topic.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) payload: Arc<[u8]>,
    pub(super) at: Instant,
}

#[derive(Debug)]
struct Entry {
    qos: Qos,
    /// Identifiers of entities, each once, in the order in which they came.
    readers: Vec<Arc<str>>,
    rules: Vec<Shared>,
    /// For an entity that comes after the message: the broker sends a kept copy only to a new subscription.
    last: Option<Last>,
}

/// A rule and those who have it. A place without users is free.
#[derive(Debug)]
struct Shared {
    rule: Rule,
    heard: Heard,
    users: u32,
}

impl Topics {
    /// Notes that `reader` reads `topic`; none where it did so before. Returns the topic as it is kept here, and
    /// whether to listen to it anew: nobody has read it before, or not with this much certainty.
    pub(super) fn add(&mut self, topic: &Topic, qos: Qos, reader: Option<&Arc<str>>) -> (Topic, bool) {
        let kept = self.topics.get_key_value(topic).map_or(topic, |(kept, _)| kept).clone();
        let mut anew = false;
        let entry = self.topics.entry(kept.clone()).or_insert_with(|| {
            anew = true;
            self.bytes += weight(topic);
            Entry { qos, readers: Vec::new(), rules: Vec::new(), last: None }
        });
        anew |= qos > entry.qos;
        entry.qos = entry.qos.max(qos);
        // One entity names all its topics before the next does: it has been here only if it is the last.
        if let Some(reader) = reader.filter(|it| entry.readers.last() != Some(it)) {
            if entry.readers.is_empty() {
                // Most topics have one: no room for what never comes.
                entry.readers.reserve_exact(1);
            }
            entry.readers.push(reader.clone());
            self.bytes += size_of::<Arc<str>>();
        }
        (kept, anew)
    }

    /// Notes that `reader` reads `topic` no longer. Returns whether nobody does.
    pub(super) fn remove(&mut self, topic: &Topic, reader: &str) -> bool {
        let Some(entry) = self.topics.get_mut(topic) else { return false };
        let before = entry.readers.len();
        entry.readers.retain(|it| &**it != reader);
        self.bytes -= (before - entry.readers.len()) * size_of::<Arc<str>>();
        if !entry.readers.is_empty() {
            return false;
        }
        self.bytes -= weight(topic) + entry.heap();
        self.topics.remove(topic);
        true
    }

    /// The place of `rule` among those of `topic`, which has a reader; counts one more user.
    pub(super) fn share(&mut self, topic: &Topic, rule: Rule) -> Option<u16> {
        let entry = self.topics.get_mut(topic)?;
        let same = entry.rules.iter().position(|it| it.users > 0 && it.rule == rule);
        let free = || entry.rules.iter().position(|it| it.users == 0);
        if let Some(at) = same {
            entry.rules[at].users += 1;
            return u16::try_from(at).ok();
        }
        // A newcomer knows what was said before it came.
        let said = entry.last.as_ref().and_then(|it| rule.read(&it.payload));
        let at_message = if said.is_some() { self.count } else { 0 };
        let heard = Heard { available: said.unwrap_or(false), at: at_message };
        let before = entry.heap();
        let at = match free() {
            Some(at) => {
                entry.rules[at] = Shared { rule, heard, users: 1 };
                at
            }
            None => {
                entry.rules.reserve_exact(1);
                entry.rules.push(Shared { rule, heard, users: 1 });
                entry.rules.len() - 1
            }
        };
        self.bytes = self.bytes + entry.heap() - before;
        u16::try_from(at).ok()
    }

    /// One user less of the rule at `at`.
    pub(super) fn release(&mut self, topic: &Topic, at: u16) {
        if let Some(it) = self.topics.get_mut(topic).and_then(|it| it.rules.get_mut(usize::from(at))) {
            it.users = it.users.saturating_sub(1);
        }
    }

    /// What the rule at `at` has heard.
    pub(super) fn heard(&self, topic: &Topic, at: u16) -> Heard {
        let rule = self.topics.get(topic).and_then(|it| it.rules.get(usize::from(at)));
        rule.map_or_else(Heard::default, |it| it.heard)
    }

    /// Takes note of a message, kept where it takes at most `room` bytes. Returns whether it says something of
    /// availability; none where nobody reads the topic.
    pub(super) fn receive(
        &mut self,
        topic: &Topic,
        payload: &Arc<[u8]>,
        now: Instant,
        room: usize,
    ) -> Option<bool> {
        let entry = self.topics.get_mut(topic)?;
        let mut spoke = false;
        for shared in entry.rules.iter_mut().filter(|it| it.users > 0) {
            if let Some(available) = shared.rule.read(payload) {
                self.count += 1;
                spoke = true;
                shared.heard = Heard { available, at: self.count };
            }
        }
        let before = entry.heap();
        let fits = payload.len() <= MAX_KEPT.min(room);
        entry.last = fits.then(|| Last { payload: payload.clone(), at: now });
        self.bytes = self.bytes + entry.heap() - before;
        Some(spoke)
    }

    /// What was last said on `topic`.
    pub(super) fn last(&self, topic: &Topic) -> Option<&Last> {
        self.topics.get(topic)?.last.as_ref()
    }

    /// The entities that read `topic`.
    pub(super) fn readers(&self, topic: &Topic) -> &[Arc<str>] {
        self.topics.get(topic).map_or(&[], |it| &it.readers)
    }

    /// All topics, in no order, each with the greatest certainty that a reader wants.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Topic, Qos)> {
        self.topics.iter().map(|(topic, entry)| (topic, entry.qos))
    }

    /// About how many bytes all this takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Entry {
    /// What it holds that comes and goes, without its readers.
    fn heap(&self) -> usize {
        let rules: usize = self.rules.iter().map(|it| size_of::<Shared>() + it.rule.heap()).sum();
        rules + self.last.as_ref().map_or(0, |it| it.payload.len() + ALLOCATION)
    }
}

/// What a topic takes, without its readers.
pub(super) fn weight(topic: &Topic) -> usize {
    // A hash table is at most seven eighths full, and half as full after it has grown.
    let table = (size_of::<Topic>() + size_of::<Entry>()) * 3 / 2;
    table + topic.as_str().len() + 2 * ALLOCATION
}

/// Of longer messages no copy is kept for entities that come later: they are pictures.
const MAX_KEPT: usize = 16 * 1024;
