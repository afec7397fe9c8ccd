//! What is still to be delivered: [`Outbox`].
//!
//! A message is here from the moment it is accepted until the broker has acknowledged it. The
//! connection is disposable, this is not: what a lost connection had in flight goes back to waiting.

mod latest;
mod notice;
mod queue;
pub mod spool;
mod suspect;
mod tally;
mod window;

use std::time::{Duration, Instant};

use latest::{Latest, Waiting};
pub use notice::{Awaited, News, Notice};
use queue::Queue;
pub use queue::{Situation, SpoolNews, SpoolOrder};
use spool::SpoolEvent;
use suspect::Suspect;
use tally::Tallies;
use window::{Parcel, Window};

use crate::model::Fate;
use crate::model::Figures;
use crate::model::Message;
use crate::model::SpoolMode;
use crate::model::Token;
use crate::model::Topic;

/// Messages that wait and messages in flight: the newest of each topic in two [`Lane`]s, and those of which every one
/// counts in a queue, most of which is on the card when it is long.
///
/// Messages of one topic are sent in the order in which they were accepted, whichever way they wait.
#[derive(Debug)]
pub struct Outbox {
    announcements: Latest,
    states: Latest,
    queue: Queue,
    window: Window,
    tallies: Tallies,
    suspect: Suspect,
}

/// Which of the two rows of waiting messages a message stands in, of which only the newest on each topic counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// Discovery and availability: go first.
    Announcement,
    /// States: go while the lane is open, after all announcements.
    State,
}

impl Outbox {
    /// An empty outbox that has `window` messages in flight at most (and ten announcements more), and keeps what
    /// waits in the queue as `mode` says, within `max_bytes`.
    pub fn new(window: u16, mode: SpoolMode, max_bytes: u64) -> Outbox {
        Outbox {
            announcements: Latest::default(),
            states: Latest::default(),
            queue: Queue::new(mode, max_bytes),
            window: Window::new(window),
            tallies: Tallies::default(),
            suspect: Suspect::default(),
        }
    }

    /// Accepts `message` at `now`, to be given up unsent at `expires`. It replaces an older one in the same lane on
    /// the same topic, which then is never sent. It goes behind what the queue has on its topic; an announcement that
    /// waits already is not another. `notice` hears what becomes of it.
    pub fn put(
        &mut self,
        lane: Lane,
        message: Message,
        expires: Option<Instant>,
        now: Instant,
        notice: Option<Notice>,
    ) {
        let is_queued = match lane {
            Lane::Announcement => self.tallies.is_surely_queued(&message.topic),
            Lane::State => self.tallies.is_queued(&message.topic),
        };
        if is_queued {
            return self.append(message, now, notice);
        }
        if lane == Lane::Announcement && notice.is_none() && self.announcements.holds(&message) {
            return;
        }
        self.tallies.accept(&message.topic, false);
        let mut waiting = Waiting { message, expires, accepted: now, notice };
        // It is kept in memory, come what may.
        waiting.notice.iter_mut().for_each(Notice::stored);
        if self.suspect.is_condemned(&waiting.message) {
            return self.end(waiting, Fate::Dropped);
        }
        if let Some(older) = self.lane(lane).put(waiting) {
            self.end(older, Fate::Replaced);
        }
    }

    /// Says the state in `message` again, as [`Outbox::put`], unless that is going to be said, or a newer one by the
    /// queue.
    pub fn repeat(&mut self, message: Message, expires: Option<Instant>, now: Instant) {
        if !self.tallies.is_queued(&message.topic) && !self.states.holds(&message) {
            self.put(Lane::State, message, expires, now, None);
        }
    }

    /// Accepts `message` at `now`, to be delivered behind all others that were appended before. `notice` hears what becomes
    /// of it, in this process; that it is stored as soon as it is on the card, as far as the mode has it there before it is
    /// delivered; otherwise at once.
    pub fn append(&mut self, message: Message, now: Instant, notice: Option<Notice>) {
        // What waits on the topic as a mere state is older, and this is the newest now.
        if let Some(older) = self.states.take(&message.topic) {
            self.end(older, Fate::Replaced);
        }
        self.tallies.accept(&message.topic, true);
        self.queue.push(message, now, notice);
        for topic in self.queue.make_room() {
            self.tallies.end(&topic, true, Fate::Dropped, 1);
        }
    }

    /// Whether more messages are to be taken in to [`append`](Outbox::append): there is room for them without giving up
    /// others, or none is to be had, since the broker is away and there is no card.
    pub fn has_room(&self, situation: Situation) -> bool {
        self.queue.has_room(situation)
    }

    /// Forgets what is to be sent in `lane` on `topic`: a message that waits is not sent, one in flight is not sent
    /// again. What is in the queue stays.
    pub fn withdraw(&mut self, lane: Lane, topic: &Topic) {
        if let Some(waiting) = self.lane(lane).take(topic) {
            self.end(waiting, Fate::Replaced);
        }
        self.window.disown(lane, topic);
    }

    /// Offers one waiting message after the other to `publish` until it refuses one, the window is full or
    /// nothing may go: announcements first, the others only with `states_open`, the queue last. Each then is in
    /// flight under its token.
    pub fn send(
        &mut self,
        now: Instant,
        states_open: bool,
        mut publish: impl FnMut(Token, &Message) -> bool,
    ) {
        // Older messages may be on the card, on whichever topic, until that has said what it has.
        let states_open = states_open && (!self.queue.is_opening() || self.queue.is_silent(now));
        let lanes = if states_open { &[Lane::Announcement, Lane::State][..] } else { &[Lane::Announcement] };
        for &lane in lanes {
            while self.window.has_room(lane == Lane::Announcement) {
                let Some(waiting) = self.next_of(lane) else { break };
                if waiting.expires.is_some_and(|expires| expires <= now) {
                    self.end(waiting, Fate::Expired);
                } else if !self.would_overtake(&waiting.message)
                    && publish(self.window.next(), &waiting.message)
                {
                    let qos = waiting.message.qos;
                    self.window.push(Parcel::Latest(lane, waiting), qos, now);
                } else {
                    self.lane(lane).put_back(waiting);
                    return;
                }
            }
        }
        while states_open && self.window.has_room(false) {
            self.queue.skip_done();
            let Some(message) = self.queue.next() else { return };
            if self.would_overtake(message) || !publish(self.window.next(), message) {
                return;
            }
            let qos = message.qos;
            let place = self.queue.give();
            self.window.push(Parcel::Queued(place), qos, now);
        }
    }

    /// Whether the broker could have `message` before one on its topic that is in flight: at QoS 2 that counts only once it
    /// is released, and whatever is not acknowledged is sent again. Then the older would be the last.
    fn would_overtake(&self, message: &Message) -> bool {
        let mut older = self.window.above(message.qos).filter_map(|it| self.of_parcel(it));
        older.any(|it| it.topic == message.topic)
    }

    /// The message in `parcel`, unless the queue is done with it.
    fn of_parcel<'a>(&'a self, parcel: &'a Parcel) -> Option<&'a Message> {
        match parcel {
            Parcel::Latest(_, waiting) => Some(&waiting.message),
            Parcel::Queued(place) => self.queue.at(*place),
        }
    }

    /// The broker has acknowledged the message sent as `token`: lets go of it. Without effect where no such
    /// message is in flight.
    pub fn acknowledge(&mut self, token: Token) {
        let parcel = self.window.remove(token);
        if let Some(Parcel::Latest(lane, waiting)) = &parcel {
            // Not every broker acknowledges in order; what is older must not come after it.
            self.window.disown_before(token, *lane, &waiting.message.topic);
        }
        let topic = parcel.and_then(|it| self.finish(it, Fate::Delivered));
        self.suspect.acknowledged(topic.as_ref());
    }

    /// There is a new connection, on which nothing is in flight any more: what was waits again, ahead of the rest,
    /// but for what a newer message has replaced meanwhile.
    pub fn rewind(&mut self) {
        for (parcel, again) in self.window.drain_newest_first() {
            let Parcel::Latest(lane, waiting) = parcel else { continue };
            let needless = if again { self.lane(lane).put_back(waiting) } else { Some(waiting) };
            if let Some(needless) = needless {
                self.end(needless, Fate::Replaced);
            }
        }
        self.queue.rewind();
    }

    /// Another link begins, with `window` messages in flight at most: what was handed to the one before waits again.
    pub fn begin_anew(&mut self, window: u16) {
        self.rewind();
        self.window.resize(window);
    }

    /// Gives up the announcements that wait, but those that remove something: all is going to be announced otherwise.
    pub fn forget_announcements(&mut self) {
        let told = self.announcements.iter().filter(|it| !it.message.payload.is_empty());
        let topics: Vec<Topic> = told.map(|it| it.message.topic.clone()).collect();
        for topic in topics {
            self.withdraw(Lane::Announcement, &topic);
        }
    }

    /// A connection begins.
    pub fn connected(&mut self) {
        self.suspect.connected();
    }

    /// The broker has closed the connection, but the session there may be `kept`. Returns the message that it closes
    /// every connection at, once that is certain; it is given up, that the others may go.
    pub fn closed_by_broker(&mut self, kept: bool) -> Option<Message> {
        let (token, parcel) = self.window.oldest()?;
        let message = self.of_parcel(parcel)?.clone();
        if !self.suspect.closed(&message, kept) {
            return None;
        }
        let parcel = self.window.remove(token)?;
        self.finish(parcel, Fate::Dropped);
        Some(message)
    }

    /// How many messages wait to be handed to a connection.
    pub fn waiting(&self) -> u64 {
        self.len().saturating_sub(self.window.len())
    }

    /// How many messages wait or are in flight.
    pub fn len(&self) -> u64 {
        self.total(None).waiting
    }

    /// Whether everything was delivered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every announcement was acknowledged.
    pub fn is_announced(&self) -> bool {
        self.announcements.len() == 0 && !self.window.holds_announcements()
    }

    /// When the oldest message in flight will have been unacknowledged for `limit`.
    pub fn overdue_at(&self, limit: Duration) -> Option<Instant> {
        self.window.oldest_since().map(|since| since + limit)
    }

    /// Has the messages on `topic` counted by themselves, from now on.
    pub fn track(&mut self, topic: &Topic) {
        self.tallies.track(topic);
    }

    /// Ends what [`Outbox::track`] began.
    pub fn untrack(&mut self, topic: &Topic) {
        self.tallies.untrack(topic);
    }

    /// What became of all messages; with `now`, also how long the oldest has waited then.
    pub fn total(&self, now: Option<Instant>) -> Figures {
        self.tallies.total(now.and_then(|now| self.oldest(now, |_| true)))
    }

    /// What became of the messages on `topic`, which must be [tracked](Outbox::track).
    pub fn of(&self, topic: &Topic, now: Instant) -> Figures {
        // The oldest in memory is older than those on the card alone, on whichever topics those are.
        let oldest = self.oldest(now, |it| it == topic).or_else(|| self.oldest(now, |_| true));
        self.tallies.of(topic, oldest)
    }

    /// How many of the messages that wait are on the card, and outlive the process.
    pub fn on_card(&self) -> u64 {
        self.queue.on_card()
    }

    /// What is to be asked of the spool at `now`; to be called until there is nothing, after each change.
    pub fn order(&mut self, now: Instant, situation: Situation) -> Option<SpoolOrder> {
        self.queue.order(now, situation)
    }

    /// What to ask of the spool first where an earlier process may have left messages there.
    pub fn open_spool(&mut self, now: Instant) -> SpoolOrder {
        self.queue.open(now)
    }

    /// When, after `now`, [`Outbox::order`] next has something to say by the passing of time alone.
    pub fn order_due(&self, now: Instant, situation: Situation) -> Option<Instant> {
        self.queue.due(now, situation)
    }

    /// Takes what the spool says. Returns what a person should know of it.
    pub fn heard(&mut self, event: SpoolEvent, now: Instant) -> Option<SpoolNews> {
        let is_opened = matches!(event, SpoolEvent::Opened { .. });
        let news = self.queue.heard(event, now, &mut self.tallies);
        // What was said of a topic before anybody knew that older messages on it are there goes behind them.
        let topics = self.states.iter().map(|it| &it.message.topic);
        let behind: Vec<Topic> =
            topics.filter(|it| is_opened && self.tallies.is_queued(it)).cloned().collect();
        for topic in behind {
            if let Some(Waiting { message, accepted, notice, .. }) = self.states.take(&topic) {
                self.tallies.move_to_queue(&topic);
                self.queue.push(message, accepted, notice);
            }
        }
        news
    }

    /// Whether an answer of the spool is awaited that matters to what outlives the process.
    pub fn is_storing(&self) -> bool {
        self.queue.is_storing()
    }

    /// Whether what should be on the card at `now` is only in memory, since the card did not take it.
    pub fn is_degraded(&self, now: Instant) -> bool {
        self.queue.is_degraded(now)
    }

    /// Whether the card, at `now`, has not answered for so long that nobody waits for it any more.
    pub fn is_spool_silent(&self, now: Instant) -> bool {
        self.queue.is_silent(now)
    }

    fn oldest(&self, now: Instant, wanted: impl Fn(&Topic) -> bool) -> Option<Duration> {
        let latest = self.announcements.iter().chain(self.states.iter()).chain(self.window.latest());
        let latest = latest.map(|it| (&it.message.topic, it.accepted));
        let accepted = latest.chain(self.queue.accepted()).filter(|(topic, _)| wanted(topic)).map(|it| it.1);
        accepted.min().map(|at| now.saturating_duration_since(at))
    }

    /// `fate` came over `parcel`, which was in flight. Returns the topic of its message, unless nobody has that any more.
    fn finish(&mut self, parcel: Parcel, fate: Fate) -> Option<Topic> {
        match parcel {
            Parcel::Latest(_, waiting) => {
                let topic = waiting.message.topic.clone();
                self.end(waiting, fate);
                Some(topic)
            }
            Parcel::Queued(place) => {
                let topic = self.queue.finish(place, fate)?;
                self.tallies.end(&topic, true, fate, 1);
                Some(topic)
            }
        }
    }

    /// `fate` came over `waiting`, which stood in a lane.
    fn end(&mut self, waiting: Waiting, fate: Fate) {
        self.tallies.end(&waiting.message.topic, false, fate, 1);
        if let Some(notice) = waiting.notice {
            notice.end(fate);
        }
    }

    /// Takes the message of `lane` whose turn it is.
    fn next_of(&mut self, lane: Lane) -> Option<Waiting> {
        let Outbox { announcements, states, suspect, .. } = self;
        let lane = match lane {
            Lane::Announcement => announcements,
            Lane::State => states,
        };
        lane.pop(|it| suspect.goes_last(it))
    }

    fn lane(&mut self, lane: Lane) -> &mut Latest {
        match lane {
            Lane::Announcement => &mut self.announcements,
            Lane::State => &mut self.states,
        }
    }
}

#[cfg(test)]
mod tests;
