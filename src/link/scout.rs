//! What is to be done at the other brokers while one is connected: [`Scout`].

use std::mem;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use rumqttc::Event;
use rumqttc::Packet;
use rumqttc::QoS;

use crate::model::Chain;
use crate::resolver::Resolver;
use crate::worker::Pulse;
use crate::worker::Pulses;
use crate::worker::Stop;
use crate::worker::Worker;

use super::attempt::attempt;
use super::connection::Connection;
use super::dialer::LONGEST_ATTEMPT;
use super::options::Options;
use super::passage::Current;
use super::{LinkError, LinkEvent};

/// A thread that lives only while there is something to do at other brokers than the connected one. It logs in there,
/// under a client identifier of its own, so that it throws nobody out, and without a will or a session to keep.
pub(super) struct Scout {
    worker: Worker,
    reports: Receiver<Report>,
    floor: Receiver<()>,
}

/// Something that was done.
#[derive(Clone, Copy)]
enum Report {
    /// The broker of this rank, which is to be preferred, has accepted a login.
    Back(usize),
    /// The broker of this rank knows that we are offline there.
    Told(usize),
}

/// Something to be done.
#[derive(Clone, Copy)]
enum Errand {
    /// See whether the broker accepts a login: then we go there.
    Return(usize),
    /// Tell the broker that we are offline there. It may say otherwise: one that was killed has sent no will, and
    /// comes back with the `online` that it has stored.
    Farewell(usize),
}

impl Scout {
    /// Starts one for the session with the broker of rank `here`, where the brokers in `left_behind` may still say that
    /// we are online. Every `FAILBACK_INTERVAL`, or every `reconnect_delay_max` where we are to stay here, it tries
    /// what is left to do, and ends `current`'s connection, without DISCONNECT, once it has found a better broker.
    /// `None` where there is nothing to do.
    pub(super) fn start(
        options: &Options,
        here: usize,
        left_behind: &[usize],
        current: Current,
        events: Sender<LinkEvent>,
        pulses: &Pulses,
    ) -> Option<Scout> {
        let broker = &options.broker;
        let better = if broker.failback_interval.is_some() { here } else { 0 };
        let errand = |rank| match rank {
            rank if rank < better => Some(Errand::Return(rank)),
            rank if options.will.is_some() && left_behind.contains(&rank) => Some(Errand::Farewell(rank)),
            _ => None,
        };
        let errands: Vec<Errand> = (0..broker.endpoints.len()).filter_map(errand).collect();
        if errands.is_empty() {
            return None;
        }
        let interval = broker.failback_interval.unwrap_or(options.client.reconnect_delay_max);
        let (reports, reported) = bounded(broker.endpoints.len());
        let (yielded, floor) = bounded(1);
        let _ = yielded.try_send(());
        let mut options = options.clone();
        options.client.id.push_str("-probe");
        let (both, warned) = ((yielded, floor.clone()), Vec::new());
        let walk = Walk { options, events, errands, reports, current, floor: both, warned };
        let body = move |stop: Stop, pulse: Pulse| {
            walk.run(interval, &stop, &pulse);
            pulse.rests();
        };
        match Worker::spawn_watched("scout", pulses, body) {
            Ok(worker) => Some(Scout { worker, reports: reported, floor }),
            Err(cause) => {
                log::warn!("no thread to look for the other brokers with: {cause}");
                None
            }
        }
    }

    /// Ends it, now that its session has ended. Those that it has told leave `left_behind`; returns the rank of a better
    /// broker that it has found. Once this returns it tells nobody any more that we are offline. Waits for a word that
    /// is just being said, a few seconds at most; an attempt to connect is left to end by itself.
    pub(super) fn end(mut self, left_behind: &mut Vec<usize>) -> Option<usize> {
        self.worker.request_stop();
        let _ = self.floor.recv_timeout(2 * WORD_LIMIT);
        self.worker.stop_within(Duration::ZERO);
        let mut back = None;
        for report in self.reports.try_iter() {
            match report {
                Report::Back(rank) => back = Some(rank),
                Report::Told(rank) => left_behind.retain(|it| *it != rank),
            }
        }
        back
    }
}

impl Errand {
    fn rank(self) -> usize {
        match self {
            Errand::Return(rank) | Errand::Farewell(rank) => rank,
        }
    }
}

/// What the thread owns.
struct Walk {
    options: Options,
    events: Sender<LinkEvent>,
    errands: Vec<Errand>,
    reports: Sender<Report>,
    current: Current,
    /// Both ends of a channel with one token in it. Who holds the token may do something: an `offline` of the scout's
    /// that came after an `online` of the link's at the same broker would stay.
    floor: (Sender<()>, Receiver<()>),
    /// Ranks and kinds of the failures that were logged.
    warned: Vec<(usize, &'static str)>,
}

impl Walk {
    fn run(mut self, interval: Duration, stop: &Stop, pulse: &Pulse) {
        loop {
            pulse.turns_within(interval);
            if self.errands.is_empty() || !stop.sleep(interval) {
                return;
            }
            for errand in mem::take(&mut self.errands) {
                pulse.turns_within(LONGEST_ATTEMPT);
                let outcome = self.go(errand, stop);
                if stop.is_set() {
                    return;
                }
                match outcome {
                    Ok(Report::Back(_)) => return,
                    Ok(Report::Told(_)) => select! {
                        send(self.events, LinkEvent::SaidOffline) -> _ => {}
                        recv(stop.channel()) -> _ => return,
                    },
                    Err(cause) => {
                        self.tell_failure(errand, &cause);
                        self.errands.push(errand);
                    }
                }
            }
        }
    }

    /// Does `errand`, and reports it.
    fn go(&self, errand: Errand, stop: &Stop) -> Result<Report, LinkError> {
        let site = self.options.site(errand.rank());
        let mut resolver = Resolver::new();
        let mut connection =
            attempt(&self.options, site.endpoint(), &mut resolver, &mut None, stop, |target, limit| {
                Connection::open(&self.options, target, limit, |_| {})
            })?;
        // Without the floor the session has ended, and the link may be on its way to this very broker.
        self.floor.1.try_recv().map_err(|_| LinkError::Disconnected)?;
        let done = match errand {
            Errand::Return(rank) => Ok(Report::Back(rank)),
            Errand::Farewell(rank) => self.say_offline(&mut connection).map(|()| Report::Told(rank)),
        };
        if let Ok(report) = done {
            connection.say_goodbye();
            let _ = self.reports.try_send(report);
            match report {
                Report::Back(_) => self.current.leave(),
                Report::Told(_) => {
                    log::info!(
                        "the broker at {site}, which we had left, answers: told it that we are offline"
                    );
                }
            }
        }
        let _ = self.floor.0.try_send(());
        done
    }

    /// Publishes what the will would have said, and waits until the broker has it.
    fn say_offline(&self, connection: &mut Connection) -> Result<(), LinkError> {
        // Without a will there is no such errand.
        let Some(will) = &self.options.will else { return Ok(()) };
        let deadline = Instant::now() + WORD_LIMIT;
        let published = connection.client().try_publish(
            will.topic.as_str(),
            QoS::AtLeastOnce,
            will.retain,
            &*will.payload,
        );
        published.map_err(|_| LinkError::Disconnected)?;
        loop {
            let event = connection.next_until(deadline).ok_or(LinkError::Unacknowledged)??;
            if matches!(event, Event::Incoming(Packet::PubAck(_))) {
                return Ok(());
            }
        }
    }

    /// A broker that is still away is no news; one that is back and does not let us in is, once.
    fn tell_failure(&mut self, errand: Errand, cause: &LinkError) {
        let (site, what) = (self.options.site(errand.rank()), (errand.rank(), cause.kind()));
        let failed = match errand {
            Errand::Return(_) => format!("cannot go back to the broker at {site}"),
            Errand::Farewell(_) => format!("cannot tell the broker at {site} that we are offline there"),
        };
        if cause.needs_a_person() && !self.warned.contains(&what) {
            log::warn!("{failed}: {}; trying on", Chain(cause));
            self.warned.push(what);
        } else {
            log::debug!("{failed}: {}", Chain(cause));
        }
    }
}

/// How long a word to a broker may take, once logged in there.
const WORD_LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::link::peer::{CONNACK, LIMIT, Peer, Wire, options_for, puback};
    use crate::link::{Link, Session};

    /// A link that goes to the first of two brokers, or else to the second.
    struct Pair {
        link: Link,
        events: Receiver<LinkEvent>,
        first: Peer,
        second: Peer,
        pulses: Pulses,
    }

    impl Pair {
        fn start(change: impl FnOnce(&mut Options)) -> Pair {
            let (first, second) = (Peer::new(), Peer::new());
            let mut options = options_for(&[&first, &second]);
            options.will.iter_mut().for_each(|it| it.retain = true);
            change(&mut options);
            let (told, events) = bounded(64);
            let pulses = Pulses::new(Duration::from_secs(1), Instant::now());
            let link = Link::start_watched(options, told, &pulses).unwrap();
            Pair { link, events, first, second, pulses }
        }

        /// One that is connected to the second, because the first did not let it in.
        fn at_the_second(change: impl FnOnce(&mut Options)) -> (Pair, Session, Wire) {
            let pair = Pair::start(change);
            drop(pair.first.accept());
            let wire = pair.second.log_in();
            assert_eq!(pair.down(), (0, "closed unanswered"));
            let session = pair.up(1);
            (pair, session, wire)
        }

        /// One that is connected to the second, because the first has ended a session.
        fn driven_from_the_first(change: impl FnOnce(&mut Options)) -> (Pair, Session, Wire) {
            let pair = Pair::start(change);
            drop(pair.first.log_in());
            let _session = pair.up(0);
            let wire = pair.second.log_in();
            assert_eq!(pair.down(), (0, "closed by broker"));
            let session = pair.up(1);
            (pair, session, wire)
        }

        #[track_caller]
        fn up(&self, rank: usize) -> Session {
            match self.events.recv_timeout(LIMIT).unwrap() {
                LinkEvent::Up(session) => {
                    assert_eq!(session.site().rank(), rank);
                    session
                }
                other => panic!("expected up, found {other:?}"),
            }
        }

        /// Waits until it is known here that a broker was told.
        #[track_caller]
        fn told(&self) {
            let event = self.events.recv_timeout(LIMIT).unwrap();
            assert!(matches!(event, LinkEvent::SaidOffline), "{event:?}");
        }

        /// The rank of the broker and the kind of the cause.
        #[track_caller]
        fn down(&self) -> (usize, &'static str) {
            match self.events.recv_timeout(LIMIT).unwrap() {
                LinkEvent::Down(down) => (down.site.rank(), down.cause.kind()),
                other => panic!("expected down, found {other:?}"),
            }
        }
    }

    /// The scout's login at `peer`, not yet answered.
    #[track_caller]
    fn scout_at(peer: &Peer) -> Wire {
        let mut wire = peer.accept();
        let (first, body) = wire.packet();
        // A clean session, no will, an identifier of its own.
        assert_eq!((first, body[7], &body[10..]), (0x10, 2, &b"\0\x10luigi-test-probe"[..]));
        wire
    }

    /// Takes the scout's `offline`.
    #[track_caller]
    fn take_offline(mut wire: Wire) {
        wire.send(&CONNACK);
        let offline = b"\0\x17luigi/test/availability\0\x01offline".to_vec();
        assert_eq!(wire.packet(), (0x33, offline), "retained, at QoS 1");
        wire.send(&puback(1));
        assert_eq!(wire.packet(), (0xe0, vec![]));
    }

    fn go_back_soon(options: &mut Options) {
        options.broker.failback_interval = Some(Duration::from_millis(10));
    }

    fn stay(options: &mut Options) {
        options.broker.failback_interval = None;
    }

    #[test]
    fn a_better_broker_that_accepts_a_login_is_gone_back_to_and_the_other_one_told() {
        let (pair, _session, mut at_second) = Pair::at_the_second(go_back_soon);
        let mut scout = scout_at(&pair.first);
        scout.send(&CONNACK);
        assert_eq!(scout.packet(), (0xe0, vec![]));
        // No DISCONNECT: this broker sends the will.
        assert_eq!((at_second.packet().0, at_second.next()), (0xa2, None));
        assert_eq!(pair.down(), (1, "better broker"));
        let _wire = pair.first.log_in();
        let _session = pair.up(0);
        take_offline(scout_at(&pair.second));
    }

    #[test]
    fn a_better_broker_that_does_not_accept_a_login_is_not_gone_back_to() {
        let (pair, _session, _at_second) = Pair::at_the_second(|options| {
            go_back_soon(options);
            options.client.connection_timeout = Duration::from_secs(4);
        });
        let silent = scout_at(&pair.first);
        scout_at(&pair.first).send(&[0x20, 2, 0, 5]);
        drop(scout_at(&pair.first));
        let mut scout = scout_at(&pair.first);
        assert!(pair.events.is_empty());
        scout.send(&CONNACK);
        assert_eq!(pair.down(), (1, "better broker"));
        drop(silent);
    }

    #[test]
    fn a_broker_whose_session_was_lost_is_told_until_it_has_acknowledged_it() {
        let (pair, _session, _at_second) = Pair::driven_from_the_first(stay);
        drop(scout_at(&pair.first));
        let mut unheard = scout_at(&pair.first);
        unheard.send(&CONNACK);
        assert_eq!(unheard.packet().0, 0x33);
        drop(unheard);
        take_offline(scout_at(&pair.first));
        pair.told();
        assert!(pair.events.is_empty());
    }

    #[test]
    fn a_scout_that_has_nothing_left_to_do_is_no_thread_that_stands_still() {
        let (pair, _session, _at_second) = Pair::driven_from_the_first(stay);
        let scout = scout_at(&pair.first);
        let began = Instant::now();
        let is_late = || pair.pulses.late(began + Duration::from_secs(1 << 20)).contains(&"scout");
        assert!(is_late());
        take_offline(scout);
        pair.told();
        while is_late() {
            assert!(began.elapsed() < LIMIT);
            thread::yield_now();
        }
    }

    #[test]
    fn a_broker_that_was_told_is_left_alone() {
        let (pair, _session, at_second) = Pair::driven_from_the_first(|options| {
            stay(options);
            options.client.keep_alive = Duration::from_secs(4);
        });
        take_offline(scout_at(&pair.first));
        pair.told();
        drop(at_second);
        assert_eq!(pair.down(), (1, "closed by broker"));
        drop(pair.first.accept());
        assert_eq!(pair.down(), (0, "closed unanswered"));
        let mut at_second = pair.second.log_in();
        let _session = pair.up(1);
        // A ping after four seconds, in which a scout would have been there many times.
        assert_eq!(at_second.packet().0, 0xc0);
        assert!(pair.first.try_accept().is_none());
    }

    #[test]
    fn nobody_says_offline_where_the_link_is_about_to_say_online() {
        let (pair, _session, at_second) = Pair::driven_from_the_first(stay);
        let mut scout = scout_at(&pair.first);
        drop(at_second);
        assert_eq!(pair.down(), (1, "closed by broker"));
        let _at_first = pair.first.log_in();
        let _session = pair.up(0);
        scout.send(&CONNACK);
        assert_eq!(scout.next(), None);
        // The next scout has been at the other broker, and would have come here first.
        take_offline(scout_at(&pair.second));
        assert!(pair.first.try_accept().is_none());
    }

    #[test]
    fn the_link_stops_while_its_scout_waits_for_an_answer() {
        let (pair, _session, mut at_second) = Pair::at_the_second(go_back_soon);
        let _unanswered = scout_at(&pair.first);
        assert!(pair.link.stop(LIMIT));
        assert_eq!(at_second.packet(), (0xe0, vec![]));
    }
}
