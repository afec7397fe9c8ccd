//! A test: a broker that breaks connections at every point, and a bridge that loses nothing all the same.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::model::Qos;
use crate::model::Token;

use super::peer::{CONNACK, LIMIT, Peer, Wire, message, options};
use super::{Link, LinkEvent, Session};

#[test]
fn nothing_is_lost_and_nothing_falsely_delivered_however_connections_break() {
    for seed in 1..=3 {
        // Each token that the broker has acknowledged, at the moment it decides to.
        let (acknowledges, acknowledged) = unbounded();
        let (done, until) = bounded::<()>(0);
        let peer = Peer::new();
        let port = peer.port();
        let broker = thread::spawn(move || {
            Broker { random: fastrand::Rng::with_seed(seed), acknowledges, until }.run(&peer)
        });
        let delivered = Bridge::new(port).run();
        drop(done);
        let connections = broker.join().unwrap();
        let acknowledged: HashSet<u64> = acknowledged.try_iter().collect();
        let false_deliveries = delivered.difference(&acknowledged).count();
        assert_eq!((delivered.len() as u64, false_deliveries), (MESSAGES, 0), "seed {seed}");
        assert!(connections > 10, "seed {seed}: {connections} connections are no chaos");
    }
}

/// Hands out all messages in order, again and again until each is delivered.
struct Bridge {
    events: Receiver<LinkEvent>,
    _link: Link,
    session: Option<Session>,
    delivered: HashSet<u64>,
    oldest: u64,
    next: u64,
}

impl Bridge {
    fn new(port: u16) -> Bridge {
        let (told, events) = bounded(16);
        let link = Link::start(options(port), told).unwrap();
        Bridge { events, _link: link, session: None, delivered: HashSet::new(), oldest: 0, next: 0 }
    }

    fn run(mut self) -> HashSet<u64> {
        let deadline = Instant::now() + 6 * LIMIT;
        while (self.delivered.len() as u64) < MESSAGES {
            assert!(Instant::now() < deadline, "{} of {MESSAGES} delivered", self.delivered.len());
            match self.events.recv_timeout(PATIENCE) {
                Ok(LinkEvent::Up(session)) => {
                    self.session = Some(session);
                    self.next = self.oldest;
                }
                Ok(LinkEvent::Down(_)) => self.session = None,
                Ok(LinkEvent::Delivered(token)) => {
                    assert!(self.delivered.insert(token.0), "{token:?} was delivered twice");
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => self.session.iter().for_each(Session::abandon),
            }
            while self.delivered.contains(&self.oldest) {
                self.oldest += 1;
            }
            self.hand_over();
        }
        self.delivered
    }

    fn hand_over(&mut self) {
        let Some(session) = &mut self.session else { return };
        while self.next < MESSAGES && self.next - self.oldest < WINDOW {
            let token = self.next;
            let qos = if token % 3 == 0 { Qos::ExactlyOnce } else { Qos::AtLeastOnce };
            let text = message("luigi/test/a", &token.to_string(), qos);
            if !self.delivered.contains(&token) && session.publish(Token(token), &text).is_err() {
                return;
            }
            self.next += 1;
        }
    }
}

/// Closes at any moment, acknowledges in any order, late, with the end in one segment, or never.
struct Broker {
    random: fastrand::Rng,
    acknowledges: Sender<u64>,
    until: Receiver<()>,
}

impl Broker {
    /// Serves connections until told to stop. Returns how many there were.
    fn run(mut self, peer: &Peer) -> u32 {
        let mut connections = 0;
        while let Some(mut wire) = peer.accept_until(|| self.is_over()) {
            connections += 1;
            self.serve(&mut wire);
        }
        connections
    }

    fn is_over(&self) -> bool {
        self.until.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }

    fn serve(&mut self, wire: &mut Wire) {
        if self.chance(10) || wire.next().is_none() || self.chance(10) {
            return;
        }
        wire.send(&CONNACK);
        let mut answers: Vec<Vec<u8>> = Vec::new();
        let mut received = [None; 257];
        while !self.is_over() {
            if !wire.has_bytes(Duration::from_millis(1)) || self.chance(20) {
                self.random.shuffle(&mut answers);
                wire.send(&answers.concat());
                answers.clear();
            }
            if self.chance(1) {
                // The end, mostly with some acknowledgements in the same segment.
                self.random.shuffle(&mut answers);
                wire.send(&answers.concat());
                return;
            }
            if !wire.has_bytes(Duration::from_millis(1)) {
                continue;
            }
            let Some((first, body)) = wire.next() else { return };
            match first & 0xf0 {
                0x30 => {
                    let packet_id = [body[14], body[15]];
                    let token: u64 = std::str::from_utf8(&body[16..]).unwrap().parse().unwrap();
                    let at_least_once = first & 0x06 == 0x02;
                    received[usize::from(u16::from_be_bytes(packet_id))] = Some(token);
                    if self.chance(1) {
                        // Never acknowledged on this connection.
                    } else if at_least_once {
                        self.acknowledges.send(token).unwrap();
                        answers.push(vec![0x40, 2, packet_id[0], packet_id[1]]);
                    } else {
                        answers.push(vec![0x50, 2, packet_id[0], packet_id[1]]);
                    }
                }
                0x60 => {
                    let token = received[usize::from(u16::from_be_bytes([body[0], body[1]]))];
                    self.acknowledges.send(token.expect("PUBREL follows PUBLISH")).unwrap();
                    answers.push(vec![0x70, 2, body[0], body[1]]);
                }
                0xc0 => answers.push(vec![0xd0, 0]),
                _ => return,
            }
        }
    }
}

impl Peer {
    /// The next connection, unless `over` comes first.
    fn accept_until(&self, over: impl Fn() -> bool) -> Option<Wire> {
        while !over() {
            match self.try_accept() {
                Some(wire) => return Some(wire),
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
        None
    }
}

impl Wire {
    /// Whether something, or the end, is there to be read within `limit`.
    fn has_bytes(&self, limit: Duration) -> bool {
        self.0.set_read_timeout(Some(limit)).unwrap();
        let found = self.0.peek(&mut [0]);
        self.0.set_read_timeout(Some(LIMIT)).unwrap();
        !found.is_err_and(|it| it.kind() == ErrorKind::WouldBlock)
    }
}

const MESSAGES: u64 = 1500;
const WINDOW: u64 = 100;
/// How long a bridge in a hurry waits for an acknowledgement.
const PATIENCE: Duration = Duration::from_millis(60);
