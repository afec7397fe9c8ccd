//! The handle to a running bridge: [`Handle`].

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Presence;
use super::Subscriber;
use super::entrance::Entrance;
use super::event::{Post, Request, Telling, Told};
use super::follow::FollowRequest;
use crate::dispatch::SubscriptionId;
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::entity::Topics;
use crate::model::Delivery;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::Report;
use crate::model::SpoolMode;
use crate::outbox::Awaited;
use crate::outbox::Notice;
use crate::worker::Outlet;

/// A handle to the running bridge, cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Handle {
    /// As it is now: another connection may have another.
    pub(super) presence: Arc<RwLock<Arc<Presence>>>,
    pub(super) requests: Sender<Request>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) readings: Outlet<Reading>,
    /// Where messages of [`Delivery::Every`] wait, and how much room there is.
    pub(super) spool: SpoolMode,
    pub(super) spool_bytes: u64,
    /// How many subscriptions there were, over all handles.
    pub(super) subscriptions: Arc<AtomicU64>,
}

/// How something was accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accepted {
    /// It is: it will be delivered as promised.
    Now,
    /// It is once it is on the card: its notice says so ([`News::Stored`](crate::outbox::News::Stored)), or how it has ended
    /// before.
    WhenStored,
}

/// A message that was not accepted, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The message, as it was.
    pub message: Message,
    /// Why.
    pub cause: RefusedBecause,
}

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefusedBecause {
    /// 256 messages and readings, or 1 MiB of them, wait for the bridge: neither the broker nor the card takes messages as fast as they come. Try again
    /// in a moment.
    Full,
    /// The connection was ended.
    Stopped,
    /// Topic and payload have more bytes together than this: what MQTT allows (MQTT 3.1.1, section 2.2.3), or half of
    /// `[Spool] MAX_BYTES`, where the message is to wait in the spool.
    LargerThan(u64),
}

impl Handle {
    /// Announces `entity` to Home Assistant. One with the same id is replaced; its state stays where it means
    /// the same (so that a name or an icon can change), else it is unknown until the next reading.
    /// Blocks only while the bridge is busy with earlier requests: microseconds. Without effect once the
    /// bridge has stopped.
    ///
    /// # Errors
    ///
    /// [`EntityError`], with nothing done, when it does not go with this device.
    pub fn register(&self, entity: Entity) -> Result<(), EntityError> {
        self.presence().check(&entity)?;
        let _ = self.requests.send(Request::Register(Box::new(entity)));
        Ok(())
    }

    /// Removes the entity `id` from Home Assistant: its discovery and its retained state. Blocks as
    /// [`Handle::register`] does. An id that was never registered is no error.
    pub fn unregister(&self, id: ObjectId) {
        let _ = self.requests.send(Request::Unregister(id));
    }

    /// As [`Bridge::depart`](super::Bridge::depart), of a bridge that runs: for what is registered right after this, and is
    /// known to Home Assistant from another topic. Everything is announced anew for that, and states wait for it. Blocks as
    /// [`Handle::register`] does.
    pub fn depart(&self, before: Vec<Vec<Message>>, after: Vec<Message>, done: Sender<()>) {
        let _ = self.requests.send(Request::Depart(before, after, done));
    }

    /// Has `done` get a message, if it has room for one, as soon as there is a connection and nothing of all that is to be
    /// announced or removed waits for the broker. Blocks as [`Handle::register`] does. Where more than 64 wait for that, the
    /// first of them never hears of it: its channel closes.
    pub fn when_announced(&self, done: Sender<()>) {
        let _ = self.requests.send(Request::Announced(done));
    }

    /// Publishes `message` as it is. It is accepted once this returns, and then delivered as `delivery` and its quality
    /// of service say, through whatever happens to broker and network.
    ///
    /// Never waits for network or disk, but in one case: with `[Spool] MODE=always`, a message of
    /// [`Delivery::Every`] at QoS 1 or 2 is on the card before this returns (or, if the card fails, in memory as with
    /// the other modes): as long as the card takes, some milliseconds to a second.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the message in it; it is not delivered then.
    pub fn publish(&self, message: Message, delivery: Delivery) -> Result<(), Refused> {
        if self.stores_first(Some(delivery), Some(message.qos)) {
            return self.publish_with_notice(message, delivery).map(drop);
        }
        self.submit(message, delivery, None).map(drop)
    }

    /// As [`Handle::publish`]; what became of the message comes out of what is returned.
    ///
    /// # Errors
    ///
    /// As [`Handle::publish`].
    pub fn publish_with_notice(&self, message: Message, delivery: Delivery) -> Result<Awaited, Refused> {
        let (notice, awaited) = Notice::channel();
        let copy = message.clone();
        match self.submit(message, delivery, Some(notice))? {
            Accepted::WhenStored if !awaited.is_stored() => {
                Err(Refused { message: copy, cause: RefusedBecause::Stopped })
            }
            _ => Ok(awaited),
        }
    }

    /// As [`Handle::publish`], but never blocks: what is promised of a message that has to be on the card first holds once
    /// `notice` says so. That also hears what becomes of the message, in this process.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the message in it; `notice` hears nothing of it. Where it is [`RefusedBecause::Full`],
    /// [`Handle::when_room`] says when to try again.
    pub fn submit(
        &self,
        message: Message,
        delivery: Delivery,
        notice: Option<Notice>,
    ) -> Result<Accepted, Refused> {
        let largest = if delivery == Delivery::Every { LARGEST.min(self.spool_bytes / 2) } else { LARGEST };
        if (message.topic.as_str().len() + message.payload.len()) as u64 > largest {
            notice.into_iter().for_each(Notice::forget);
            return Err(Refused { message, cause: RefusedBecause::LargerThan(largest) });
        }
        let stores_first = self.stores_first(Some(delivery), Some(message.qos));
        self.enter(Told::Message(message, delivery), notice, stores_first).map_err(|(told, cause)| match told
        {
            Told::Message(message, _) => Refused { message, cause },
            Told::Telling(_) => unreachable!("what is given back is what was given"),
        })
    }

    /// Tells something of an entity that is registered: as surely as a message of its own, with the quality of service and the
    /// class of delivery that the entity has (or its reading). Unlike [`Handle::offer`] it is never lost for want of room: it
    /// is refused before. Never blocks.
    ///
    /// A value that is the same as the last is told again, so that it counts as new. `notice` hears what becomes of the
    /// message that tells it: [dropped](crate::model::Fate::Dropped) where there is none, since there is no such entity any
    /// more, or Home Assistant would refuse the value. [`Accepted::WhenStored`] as of [`Handle::submit`].
    ///
    /// # Errors
    ///
    /// What was to be told, and why it is not: [`RefusedBecause::Full`] or [`RefusedBecause::Stopped`]; `notice` hears nothing
    /// of it.
    pub fn tell(
        &self,
        telling: impl Into<Telling>,
        notice: Option<Notice>,
    ) -> Result<Accepted, (Telling, RefusedBecause)> {
        let telling = telling.into();
        let stores_first = match &telling {
            Telling::Reading(reading) => self.stores_first(reading.delivery, reading.qos),
            Telling::Attributes(..) | Telling::Available(..) => false,
        };
        self.enter(Told::Telling(telling), notice, stores_first).map_err(|(told, cause)| match told {
            Told::Telling(telling) => (telling, cause),
            Told::Message(..) => unreachable!("what is given back is what was given"),
        })
    }

    /// Has `call` called, on the thread of the bridge, as soon as there is room again where something was refused as
    /// [`RefusedBecause::Full`], and when the bridge stops. Nothing may block in there. There is one for all handles: it takes
    /// the place of the one before.
    pub fn when_room(&self, call: impl Fn() + Send + Sync + 'static) {
        self.entrance.when_room(call);
    }

    /// Whether something that is to be delivered so has to be on the card before it is accepted, or may have to, where that
    /// is left to its entity.
    fn stores_first(&self, delivery: Option<Delivery>, qos: Option<Qos>) -> bool {
        self.spool == SpoolMode::Always && delivery != Some(Delivery::Latest) && qos != Some(Qos::AtMostOnce)
    }

    fn enter(
        &self,
        told: Told,
        mut notice: Option<Notice>,
        stores_first: bool,
    ) -> Result<Accepted, (Told, RefusedBecause)> {
        if stores_first {
            notice.iter_mut().for_each(Notice::promise);
        }
        self.entrance.enter(Post { told, notice })?;
        Ok(if stores_first { Accepted::WhenStored } else { Accepted::Now })
    }

    /// Offers `reading`. Never blocks; when the bridge is behind, it is dropped and counted. Returns whether it was
    /// taken.
    pub fn offer(&self, reading: Reading) -> bool {
        self.readings.offer(reading)
    }

    /// Where a source puts its readings: [`Handle::offer`] as a value of its own.
    pub fn outlet(&self) -> Outlet<Reading> {
        self.readings.clone()
    }

    /// Publishes `attributes`, a JSON object, of the entity `id`. Blocks as [`Handle::register`] does; without effect for
    /// an entity that has none.
    pub fn set_attributes(&self, id: ObjectId, attributes: String) {
        let _ = self.requests.send(Request::Attributes(id, attributes));
    }

    /// Says whether the entity `id` is available, apart from its device. Blocks as [`Handle::register`] does; without
    /// effect for an entity that has no availability of its own.
    pub fn set_available(&self, id: ObjectId, available: bool) {
        let _ = self.requests.send(Request::Available(id, available));
    }

    /// A name for a subscription that nobody else has.
    pub fn subscription_id(&self) -> SubscriptionId {
        SubscriptionId(self.subscriptions.fetch_add(1, Relaxed))
    }

    /// Has what the broker sends to `subscriber` put into its mailbox, on this connection and all after it, until
    /// [`Handle::unsubscribe`], or until the entity that owns it is removed. Blocks until the bridge has the time:
    /// microseconds. Returns whether it is so; not where there is no such entity. `None` once the bridge has stopped.
    pub fn subscribe(&self, subscriber: Subscriber) -> Option<bool> {
        self.subscribing(subscriber)?.recv().ok()
    }

    /// The same, and whoever wants to know whether it is so waits for what is returned.
    pub fn subscribing(&self, subscriber: Subscriber) -> Option<Receiver<bool>> {
        let (tell, told) = bounded(1);
        self.requests.send(Request::Subscribe(subscriber, tell)).ok().map(|()| told)
    }

    /// Ends a subscription: nothing is put into its mailbox any more once this returns, and no call of its callback begins.
    /// Blocks until the bridge has the time: microseconds.
    pub fn unsubscribe(&self, id: SubscriptionId) {
        let _ = self.unsubscribing(id).map(|it| it.recv());
    }

    /// The same, and whoever wants it to be so waits for what is returned.
    pub fn unsubscribing(&self, id: SubscriptionId) -> Option<Receiver<()>> {
        let (tell, told) = bounded(1);
        self.requests.send(Request::Unsubscribe(id, tell)).ok().map(|()| told)
    }

    /// Asks something of what others announce. False once the bridge has stopped.
    pub(super) fn follow(&self, request: FollowRequest) -> bool {
        self.requests.send(Request::Follow(request)).is_ok()
    }

    /// What is the same for everything that is announced now.
    pub fn presence(&self) -> Arc<Presence> {
        Arc::clone(&self.presence.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where entities are announced, and where their states go, now.
    pub fn topics(&self) -> Topics {
        self.presence().topics.clone()
    }

    /// Quality of service of all that says nothing else.
    pub fn qos(&self) -> Qos {
        self.presence().qos
    }

    /// What became of all messages so far, in all and for each entity; `None` once the bridge has stopped. Blocks until
    /// the bridge has the time: microseconds, a millisecond where much waits.
    pub fn report(&self) -> Option<Report> {
        let (tell, told) = bounded(1);
        self.requests.send(Request::Report(tell)).ok()?;
        told.recv().ok()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot publish {} bytes on {}", self.message.payload.len(), self.message.topic)
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for RefusedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusedBecause::Full => f.write_str("messages come faster than broker and card take them"),
            RefusedBecause::Stopped => f.write_str("the connection to the broker was ended"),
            RefusedBecause::LargerThan(most) => {
                write!(f, "topic and payload may have {most} bytes together")
            }
        }
    }
}

impl Error for RefusedBecause {}

/// What MQTT can express, less the length of the topic and the packet identifier.
pub(super) const LARGEST: u64 = 268_435_455 - 4;
