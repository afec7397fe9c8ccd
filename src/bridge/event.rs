//! Everything that can happen to the bridge, and the inbox it comes through.

use std::convert::Infallible;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, at, never, select_biased};

use crate::entity::Entity;
use crate::link::LinkEvent;
use crate::model::ObjectId;
use crate::model::Reading;

/// Everything that can happen to the bridge. Nothing else changes its state.
#[derive(Debug)]
pub(super) enum Event {
    /// A source or a producer has a value.
    Reading(Reading),
    /// Somebody announces or removes an entity.
    Request(Request),
    /// The connection to the broker changed, delivered or received.
    Link(LinkEvent),
    /// A deadline the bridge set for itself has passed.
    Tick,
}

/// What a [`Client`](super::Client) asks of the bridge.
#[derive(Debug)]
pub(super) enum Request {
    /// Announce this entity, in the place of any other with its id.
    Register(Box<Entity>),
    /// Remove this entity from Home Assistant.
    Unregister(ObjectId),
}

/// The receiving ends of everything that reports to the bridge.
#[derive(Debug)]
pub struct Inbox {
    /// Closes when the bridge is to stop.
    pub(super) stop: Receiver<Infallible>,
    pub(super) link: Receiver<LinkEvent>,
    pub(super) requests: Receiver<Request>,
    /// Keeps `requests` open when the last client is gone: sources need none.
    pub(super) _open: Sender<Request>,
    pub(super) readings: Receiver<Reading>,
}

impl Inbox {
    /// Blocks for the next event, or until `deadline`; `None` once the bridge is to stop, or has lost its link.
    /// The link comes before readings: an acknowledgement makes room, a reading takes it.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Option<Event> {
        let deadline = deadline.map_or_else(never, at);
        select_biased! {
            recv(self.stop) -> _ => None,
            recv(self.link) -> it => it.ok().map(Event::Link),
            recv(self.requests) -> it => it.ok().map(Event::Request),
            recv(self.readings) -> it => it.ok().map(Event::Reading),
            recv(deadline) -> _ => Some(Event::Tick),
        }
    }

    /// What is there already, without waiting.
    pub(super) fn left(&self) -> Option<Event> {
        let request = self.requests.try_recv().ok().map(Event::Request);
        request.or_else(|| self.readings.try_recv().ok().map(Event::Reading))
    }
}
