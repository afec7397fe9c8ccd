//! A message on its way to or from the broker.

use std::fmt;
use std::sync::Arc;

use super::Topic;

/// Something to publish. Cheap to clone.
#[derive(Clone, Eq, PartialEq)]
pub struct Message {
    /// Where to.
    pub topic: Topic,
    /// What: any bytes, up to the broker's limit.
    pub payload: Arc<[u8]>,
    /// How surely.
    pub qos: Qos,
    /// Whether the broker keeps it for those who subscribe later.
    pub retain: bool,
}

/// A message that the broker sent us. Cheap to clone.
#[derive(Clone, Eq, PartialEq)]
pub struct Incoming {
    /// The topic it was published on.
    pub topic: Topic,
    /// Any bytes.
    pub payload: Arc<[u8]>,
    /// Whether it is a kept copy from before we subscribed, not news.
    pub retained: bool,
}

/// Quality of service (MQTT 3.1.1, section 4.3).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Qos {
    /// 0: let go once written to the socket.
    AtMostOnce,
    /// 1: sent until the broker has acknowledged it.
    AtLeastOnce,
    /// 2: sent until acknowledged, and once only while the broker keeps the session.
    ExactlyOnce,
}

/// Our own name for one message handed to the connection; it comes back when the broker
/// has acknowledged that message. Counts up and is never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Token(pub u64);

impl Message {
    /// A message that the broker keeps (`retain`).
    pub fn retained(topic: Topic, payload: impl Into<Arc<[u8]>>, qos: Qos) -> Message {
        Message { topic, payload: payload.into(), qos, retain: true }
    }
}

/// The payload shows as its length only: it may be long, binary or private.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic.as_str())
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .finish()
    }
}

/// As of [`Message`]: its length only.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("topic", &self.topic.as_str())
            .field("payload_bytes", &self.payload.len())
            .field("retained", &self.retained)
            .finish()
    }
}

impl Qos {
    /// The level that the digit `level` names, 0 to 2.
    pub fn from_level(level: u8) -> Option<Qos> {
        match level {
            0 => Some(Qos::AtMostOnce),
            1 => Some(Qos::AtLeastOnce),
            2 => Some(Qos::ExactlyOnce),
            _ => None,
        }
    }

    /// The digit that names this level, 0 to 2.
    pub fn level(self) -> u8 {
        match self {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
            Qos::ExactlyOnce => 2,
        }
    }
}
