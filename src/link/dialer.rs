//! The link thread: decides whom to dial and when, until told to stop.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::resolver::Resolver;
use crate::worker::Pulse;
use crate::worker::Pulses;
use crate::worker::Stop;

use super::attempt::{LEAST, attempt};
use super::connection::Connection;
use super::options::Options;
use super::passage::{Current, Passage};
use super::retry::{Lifetime, Retry};
use super::scout::Scout;
use super::site::Site;
use super::{Down, LinkError, LinkEvent};

/// What the link thread owns.
pub(super) struct Dialer {
    options: Options,
    events: Sender<LinkEvent>,
    stop: Stop,
    current: Current,
    passage: Passage,
    pulse: Pulse,
    /// Who watches over the scout.
    pulses: Pulses,
    retry: Retry,
    resolver: Resolver,
    /// The address that answered last; it is tried first.
    answered: Option<SocketAddr>,
    /// The ranks of the brokers that may still say that we are online, though our session there has ended.
    left_behind: Vec<usize>,
}

/// How a session ended.
struct Ended {
    cause: LinkError,
    life: Lifetime,
    /// The rank of the broker to go to instead.
    better: Option<usize>,
}

impl Dialer {
    /// A link thread's state before the first attempt.
    pub(super) fn new(
        options: Options,
        events: Sender<LinkEvent>,
        current: Current,
        stop: Stop,
        pulse: Pulse,
        pulses: Pulses,
    ) -> Dialer {
        Dialer {
            passage: Passage::new(&options, events.clone(), current.clone(), stop.clone(), pulse.clone()),
            retry: Retry::new(options.sites().count(), &options.client),
            resolver: Resolver::new(),
            answered: None,
            left_behind: Vec::new(),
            options,
            events,
            stop,
            current,
            pulse,
            pulses,
        }
    }

    /// Connects again and again, until told to stop or nobody takes the events any more.
    pub(super) fn run(mut self) {
        loop {
            let site = self.options.site(self.retry.broker());
            self.pulse.turns_within(LONGEST_ATTEMPT);
            let (cause, next) = match self.dial(&site) {
                Ok(connection) => {
                    let Ended { cause, life, better } = self.serve(connection, &site);
                    let next = match better {
                        Some(broker) => self.retry.leave_for(broker),
                        None => self.retry.after(&cause, Some(life), fastrand::f64()),
                    };
                    (cause, next)
                }
                Err(cause) => {
                    let next = self.retry.after(&cause, None, fastrand::f64());
                    (cause, next)
                }
            };
            let kept = self.passage.kept().is_some();
            let down = Down { cause, site, retry_in: next.pause, takeover: next.takeover, kept };
            self.pulse.turns_within(next.pause);
            if !self.passage.tell(LinkEvent::Down(down)) || !self.stop.sleep(next.pause) {
                return;
            }
        }
    }

    /// One attempt at the broker at `site`.
    fn dial(&mut self, site: &Site) -> Result<Connection, LinkError> {
        let Dialer { options, stop, resolver, answered, passage, .. } = self;
        let broker = site.endpoint().to_string();
        attempt(options, site.endpoint(), resolver, answered, stop, |target, limit| {
            let deadline = Instant::now() + limit;
            if let Some(kept) = passage.kept().filter(|it| !it.is_at(&broker)) {
                // A clean session, which ends with its connection, takes the place of whatever was there.
                Connection::open(options, target, limit, |_| {})?.say_goodbye();
                kept.begin_at(&broker);
            }
            let left = deadline.saturating_duration_since(Instant::now()).max(LEAST);
            let opened = Connection::open(options, target, left, |mqtt| {
                mqtt.set_clean_session(options.client.clean_session);
                if let Some(will) = options.last_will() {
                    mqtt.set_last_will(will);
                }
            });
            if let (Err(cause), Some(kept)) = (&opened, passage.kept()) {
                kept.login_failed(cause);
            }
            opened
        })
    }

    /// Serves `connection` to its end, with a scout at the other brokers meanwhile.
    fn serve(&mut self, connection: Connection, site: &Site) -> Ended {
        let here = site.rank();
        self.left_behind.retain(|it| *it != here);
        let (current, events) = (self.current.clone(), self.events.clone());
        let scout = Scout::start(&self.options, here, &self.left_behind, current, events, &self.pulses);
        let (cause, life) = self.passage.serve(connection, site.clone());
        let better = scout.and_then(|it| it.end(&mut self.left_behind));
        self.left_behind.push(here);
        let cause = match (better, cause) {
            (Some(rank), LinkError::Disconnected) if !self.stop.is_set() => {
                LinkError::BetterBroker { address: self.options.site(rank).endpoint().to_string() }
            }
            (_, cause) => cause,
        };
        Ended { cause, life, better }
    }
}

/// Longer than any attempt to connect takes: that has 5 min at most, and the system's resolver, which sets itself no limit that
/// we know of, has given up within a minute or two.
pub(super) const LONGEST_ATTEMPT: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam_channel::{Receiver, TryRecvError, bounded};

    use super::*;
    use crate::link::Link;
    use crate::link::peer::{CONNACK, LIMIT, Peer, options, options_for, publish};

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
        options.client.connection_timeout = LIMIT;
        let (link, events) = start(options);
        let mut wire = peer.accept();
        let began = Instant::now();
        assert!(!link.stop(Duration::from_millis(20)));
        assert!(began.elapsed() < LIMIT);
        // The attempt comes to its end and the thread with it: the peer is left, and not visited again.
        assert_eq!(wire.packet().0, 0x10);
        wire.send(&CONNACK);
        assert_eq!(wire.next(), None);
        // Its end of the channel goes with it.
        wait_until(|| matches!(events.try_recv(), Err(TryRecvError::Disconnected)));
    }

    #[test]
    fn the_broker_is_given_a_will_only_where_there_is_one() {
        for has_will in [true, false] {
            let peer = Peer::new();
            let mut options = options(peer.port());
            options.will.take_if(|_| !has_will);
            let (_link, _events) = start(options);
            let (kind, connect) = peer.accept().packet();
            // The flags of CONNECT (MQTT 3.1.1, section 3.1.2.3): bit 2 is that of the will.
            assert_eq!((kind, connect[7] & 4 != 0), (0x10, has_will));
        }
    }

    #[test]
    fn each_broker_is_tried_at_once_after_the_one_before_it_whatever_was_wrong_there() {
        let peers = [Peer::new(), Peer::new(), Peer::new()];
        let (_link, events) = start(options_for(&peers.each_ref()));
        let mut wire = peers[0].accept();
        assert_eq!(wire.packet().0, 0x10);
        wire.send(&[0x20, 2, 0, 5]);
        drop(peers[1].accept());
        let _wire = peers[2].log_in();
        for (rank, kind) in [(0, "refused: not authorized"), (1, "closed unanswered")] {
            let LinkEvent::Down(down) = events.recv_timeout(LIMIT).unwrap() else { panic!("not down") };
            assert_eq!((down.site.rank(), down.cause.kind(), down.retry_in), (rank, kind, Duration::ZERO));
        }
        let LinkEvent::Up(session) = events.recv_timeout(LIMIT).unwrap() else { panic!("not up") };
        assert_eq!(session.site().rank(), 2);
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
