//! Where a subscription's messages wait for the subscriber: bounded, the oldest going first.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::model::Incoming;

/// What is called with each message of a subscription, on a thread called `callback`, one at a time and in order.
pub type Callback = Box<dyn FnMut(Incoming) + Send>;

/// How a subscription's messages reach the subscriber. At most 1,024 messages and 1 MiB (topics and payloads)
/// wait in it, but always one, however large. When it is full the oldest goes, and is counted.
pub struct Mailbox(pub(super) Kind);

/// The messages of one subscription: a crossbeam channel's receiver, to be received from, iterated over or used in
/// `select!`. It is disconnected, once read to its end, when the subscription has ended. Dropping it ends the
/// subscription, whoever has a clone of the receiver.
///
/// At most 1,024 messages and 1 MiB (topics and payloads) wait in it, but always one, however large. When it is
/// full the oldest goes, and is counted in [`Messages::dropped`].
pub struct Messages {
    messages: Receiver<Incoming>,
    /// The mailbox has the other one: it counts, and sees by their number whether we are still there.
    dropped: Arc<AtomicU64>,
    closing: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Mailbox {
    /// A mailbox that `callback` is called from, one message after the other. It may publish, subscribe and end its
    /// own subscription; while it runs, others get threads of their own. A panic in it is logged, once, and it is
    /// called again with the next message, where the program unwinds: not with `panic = "abort"`.
    pub fn callback(callback: impl FnMut(Incoming) + Send + 'static) -> Mailbox {
        Mailbox(Kind::Callback(Box::new(callback)))
    }

    /// A mailbox and the receiving end of it. `closing` is called when that is dropped, by the thread that does.
    pub fn channel(closing: impl FnOnce() + Send + Sync + 'static) -> (Mailbox, Messages) {
        Mailbox::ringing(closing, || {})
    }

    /// As [`Mailbox::channel`], for a reader that waits for something else: `ring` is called whenever a message was put in,
    /// and when there will be none any more, by the thread that does so. It must not block.
    pub fn ringing(
        closing: impl FnOnce() + Send + Sync + 'static,
        ring: impl Fn() + Send + 'static,
    ) -> (Mailbox, Messages) {
        let (sender, receiver) = unbounded();
        let dropped = Arc::new(AtomicU64::new(0));
        let messages = receiver.clone();
        let channel = Channel {
            sender,
            receiver,
            ring: Ring(Box::new(ring)),
            lengths: VecDeque::new(),
            load: Load::default(),
            dropped: Arc::clone(&dropped),
        };
        (Mailbox(Kind::Channel(channel)), Messages { messages, dropped, closing: Some(Box::new(closing)) })
    }

    /// The same with room for fewer bytes of messages that wait, but always for one. Of a callback's there is no less.
    pub fn with_room_for(mut self, bytes: usize) -> Mailbox {
        if let Kind::Channel(channel) = &mut self.0 {
            channel.load.most_bytes = bytes;
        }
        self
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Callback(_) => "Mailbox::callback",
            Kind::Channel(_) => "Mailbox::channel",
        })
    }
}

impl Messages {
    /// How many messages went because the mailbox was full, since the subscription was made.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

impl Deref for Messages {
    type Target = Receiver<Incoming>;

    fn deref(&self) -> &Receiver<Incoming> {
        &self.messages
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("waiting", &self.messages.len())
            .field("dropped", &self.dropped())
            .finish()
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        if let Some(closing) = self.closing.take() {
            closing();
        }
    }
}

/// The two ways to a subscriber.
pub(super) enum Kind {
    Callback(Callback),
    Channel(Channel),
}

/// Our end of a [`Messages`].
pub(super) struct Channel {
    /// Without a bound of its own: a bounded one takes the memory of all its 1,024 places at once.
    sender: Sender<Incoming>,
    /// Behind the sender, so that the reader can see the end when it rings for the last time.
    ring: Ring,
    /// Takes the oldest out.
    receiver: Receiver<Incoming>,
    /// Bytes of each message that waits, and perhaps of some before them: the subscriber takes them unseen.
    lengths: VecDeque<usize>,
    load: Load,
    dropped: Arc<AtomicU64>,
}

impl Channel {
    /// Whether the subscriber has dropped its end.
    pub(super) fn is_closed(&self) -> bool {
        Arc::strong_count(&self.dropped) == 1
    }

    /// Puts `incoming` at the end, and says what it cost.
    pub(super) fn push(&mut self, incoming: &Incoming) -> Pushed {
        let bytes = bytes_of(incoming);
        self.catch_up();
        let was_empty = self.load.is_empty();
        let mut dropped = 0;
        while !self.load.has_room_for(bytes) {
            // Where the subscriber was quicker there is nothing to take, and room.
            dropped += u64::from(self.receiver.try_recv().is_ok());
            self.catch_up();
        }
        self.dropped.fetch_add(dropped, Relaxed);
        self.lengths.push_back(bytes);
        self.load.add(bytes);
        let _ = self.sender.send(incoming.clone()); // Never fails: we hold a receiver.
        // Each time: whether the reader has seen that it was empty, nobody knows.
        (self.ring.0)();
        Pushed { dropped, was_empty }
    }

    /// Forgets the lengths of what has been taken: messages leave at the front only.
    fn catch_up(&mut self) {
        let taken = self.lengths.len().saturating_sub(self.receiver.len());
        for bytes in self.lengths.drain(..taken) {
            self.load.subtract(bytes);
        }
    }
}

/// Wakes whoever reads, at the end too.
struct Ring(Box<dyn Fn() + Send>);

impl Drop for Ring {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What became of the mailbox with one message more.
pub(super) struct Pushed {
    /// How many had to go for it.
    pub(super) dropped: u64,
    /// Whether the subscriber had taken all before it.
    pub(super) was_empty: bool,
}

/// How much waits in a mailbox.
pub(super) struct Load {
    messages: usize,
    bytes: usize,
    most_bytes: usize,
}

impl Default for Load {
    fn default() -> Load {
        Load { messages: 0, bytes: 0, most_bytes: MOST_BYTES }
    }
}

impl Load {
    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Whether a message of `bytes` may come in as things are.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.messages == 0 || self.messages < MOST_MESSAGES && self.bytes + bytes <= self.most_bytes
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    pub(super) fn subtract(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes -= bytes;
    }
}

/// What a message counts for: its topic and its payload.
pub(super) fn bytes_of(incoming: &Incoming) -> usize {
    incoming.topic.as_str().len() + incoming.payload.len()
}

/// More than a broker sends at once for any usual filter; of small messages, some 100 kB.
const MOST_MESSAGES: usize = 1024;
/// What a machine with 512 MB can spare for one subscriber that does not keep up.
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::tests::incoming;
    use super::*;

    fn channel() -> (Channel, Messages) {
        match Mailbox::channel(|| {}) {
            (Mailbox(Kind::Channel(channel)), messages) => (channel, messages),
            _ => unreachable!("it was made as a channel"),
        }
    }

    /// Each of `sizes` is pushed as a message of that many bytes; `kept` are the sizes of those that stay.
    #[track_caller]
    fn check(sizes: &[usize], kept: &[usize]) {
        let (mut channel, messages) = channel();
        let dropped: u64 =
            sizes.iter().map(|size| channel.push(&incoming("t", &"x".repeat(size - 1))).dropped).sum();
        let stayed: Vec<usize> = messages.try_iter().map(|it| bytes_of(&it)).collect();
        assert_eq!(stayed, kept);
        assert_eq!((dropped, messages.dropped()), ((sizes.len() - kept.len()) as u64, dropped));
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        check(&[1; 1024], &[1; 1024]);
        check(&[&[1], &[2; 1024][..]].concat(), &[2; 1024]);
        check(&[600_000, MOST_BYTES - 600_000], &[600_000, MOST_BYTES - 600_000]);
        check(&[600_000, MOST_BYTES - 600_000 + 1], &[MOST_BYTES - 600_000 + 1]);
        check(&[300_000, 300_000, 300_000, 600_000], &[300_000, 600_000]);
    }

    #[test]
    fn the_oldest_go_earlier_where_there_is_less_room() {
        let (mailbox, messages) = Mailbox::channel(|| {});
        let Kind::Channel(mut channel) = mailbox.with_room_for(1000).0 else {
            unreachable!("it was made as a channel");
        };
        let dropped =
            [400, 600, 1, 2000].map(|size| channel.push(&incoming("t", &"x".repeat(size - 1))).dropped);
        assert_eq!((dropped, messages.len()), ([0, 0, 1, 2], 1));
    }

    #[test]
    fn whoever_waits_for_something_else_is_woken_by_each_message_and_by_the_end() {
        let (ring, rung) = unbounded();
        let (Mailbox(Kind::Channel(mut channel)), messages) =
            Mailbox::ringing(|| {}, move || _ = ring.send(()))
        else {
            unreachable!("it was made as a channel");
        };
        for _ in 0..2 {
            channel.push(&incoming("t", "x"));
            assert_eq!((rung.try_iter().count(), messages.len()), (1, 1));
            messages.try_recv().unwrap();
        }
        // Seen by the reader when it rings, whoever of the two is first.
        let reader = std::thread::spawn(move || (rung.recv(), messages.try_recv()));
        drop(channel);
        let (rung, end) = reader.join().unwrap();
        assert_eq!((rung, end), (Ok(()), Err(crossbeam_channel::TryRecvError::Disconnected)));
    }

    #[test]
    fn one_message_always_has_room() {
        check(&[3 << 20], &[3 << 20]);
        check(&[3 << 20, 2 << 20], &[2 << 20]);
        check(&[2 << 20, 1], &[1]);
    }

    #[test]
    fn what_the_subscriber_takes_makes_room() {
        let (mut channel, messages) = channel();
        for _ in 0..10_000 {
            assert_eq!(channel.push(&incoming("t", &"x".repeat(400_000))).dropped, 0);
            assert_eq!(channel.push(&incoming("t", "")).dropped, 0);
            assert!(messages.try_recv().is_ok() && messages.try_recv().is_ok());
        }
    }

    #[test]
    fn a_subscriber_that_reads_meanwhile_loses_none_uncounted() {
        let (mut channel, messages) = channel();
        let reader = std::thread::spawn(move || (messages.iter().count() as u64, messages.dropped()));
        let dropped: u64 = (0..100_000).map(|_| channel.push(&incoming("t", "x")).dropped).sum();
        drop(channel);
        let (read, told) = reader.join().unwrap();
        assert_eq!((read + dropped, told), (100_000, dropped));
    }
}
