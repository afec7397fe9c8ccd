//! Messages of which every one is to be delivered, in the order in which they were accepted.
//!
//! In that order: those in flight and those to go next are in `front`, then come those that are on the card alone,
//! then those accepted since, in `back`. While nothing is on the card alone, `back` is empty and all is in memory.

mod alone;
mod card;
mod dialogue;
mod notices;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::model::Fate;
use crate::model::Message;
use crate::model::SpoolMode;
use crate::model::Topic;

use super::Notice;
use card::Card;
pub use dialogue::{Situation, SpoolNews, SpoolOrder};
use notices::Notices;

/// Messages in order, each from its acceptance to its acknowledgement.
#[derive(Debug)]
pub(super) struct Queue {
    // Invariants: `front[..given]` are in flight or done with; its very first is not done with. Over `front` and
    // `back`, those with a number come first, then those that are going to the card, then the others.
    front: VecDeque<Entry>,
    given: usize,
    /// The place of the first of `front`; counts up as they are done with.
    first: u64,
    back: VecDeque<Entry>,
    /// What `front` and `back` take, in bytes.
    bytes: usize,
    mode: SpoolMode,
    max_bytes: usize,
    card: Card,
    /// What is to be told of messages that are on the card alone.
    notices: Notices,
    /// Whether there may be notices in memory that are promised to hear when their message is on the card.
    promised: bool,
}

/// One message in memory.
#[derive(Debug)]
struct Entry {
    message: Message,
    accepted: Instant,
    /// The number of its record, once it is on the card.
    number: Option<u64>,
    /// Whether it is going to the card.
    going: bool,
    /// Whether it was delivered or given up.
    done: bool,
    /// Where to tell which.
    notice: Option<Notice>,
}

impl Queue {
    /// An empty queue that keeps what waits as `mode` says, within `max_bytes` on the card and as many in memory,
    /// but for [`MOST_MEMORY`] where it is memory only for want of a card.
    pub(super) fn new(mode: SpoolMode, max_bytes: u64) -> Queue {
        Queue {
            front: VecDeque::new(),
            given: 0,
            first: 0,
            back: VecDeque::new(),
            bytes: 0,
            mode,
            max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            card: Card::default(),
            notices: Notices::default(),
            promised: false,
        }
    }

    /// Adds `message`, accepted at `now`, last. `notice` hears what becomes of it, and once it is on the card, or stays in
    /// memory for want of one.
    pub(super) fn push(&mut self, message: Message, now: Instant, notice: Option<Notice>) {
        let mut entry = Entry::new(message, now, notice);
        if let Some(notice) = entry.notice.as_mut().filter(|it| it.is_promised()) {
            if self.mode == SpoolMode::Always && !self.card.is_broken() && !self.is_silent(now) {
                self.promised = true;
            } else {
                notice.stored();
            }
        }
        self.bytes += entry.bytes();
        if self.card.holds_back() || !self.back.is_empty() { &mut self.back } else { &mut self.front }
            .push_back(entry);
    }

    /// Drops the oldest that are not in flight until memory is within its limit. Returns the topics they were on.
    pub(super) fn make_room(&mut self) -> Vec<Topic> {
        let limit = self.most_bytes();
        let mut dropped = Vec::new();
        while self.bytes > limit {
            // What is going to the card is counted on there.
            let stays = |it: &&Entry| it.going;
            let at = self.given + self.front.iter().skip(self.given).take_while(stays).count();
            let behind = self.back.iter().take_while(stays).count();
            let Some(mut entry) = self.front.remove(at).or_else(|| self.back.remove(behind)) else { break };
            self.bytes -= entry.bytes();
            if !entry.done {
                entry.tell(Fate::Dropped);
                dropped.push(entry.message.topic);
            }
        }
        dropped
    }

    /// Passes over what is done with already, before [`Queue::next`].
    pub(super) fn skip_done(&mut self) {
        while self.front.get(self.given).is_some_and(|it| it.done) {
            self.given += 1;
        }
    }

    /// The first message that was not given out since the last [`Queue::rewind`].
    pub(super) fn next(&self) -> Option<&Message> {
        self.front.get(self.given).map(|it| &it.message)
    }

    /// Gives out what [`Queue::next`] showed. Returns the place to name it by.
    pub(super) fn give(&mut self) -> u64 {
        self.given += 1;
        self.first + (self.given - 1) as u64
    }

    /// `fate` came over the message at `place`. Returns its topic, where there was one.
    pub(super) fn finish(&mut self, place: u64, fate: Fate) -> Option<Topic> {
        let index = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let entry = self.front.get_mut(index).filter(|it| !it.done)?;
        entry.done = true;
        entry.tell(fate);
        let topic = entry.message.topic.clone();
        while self.front.front().is_some_and(|it| it.done) {
            if let Some(entry) = self.front.pop_front() {
                self.bytes -= entry.bytes();
                self.card.left(&entry);
                self.first += 1;
                self.given = self.given.saturating_sub(1);
            }
        }
        Some(topic)
    }

    /// The message at `place`, unless it is done with.
    pub(super) fn at(&self, place: u64) -> Option<&Message> {
        let index = usize::try_from(place.checked_sub(self.first)?).ok()?;
        self.front.get(index).filter(|it| !it.done).map(|it| &it.message)
    }

    /// What was given out and is not done with is to be given out again, in its order.
    pub(super) fn rewind(&mut self) {
        self.given = 0;
    }

    /// How many messages are on the card and not done with.
    pub(super) fn on_card(&self) -> u64 {
        if self.card.is_away() {
            return 0;
        }
        self.card.len() + self.in_memory().filter(|it| it.number.is_some()).count() as u64
    }

    /// Whether nobody knows yet what an earlier process left.
    pub(super) fn is_opening(&self) -> bool {
        self.card.is_opening()
    }

    /// Whether the card was given something, or asked what it has, and has not answered.
    pub(super) fn is_storing(&self) -> bool {
        self.card.is_busy() || self.card.is_opening()
    }

    /// Whether, at `now`, the card did not take what should be there.
    pub(super) fn is_degraded(&self, now: Instant) -> bool {
        let misses = self.mode == SpoolMode::Always || self.homeless().next().is_some() || self.is_in_doubt();
        self.is_silent(now) || (self.card.is_broken() && misses)
    }

    /// Whether, at `now`, the card has not answered for so long that nobody waits for it any more.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.card.silent_at().is_some_and(|at| at <= now)
    }

    /// How much of it may be in memory.
    fn most_bytes(&self) -> usize {
        match self.mode {
            SpoolMode::Memory => self.max_bytes,
            _ if self.card.is_broken() => self.max_bytes.min(MOST_MEMORY),
            // The card will take it; those who publish wait before it comes to this, sources do not.
            _ => MOST_MEMORY,
        }
    }

    /// Whether it takes more without giving anything up: there is a card, and it keeps up; or there is none, and
    /// the broker does. While that is away without a card, the oldest give way to the newest.
    pub(super) fn has_room(&self, situation: Situation) -> bool {
        match (self.mode == SpoolMode::Memory || self.card.is_broken(), situation) {
            (false, _) => self.bytes < ROOM,
            // In memory alone no message has more than half of what there is.
            (true, Situation::Connected) => self.bytes < self.most_bytes() / 2,
            (true, _) => true,
        }
    }

    /// Each message in memory that is not done with: its topic, and when it was accepted; the oldest first.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (&Topic, Instant)> {
        self.in_memory().map(|it| (&it.message.topic, it.accepted))
    }

    /// How many messages there are on each topic in memory.
    fn by_topic(&self) -> BTreeMap<Topic, u64> {
        let mut counts = BTreeMap::new();
        for it in self.in_memory() {
            *counts.entry(it.message.topic.clone()).or_default() += 1;
        }
        counts
    }

    /// How many notices are kept for messages on the card alone.
    #[cfg(test)]
    pub(super) fn notices_kept(&self) -> usize {
        self.notices.len()
    }

    /// Whether the card had messages that are in memory, and nobody knows whether it still has.
    fn is_in_doubt(&self) -> bool {
        self.card.is_away() && self.in_memory().any(|it| it.number.is_some())
    }

    fn in_memory(&self) -> impl Iterator<Item = &Entry> {
        self.front.iter().chain(&self.back).filter(|it| !it.done)
    }
}

impl Entry {
    fn new(message: Message, accepted: Instant, notice: Option<Notice>) -> Entry {
        Entry { message, accepted, number: None, going: false, done: false, notice }
    }

    /// Says that `fate` came over it, where anybody is to know.
    fn tell(&mut self, fate: Fate) {
        if let Some(notice) = self.notice.take() {
            notice.end(fate);
        }
    }

    /// What it takes in memory, about.
    fn bytes(&self) -> usize {
        size_of::<Entry>() + self.message.topic.as_str().len() + self.message.payload.len() + ALLOCATIONS
    }
}

/// What the allocator and two reference counts add to a message.
const ALLOCATIONS: usize = 64;
/// Largest memory for what should be on a card and cannot.
const MOST_MEMORY: usize = 16 << 20;
/// What may wait in memory before those who publish have to: ten thousand readings, or a burst.
const ROOM: usize = 1 << 20;
