//! The link thread: connects, serves the connection, and connects again, until told to stop.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};
use rumqttc::Client;
use rumqttc::Event;

use crate::worker::Stop;

use super::connection::Connection;
use super::in_flight::{InFlight, Meaning};
use super::options::{Options, Target};
use super::retry::{Lifetime, Retry};
use super::session::Session;
use super::subscriptions::Subscriptions;
use super::{Down, LinkError, LinkEvent};

/// What the link thread owns.
pub(super) struct Dialer {
    options: Options,
    events: Sender<LinkEvent>,
    stop: Stop,
    current: Current,
    subscriptions: Subscriptions,
    retry: Retry,
    /// The address that answered last; it is tried first.
    answered: Option<SocketAddr>,
}

/// Room for the requests of the connection there is, so that a thread that waits in it can be woken.
#[derive(Clone)]
pub(super) struct Current {
    put: Sender<Client>,
    take: Receiver<Client>,
}

impl Dialer {
    /// A link thread's state before the first attempt.
    pub(super) fn new(options: Options, events: Sender<LinkEvent>, current: Current, stop: Stop) -> Dialer {
        Dialer {
            subscriptions: Subscriptions::new(&options.subscriptions),
            retry: Retry::new(&options.client),
            answered: None,
            options,
            events,
            stop,
            current,
        }
    }

    /// Connects again and again, until told to stop or nobody takes the events any more.
    pub(super) fn run(mut self) {
        loop {
            let (cause, life) = match self.dial() {
                Ok(connection) => self.serve(connection),
                Err(cause) => (cause, None),
            };
            if life.is_some() {
                self.subscriptions.connection_ended(&cause);
            }
            let next = self.retry.after(&cause, life, fastrand::f64());
            let down = Down { cause, retry_in: next.pause, takeover: next.takeover };
            if !self.tell(LinkEvent::Down(down)) || !self.stop.sleep(next.pause) {
                return;
            }
        }
    }

    /// One attempt: the broker's addresses one after the other, within one limit for all of it.
    fn dial(&mut self) -> Result<Connection, LinkError> {
        let deadline = Instant::now() + self.options.client.connection_timeout;
        let mut addresses = self.options.addresses()?;
        addresses.sort_by_key(|it| Some(*it) != self.answered);
        let targets = self.options.targets(&addresses);
        let mut failure = LinkError::Disconnected;
        for (tried, target) in targets.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.stop.is_set() || (tried > 0 && left < LEAST) {
                break;
            }
            let share = (left / (targets.len() - tried) as u32).max(LEAST);
            match self.open(target, share) {
                Ok(connection) => {
                    self.answered = target.address;
                    return Ok(connection);
                }
                Err(error @ (LinkError::Connect { .. } | LinkError::Silent { .. })) => failure = error,
                // Somebody answered: to ask the same at another address is no use.
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    fn open(&self, target: &Target, limit: Duration) -> Result<Connection, LinkError> {
        let mut mqtt = self.options.mqtt(target)?;
        mqtt.set_last_will(self.options.last_will());
        Connection::open(&self.options, mqtt, target, limit)
    }

    /// Subscribes, says that the link is up, and passes on what happens until the connection ends.
    fn serve(&mut self, mut connection: Connection) -> (LinkError, Option<Lifetime>) {
        connection.subscribe(self.subscriptions.wanted());
        let (session, orders) = Session::new(connection.client());
        // Whoever stops us closes the stop first and looks here then; so one of us sees the other.
        self.current.set(connection.client());
        let began = Instant::now();
        let mut passage = Passage { in_flight: InFlight::new(orders), acknowledged: false };
        let cause = if !self.stop.is_set() && self.tell(LinkEvent::Up(session)) {
            self.until_end(&mut connection, &mut passage)
        } else {
            LinkError::Disconnected
        };
        self.current.clear();
        (cause, Some(Lifetime { lasted: began.elapsed(), acknowledged: passage.acknowledged }))
    }

    fn until_end(&mut self, connection: &mut Connection, passage: &mut Passage) -> LinkError {
        let cause = loop {
            match connection.next() {
                Ok(event) => {
                    if let Some(end) = self.pass_on(passage, event, true) {
                        // After a DISCONNECT of ours nothing may be waited for: dropping is closing.
                        return end;
                    }
                }
                Err(cause) => break cause,
            }
        };
        while let Some(event) = connection.left_over() {
            self.pass_on(passage, event, false);
        }
        cause
    }

    /// Tells the bridge what `event` means. Returns why the connection is to end, if it is.
    fn pass_on(&mut self, passage: &mut Passage, event: Event, live: bool) -> Option<LinkError> {
        let event = match passage.in_flight.meaning(event, live) {
            Meaning::Acknowledged(token) => {
                passage.acknowledged = true;
                LinkEvent::Delivered(token)
            }
            Meaning::Written(token) => LinkEvent::Delivered(token),
            Meaning::Received(message) => LinkEvent::Received(message),
            Meaning::Subscribed(accepted) => {
                self.subscriptions.answered(&accepted);
                return None;
            }
            Meaning::Nothing => return None,
            Meaning::End(cause) => return Some(cause),
        };
        if self.tell(event) { None } else { Some(LinkError::Disconnected) }
    }

    /// Waits until the bridge has room for `event`. False when nobody takes it any more, or when we are to
    /// stop and there is no room.
    fn tell(&self, event: LinkEvent) -> bool {
        match self.events.try_send(event) {
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Err(TrySendError::Full(event)) => select! {
                send(self.events, event) -> it => it.is_ok(),
                recv(self.stop.channel()) -> _ => false,
            },
        }
    }
}

/// What is known of the messages on one connection.
struct Passage {
    in_flight: InFlight,
    acknowledged: bool,
}

impl Current {
    /// No connection.
    pub(super) fn new() -> Current {
        let (put, take) = bounded(1);
        Current { put, take }
    }

    /// Ends the connection there is, if there is one, with a DISCONNECT. Never blocks.
    pub(super) fn disconnect(&self) {
        if let Ok(client) = self.take.try_recv() {
            let _ = client.try_disconnect();
        }
    }

    fn set(&self, client: Client) {
        self.clear();
        let _ = self.put.try_send(client);
    }

    fn clear(&self) {
        let _ = self.take.try_recv();
    }
}

/// No address gets less time than this.
const LEAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam_channel::TryRecvError;

    use super::*;
    use crate::link::Link;
    use crate::link::peer::{CONNACK, LIMIT, Peer, options, publish};

    fn start(options: Options) -> (Link, Receiver<LinkEvent>) {
        let (told, events) = bounded(64);
        (Link::start(options, told).unwrap(), events)
    }

    #[test]
    fn the_link_stops_while_it_pauses() {
        let absent = Peer::new().port();
        let mut options = options(absent);
        options.client.reconnect_delay = Duration::from_secs(3600);
        options.client.reconnect_delay_max = Duration::from_secs(3600);
        let (link, events) = start(options);
        assert!(matches!(events.recv_timeout(LIMIT), Ok(LinkEvent::Down(_))));
        assert!(link.stop(LIMIT));
    }

    #[test]
    fn the_link_stops_with_a_disconnect_while_a_session_is_up() {
        let peer = Peer::new();
        let (link, events) = start(options(peer.port()));
        let mut wire = peer.log_in();
        let LinkEvent::Up(session) = events.recv_timeout(LIMIT).unwrap() else { panic!("not up") };
        assert!(link.stop(LIMIT));
        assert_eq!(wire.packet(), (0xe0, vec![]));
        drop(session);
    }

    #[test]
    fn the_link_stops_when_nobody_took_its_session() {
        let peer = Peer::new();
        let (link, events) = start(options(peer.port()));
        let _wire = peer.log_in();
        wait_until(|| !events.is_empty());
        drop(events);
        assert!(link.stop(LIMIT));
    }

    #[test]
    fn the_link_stops_while_nobody_has_room_for_its_events() {
        let peer = Peer::new();
        let (sender, events) = bounded(1);
        let link = Link::start(options(peer.port()), sender).unwrap();
        let mut wire = peer.log_in();
        wait_until(|| events.is_full());
        wire.send(&publish("a/b", b"on", Some(1), false));
        assert_eq!(wire.packet().0, 0x40);
        assert!(link.stop(LIMIT));
        assert!(matches!(events.try_recv(), Ok(LinkEvent::Up(_))));
    }

    #[test]
    fn a_stop_while_connecting_waits_no_longer_than_it_was_told_to() {
        let peer = Peer::new();
        let mut options = options(peer.port());
        options.client.connection_timeout = Duration::from_secs(2);
        let (link, events) = start(options);
        let mut wire = peer.accept();
        let began = Instant::now();
        assert!(!link.stop(Duration::from_millis(20)));
        assert!(began.elapsed() < Duration::from_secs(1));
        // The attempt comes to its end and the thread with it: the peer is left, and not visited again.
        assert_eq!(wire.packet().0, 0x10);
        wire.send(&CONNACK);
        assert_eq!(wire.next(), None);
        // Its end of the channel goes with it.
        wait_until(|| matches!(events.try_recv(), Err(TryRecvError::Disconnected)));
    }

    /// Waits until `condition` holds.
    #[track_caller]
    fn wait_until(mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition() {
            assert!(Instant::now() < deadline, "it did not come true within {LIMIT:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
