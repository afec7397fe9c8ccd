//! What the queue has on the card, and its dialogue with the spool: [`Queue::order`] and [`Queue::heard`].

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Fate;
use crate::model::SpoolMode;
use crate::model::Topic;

use super::super::Notice;
use super::super::spool::{Record, SpoolEvent};
use super::super::tally::Tallies;
use super::alone::{Alone, Away};
use super::dialogue::{Situation, SpoolNews, SpoolOrder};
use super::{Entry, Queue};

/// The queue's knowledge of the card.
#[derive(Debug, Default)]
pub(super) struct Card {
    state: State,
    alone: Alone,
    /// What it had alone when it failed, while nobody knows whether it comes back as it was.
    away: Option<Away>,
    /// The number of the next record to be stored.
    next: u64,
    /// Everything below was released, or dropped.
    released: u64,
    /// The group that is going to the card: how many, and how many of the first of them are done with already.
    group: Option<Group>,
    loading: bool,
    /// Since when the answer to an opening or a group is awaited.
    asked: Option<Instant>,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    /// Not looked at.
    #[default]
    Closed,
    /// Being looked at.
    Opening,
    /// In use.
    Open,
    /// It did not take what it was given last; it is tried again then.
    Broken { again: Instant },
}

#[derive(Debug)]
struct Group {
    len: u64,
    left: u64,
}

impl Queue {
    /// What is to be asked of the spool at `now`, the next first; `None` when nothing is, or an answer has to come first.
    pub(in super::super) fn order(&mut self, now: Instant, situation: Situation) -> Option<SpoolOrder> {
        if self.is_silent(now) {
            self.keep_promises();
        }
        match self.card.state {
            State::Closed if self.wants_card(now, situation) => return Some(self.open(now)),
            State::Closed | State::Opening => return None,
            State::Open | State::Broken { .. } => {}
        }
        let appends =
            self.card.group.is_none() && self.card.takes(now, situation) && self.wants_card(now, situation);
        // Before a group, so that the spool does not take for dropped what was delivered.
        if let Some(delivered) = self.releasable(appends || situation == Situation::Ending) {
            self.card.released = delivered;
            return Some(SpoolOrder::Release(delivered));
        }
        if appends {
            return Some(SpoolOrder::Append(self.group(now, situation)));
        }
        if !self.card.loading && !self.card.alone.is_empty() && self.ahead() < LOAD_BELOW {
            self.card.loading = true;
            return self.card.alone.first().map(SpoolOrder::Load);
        }
        None
    }

    /// Has the spool opened although nothing is to be stored: an earlier process left something there.
    pub(in super::super) fn open(&mut self, now: Instant) -> SpoolOrder {
        self.card.state = State::Opening;
        self.card.asked = Some(now);
        SpoolOrder::Open
    }

    /// When [`Queue::order`] next has something to say by the passing of time alone.
    pub(in super::super) fn due(&self, now: Instant, situation: Situation) -> Option<Instant> {
        if let Some(silent_at) = self.card.silent_at() {
            return Some(silent_at).filter(|at| *at > now);
        }
        if self.mode == SpoolMode::Memory || situation != Situation::Away {
            return None;
        }
        let due = self.homeless().next()?.accepted + GROUP_AGE;
        match self.card.state {
            State::Closed | State::Open => Some(due),
            State::Opening => None,
            State::Broken { again } => Some(due.max(again)),
        }
    }

    /// Takes what the spool says; what became of messages goes to `tallies`. Returns what a person should know.
    pub(in super::super) fn heard(
        &mut self,
        event: SpoolEvent,
        now: Instant,
        tallies: &mut Tallies,
    ) -> Option<SpoolNews> {
        match event {
            SpoolEvent::Opened { first, next, topics, others, lost, .. } => {
                self.card.state = State::Open;
                self.card.asked = self.card.asked.filter(|_| self.card.group.is_some());
                let found = Away { alone: Alone::new(first..next), topics, others };
                let Away { alone, topics, others } = self.recognized(first..next, lost).unwrap_or(found);
                let waiting = alone.len();
                tallies.find(&topics, others);
                (self.card.alone, self.card.next, self.card.released) = (alone, next, first);
                if self.card.alone.is_empty() {
                    self.join();
                } else {
                    // What was accepted meanwhile comes behind what was there, unless it was sent already.
                    let ahead = self.front.iter().rposition(|it| it.done || it.number.is_some());
                    let mut behind = self.front.split_off(ahead.map_or(0, |it| it + 1).max(self.given));
                    behind.append(&mut self.back);
                    self.back = behind;
                }
                (waiting > 0 || lost > 0).then_some(SpoolNews::Opened { waiting, lost })
            }
            SpoolEvent::Stored { next } => {
                let was_broken = self.card.is_broken();
                self.card.state = State::Open;
                self.stored(next);
                was_broken.then_some(SpoolNews::Mended)
            }
            SpoolEvent::Refused { cause, .. } => {
                self.refused(now);
                Some(SpoolNews::Refused(cause))
            }
            SpoolEvent::Dropped { next, topics } => {
                let lost = self.dropped_below(next, topics, tallies);
                (lost > 0).then_some(SpoolNews::Dropped(lost))
            }
            SpoolEvent::Loaded { first, records } => self.loaded(first, records, now, tallies),
            SpoolEvent::Failed { cause } => {
                let lost = self.card.len();
                let alone = std::mem::take(&mut self.card.alone);
                self.broken(now); // A group that is under way has its own answer to come.
                self.card.asked = self.card.asked.filter(|_| self.card.group.is_some());
                self.join();
                let (topics, others) = tallies.settle(&self.by_topic());
                self.card.away.get_or_insert(Away { alone, topics, others });
                Some(SpoolNews::Failed { cause, lost })
            }
        }
    }

    /// Whether what is in memory alone is to go to the card.
    fn wants_card(&self, now: Instant, situation: Situation) -> bool {
        let is_old = |it: &Entry| it.accepted + GROUP_AGE <= now;
        let many = || self.homeless().map(Entry::bytes).sum::<usize>() >= GROUP_BYTES;
        match (self.mode, situation) {
            (SpoolMode::Memory, _) => false,
            // Or it may be in use again, and not have what it had.
            (_, Situation::Ending) => self.homeless().next().is_some() || self.is_in_doubt(),
            (SpoolMode::Always, _) => self.homeless().next().is_some(),
            (SpoolMode::Outage, Situation::Away) => self.homeless().next().is_some_and(is_old) || many(),
            // Only what stands behind the card: the rest goes to the broker at once.
            (SpoolMode::Outage, Situation::Connected) => !self.back.is_empty() && many(),
        }
    }

    /// Messages that are neither on the card nor going there.
    pub(super) fn homeless(&self) -> impl Iterator<Item = &Entry> {
        let homed = |it: &Entry| it.number.is_some() || it.going;
        // They are the last, and behind a long outage there are thousands: found without a look at each. (But for
        // those that were in flight when a card turned up with older ones: they are the first.)
        let rest = |it: &VecDeque<Entry>| match it.front() {
            Some(first) if homed(first) => it.partition_point(homed),
            _ => 0,
        };
        let (front, back) = (self.front.range(rest(&self.front)..), self.back.range(rest(&self.back)..));
        front.chain(back).filter(move |it| !it.done && !homed(it))
    }

    fn in_memory_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.front.iter_mut().chain(&mut self.back)
    }

    /// What is homeless, the first first, as the records of one group; at the end of the process all of it.
    fn group(&mut self, now: Instant, situation: Situation) -> Vec<Record> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let most = if situation == Situation::Ending { usize::MAX } else { MOST_GROUP_BYTES };
        let (mut records, mut bytes) = (Vec::new(), 0);
        for it in self.in_memory_mut().filter(|it| !it.done && it.number.is_none()) {
            bytes += it.bytes();
            if bytes > most && !records.is_empty() {
                break;
            }
            it.going = true;
            let accepted = unix.saturating_sub(now.saturating_duration_since(it.accepted).as_secs());
            records.push(Record { accepted, message: it.message.clone() });
        }
        self.card.asked = Some(now);
        self.card.group = Some(Group { len: records.len() as u64, left: 0 });
        records
    }

    /// The group is on the card, and `next` is behind its last record.
    fn stored(&mut self, next: u64) {
        self.card.next = next;
        self.card.asked = None;
        let Some(group) = self.card.group.take() else { return };
        let numbers = next.saturating_sub(group.len) + group.left..next;
        for (it, number) in self.in_memory_mut().filter(|it| it.going).zip(numbers) {
            it.going = false;
            it.number = Some(number);
            it.notice.iter_mut().for_each(Notice::stored);
        }
        self.unload();
    }

    /// The card let go of its records below `next`; `topics` says how many on each. What memory has of them is not
    /// lost, nor what was delivered meanwhile. Returns how many are.
    fn dropped_below(&mut self, next: u64, topics: Vec<(Topic, u64)>, tallies: &mut Tallies) -> u64 {
        let dropped = self.card.released..next;
        self.card.released = self.card.released.max(next);
        let lost = self.lose_below(next);
        let mut left = lost;
        for (topic, count) in topics {
            let kept = |it: &&Entry| {
                it.number.is_some_and(|number| dropped.contains(&number)) && it.message.topic == topic
            };
            let count = count.saturating_sub(self.in_memory().filter(kept).count() as u64).min(left);
            tallies.end(&topic, true, Fate::Dropped, count);
            left -= count;
        }
        self.join();
        lost
    }

    /// What is on the card alone below the number `next` is lost. Returns how much that is.
    fn lose_below(&mut self, next: u64) -> u64 {
        if !self.card.is_away() {
            self.notices.lose_below(next);
        }
        self.card.alone.forget_below(next)
    }

    /// What is on the card alone, where it is in use again with the records `numbers`, and is the card that it was. Else
    /// nothing that was known of it holds any more.
    fn recognized(&mut self, numbers: Range<u64>, lost: u64) -> Option<Away> {
        let away = self.card.away.take();
        if lost == 0 && numbers.end == self.card.next && numbers.start <= self.card.released {
            return away;
        }
        self.in_memory_mut().for_each(|it| it.number = None);
        self.notices.lose_below(u64::MAX);
        None
    }

    /// Lets go of what the card has and memory need not.
    fn unload(&mut self) {
        // First from the end of `front`, as long as that is just before what is on the card alone …
        while self.ahead() > LOAD_BELOW && self.back.is_empty() {
            let Some(&Entry { number: Some(number), done: false, .. }) = self.front.back() else { break };
            if !self.card.alone.push_front(number) {
                break;
            }
            let entry = self.front.pop_back();
            self.left_memory(entry, number);
        }
        // … then from the beginning of `back`.
        while let Some(&Entry { number: Some(number), .. }) = self.back.front() {
            self.card.alone.push_back(number);
            let entry = self.back.pop_front();
            self.left_memory(entry, number);
        }
    }

    /// `entry` is on the card alone now, as the record `number`.
    fn left_memory(&mut self, entry: Option<Entry>, number: u64) {
        let Some(entry) = entry else { return };
        self.bytes -= entry.bytes();
        if let Some(notice) = entry.notice {
            self.notices.keep(number, notice);
        }
    }

    /// The card did not take the group: it stays in memory.
    fn refused(&mut self, now: Instant) {
        self.in_memory_mut().for_each(|it| it.going = false);
        (self.card.group, self.card.asked) = (None, None);
        self.broken(now);
    }

    /// The card takes nothing for now, and nobody is to wait for it.
    fn broken(&mut self, now: Instant) {
        self.card.state = State::Broken { again: now + RETRY };
        self.keep_promises();
    }

    /// Nobody waits for the card any more: what was promised to be there is in memory.
    fn keep_promises(&mut self) {
        if std::mem::take(&mut self.promised) {
            self.in_memory_mut().filter_map(|it| it.notice.as_mut()).for_each(Notice::stored);
        }
    }

    fn loaded(
        &mut self,
        first: u64,
        records: Vec<Option<Record>>,
        now: Instant,
        tallies: &mut Tallies,
    ) -> Option<SpoolNews> {
        self.card.loading = false;
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // What lies before the answer is not there, and with an empty one nothing is.
        let mut lost = self.lose_below(if records.is_empty() { u64::MAX } else { first });
        for (number, record) in (first..).zip(records) {
            if self.card.alone.pop(number) {
                if let Some(Record { accepted, message }) = record {
                    let age = Duration::from_secs(unix.saturating_sub(accepted));
                    let notice = self.notices.take(number);
                    let mut entry = Entry::new(message, now.checked_sub(age).unwrap_or(now), notice);
                    entry.number = Some(number);
                    self.bytes += entry.bytes();
                    self.front.push_back(entry);
                } else {
                    self.notices.lose_below(number + 1);
                    lost += 1;
                }
            }
        }
        self.join();
        if self.card.alone.is_empty() {
            tallies.settle(&self.by_topic());
        }
        (lost > 0).then_some(SpoolNews::Damaged(lost))
    }

    /// Once nothing is on the card alone, what came after it is next.
    fn join(&mut self) {
        if self.card.alone.is_empty() && self.card.state != State::Opening {
            self.front.append(&mut self.back);
        }
    }

    /// How many in memory are not given out.
    fn ahead(&self) -> usize {
        self.front.len() - self.given.min(self.front.len())
    }

    /// The number below which every record was delivered, once it is worth telling, or at `any` occasion.
    fn releasable(&self, any: bool) -> Option<u64> {
        let card = &self.card;
        // Once a card that failed is known again, it is known also what was delivered meanwhile. And where the card
        // takes none, there may be many messages: not even a look at them.
        if card.away.is_some() || card.released >= card.next {
            return None;
        }
        // Not the first, which may have been in flight already when a card turned up with older ones.
        let in_memory = self.front.iter().filter(|it| !it.done).filter_map(|it| it.number);
        let delivered = in_memory.chain(card.alone.first()).min().unwrap_or(card.next);
        let worth = any || delivered == card.next || delivered >= card.released + RELEASE_AT;
        (worth && delivered > card.released).then_some(delivered)
    }
}

impl Card {
    /// How many messages are on the card alone.
    pub(super) fn len(&self) -> u64 {
        self.alone.len()
    }

    /// Whether what is accepted now has to wait behind what is on the card, or may be.
    pub(super) fn holds_back(&self) -> bool {
        !self.alone.is_empty() || self.state == State::Opening
    }

    /// When it will have been silent for too long.
    pub(super) fn silent_at(&self) -> Option<Instant> {
        self.asked.map(|asked| asked + SILENCE)
    }

    /// Whether it was asked what it has, and has not answered.
    pub(super) fn is_opening(&self) -> bool {
        self.state == State::Opening
    }

    /// Whether it has failed, and was not in use since.
    pub(super) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Whether records are on their way to the card.
    pub(super) fn is_busy(&self) -> bool {
        self.group.is_some()
    }

    /// Whether a group may be given to it at `now`.
    fn takes(&self, now: Instant, situation: Situation) -> bool {
        match self.state {
            State::Open => true,
            State::Broken { again } => again <= now || situation == Situation::Ending,
            State::Closed | State::Opening => false,
        }
    }

    /// Whether the card did not take what it was given last.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken { .. })
    }

    /// `entry` has left the front of the queue.
    pub(super) fn left(&mut self, entry: &Entry) {
        if let Some(group) = self.group.as_mut().filter(|_| entry.going) {
            group.left += 1;
        }
    }
}

/// What was accepted this long before an outage ends in a loss of power, or longer, survives it.
const GROUP_AGE: Duration = Duration::from_secs(10);
/// Fewer than this to go next, and more are brought from the card: half of what one load brings.
const LOAD_BELOW: usize = 128;
/// So many delivered records are released together: a header written to the card stands for all of them.
const RELEASE_AT: u64 = 256;
/// A card that has not answered for this long is not waited for: the slowest takes a second or two.
const SILENCE: Duration = Duration::from_secs(10);
/// What goes to the card as one group although it is young: eight pages of 4 KiB.
const GROUP_BYTES: usize = 32 << 10;
/// The most of several messages that goes as one group. At the end time is dearer than memory: all goes at once.
const MOST_GROUP_BYTES: usize = 256 << 10;
/// A card that failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(60);
