//! Waiting messages, the newest of each topic.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Notice;
use crate::model::Message;
use crate::model::Topic;

/// One row of waiting messages: oldest place first, one message per topic. A newer message takes the
/// place of the older, so that a busy topic cannot starve the others.
#[derive(Debug, Default)]
pub(super) struct Latest {
    // Invariant: `places` and `by_place` hold the same pairs.
    places: BTreeMap<Topic, i64>,
    by_place: BTreeMap<i64, Waiting>,
}

/// A message that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What is to be sent.
    pub(super) message: Message,
    /// When it is no longer worth sending.
    pub(super) expires: Option<Instant>,
    /// When it was accepted.
    pub(super) accepted: Instant,
    /// Where to tell what became of it.
    pub(super) notice: Option<Notice>,
}

impl Latest {
    /// Adds `waiting` last, or in the place of an older one of its topic. Returns that one.
    pub(super) fn put(&mut self, waiting: Waiting) -> Option<Waiting> {
        let behind = self.by_place.last_key_value().map_or(0, |(place, _)| place + 1);
        let place = *self.places.entry(waiting.message.topic.clone()).or_insert(behind);
        self.by_place.insert(place, waiting)
    }

    /// Adds `waiting` first, or returns it where a newer message of its topic waits.
    pub(super) fn put_back(&mut self, waiting: Waiting) -> Option<Waiting> {
        if self.places.contains_key(&waiting.message.topic) {
            return Some(waiting);
        }
        let ahead = self.by_place.first_key_value().map_or(0, |(place, _)| place - 1);
        self.places.insert(waiting.message.topic.clone(), ahead);
        self.by_place.insert(ahead, waiting)
    }

    /// Takes the first message, but one that `goes_last` only where no other waits.
    pub(super) fn pop(&mut self, goes_last: impl Fn(&Message) -> bool) -> Option<Waiting> {
        let mut others = self.by_place.iter().filter(|(_, it)| !goes_last(&it.message));
        let (&place, _) = others.next().or_else(|| self.by_place.first_key_value())?;
        let waiting = self.by_place.remove(&place)?;
        self.places.remove(&waiting.message.topic);
        Some(waiting)
    }

    /// Takes the message of `topic`.
    pub(super) fn take(&mut self, topic: &Topic) -> Option<Waiting> {
        self.places.remove(topic).and_then(|place| self.by_place.remove(&place))
    }

    /// Whether this very message waits.
    pub(super) fn holds(&self, message: &Message) -> bool {
        let waiting = self.places.get(&message.topic).and_then(|place| self.by_place.get(place));
        waiting.is_some_and(|it| it.message == *message)
    }

    /// The messages, first to go first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.by_place.values()
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.by_place.len()
    }
}
