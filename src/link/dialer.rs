//! The link thread: decides whom to dial and when, until told to stop.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::worker::Stop;

use super::connection::Connection;
use super::options::{Options, Target};
use super::passage::{Current, Passage};
use super::retry::Retry;
use super::{Down, LinkError, LinkEvent};

/// What the link thread owns.
pub(super) struct Dialer {
    options: Options,
    stop: Stop,
    passage: Passage,
    retry: Retry,
    /// The address that answered last; it is tried first.
    answered: Option<SocketAddr>,
}

impl Dialer {
    /// A link thread's state before the first attempt.
    pub(super) fn new(options: Options, events: Sender<LinkEvent>, current: Current, stop: Stop) -> Dialer {
        Dialer {
            passage: Passage::new(&options, events, current, stop.clone()),
            retry: Retry::new(&options.client),
            answered: None,
            options,
            stop,
        }
    }

    /// Connects again and again, until told to stop or nobody takes the events any more.
    pub(super) fn run(mut self) {
        loop {
            let (cause, life) = match self.dial() {
                Ok(connection) => {
                    let (cause, life) = self.passage.serve(connection);
                    (cause, Some(life))
                }
                Err(cause) => (cause, None),
            };
            let kept = self.passage.kept().is_some();
            let next = self.retry.after(&cause, life, fastrand::f64());
            let down = Down { cause, retry_in: next.pause, takeover: next.takeover, kept };
            if !self.passage.tell(LinkEvent::Down(down)) || !self.stop.sleep(next.pause) {
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

    fn open(&mut self, target: &Target, limit: Duration) -> Result<Connection, LinkError> {
        let deadline = Instant::now() + limit;
        let options = &self.options;
        if let Some(kept) = self.passage.kept() {
            let broker = format!("{}:{}", options.endpoint.host, options.endpoint.port);
            if !kept.is_at(&broker) {
                // A clean session, which ends with its connection, takes the place of whatever was there.
                Connection::open(options, options.mqtt(target)?, target, limit)?.say_goodbye();
                kept.begin_at(&broker);
            }
        }
        let mut mqtt = options.mqtt(target)?;
        mqtt.set_last_will(options.last_will()).set_clean_session(options.client.clean_session);
        let left = deadline.saturating_duration_since(Instant::now()).max(LEAST);
        Connection::open(options, mqtt, target, left)
    }
}

/// No address gets less time than this.
const LEAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam_channel::{Receiver, TryRecvError, bounded};

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
