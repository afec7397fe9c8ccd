//! Messages in flight: handed to the connection, not yet acknowledged.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Lane;
use super::latest::Waiting;
use crate::model::Qos;
use crate::model::Token;
use crate::model::Topic;

/// The messages in flight by token. Its size is a distance, not a count: the newest token is less than that above
/// the oldest unacknowledged one, so the connection never runs out of packet identifiers.
#[derive(Debug)]
pub(super) struct Window {
    // Invariant: every key is below `next`; `next - first key <= size + RESERVE`.
    in_flight: BTreeMap<Token, InFlight>,
    next: u64,
    size: u64,
    /// How many of them are announcements.
    announcements: usize,
    /// How many there are of each quality of service.
    by_level: [usize; 3],
}

/// What is in flight.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A message of a lane of which only the newest counts.
    Latest(Lane, Waiting),
    /// The message at this place of the queue.
    Queued(u64),
}

#[derive(Debug)]
struct InFlight {
    parcel: Parcel,
    qos: Qos,
    since: Instant,
    /// Whether it is to be forgotten when the connection ends, rather than sent again.
    disowned: bool,
}

impl Window {
    /// A window of `size` messages, and [`RESERVE`] announcements more.
    pub(super) fn new(size: u16) -> Window {
        let size = u64::from(size.max(1));
        Window { in_flight: BTreeMap::new(), next: 0, size, announcements: 0, by_level: [0; 3] }
    }

    /// Has `size` messages at most from here on.
    pub(super) fn resize(&mut self, size: u16) {
        self.size = u64::from(size.max(1));
    }

    /// Whether one more may go, `announcement` or not.
    pub(super) fn has_room(&self, announcement: bool) -> bool {
        let size = if announcement { self.size + RESERVE } else { self.size };
        self.in_flight.first_key_value().is_none_or(|(oldest, _)| self.next - oldest.0 < size)
    }

    /// The token of the next message.
    pub(super) fn next(&self) -> Token {
        Token(self.next)
    }

    /// `parcel`, a message at `qos`, went out, as [`Window::next`] said, at `now`.
    pub(super) fn push(&mut self, parcel: Parcel, qos: Qos, now: Instant) {
        self.announcements += usize::from(parcel.is_announcement());
        self.by_level[usize::from(qos.level())] += 1;
        self.in_flight.insert(Token(self.next), InFlight { parcel, qos, since: now, disowned: false });
        self.next += 1;
    }

    /// Takes what was sent as `token`.
    pub(super) fn remove(&mut self, token: Token) -> Option<Parcel> {
        let InFlight { parcel, qos, .. } = self.in_flight.remove(&token)?;
        self.announcements -= usize::from(parcel.is_announcement());
        self.by_level[usize::from(qos.level())] -= 1;
        Some(parcel)
    }

    /// Has what is in flight in `lane` on `topic` forgotten when the connection ends.
    pub(super) fn disown(&mut self, lane: Lane, topic: &Topic) {
        for it in self.in_flight.values_mut() {
            if matches!(&it.parcel, Parcel::Latest(of, waiting) if *of == lane && waiting.message.topic == *topic)
            {
                it.disowned = true;
            }
        }
    }

    /// The same, for what was sent before `token` alone.
    pub(super) fn disown_before(&mut self, token: Token, lane: Lane, topic: &Topic) {
        for (_, it) in self.in_flight.range_mut(..token) {
            if matches!(&it.parcel, Parcel::Latest(of, waiting) if *of == lane && waiting.message.topic == *topic)
            {
                it.disowned = true;
            }
        }
    }

    /// Takes all that is in flight, newest first, and whether each is to be sent again. Their tokens are never used again.
    pub(super) fn drain_newest_first(&mut self) -> impl Iterator<Item = (Parcel, bool)> + use<> {
        (self.announcements, self.by_level) = (0, [0; 3]);
        let in_flight = std::mem::take(&mut self.in_flight);
        in_flight.into_values().rev().map(|it| (it.parcel, !it.disowned))
    }

    /// The oldest in flight, and its token.
    pub(super) fn oldest(&self) -> Option<(Token, &Parcel)> {
        self.in_flight.first_key_value().map(|(token, oldest)| (*token, &oldest.parcel))
    }

    /// Since when the oldest is in flight.
    pub(super) fn oldest_since(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|(_, oldest)| oldest.since)
    }

    /// What is in flight at a higher quality of service than `qos`. Without a look at each where there is nothing.
    pub(super) fn above(&self, qos: Qos) -> impl Iterator<Item = &Parcel> {
        let higher = &self.by_level[usize::from(qos.level()) + 1..];
        let count: usize = higher.iter().sum();
        self.in_flight
            .values()
            .take(if count == 0 { 0 } else { usize::MAX })
            .filter(move |it| it.qos > qos)
            .map(|it| &it.parcel)
    }

    /// What is in flight, but for what stands in the queue; the oldest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Waiting> {
        self.in_flight.values().filter_map(|it| match &it.parcel {
            Parcel::Latest(_, waiting) => Some(waiting),
            Parcel::Queued(_) => None,
        })
    }

    /// How many messages are in flight.
    pub(super) fn len(&self) -> u64 {
        self.in_flight.len() as u64
    }

    /// Whether any announcement is in flight.
    pub(super) fn holds_announcements(&self) -> bool {
        self.announcements > 0
    }
}

impl Parcel {
    fn is_announcement(&self) -> bool {
        matches!(self, Parcel::Latest(Lane::Announcement, _))
    }
}

/// What announcements have beyond the window of all others: `offline` must get away although a broker that has fallen
/// silent has acknowledged nothing.
pub(super) const RESERVE: u64 = 10;
