//! The bridge's end of one connection: what it may publish with.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::time::Instant;

use rumqttc::Client;
use rumqttc::QoS;
use rumqttc::SubscribeFilter;

use crate::model::Message;
use crate::model::Qos;
use crate::model::Token;
use crate::model::TopicFilter;

use super::options::level;
use super::orders::{End, Limits, Order, Orders};
use super::question::Asked;
use super::site::Site;
use super::subscriptions::Allowed;

/// One connection that is up: subscribed, and open for messages until [`super::LinkEvent::Down`].
/// Dropping it ends the connection as [`Session::disconnect`] does.
pub struct Session {
    client: Client,
    site: Site,
    orders: Orders,
    allowed: Allowed,
    resumed: bool,
    ended: Cell<bool>,
}

/// There is no room now: for a message, try again after the next delivery, for SUBSCRIBE and UNSUBSCRIBE after the
/// next answer, or with the next session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

impl Session {
    /// A session with the broker at `site` that publishes through `client`, whose channel must hold [`requests`],
    /// and notes it in `orders`. What it may subscribe to is `allowed`.
    pub(super) fn new(
        client: Client,
        site: Site,
        orders: Orders,
        allowed: Allowed,
        resumed: bool,
    ) -> Session {
        Session { client, site, orders, allowed, resumed, ended: Cell::new(false) }
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

    /// Subscribes to the first of `filters`, in one SUBSCRIBE, and returns how many those are: at most 100 or 32 KiB,
    /// at least one where there are any. [`super::LinkEvent::Subscribed`] says what became of them, in the same order;
    /// where there are none, nothing happens and nothing is said. The rest is to be asked for after that. Answers come
    /// in the order of the questions; there is room for the next a moment before one is received. Never blocks.
    ///
    /// QoS 2 is asked for as QoS 1. What matches may arrive before the answer, and what is retained arrives each
    /// time that a filter is subscribed to. The broker is to be asked again in each session, also in one that it has
    /// kept.
    ///
    /// After a packet beyond `max_packet_bytes` has ended a connection, the next one takes one filter at a time, which
    /// shows at which it comes. From the second such end in a row on, the filter that was subscribed to last is no
    /// longer passed on to the broker, on any connection, and answered with false.
    ///
    /// # Errors
    ///
    /// [`Full`], while the broker has not answered the SUBSCRIBE (also that of the options, with which each session
    /// begins) or UNSUBSCRIBE before this one, or the session is at its end. See also [`Session::unanswered_since`].
    pub fn subscribe(&mut self, filters: &[(TopicFilter, Qos)]) -> Result<usize, Full> {
        if self.unanswered_since().is_some() {
            return Err(Full);
        }
        let mut bytes = 0;
        let fits = |(filter, _): &&(TopicFilter, Qos)| {
            bytes += filter.as_str().len();
            bytes <= LARGEST_SUBSCRIBE
        };
        let count = filters.iter().take(self.allowed.at_once()).take_while(fits).count();
        let count = count.max(1).min(filters.len());
        self.subscribe_to(&filters[..count])?;
        Ok(count)
    }

    /// Subscribes to all of `filters` at once.
    ///
    /// # Errors
    ///
    /// [`Full`], as [`Session::subscribe`] has it.
    pub(super) fn subscribe_to(&self, filters: &[(TopicFilter, Qos)]) -> Result<(), Full> {
        if filters.is_empty() {
            return Ok(());
        }
        let (mut asked, mut passed_on) =
            (Vec::with_capacity(filters.len()), Vec::with_capacity(filters.len()));
        for (filter, qos) in filters {
            let is_allowed = self.allowed.contains(filter);
            asked.push((filter.clone(), is_allowed));
            if is_allowed {
                // Not QoS 2: a broker that finishes an old exchange on a new connection sends PUBREL, which
                // rumqttc 0.25.1 takes for an error, on that connection and on each one after it.
                let qos = if *qos == Qos::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                passed_on.push(SubscribeFilter::new(filter.as_str().to_owned(), qos));
            }
        }
        self.ask(Asked::Subscribe(asked), || match passed_on.is_empty() {
            false => self.client.try_subscribe_many(passed_on).is_ok(),
            // The link thread is to answer, and has to be woken for it.
            true => self.client.try_unsubscribe(NOTHING).is_ok(),
        })
    }

    /// Ends the subscription to the first of `filters`, and returns 1: rumqttc has no request for several. Where
    /// there is none, nothing happens, and it returns 0. [`super::LinkEvent::Unsubscribed`] is the answer; until then,
    /// and a little later, messages may still arrive. Never blocks.
    ///
    /// # Errors
    ///
    /// [`Full`], as [`Session::subscribe`] has it.
    pub fn unsubscribe(&mut self, filters: &[TopicFilter]) -> Result<usize, Full> {
        let Some(filter) = filters.first() else { return Ok(0) };
        self.ask(Asked::Unsubscribe, || self.client.try_unsubscribe(filter.as_str()).is_ok())?;
        Ok(1)
    }

    /// Since when [`Session::subscribe`] and [`Session::unsubscribe`] have had no room, for an answer is missing. The link
    /// waits for it as long as the connection lasts: it is for the caller to [`Session::abandon`] one where none comes.
    pub fn unanswered_since(&self) -> Option<Instant> {
        self.orders.unanswered_since()
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

    fn ask(&self, asked: Asked, hand_over: impl FnOnce() -> bool) -> Result<(), Full> {
        if self.ended.get() { Err(Full) } else { self.orders.ask(asked, hand_over) }
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
        f.write_str("the connection has no room for another request now")
    }
}

impl Error for Full {}

/// How many messages a session takes, where `max_in_flight` may be unacknowledged: above the bridge's
/// window, but for QoS 2.
pub(super) fn limits(max_in_flight: u16) -> Limits {
    Limits { waiting: max_in_flight.saturating_add(SPARE), incomplete: max_in_flight.min(INCOMPLETE) }
}

/// Capacity of rumqttc's request channel: the messages, one SUBSCRIBE or UNSUBSCRIBE, and the end's packet each from
/// the session and from the link. A message leaves it before its order is taken, and a question before it is
/// answered, so it never fills.
pub(super) fn requests(max_in_flight: u16) -> usize {
    usize::from(limits(max_in_flight).waiting) + 3
}

/// What one SUBSCRIBE may hold, in bytes of its filters, unless a single one is longer. Brokers limit packets too.
const LARGEST_SUBSCRIBE: usize = 32 * 1024;
/// A filter that nobody has subscribed to.
pub(super) const NOTHING: &str = "luigi-mqtt/nothing";
/// Messages at QoS 2 that may be incomplete at once. Mosquitto throws away what exceeds its
/// `max_inflight_messages`, by default 20, and acknowledges it all the same: in MQTT 3.1.1 it has no word for it.
/// One less, for while there are 20 it throws away those at QoS 1 as well.
const INCOMPLETE: u16 = 19;
/// Messages beyond those that are configured: the bridge's window has 10 for the last words, and QoS 0 is
/// in nobody's way.
const SPARE: u16 = 28;
