//! The handle to a running bridge.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crossbeam_channel::{Sender, bounded};

use super::Presence;
use super::entrance::Entrance;
use super::event::{Publish, Request};
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::model::Delivery;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::Report;
use crate::model::SpoolMode;
use crate::worker::Outlet;

/// A handle to the running bridge, cheap to clone and to share between threads.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) presence: Arc<Presence>,
    pub(super) requests: Sender<Request>,
    pub(super) publishes: Arc<Entrance>,
    pub(super) readings: Outlet<Reading>,
    /// Where messages of [`Delivery::Every`] wait, and how much room there is.
    pub(super) spool: SpoolMode,
    pub(super) spool_bytes: u64,
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
    /// The bridge is behind: neither the broker nor the card takes messages as fast as they come. Try again in a
    /// moment.
    Full,
    /// The bridge has stopped.
    Stopped,
    /// Topic and payload have more bytes together than this: what MQTT allows (MQTT 3.1.1, section 2.2.3), or half of
    /// `[Spool] MAX_BYTES`, where the message is to wait in the spool.
    LargerThan(u64),
}

impl Client {
    /// Announces `entity` to Home Assistant. One with the same id is replaced; its state stays where it means
    /// the same (so that a name or an icon can change), else it is unknown until the next reading.
    /// Blocks only while the bridge is busy with earlier requests: microseconds. Without effect once the
    /// bridge has stopped.
    ///
    /// # Errors
    ///
    /// [`EntityError`], with nothing done, when it does not go with this device.
    pub fn register(&self, entity: Entity) -> Result<(), EntityError> {
        self.presence.check(&entity)?;
        let _ = self.requests.send(Request::Register(Box::new(entity)));
        Ok(())
    }

    /// Removes the entity `id` from Home Assistant: its discovery and its retained state. Blocks as
    /// [`Client::register`] does. An id that was never registered is no error.
    pub fn unregister(&self, id: ObjectId) {
        let _ = self.requests.send(Request::Unregister(id));
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
        let largest = if delivery == Delivery::Every { LARGEST.min(self.spool_bytes / 2) } else { LARGEST };
        if (message.topic.as_str().len() + message.payload.len()) as u64 > largest {
            return Err(Refused { message, cause: RefusedBecause::LargerThan(largest) });
        }
        let promised =
            delivery == Delivery::Every && self.spool == SpoolMode::Always && message.qos > Qos::AtMostOnce;
        if !promised {
            return self.hand_over(Publish { message, delivery, stored: None });
        }
        let (stored, heard) = bounded(1);
        self.hand_over(Publish { message: message.clone(), delivery, stored: Some(stored) })?;
        heard.recv().map_err(|_| Refused { message, cause: RefusedBecause::Stopped })
    }

    fn hand_over(&self, publish: Publish) -> Result<(), Refused> {
        let entered = self.publishes.enter(publish);
        entered.map_err(|(publish, cause)| Refused { message: publish.message, cause })
    }

    /// Offers `reading`. Never blocks; when the bridge is behind, it is dropped and counted. Returns whether it was
    /// taken.
    pub fn offer(&self, reading: Reading) -> bool {
        self.readings.offer(reading)
    }

    /// Where a source puts its readings: [`Client::offer`] as a value of its own.
    pub fn outlet(&self) -> Outlet<Reading> {
        self.readings.clone()
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
const LARGEST: u64 = 268_435_455 - 4;
