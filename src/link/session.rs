//! The bridge's end of one connection: what it may publish with.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

use crossbeam_channel::{Receiver, Sender, bounded};
use rumqttc::Client;

use crate::model::Message;
use crate::model::Qos;
use crate::model::Token;

use super::options::level;
use super::site::Site;

/// One connection that is up: subscribed, and open for messages until [`super::LinkEvent::Down`].
/// Dropping it ends the connection as [`Session::disconnect`] does.
pub struct Session {
    client: Client,
    site: Site,
    orders: Sender<Order>,
    ended: Cell<bool>,
}

/// There is no room for a message now: try again after the next delivery, or with the next session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

/// What was handed to rumqttc's request channel and comes out of it in the same order.
/// The message itself went that way; this is what we want to remember of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// A message.
    Publish(Token, Qos),
    /// The packet that ends the connection, and why.
    End(End),
}

/// Why the bridge ends a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// It has no more to say.
    Disconnect,
    /// The broker acknowledges nothing.
    Abandon,
}

impl Session {
    /// A session with the broker at `site` that publishes through `client`, whose channel must hold [`REQUESTS`], and the other end
    /// of its orders.
    pub(super) fn new(client: Client, site: Site) -> (Session, Receiver<Order>) {
        let (orders, taken) = bounded(CAPACITY + 1);
        (Session { client, site, orders, ended: Cell::new(false) }, taken)
    }

    /// Which broker it is with.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Hands `message` over; [`super::LinkEvent::Delivered`] with `token` says when it has arrived. What is
    /// not delivered when the link goes down must be published again in the next session. Never blocks.
    ///
    /// The caller keeps a window: of messages at QoS 1 and 2, the newest handed over and the oldest not yet
    /// delivered may be at most 100 apart *in the order in which they were handed over*. A packet
    /// identifier that comes round while it is in use ends the connection.
    ///
    /// # Errors
    ///
    /// [`Full`], when the link is behind or the session is at its end.
    pub fn publish(&mut self, token: Token, message: &Message) -> Result<(), Full> {
        if self.ended.get() || self.orders.len() >= CAPACITY {
            return Err(Full);
        }
        // First the message, then the order: a refused message must leave no order behind. The link
        // thread, which may see the message first, waits for the order between these two lines.
        let (topic, payload) = (message.topic.as_str(), &*message.payload);
        self.client.try_publish(topic, level(message.qos), message.retain, payload).map_err(|_| Full)?;
        self.orders.try_send(Order::Publish(token, message.qos)).map_err(|_| Full)
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
        // Both have room kept for this. Where they are gone, so is the connection. The order comes first,
        // so that the link thread finds it when it sees the packet.
        let _ = self.orders.try_send(Order::End(end));
        let _ = match end {
            End::Disconnect => self.client.try_disconnect(),
            // It wakes the link thread and means nothing to the broker.
            End::Abandon => self.client.try_unsubscribe(NOTHING),
        };
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end(End::Disconnect);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("waiting", &self.orders.len()).finish_non_exhaustive()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection has no room for another message now")
    }
}

impl Error for Full {}

/// A filter that nobody has subscribed to.
pub(super) const NOTHING: &str = "luigi-mqtt/nothing";
/// Messages handed over and not yet on their way. Above the bridge's window, so that it never fills.
const CAPACITY: usize = 128;
/// Capacity of rumqttc's request channel: the messages, our SUBSCRIBE, and the end's packet each from
/// the session and from the link. A message leaves it before its order is taken, so it never fills.
pub(super) const REQUESTS: usize = CAPACITY + 3;
