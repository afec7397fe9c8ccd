//! The outbox with the broker and the spool played by the tests.

mod chance;
mod lanes;
mod notices;
mod queue;

use std::collections::{BTreeMap, VecDeque};

use crossbeam_channel::{Receiver, unbounded};

use super::spool::{Record, SpoolError};
use super::*;
use crate::model::Qos;

fn outbox() -> Outbox {
    Outbox::new(WINDOW, SpoolMode::Outage, 1 << 20)
}

fn message(topic: &str, payload: &str) -> Message {
    Message::retained(Topic::new(topic).unwrap(), payload.as_bytes(), Qos::AtLeastOnce)
}

fn put(outbox: &mut Outbox, topic: &str, payload: &str) {
    outbox.put(Lane::State, message(topic, payload), None, Instant::now(), None);
}

/// A notice of a message that is promised to be on the card first, and what it says.
fn promised() -> (Notice, Receiver<News>) {
    let (tell, told) = unbounded();
    let mut notice = Notice::new(move |news| _ = tell.send(news));
    notice.promise();
    (notice, told)
}

fn replaced(outbox: &Outbox) -> u64 {
    outbox.total(None).replaced
}

fn text(message: &Message) -> String {
    format!("{}={}", message.topic, String::from_utf8_lossy(&message.payload))
}

/// Sends all that may go and returns it as `token topic=payload`.
fn sent(outbox: &mut Outbox, states_open: bool) -> Vec<String> {
    let mut sent = Vec::new();
    outbox.send(Instant::now(), states_open, |token, message| {
        sent.push(format!("{} {}", token.0, text(message)));
        true
    });
    sent
}

/// A spool that answers when it is told to.
#[derive(Default)]
struct Card {
    records: VecDeque<Record>,
    /// The number of the first record.
    first: u64,
    orders: VecDeque<SpoolOrder>,
    /// Whether it takes no records.
    full: bool,
    /// Whether it cannot be used at all.
    failed: bool,
    /// How many records it holds before it drops the oldest.
    room: Option<usize>,
    /// Of how many topics it says at most what is on them.
    named: Option<usize>,
    appends: usize,
}

impl Card {
    fn next(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// Takes all that `outbox` orders at `now`.
    fn take_orders(&mut self, outbox: &mut Outbox, now: Instant, situation: Situation) {
        while let Some(order) = outbox.order(now, situation) {
            self.orders.push_back(order);
        }
    }

    /// Answers the first order. Returns whether there was one.
    fn answer(&mut self, outbox: &mut Outbox, now: Instant) -> bool {
        let Some(order) = self.orders.pop_front() else { return false };
        for event in self.carry_out(order) {
            outbox.heard(event, now);
        }
        true
    }

    /// Answers everything, and what that leads to.
    fn settle(&mut self, outbox: &mut Outbox, now: Instant, situation: Situation) {
        self.take_orders(outbox, now, situation);
        while self.answer(outbox, now) {
            self.take_orders(outbox, now, situation);
        }
    }

    fn fail(&mut self) -> SpoolEvent {
        self.failed = true;
        SpoolEvent::Failed { cause: SpoolError::Vanished { path: "spool".into() } }
    }

    fn carry_out(&mut self, order: SpoolOrder) -> Vec<SpoolEvent> {
        match order {
            SpoolOrder::Load(first) if self.failed => {
                vec![self.fail(), SpoolEvent::Loaded { first, records: Vec::new() }]
            }
            SpoolOrder::Release(_) if self.failed => Vec::new(),
            SpoolOrder::Append(_) if self.failed && !self.full => {
                let opened = self.carry_out(SpoolOrder::Open);
                opened.into_iter().chain(self.carry_out(order)).collect()
            }
            SpoolOrder::Open => {
                self.failed = false;
                let mut topics = by_topic(self.records.iter());
                let others = topics.split_off(self.named.unwrap_or(topics.len()).min(topics.len()));
                let others = others.iter().map(|(_, count)| count).sum();
                let (first, next) = (self.first, self.next());
                vec![SpoolEvent::Opened { first, next, bytes: 0, topics, others, lost: 0 }]
            }
            SpoolOrder::Append(records) if self.full => {
                let cause = SpoolError::Thread(std::io::ErrorKind::StorageFull.into());
                vec![SpoolEvent::Refused { records, cause }]
            }
            SpoolOrder::Append(records) => {
                self.appends += 1;
                self.records.extend(records);
                let surplus = self.room.map_or(0, |room| self.records.len().saturating_sub(room));
                let dropped = by_topic(self.records.range(..surplus));
                self.records.drain(..surplus);
                self.first += surplus as u64;
                let mut events = vec![SpoolEvent::Stored { next: self.next() }];
                if surplus > 0 {
                    events.insert(0, SpoolEvent::Dropped { next: self.first, topics: dropped });
                }
                events
            }
            SpoolOrder::Load(from) => {
                let skipped = from.saturating_sub(self.first) as usize;
                let records = self.records.iter().skip(skipped).take(64).cloned().map(Some).collect();
                vec![SpoolEvent::Loaded { first: from.max(self.first), records }]
            }
            SpoolOrder::Release(next) => {
                let released = next.clamp(self.first, self.next()) - self.first;
                self.records.drain(..released as usize);
                self.first += released;
                Vec::new()
            }
        }
    }
}

fn by_topic<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<(Topic, u64)> {
    let mut topics = BTreeMap::<Topic, u64>::new();
    for it in records {
        *topics.entry(it.message.topic.clone()).or_default() += 1;
    }
    topics.into_iter().collect()
}

const WINDOW: u16 = 90;
