//! Everything that can happen to the bridge, and the inbox it comes through.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TryRecvError, never, select_biased};

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
use crate::outbox::Notice;
use crate::outbox::spool::SpoolEvent;

/// Everything that can happen to the bridge. Nothing else changes its state.
#[derive(Debug)]
pub(super) enum Event {
    /// A source or a producer has a value.
    Reading(Reading),
    /// Somebody has something that must not be lost.
    Post(Post),
    /// Somebody announces or removes an entity, or wants to know something.
    Request(Request),
    /// The connection to the broker changed, delivered or received.
    Link(LinkEvent),
    /// The spool answers.
    Spool(SpoolEvent),
    /// A deadline the bridge set for itself has passed.
    Tick,
}

impl Event {
    /// Whether it is one of many of its kind, of which some can be taken before anything else is looked at.
    pub(super) fn is_frequent(&self) -> bool {
        matches!(self, Event::Reading(_) | Event::Post(_) | Event::Link(LinkEvent::Delivered(_)))
    }
}

/// Something that is accepted once the bridge has taken it.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) told: Told,
    /// Hears what becomes of it.
    pub(super) notice: Option<Notice>,
}

/// What somebody tells the bridge.
#[derive(Debug)]
pub(super) enum Told {
    /// A message to be published as it is.
    Message(Message, Delivery),
    /// Something of an entity.
    Telling(Telling),
}

impl Told {
    /// How much it holds, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Told::Message(message, _) => message.topic.as_str().len() + message.payload.len(),
            Told::Telling(Telling::Attributes(_, text)) => text.len(),
            Told::Telling(Telling::Reading(_) | Telling::Available(..)) => 0,
        }
    }
}

/// What is told of an entity that is registered.
#[derive(Clone, Debug, PartialEq)]
pub enum Telling {
    /// Its newest value.
    Reading(Reading),
    /// Its attributes: a JSON object, from [`Entity::attributes_payload`].
    Attributes(ObjectId, String),
    /// Whether it is available, apart from its device.
    Available(ObjectId, bool),
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

impl From<Reading> for Telling {
    fn from(reading: Reading) -> Telling {
        Telling::Reading(reading)
    }
}

/// The receiving ends of everything that reports to the bridge.
#[derive(Debug)]
pub struct Inbox {
    /// Closes when the bridge is to stop.
    pub(super) stop: Receiver<Infallible>,
    pub(super) link: Receiver<LinkEvent>,
    pub(super) spool: Receiver<SpoolEvent>,
    pub(super) requests: Receiver<Request>,
    pub(super) posts: Receiver<Post>,
    /// Keeps both open when the last client is gone: sources need none.
    pub(super) _requests: Sender<Request>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) readings: Receiver<Reading>,
    /// Stands for `posts` while there is no room for more of them.
    pub(super) nothing: Receiver<Post>,
    /// How many events of the link have come one after the other.
    pub(super) of_link: Cell<u32>,
}

impl Inbox {
    /// Blocks for the next event, or until `deadline`; `None` once the bridge is to stop, or has lost its link.
    /// What makes room comes first: acknowledgements, then the spool. Messages are left where they are unless there is
    /// `room` for them, so that those who publish notice. A broker that sends without a pause, as it does with thousands of
    /// retained messages, leaves everybody else a turn now and then.
    pub(super) fn next(&self, deadline: Option<Instant>, room: bool) -> Option<Event> {
        if self.stop.try_recv() == Err(TryRecvError::Disconnected) {
            return None;
        }
        match self.ready(room) {
            Err(TryRecvError::Empty) => {}
            event => return event.ok(),
        }
        let posts = if room { &self.posts } else { &self.nothing };
        let deadline = deadline.map_or_else(never, crossbeam_channel::at);
        select_biased! {
            recv(self.stop) -> _ => None,
            recv(self.link) -> it => it.ok().map(|it| self.of_link(it)),
            recv(self.spool) -> it => it.ok().map(Event::Spool),
            recv(self.requests) -> it => it.ok().map(Event::Request),
            recv(self.readings) -> it => it.ok().map(Event::Reading),
            recv(posts) -> it => it.ok().map(|it| self.taken(it)),
            recv(deadline) -> _ => Some(Event::Tick),
        }
    }

    /// The event that [`Inbox::next`] has without waiting.
    ///
    /// # Errors
    ///
    /// `Empty`, or `Disconnected` where the link is lost.
    pub(super) fn ready(&self, room: bool) -> Result<Event, TryRecvError> {
        let link = || self.link.try_recv().map(|it| self.of_link(it));
        let others = || {
            self.of_link.set(0);
            let posts = if room { &self.posts } else { &self.nothing };
            let event = self.spool.try_recv().map(Event::Spool);
            let event = event.or_else(|_| self.requests.try_recv().map(Event::Request));
            let event = event.or_else(|_| self.readings.try_recv().map(Event::Reading));
            event.or_else(|_| posts.try_recv().map(|it| self.taken(it))).map_err(|_| TryRecvError::Empty)
        };
        if self.of_link.get() >= LINK_TURNS {
            return others().or_else(|_| link());
        }
        match link() {
            Err(TryRecvError::Empty) => others(),
            event => event,
        }
    }

    fn of_link(&self, event: LinkEvent) -> Event {
        self.of_link.set(self.of_link.get() + 1);
        Event::Link(event)
    }

    fn taken(&self, post: Post) -> Event {
        self.entrance.taken(&post, &self.posts);
        Event::Post(post)
    }

    /// The bridge is to stop when `stop` closes, and not at what was before.
    pub fn stop_at(&mut self, stop: Receiver<Infallible>) {
        self.stop = stop;
    }

    /// What is there already, without waiting: no message is accepted from here on, and of the rest what comes later is
    /// left, for it may never end.
    pub(super) fn left(&self) -> impl Iterator<Item = Event> {
        self.entrance.close();
        let requests = self.requests.try_iter().take(self.requests.len()).map(Event::Request);
        let readings = self.readings.try_iter().take(self.readings.len()).map(Event::Reading);
        requests.chain(readings).chain(self.posts.try_iter().map(Event::Post))
    }

    /// Takes nothing more from clients and sources: those who send learn of it at once.
    pub(super) fn close(&mut self) {
        (self.requests, self.posts, self.readings) = (never(), never(), never());
    }
}

/// After so many events of the link in a row somebody else has a turn: as many as it takes to keep the window full.
const LINK_TURNS: u32 = 16;
