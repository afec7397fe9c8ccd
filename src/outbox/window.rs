//! Messages in flight: handed to the connection, not yet acknowledged.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Lane;
use super::latest::Waiting;
use crate::model::Token;
use crate::model::Topic;

/// The messages in flight by token. Its size is a distance, not a count: the newest token is less than
/// [`SIZE`] above the oldest unacknowledged one, so the connection never runs out of packet identifiers.
#[derive(Debug, Default)]
pub(super) struct Window {
    // Invariant: every key is below `next`; `next - first key <= SIZE`.
    in_flight: BTreeMap<Token, InFlight>,
    next: u64,
}

#[derive(Debug)]
struct InFlight {
    lane: Lane,
    waiting: Waiting,
    since: Instant,
    /// Whether it is to be forgotten when the connection ends, rather than sent again.
    disowned: bool,
}

impl Window {
    /// Whether one more of `lane` may go.
    pub(super) fn has_room(&self, lane: Lane) -> bool {
        let size = match lane {
            Lane::Announcement => SIZE,
            Lane::State => STATES_SIZE,
        };
        self.in_flight.first_key_value().is_none_or(|(oldest, _)| self.next - oldest.0 < size)
    }

    /// The token of the next message.
    pub(super) fn next(&self) -> Token {
        Token(self.next)
    }

    /// `waiting` went out, as [`Window::next`] said, at `now`.
    pub(super) fn push(&mut self, lane: Lane, waiting: Waiting, now: Instant) {
        debug_assert!(self.has_room(lane));
        self.in_flight.insert(Token(self.next), InFlight { lane, waiting, since: now, disowned: false });
        self.next += 1;
    }

    /// Lets go of the message sent as `token`. Returns whether there was one.
    pub(super) fn remove(&mut self, token: Token) -> bool {
        self.in_flight.remove(&token).is_some()
    }

    /// Has what is in flight on `topic` forgotten when the connection ends.
    pub(super) fn disown(&mut self, lane: Lane, topic: &Topic) {
        let on_topic = |it: &&mut InFlight| it.lane == lane && it.waiting.message.topic == *topic;
        self.in_flight.values_mut().filter(on_topic).for_each(|it| it.disowned = true);
    }

    /// Takes all that is in flight and not disowned, newest first. Their tokens are never used again.
    pub(super) fn drain_newest_first(&mut self) -> impl Iterator<Item = (Lane, Waiting)> + use<> {
        let in_flight = std::mem::take(&mut self.in_flight);
        in_flight.into_values().rev().filter(|it| !it.disowned).map(|it| (it.lane, it.waiting))
    }

    /// Since when the oldest is in flight.
    pub(super) fn oldest_since(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|(_, oldest)| oldest.since)
    }

    /// Whether any message of `lane` is in flight.
    pub(super) fn holds(&self, lane: Lane) -> bool {
        self.in_flight.values().any(|it| it.lane == lane)
    }

    /// How many messages are in flight.
    pub(super) fn len(&self) -> usize {
        self.in_flight.len()
    }
}

/// Largest distance between the oldest and the newest in flight: with 100 the connection is as fast as
/// it gets, and it stays well below the 256 packet identifiers it has.
const SIZE: u64 = 100;
/// The same where states are concerned. The rest is for announcements: `offline` must get away although a broker
/// that has fallen silent has acknowledged no state.
pub(super) const STATES_SIZE: u64 = SIZE - 10;
