//! What a program has asked to be told: [`Subscriptions`].

use crate::bridge::Handle;
use crate::bridge::Subscriber;
use crate::client::Messages;
use crate::dispatch::Mailbox;
use crate::model::Qos;
use crate::model::TopicFilter;
use crate::os::Bell;
use crate::protocol;
use crate::protocol::Answer;
use crate::protocol::Code;
use crate::protocol::Failure;
use crate::protocol::LINE_BYTES;

/// The subscriptions of one program: 32 at most, each with a mailbox that holds 1,024 messages or 128 KiB, of which the oldest
/// go first. Dropping it ends them.
#[derive(Default)]
pub(super) struct Subscriptions {
    all: Vec<Subscription>,
    /// Whose turn it is.
    turn: usize,
    /// The last number that was given.
    last: u64,
}

struct Subscription {
    number: u64,
    messages: Messages,
    /// How many messages no line has room for.
    unfit: u64,
    /// How many lost messages the program knows of.
    told: u64,
}

impl Subscriptions {
    /// Has what is published on topics that `filter` matches come, and `bell` rung for it. Returns its number. Blocks for
    /// the bridge: microseconds.
    ///
    /// # Errors
    ///
    /// [`Code::TooMany`], [`Code::Ended`].
    pub(super) fn add(
        &mut self,
        handle: &Handle,
        bell: &Bell,
        filter: TopicFilter,
        qos: Qos,
    ) -> Result<u64, Failure> {
        if self.all.len() >= MOST {
            let reason = format!("a program may have {MOST} subscriptions");
            return Err(Failure::new(Code::TooMany, reason).expected("wildcards, or unsubscribe first"));
        }
        let id = handle.subscription_id();
        let (closing, bell) = (handle.clone(), bell.clone());
        let (mailbox, messages) = Mailbox::ringing(move || closing.unsubscribe(id), move || bell.ring());
        let subscriber =
            Subscriber { id, owner: None, filter, qos, mailbox: mailbox.with_room_for(MOST_BYTES) };
        if handle.subscribe(subscriber).is_none() {
            return Err(Failure::new(Code::Ended, "the daemon ends"));
        }
        self.last += 1;
        self.all.push(Subscription { number: self.last, messages, unfit: 0, told: 0 });
        Ok(self.last)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Ends the one that has `number`. False where there is none.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let before = self.all.len();
        self.all.retain(|it| it.number != number);
        self.all.len() < before
    }

    /// The line that tells of the next message, of each subscription in turn, so that a busy one leaves room for the others. A message
    /// that no line has room for counts as dropped.
    pub(super) fn next(&mut self) -> Option<String> {
        for _ in 0..self.all.len() {
            self.turn = (self.turn + 1) % self.all.len();
            if let Some(line) = self.all[self.turn].next() {
                return Some(line);
            }
        }
        None
    }
}

impl Subscription {
    fn next(&mut self) -> Option<String> {
        while let Ok(message) = self.messages.try_recv() {
            let lost = self.messages.dropped() + self.unfit;
            // What is longer by itself need not be spelt out to know.
            if message.payload.len() <= LINE_BYTES {
                let event = protocol::message(self.number, &message, lost - self.told);
                let line = Answer::event("message", event).line(None);
                if line.len() <= LINE_BYTES {
                    self.told = lost;
                    return Some(line);
                }
            }
            if self.unfit == 0 {
                let (topic, bytes) = (&message.topic, message.payload.len());
                log::warn!(
                    "a program is not told of a message on {topic}: no line has room for {bytes} bytes"
                );
            }
            self.unfit += 1;
        }
        None
    }
}

/// As many as a program needs that knows what it wants.
const MOST: usize = 32;
/// Of messages that wait in one. All subscriptions of all programs together, 128, then hold 16 MiB: what a machine with 512 MB can
/// spare for programs that do not read.
const MOST_BYTES: usize = 128 << 10;
