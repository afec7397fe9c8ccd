//! One connection, from CONNECT to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rumqttc::Client;
use rumqttc::ConnectionError;
use rumqttc::Event;
use rumqttc::MqttOptions;
use rumqttc::Outgoing;
use rumqttc::Packet;
use rumqttc::RecvTimeoutError;
use rumqttc::Request;
use rumqttc::SubscribeFilter;
use rumqttc::Transport;

use super::LinkError;
use super::cause;
use super::options::Options;
use super::session::requests;
use super::target::Target;
use super::tls::Tunnel;

/// A connection whose login was accepted. Always a pair of rumqttc's, made for this one connection: what
/// rumqttc 0.25.1 carries over from one to the next it partly loses.
pub(super) struct Connection {
    client: Client,
    inner: rumqttc::Connection,
    /// What TLS goes through. Comes after `inner`: rumqttc is to have closed its end when this waits for what is on its way.
    tunnel: Option<Tunnel>,
    session_present: bool,
    max_packet_bytes: usize,
    ended: bool,
}

impl Connection {
    /// Connects to `target` and waits for the broker to accept the login, `limit` at most. The login is that of an
    /// errand, with a clean session and no will, but for what `adjust` makes of it. TLS files are read here.
    ///
    /// # Errors
    ///
    /// [`LinkError`], any that does not need a session.
    pub(super) fn open(
        options: &Options,
        target: &Target,
        limit: Duration,
        adjust: impl FnOnce(&mut MqttOptions),
    ) -> Result<Connection, LinkError> {
        let deadline = Instant::now() + limit;
        let tls = options.broker.tls.as_ref();
        let tunnel = tls.map(|it| Tunnel::open(it, target, limit)).transpose()?;
        let mut mqtt = match &tunnel {
            None => options.mqtt(&target.literal(), target.address.port()),
            Some(tunnel) => {
                let mut mqtt = options.mqtt(tunnel.door(), 0);
                mqtt.set_transport(Transport::Unix);
                mqtt
            }
        };
        adjust(&mut mqtt);
        let (client, mut inner) = Client::new(mqtt, requests(options.client.max_in_flight));
        // rumqttc also gives each write this long, so it is the configured one, not this attempt's share.
        let whole_seconds = options.client.connection_timeout.as_secs_f64().ceil() as u64;
        inner.eventloop.network_options.set_connection_timeout(whole_seconds.max(1));
        let max_packet_bytes = options.client.max_packet_bytes;
        match inner.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(Event::Incoming(Packet::ConnAck(it)))) => {
                let session_present = it.session_present;
                Ok(Connection { client, inner, tunnel, session_present, max_packet_bytes, ended: false })
            }
            Ok(Ok(_)) => Err(LinkError::Protocol("it sent a packet before CONNACK".to_owned())),
            Ok(Err(error)) => {
                let end = tunnel.as_ref().and_then(Tunnel::end);
                Err(cause::of_attempt(error, end, options, target, limit))
            }
            Err(_) => Err(target.silent(limit)),
        }
    }

    /// What others write their requests to.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Whether the broker has a session of ours from before.
    pub(super) fn session_present(&self) -> bool {
        self.session_present
    }

    /// Has `packets` written before everything else, in this order. rumqttc takes a millisecond for each.
    pub(super) fn write_first(&mut self, packets: VecDeque<Request>) {
        self.inner.eventloop.pending.extend(packets);
    }

    /// Orders one SUBSCRIBE for all `filters`, of a connection without a session.
    pub(super) fn subscribe(&self, filters: Vec<SubscribeFilter>) {
        // The channel has room for it, and each filter was checked when it was made.
        let _ = self.client.try_subscribe_many(filters);
    }

    /// Waits for the next event, for as long as it takes. After an error the connection is at its end, and
    /// must not be asked again: rumqttc would connect anew, at once.
    ///
    /// # Errors
    ///
    /// [`LinkError`], why the connection ended.
    pub(super) fn next(&mut self) -> Result<Event, LinkError> {
        match self.inner.recv() {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(error)) => Err(self.cause(error)),
            // Does not happen: rumqttc's event loop holds on to its own request channel.
            Err(_) => Err(LinkError::Disconnected),
        }
    }

    /// As [`Connection::next`], until `deadline`; `None` when nothing came.
    pub(super) fn next_until(&mut self, deadline: Instant) -> Option<Result<Event, LinkError>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let end = match self.inner.recv_timeout(left) {
            Ok(Ok(event)) => return Some(Ok(event)),
            Err(RecvTimeoutError::Timeout) => return None,
            Ok(Err(error)) => self.cause(error),
            Err(RecvTimeoutError::Disconnected) => LinkError::Disconnected,
        };
        self.ended = true;
        Some(Err(end))
    }

    /// Why the connection ended, of which rumqttc says `error`.
    fn cause(&self, error: ConnectionError) -> LinkError {
        let end = self.tunnel.as_ref().and_then(Tunnel::end);
        cause::of_session(error, end, self.max_packet_bytes)
    }

    /// Whether [`Connection::next_until`] has told the end, for those who ask in more than one place.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Has DISCONNECT written, for which it waits a second at most, so that the broker sees an orderly end.
    pub(super) fn say_goodbye(mut self) {
        let deadline = Instant::now() + LAST_WORD;
        let last = Event::Outgoing(Outgoing::Disconnect);
        if self.client.try_disconnect().is_ok() {
            while self.next_until(deadline).is_some_and(|it| it.is_ok_and(|event| event != last)) {}
        }
    }

    /// Ends the connection, if it has not ended, without a word. What it leaves is [`Connection::left_over`] and
    /// [`Connection::unfinished`]. Never blocks; to drop it may then take a second, with TLS and a broker that takes
    /// nothing any more.
    pub(super) fn close(&mut self) {
        self.inner.eventloop.clean();
    }

    /// The next event that had come in when the connection ended and was not looked at: acknowledgements
    /// that came with the end in one segment.
    pub(super) fn left_over(&mut self) -> Option<Event> {
        self.inner.eventloop.state.events.pop_front()
    }

    /// What rumqttc would write on the next connection: what was unacknowledged at the end, then what was
    /// requested and not written.
    pub(super) fn unfinished(&mut self) -> VecDeque<Request> {
        std::mem::take(&mut self.inner.eventloop.pending)
    }
}

/// How long the goodbye may take.
const LAST_WORD: Duration = Duration::from_secs(1);
