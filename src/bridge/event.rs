//! Everything that can happen to the bridge, and the inbox it comes through.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, never, select_biased};

use super::entrance::Entrance;
use super::follow::FollowRequest;
use crate::dispatch::Mailbox;
use crate::dispatch::SubscriptionId;
use crate::entity::Entity;
use crate::link::LinkEvent;
use crate::model::Delivery;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::Report;
use crate::model::TopicFilter;
use crate::outbox::Receipt;
use crate::outbox::spool::SpoolEvent;

/// Everything that can happen to the bridge. Nothing else changes its state.
#[derive(Debug)]
pub(super) enum Event {
    /// A source or a producer has a value.
    Reading(Reading),
    /// Somebody has a message of their own.
    Publish(Publish),
    /// Somebody announces or removes an entity, or wants to know something.
    Request(Request),
    /// The connection to the broker changed, delivered or received.
    Link(LinkEvent),
    /// The spool answers.
    Spool(SpoolEvent),
    /// A deadline the bridge set for itself has passed.
    Tick,
}

/// A message to be published as it is.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) message: Message,
    pub(super) delivery: Delivery,
    /// Hears once the message is on the card, for those who were promised that.
    pub(super) stored: Option<Sender<()>>,
    /// Hears what became of the message.
    pub(super) receipt: Option<Receipt>,
}

/// What a [`Handle`](super::Handle) asks of the bridge.
#[derive(Debug)]
pub(super) enum Request {
    /// Announce this entity, in the place of any other with its id.
    Register(Box<Entity>),
    /// Remove this entity from Home Assistant.
    Unregister(ObjectId),
    /// Send these groups of messages, announce everything anew, send these, and tell when that is done.
    Depart(Vec<Vec<Message>>, Vec<Message>, Sender<()>),
    /// Tell when nothing that is to be announced waits any more.
    Announced(Sender<()>),
    /// Tell what became of all messages.
    Report(Sender<Report>),
    /// Publish these attributes of an entity: a JSON object.
    Attributes(ObjectId, String),
    /// Say that an entity is available, or that it is not.
    Available(ObjectId, bool),
    /// Hand on what the broker sends. Hears whether that is done.
    Subscribe(Subscriber, Sender<bool>),
    /// Do so no longer. Hears once it is so.
    Unsubscribe(SubscriptionId, Sender<()>),
    /// About what others announce.
    Follow(FollowRequest),
}

/// Somebody who wants to have what the broker sends.
#[derive(Debug)]
pub struct Subscriber {
    /// From [`Handle::subscription_id`](super::Handle::subscription_id).
    pub id: SubscriptionId,
    /// The entity with which the subscription ends.
    pub owner: Option<ObjectId>,
    /// On which topics.
    pub filter: TopicFilter,
    /// The highest quality of service at which messages come.
    pub qos: Qos,
    /// Where they go.
    pub mailbox: Mailbox,
}

/// The receiving ends of everything that reports to the bridge.
#[derive(Debug)]
pub struct Inbox {
    /// Closes when the bridge is to stop.
    pub(super) stop: Receiver<Infallible>,
    pub(super) link: Receiver<LinkEvent>,
    pub(super) spool: Receiver<SpoolEvent>,
    pub(super) requests: Receiver<Request>,
    pub(super) publishes: Receiver<Publish>,
    /// Keeps both open when the last client is gone: sources need none.
    pub(super) _requests: Sender<Request>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) readings: Receiver<Reading>,
    /// Stands for `publishes` while there is no room for more of them.
    pub(super) nothing: Receiver<Publish>,
    /// How many events of the link have come one after the other.
    pub(super) of_link: Cell<u32>,
}

impl Inbox {
    /// Blocks for the next event, or until `deadline`; `None` once the bridge is to stop, or has lost its link.
    /// What makes room comes first: acknowledgements, then the spool. Messages are left where they are unless there is
    /// `room` for them, so that those who publish notice. A broker that sends without a pause, as it does with thousands of
    /// retained messages, leaves everybody else a turn now and then.
    pub(super) fn next(&self, deadline: Option<Instant>, room: bool) -> Option<Event> {
        let publishes = if room { &self.publishes } else { &self.nothing };
        if self.of_link.get() >= LINK_TURNS {
            self.of_link.set(0);
            let others = self.spool.try_recv().map(Event::Spool);
            let others = others.or_else(|_| self.requests.try_recv().map(Event::Request));
            let others = others.or_else(|_| self.readings.try_recv().map(Event::Reading));
            if let Ok(event) = others.or_else(|_| publishes.try_recv().map(Event::Publish)) {
                return Some(event);
            }
        }
        let deadline = deadline.map_or_else(never, crossbeam_channel::at);
        let turns = self.of_link.replace(0);
        select_biased! {
            recv(self.stop) -> _ => None,
            recv(self.link) -> it => {
                self.of_link.set(turns + 1);
                it.ok().map(Event::Link)
            }
            recv(self.spool) -> it => it.ok().map(Event::Spool),
            recv(self.requests) -> it => it.ok().map(Event::Request),
            recv(self.readings) -> it => it.ok().map(Event::Reading),
            recv(publishes) -> it => it.ok().map(Event::Publish),
            recv(deadline) -> _ => Some(Event::Tick),
        }
    }

    /// What is there already, without waiting: no message is accepted from here on, and of the rest what comes later is
    /// left, for it may never end.
    pub(super) fn left(&self) -> impl Iterator<Item = Event> {
        self.entrance.close();
        let requests = self.requests.try_iter().take(self.requests.len()).map(Event::Request);
        let readings = self.readings.try_iter().take(self.readings.len()).map(Event::Reading);
        requests.chain(readings).chain(self.publishes.try_iter().map(Event::Publish))
    }

    /// Takes nothing more from clients and sources: those who send learn of it at once.
    pub(super) fn close(&mut self) {
        (self.requests, self.publishes, self.readings) = (never(), never(), never());
    }
}

/// After so many events of the link in a row somebody else has a turn: as many as it takes to keep the window full.
const LINK_TURNS: u32 = 16;
