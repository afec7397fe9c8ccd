//! QoS 2 with `CLEAN_SESSION=no`: each message arrives exactly once, and in order, whatever the network does, and also
//! through the death of a broker that has stored our session.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use luigi_mqtt::config::Config;
use luigi_mqtt::config::Environment;
use luigi_mqtt::link::Link;
use luigi_mqtt::link::LinkEvent;
use luigi_mqtt::link::Options;
use luigi_mqtt::link::Session;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Token;
use luigi_mqtt::model::Topic;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Relay;

/// Publishes numbers by way of a network that can be cut, as the bridge does with messages.
struct Counter {
    _link: Link,
    events: Receiver<LinkEvent>,
    session: Option<Session>,
    relay: Relay,
    delivered: BTreeSet<u64>,
    next: u64,
    /// How many numbers were in flight at each end of a session.
    cuts: Vec<u64>,
    /// How many sessions were there before, and how many were not.
    resumed: u32,
    begun: u32,
}

impl Counter {
    fn start(mosquitto: &Mosquitto) -> Counter {
        let relay = Relay::start(mosquitto.port());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("conf");
        let configuration = Configuration::new(relay.port()).set("Client", "CLEAN_SESSION", "no");
        fs::write(&file, configuration.text()).unwrap();
        let config = Config::load(Some(&file), &Environment::new("pi", Path::new("/nowhere"))).unwrap();
        let mut client = config.client;
        client.reconnect_delay = Duration::from_millis(5);
        client.reconnect_delay_max = Duration::from_millis(20);
        let options = Options {
            broker: config.broker,
            credentials: None,
            client,
            will: Some(message("luigi/will", b"offline")),
            subscriptions: Vec::new(),
        };
        let (told, events) = bounded(64);
        Counter {
            _link: Link::start(options, told).unwrap(),
            events,
            session: None,
            relay,
            delivered: BTreeSet::new(),
            next: 0,
            cuts: Vec::new(),
            resumed: 0,
            begun: 0,
        }
    }

    /// The oldest number that is not delivered.
    fn oldest(&self) -> u64 {
        (self.delivered.len() as u64..).find(|it| !self.delivered.contains(it)).expect("numbers do not end")
    }

    /// Publishes the numbers of `range` and takes what the link tells, until `enough` holds.
    #[track_caller]
    fn run_until(&mut self, range: &Range<u64>, mut enough: impl FnMut(&Counter) -> bool) {
        let deadline = Instant::now() + LIMIT;
        self.hand_over(range);
        while !enough(self) {
            match self.events.recv_deadline(deadline).expect("something happens in time") {
                LinkEvent::Up(session) => {
                    match session.resumed() {
                        true => assert_eq!(self.oldest(), self.next, "up with something unfinished"),
                        false => self.next = self.oldest(),
                    }
                    self.resumed += u32::from(session.resumed());
                    self.begun += u32::from(!session.resumed());
                    self.session = Some(session);
                }
                LinkEvent::Delivered(Token(number)) => assert!(self.delivered.insert(number), "{number}"),
                LinkEvent::Down(down) => {
                    assert!(down.kept);
                    if self.session.take().is_some() {
                        self.cuts.push(self.next - self.oldest());
                    }
                }
                // To the link's own topic.
                LinkEvent::Subscribed(_) => {}
                other => panic!("{other:?}"),
            }
            self.hand_over(range);
        }
    }

    fn hand_over(&mut self, range: &Range<u64>) {
        let oldest = self.oldest();
        let Some(session) = &mut self.session else { return };
        while self.next < range.end && self.next - oldest < WINDOW {
            let is_new = !self.delivered.contains(&self.next);
            let text = self.next.to_string();
            if is_new && session.publish(Token(self.next), &message(TOPIC, text.as_bytes())).is_err() {
                return;
            }
            self.next += 1;
        }
    }

    /// Has all numbers of `range` delivered while the network is cut again and again.
    #[track_caller]
    fn run(&mut self, range: Range<u64>, random: &mut fastrand::Rng) {
        while self.oldest() < range.end {
            // Also while it connects, and while it resumes.
            let mut left = random.u32(..120);
            self.run_until(&range, |it| {
                left = left.saturating_sub(1);
                left == 0 || it.oldest() == range.end
            });
            self.relay.cut();
            if random.u8(..4) == 0 {
                let mut left = random.u32(1..4);
                self.run_until(&range, |it| {
                    left -= u32::from(it.session.is_none());
                    left == 0
                });
            }
            self.relay.mend();
        }
    }
}

fn message(topic: &str, payload: &[u8]) -> Message {
    Message {
        topic: Topic::new(topic).unwrap(),
        payload: payload.into(),
        qos: Qos::ExactlyOnce,
        retain: false,
    }
}

fn numbers(observer: &Observer) -> Vec<u64> {
    observer.messages().iter().map(|it| it.text()).filter_map(|it| it.parse().ok()).collect()
}

/// Waits until all that the broker has taken so far has arrived at `observer`, to the last acknowledgement.
#[track_caller]
fn wait_for_all(mosquitto: &Mosquitto, observer: &Observer) {
    // When the second arrives, the broker has read what the observer said to the first.
    for _ in 0..2 {
        let marker = format!("marker {}", observer.messages().len());
        mosquitto.publish_at(2, TOPIC, &marker, false);
        observer.wait_for(&marker, LIMIT, |it| it.iter().any(|it| it.text() == marker));
    }
}

#[test]
fn each_message_arrives_exactly_once_and_in_order_through_any_cut_of_the_network() {
    for seed in [1, 2] {
        let mosquitto = Mosquitto::start(MosquittoOptions::default());
        let observer = Observer::start(&mosquitto, &[TOPIC]);
        let mut counter = Counter::start(&mosquitto);
        counter.run(0..COUNT, &mut fastrand::Rng::with_seed(seed));
        wait_for_all(&mosquitto, &observer);
        let cut_short = counter.cuts.iter().filter(|it| **it > 0).count();
        assert_eq!(numbers(&observer), Vec::from_iter(0..COUNT), "seed {seed}");
        assert!(cut_short > 10, "seed {seed}: {cut_short} cuts with something in flight are no chaos");
        assert_eq!(counter.begun, 1, "seed {seed}: the session was given up");
    }
}

#[test]
fn each_message_arrives_exactly_once_through_the_death_of_a_broker_that_has_stored_our_session() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions { persistence: true, ..Default::default() });
    let observer = Observer::lasting(&mosquitto, &[TOPIC]);
    let mut counter = Counter::start(&mosquitto);
    for life in 1..=3 {
        let range = (life - 1) * WINDOW * 5..life * WINDOW * 5;
        let enough = range.start + WINDOW * 2;
        counter.run_until(&range, |it| it.oldest() > enough);
        counter.relay.cut();
        counter.run_until(&range, |it| it.session.is_none());
        wait_for_all(&mosquitto, &observer);
        mosquitto.kill();
        mosquitto.start_again();
        counter.relay.mend();
        counter.run_until(&range, |it| it.oldest() == range.end);
    }
    wait_for_all(&mosquitto, &observer);
    assert_eq!(numbers(&observer), Vec::from_iter(0..3 * WINDOW * 5));
    // Now and then a busy machine has all acknowledged before it is cut.
    assert!(counter.cuts.iter().any(|it| *it > 0), "{:?}", counter.cuts);
    assert_eq!((counter.begun, counter.resumed), (1, 3));
}

#[test]
fn nothing_is_lost_where_the_broker_has_lost_our_session() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions::default());
    let mut counter = Counter::start(&mosquitto);
    let mut seen = BTreeSet::new();
    let observer = Observer::start(&mosquitto, &[TOPIC]);
    counter.run_until(&(0..COUNT), |it| it.oldest() > COUNT / 2);
    counter.relay.cut();
    counter.run_until(&(0..COUNT), |it| it.session.is_none());
    wait_for_all(&mosquitto, &observer);
    seen.extend(numbers(&observer));
    mosquitto.kill();
    mosquitto.start_again();
    let observer = Observer::start(&mosquitto, &[TOPIC]);
    counter.relay.mend();
    counter.run_until(&(0..COUNT), |it| it.oldest() == COUNT);
    wait_for_all(&mosquitto, &observer);
    seen.extend(numbers(&observer));
    assert_eq!(seen.len() as u64, COUNT);
    assert_eq!((counter.begun, counter.resumed), (2, 0));
}

#[test]
fn the_daemon_goes_on_with_its_session_after_a_cut() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let relay = Relay::start(mosquitto.port());
    let observer = Observer::start(&mosquitto, &["luigi/#"]);
    let configuration = Configuration::new(relay.port())
        .set("Client", "QOS", "2")
        .set("Client", "CLEAN_SESSION", "no")
        .set("Host", "INTERVAL", "1s");
    let mut daemon = Daemon::start(&configuration.text());
    observer.wait_for_latest(TEMPERATURE, "41.2");
    for degrees in ["50", "51", "52"] {
        relay.cut();
        daemon.change_machine("sys/class/thermal/thermal_zone0/temp", &format!("{degrees}000\n"));
        daemon.wait_for_line(&format!("cpu_temperature: {degrees}"));
        relay.mend();
        observer.wait_for_latest(TEMPERATURE, degrees);
    }
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success());
    observer.wait_for_latest(AVAILABILITY, "offline");
    assert_eq!(daemon.count("not delivered"), 0, "{:#?}", daemon.lines());
    let log = mosquitto.log();
    let logins = |clean: u8| log.matches(&format!("as {CLIENT_ID} (p2, c{clean}")).count();
    assert_eq!((logins(1), logins(0) >= 4), (1, true), "{log}");
}

const TEMPERATURE: &str = "luigi/pi/cpu_temperature";
const TOPIC: &str = "luigi/number";
const COUNT: u64 = 2_000;
/// `MAX_IN_FLIGHT` and the 10 that the bridge keeps for its last words.
const WINDOW: u64 = 110;
/// Longer than any of it takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
