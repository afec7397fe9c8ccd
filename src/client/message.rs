//! A message on its way out of a program: [`OutgoingMessage`].

use std::fmt;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::PublishError;
use crate::bridge::Handle;
use crate::model::Delivery;
use crate::model::Fate;
use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;

/// A message that is still to be published: made by [`Client::message`](super::Client::message).
#[must_use = "a message goes nowhere until it is published"]
pub struct OutgoingMessage<'a> {
    handle: &'a Handle,
    topic: &'a str,
    payload: Vec<u8>,
    qos: Qos,
    retain: bool,
    delivery: Delivery,
}

/// The payload shows as its length only: it may be long, binary or private.
impl fmt::Debug for OutgoingMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingMessage")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

impl<'a> OutgoingMessage<'a> {
    pub(super) fn new(handle: &'a Handle, topic: &'a str, payload: Vec<u8>) -> OutgoingMessage<'a> {
        OutgoingMessage {
            handle,
            topic,
            payload,
            qos: handle.qos(),
            retain: false,
            delivery: Delivery::Every,
        }
    }

    /// How surely it is delivered. As configured (`[Client] QOS`, 1 unless set), unless told here.
    pub fn qos(mut self, qos: Qos) -> OutgoingMessage<'a> {
        self.qos = qos;
        self
    }

    /// Has the broker keep it for those who subscribe later, in the place of what it kept on the topic before. An empty
    /// payload has it keep nothing (MQTT 3.1.1, section 3.3.1.3).
    pub fn retain(mut self) -> OutgoingMessage<'a> {
        self.retain = true;
        self
    }

    /// Whether it is one of which every one counts (it is, unless told here), or one that a newer one on its topic may
    /// replace while it waits.
    pub fn delivery(mut self, delivery: Delivery) -> OutgoingMessage<'a> {
        self.delivery = delivery;
        self
    }

    /// Publishes it, as [`Client::publish_message`](super::Client::publish_message).
    ///
    /// # Errors
    ///
    /// [`PublishError::Topic`] or [`PublishError::Refused`], which hand it back.
    pub fn publish(self) -> Result<(), PublishError> {
        let (handle, delivery) = (self.handle, self.delivery);
        Ok(handle.publish(self.into_message()?, delivery)?)
    }

    /// Publishes it, and blocks until the broker has acknowledged it (at QoS 0: until it is written), for `limit` at
    /// most.
    ///
    /// # Errors
    ///
    /// [`PublishError::Topic`] and [`PublishError::Refused`], which hand it back;
    /// [`PublishError::NotAcknowledged`] when the time is over: it goes on waiting, and is delivered once that can be;
    /// [`PublishError::Lost`] when it will not be.
    pub fn publish_and_wait(self, limit: Duration) -> Result<(), PublishError> {
        let (handle, delivery) = (self.handle, self.delivery);
        let (began, topic) = (Instant::now(), self.topic.to_owned());
        let fate = handle.publish_with_notice(self.into_message()?, delivery)?;
        match fate.wait(limit) {
            Ok(Fate::Delivered) => Ok(()),
            Ok(fate) => Err(PublishError::Lost { topic, fate: Some(fate) }),
            Err(RecvTimeoutError::Disconnected) => Err(PublishError::Lost { topic, fate: None }),
            Err(RecvTimeoutError::Timeout) => {
                Err(PublishError::NotAcknowledged { topic, waited: began.elapsed() })
            }
        }
    }

    fn into_message(self) -> Result<Message, PublishError> {
        match Topic::new(self.topic) {
            Ok(topic) => {
                Ok(Message { topic, payload: self.payload.into(), qos: self.qos, retain: self.retain })
            }
            Err(cause) => {
                Err(PublishError::Topic { topic: self.topic.to_owned(), payload: self.payload, cause })
            }
        }
    }
}
