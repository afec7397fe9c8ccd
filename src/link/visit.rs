//! A short connection for one errand, beside whatever daemon runs.

use std::time::{Duration, Instant};

use rumqttc::Event;
use rumqttc::Packet;
use rumqttc::QoS;
use rumqttc::SubscribeFilter;
use rumqttc::SubscribeReasonCode;

use crate::link::LinkError;
use crate::link::connection::Connection;
use crate::link::options::Options;
use crate::model::Incoming;
use crate::model::Topic;
use crate::model::TopicFilter;
use crate::resolver::Resolver;

/// A connection without will, session or second attempt: it leaves nothing behind. Its client identifier is the
/// configured one with a word behind it, so a daemon that runs meanwhile is not disturbed. It has to be
/// [asked](Visit::next_until) again and again, or the broker takes it for dead.
pub struct Visit {
    connection: Connection,
    limit: Duration,
}

/// What happens on a [`Visit`].
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Message(Incoming),
    /// The answer to the oldest [`Visit::subscribe`] without one: how many of its filters the broker refused.
    Subscribed {
        /// How many.
        refused: usize,
    },
}

impl Visit {
    /// Connects to the first of the brokers that accepts us. Blocks: at each address up to `connection_timeout`, and as
    /// long as the resolver takes.
    ///
    /// # Errors
    ///
    /// [`LinkError`] of the last attempt.
    pub fn begin(options: &Options, word: &str) -> Result<Visit, LinkError> {
        let mut options = options.clone();
        options.client.id += word;
        let limit = options.client.connection_timeout;
        let mut last = LinkError::Disconnected;
        for site in options.sites() {
            let deadline = Instant::now() + limit;
            let addresses = options.addresses(site.endpoint(), &mut Resolver::new(), deadline);
            let addresses = addresses.unwrap_or_else(|error| {
                last = error;
                Vec::new()
            });
            for target in options.targets(site.endpoint(), &addresses) {
                match Connection::open(&options, &target, limit, |_| {}) {
                    Ok(connection) => return Ok(Visit { connection, limit }),
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    /// Asks for `filters` at QoS 1, some hundred at most. Does not wait for the answer; one question at a time is with the
    /// broker.
    pub fn subscribe(&self, filters: &[TopicFilter]) {
        let filter = |it: &TopicFilter| SubscribeFilter::new(it.as_str().to_owned(), QoS::AtLeastOnce);
        self.connection.subscribe(filters.iter().map(filter).collect());
    }

    /// Waits for what happens next, until `deadline`; `None` when nothing did.
    ///
    /// # Errors
    ///
    /// [`LinkError`], why the connection has ended.
    pub fn next_until(&mut self, deadline: Instant) -> Result<Option<Heard>, LinkError> {
        while Instant::now() < deadline {
            match self.connection.next_until(deadline).transpose()? {
                Some(Event::Incoming(Packet::Publish(it))) => {
                    // A topic that is none is no broker's; nobody asked for it.
                    if let Ok(topic) = Topic::new(&it.topic) {
                        let (payload, retained) = (it.payload[..].into(), it.retain);
                        return Ok(Some(Heard::Message(Incoming { topic, payload, retained })));
                    }
                }
                Some(Event::Incoming(Packet::SubAck(it))) => {
                    let is_refused =
                        |it: &&SubscribeReasonCode| !matches!(it, SubscribeReasonCode::Success(_));
                    let refused = it.return_codes.iter().filter(is_refused).count();
                    return Ok(Some(Heard::Subscribed { refused }));
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(None)
    }

    /// Has the broker keep nothing on `topic` any more, and blocks until it has acknowledged that: `connection_timeout` at
    /// most. Messages that come meanwhile are passed over.
    ///
    /// # Errors
    ///
    /// [`LinkError`], why the connection has ended; [`LinkError::Unacknowledged`].
    pub fn clear(&mut self, topic: &Topic) -> Result<(), LinkError> {
        let deadline = Instant::now() + self.limit;
        let asked = self.connection.client().try_publish(topic.as_str(), QoS::AtLeastOnce, true, Vec::new());
        asked.map_err(|_| LinkError::Disconnected)?;
        while let Some(event) = self.connection.next_until(deadline).transpose()? {
            if let Event::Incoming(Packet::PubAck(_)) = event {
                return Ok(());
            }
        }
        Err(LinkError::Unacknowledged)
    }

    /// Ends in order, a second at most.
    pub fn end(self) {
        self.connection.say_goodbye();
    }
}
