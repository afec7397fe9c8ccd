//! The bridge's end of one connection: what it may publish with.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

use rumqttc::Client;

use crate::model::Message;
use crate::model::Token;

use super::options::level;
use super::orders::{End, Limits, Order, Orders};
use super::site::Site;

/// One connection that is up: subscribed, and open for messages until [`super::LinkEvent::Down`].
/// Dropping it ends the connection as [`Session::disconnect`] does.
pub struct Session {
    client: Client,
    site: Site,
    orders: Orders,
    resumed: bool,
    ended: Cell<bool>,
}

/// There is no room for a message now: try again after the next delivery, or with the next session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

impl Session {
    /// A session with the broker at `site` that publishes through `client`, whose channel must hold [`requests`],
    /// and notes it in `orders`.
    pub(super) fn new(client: Client, site: Site, orders: Orders, resumed: bool) -> Session {
        Session { client, site, orders, resumed, ended: Cell::new(false) }
    }

    /// Which broker it is with.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Whether the broker has kept our session, so that all that was in flight when the link went down is
    /// delivered by now. Where not, it is to be published again. Always false with clean sessions.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Hands `message` over; [`super::LinkEvent::Delivered`] with `token` says when it has arrived. What is
    /// not delivered when the link goes down is to be published again in the next session, unless the link
    /// itself keeps it ([`super::Down::kept`]). Never blocks.
    ///
    /// The caller keeps a window: of messages at QoS 1 and 2, the newest handed over and the oldest not yet
    /// delivered may be at most `max_in_flight` + 10 apart *in the order in which they were handed over*. A
    /// packet identifier that comes round while it is in use ends the connection.
    ///
    /// # Errors
    ///
    /// [`Full`], when the link is behind, 20 messages at QoS 2 (or `max_in_flight`, where that is less) are not
    /// delivered yet, or the session is at its end.
    pub fn publish(&mut self, token: Token, message: &Message) -> Result<(), Full> {
        if self.ended.get() {
            return Err(Full);
        }
        let (topic, qos, payload) = (message.topic.as_str(), message.qos, &*message.payload);
        self.orders.place(Order::Publish(token, qos), || {
            self.client.try_publish(topic, level(qos), message.retain, payload).is_ok()
        })
    }

    /// Ends the connection in good order, after everything handed over before: DISCONNECT, then
    /// `Down` with [`super::LinkError::Disconnected`]. The broker does not send the will. Never blocks.
    pub fn disconnect(&self) {
        self.end(End::Disconnect);
    }

    /// Gives the connection up because the broker acknowledges nothing: `Down` with
    /// [`super::LinkError::Unacknowledged`] follows, and a new attempt after the usual pause. There is no
    /// DISCONNECT, so the broker sends the will: whether we come back is not sure. Never blocks.
    pub fn abandon(&self) {
        self.end(End::Abandon);
    }

    fn end(&self, end: End) {
        if self.ended.replace(true) {
            return;
        }
        // There is room kept for this. Where it fails, the connection is gone.
        let _ = self.orders.place(Order::End(end), || match end {
            End::Disconnect => self.client.try_disconnect().is_ok(),
            // It wakes the link thread and means nothing to the broker.
            End::Abandon => self.client.try_unsubscribe(NOTHING).is_ok(),
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end(End::Disconnect);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut it = f.debug_struct("Session");
        it.field("resumed", &self.resumed).field("waiting", &self.orders.len()).finish_non_exhaustive()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection has no room for another message now")
    }
}

impl Error for Full {}

/// How many messages a session takes, where `max_in_flight` may be unacknowledged: above the bridge's
/// window, but for QoS 2.
pub(super) fn limits(max_in_flight: u16) -> Limits {
    Limits { waiting: max_in_flight.saturating_add(SPARE), incomplete: max_in_flight.min(INCOMPLETE) }
}

/// Capacity of rumqttc's request channel: the messages, our SUBSCRIBE, and the end's packet each from
/// the session and from the link. A message leaves it before its order is taken, so it never fills.
pub(super) fn requests(max_in_flight: u16) -> usize {
    usize::from(limits(max_in_flight).waiting) + 3
}

/// A filter that nobody has subscribed to.
pub(super) const NOTHING: &str = "luigi-mqtt/nothing";
/// Messages at QoS 2 that may be incomplete at once. Mosquitto throws away what exceeds its
/// `max_inflight_messages`, by default 20, and acknowledges it all the same: in MQTT 3.1.1 it has no word for it.
/// One less, for while there are 20 it throws away those at QoS 1 as well.
const INCOMPLETE: u16 = 19;
/// Messages beyond those that are configured: the bridge's window has 10 for the last words, and QoS 0 is
/// in nobody's way.
const SPARE: u16 = 28;
