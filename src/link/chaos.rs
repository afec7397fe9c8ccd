//! A test: a broker that breaks connections at every point, and a bridge that loses nothing all the same.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::model::Qos;
use crate::model::Token;
use crate::model::TopicFilter;

use super::peer::{CLEAN, LIMIT, Peer, Wire, message, options};
use super::session::NOTHING;
use super::{Link, LinkEvent, Session};

#[test]
fn nothing_is_lost_and_nothing_falsely_delivered_however_connections_break() {
    for seed in 1..=3 {
        run(seed, true, 0);
    }
}

#[test]
fn at_a_broker_that_keeps_our_session_each_message_of_qos_2_arrives_exactly_once() {
    for seed in 11..=13 {
        let account = run(seed, false, 0);
        let twice = account.published.iter().filter(|(token, count)| is_exactly_once(**token) && **count > 1);
        assert_eq!((twice.count(), account.without_dup), (0, 0), "seed {seed}");
    }
}

#[test]
fn at_a_broker_that_sometimes_loses_our_session_nothing_is_lost() {
    for seed in 21..=23 {
        run(seed, false, 15);
    }
}

/// Has all messages delivered through a broker that breaks connections and loses sessions that it should keep,
/// `forgetful` percent of the time, and checks what holds in any case.
#[track_caller]
fn run(seed: u64, clean_session: bool, forgetful: u8) -> Account {
    // Each token that the broker has acknowledged, at the moment it decides to.
    let (acknowledges, acknowledged) = unbounded();
    let (done, until) = bounded::<()>(0);
    let peer = Peer::new();
    let port = peer.port();
    let broker = thread::spawn(move || {
        let random = fastrand::Rng::with_seed(seed);
        let account = Account::default();
        Broker { random, forgetful, acknowledges, until, session: None, account }.run(&peer)
    });
    let delivered = Bridge::new(port, clean_session).run();
    drop(done);
    let account = broker.join().unwrap();
    let acknowledged: HashSet<u64> = acknowledged.try_iter().collect();
    let false_deliveries = delivered.difference(&acknowledged).count();
    let lost = (0..MESSAGES).filter(|it| !account.published.contains_key(it)).count();
    let found = (delivered.len() as u64, lost, false_deliveries, account.mistaken);
    assert_eq!(found, (MESSAGES, 0, 0, 0), "seed {seed}");
    assert!(account.connections > 10, "seed {seed}: {} connections are no chaos", account.connections);
    account
}

fn is_exactly_once(token: u64) -> bool {
    token % 3 == 0
}

/// Hands out all messages in order, again and again until each is delivered, and always asks something as well.
struct Bridge {
    events: Receiver<LinkEvent>,
    _link: Link,
    session: Option<Session>,
    delivered: HashSet<u64>,
    oldest: u64,
    next: u64,
    /// When the oldest was found not to be delivered.
    since: Instant,
    /// What this session was asked and has not answered, oldest first; `None` of it to unsubscribe.
    asked: VecDeque<Option<Vec<TopicFilter>>>,
    /// What the link itself asks each session first: for a topic of its own, where the broker is to keep the session.
    first: Option<Option<Vec<TopicFilter>>>,
    answers: u64,
}

impl Bridge {
    fn new(port: u16, clean_session: bool) -> Bridge {
        let (told, events) = bounded(16);
        let mut options = options(port);
        options.client.clean_session = clean_session;
        options.client.connection_timeout = PATIENCE;
        let link = Link::start(options, told).unwrap();
        let (delivered, since) = (HashSet::new(), Instant::now());
        let (session, asked) = (None, VecDeque::new());
        let first = (!clean_session).then(|| Some(Vec::new()));
        Bridge {
            events,
            _link: link,
            session,
            delivered,
            oldest: 0,
            next: 0,
            since,
            asked,
            first,
            answers: 0,
        }
    }

    fn run(mut self) -> HashSet<u64> {
        let deadline = Instant::now() + 6 * LIMIT;
        while (self.delivered.len() as u64) < MESSAGES {
            assert!(Instant::now() < deadline, "{} of {MESSAGES} delivered", self.delivered.len());
            match self.events.recv_timeout(PATIENCE) {
                Ok(LinkEvent::Up(session)) => {
                    if session.resumed() {
                        assert_eq!(self.oldest, self.next, "it is up with something in flight");
                    }
                    self.asked = self.first.iter().cloned().collect();
                    self.session = Some(session);
                    self.next = self.oldest;
                    self.since = Instant::now();
                }
                Ok(LinkEvent::Down(down)) => {
                    let cause = down.cause.to_string();
                    assert!(!cause.contains("came round"), "{cause}");
                    self.session = None;
                }
                Ok(LinkEvent::Subscribed(filters)) => {
                    let asked = self.asked.pop_front().flatten().expect("somebody has subscribed");
                    assert!(filters.iter().all(|(filter, granted)| *granted == (filter.as_str() != REFUSED)));
                    assert!(filters.into_iter().map(|(filter, _)| filter).eq(asked));
                    self.answers += 1;
                }
                Ok(LinkEvent::Unsubscribed) => {
                    assert_eq!(self.asked.pop_front(), Some(None));
                    self.answers += 1;
                }
                Ok(LinkEvent::Delivered(token)) => {
                    assert!(self.delivered.insert(token.0), "{token:?} was delivered twice");
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => self.session.iter().for_each(Session::abandon),
            }
            while self.delivered.contains(&self.oldest) {
                self.oldest += 1;
                self.since = Instant::now();
            }
            if self.since.elapsed() > PATIENCE {
                self.session.iter().for_each(Session::abandon);
            }
            self.hand_over();
            self.ask();
        }
        assert!(self.answers > MESSAGES / 100, "{} answers are no chaos", self.answers);
        self.delivered
    }

    fn ask(&mut self) {
        let Some(session) = &mut self.session else { return };
        let wanted = ["a", REFUSED, "c/#"].map(|it| (TopicFilter::new(it).unwrap(), Qos::AtLeastOnce));
        let filters = wanted.clone().map(|(filter, _)| filter);
        let (asked, result) = match self.answers % 2 {
            0 => (Some(filters.to_vec()), session.subscribe(&wanted)),
            _ => (None, session.unsubscribe(&filters)),
        };
        if result.is_ok() {
            self.asked.push_back(asked);
        }
    }

    fn hand_over(&mut self) {
        let Some(session) = &mut self.session else { return };
        while self.next < MESSAGES && self.next - self.oldest < WINDOW {
            let token = self.next;
            let qos = if is_exactly_once(token) { Qos::ExactlyOnce } else { Qos::AtLeastOnce };
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
    forgetful: u8,
    acknowledges: Sender<u64>,
    until: Receiver<()>,
    /// What it keeps, if it does.
    session: Option<Kept>,
    account: Account,
}

/// A session.
#[derive(Default)]
struct Kept {
    /// The messages at QoS 2 that it has, by packet identifier.
    unreleased: BTreeMap<u16, u64>,
    /// Whether there was a SUBSCRIBE.
    subscribed: bool,
}

/// What a broker has seen.
#[derive(Default)]
struct Account {
    connections: u32,
    /// How often it has published each token.
    published: BTreeMap<u64, u32>,
    /// How often it was sent something again that did not say so.
    without_dup: u32,
    /// How often it took a message for another one.
    mistaken: u32,
}

impl Broker {
    /// Serves connections until told to stop.
    fn run(mut self, peer: &Peer) -> Account {
        while let Some(mut wire) = peer.accept_until(|| self.is_over()) {
            self.account.connections += 1;
            self.serve(&mut wire);
        }
        self.account
    }

    fn is_over(&self) -> bool {
        self.until.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }

    fn serve(&mut self, wire: &mut Wire) {
        if self.chance(10) {
            return;
        }
        let Some((_, connect)) = wire.next() else { return };
        let clean = connect[7] & CLEAN != 0;
        if clean || self.chance(self.forgetful) {
            self.session = None;
        }
        let present = self.session.is_some();
        self.session.get_or_insert_default();
        if !self.chance(10) {
            wire.send(&[0x20, 2, u8::from(present), 0]);
            self.converse(wire);
        }
        if clean {
            self.session = None;
        }
    }

    fn converse(&mut self, wire: &mut Wire) {
        let mut answers: Vec<Vec<u8>> = Vec::new();
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
            let session = self.session.as_mut().expect("there is a connection");
            match first {
                // The link's question whether it is subscribed.
                0x30 if session.subscribed => wire.send(&[&[first, body.len() as u8], &body[..]].concat()),
                0x30 => {}
                0x82 => {
                    let codes = codes(&body[2..]);
                    session.subscribed = true;
                    answers.push([&[0x90, 2 + codes.len() as u8, body[0], body[1]], &codes[..]].concat());
                }
                // One of nothing is the link's way to wake itself up.
                0xa2 if &body[4..] != NOTHING.as_bytes() => answers.push(vec![0xb0, 2, body[0], body[1]]),
                0x31..=0x3f => {
                    let answer = self.take(first, &body);
                    if !self.chance(1) {
                        answers.push(answer); // Otherwise never, on this connection.
                    }
                }
                0x62 => answers.push(self.release(&body)),
                0xc0 => answers.push(vec![0xd0, 0]),
                _ => return,
            }
        }
    }

    /// Takes a PUBLISH as MQTT says: at QoS 2 one with a packet identifier that was not released is what it already
    /// has. Returns the answer.
    fn take(&mut self, first: u8, body: &[u8]) -> Vec<u8> {
        let packet_id = u16::from_be_bytes([body[14], body[15]]);
        let token: u64 = std::str::from_utf8(&body[16..]).unwrap().parse().unwrap();
        if first & 0x06 == 0x02 {
            *self.account.published.entry(token).or_default() += 1;
            self.acknowledges.send(token).unwrap();
            return vec![0x40, 2, body[14], body[15]];
        }
        let unreleased = &mut self.session.as_mut().expect("there is a connection").unreleased;
        if let Some(known) = unreleased.insert(packet_id, token) {
            unreleased.insert(packet_id, known);
            self.account.mistaken += u32::from(known != token);
            self.account.without_dup += u32::from(first & 0x08 == 0);
        }
        vec![0x50, 2, body[14], body[15]]
    }

    /// Takes a PUBREL: publishes what it is for, unless that was done. Returns the answer.
    fn release(&mut self, body: &[u8]) -> Vec<u8> {
        let unreleased = &mut self.session.as_mut().expect("there is a connection").unreleased;
        if let Some(token) = unreleased.remove(&u16::from_be_bytes([body[0], body[1]])) {
            *self.account.published.entry(token).or_default() += 1;
            self.acknowledges.send(token).unwrap();
        }
        vec![0x70, 2, body[0], body[1]]
    }
}

/// The answer to each of these filters of a SUBSCRIBE.
fn codes(mut filters: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    while let [_, length, rest @ ..] = filters {
        let (filter, rest) = rest.split_at(usize::from(*length));
        codes.push(if filter == REFUSED.as_bytes() { 0x80 } else { rest[0] });
        filters = &rest[1..];
    }
    codes
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
        !found.is_err_and(|it| matches!(it.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted))
    }
}

const MESSAGES: u64 = 1500;
const WINDOW: u64 = 100;
/// A filter that the broker does not grant.
const REFUSED: &str = "b";
/// How long a bridge in a hurry waits for an acknowledgement.
const PATIENCE: Duration = Duration::from_millis(60);
