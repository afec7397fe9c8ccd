//! Subscriptions that come and go while the link is up, as the broker has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded};

use luigi_mqtt::link::Link;
use luigi_mqtt::link::LinkEvent;
use luigi_mqtt::link::Options;
use luigi_mqtt::link::Session;
use luigi_mqtt::model::Incoming;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Token;
use luigi_mqtt::model::Topic;
use luigi_mqtt::model::TopicFilter;

use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::config;
use crate::support::hasty;

/// A link and what it has told.
struct Listener {
    _link: Link,
    events: Receiver<LinkEvent>,
    session: Option<Session>,
    /// What each filter was answered last.
    granted: BTreeMap<String, bool>,
    unsubscribed: usize,
    received: Vec<Incoming>,
    delivered: BTreeSet<u64>,
    downs: usize,
}

impl Listener {
    /// One that is connected.
    #[track_caller]
    fn start(mosquitto: &Mosquitto) -> Listener {
        let config = hasty(&config(mosquitto.port(), &[]));
        let options = Options {
            broker: config.broker,
            credentials: None,
            client: config.client,
            will: Some(message("luigi/will", "offline")),
            subscriptions: Vec::new(),
        };
        let (told, events) = bounded(64);
        let mut listener = Listener {
            _link: Link::start(options, told).unwrap(),
            events,
            session: None,
            granted: BTreeMap::new(),
            unsubscribed: 0,
            received: Vec::new(),
            delivered: BTreeSet::new(),
            downs: 0,
        };
        listener.run_until(|it| it.session.is_some());
        listener
    }

    /// Takes what the link tells until `enough` holds.
    #[track_caller]
    fn run_until(&mut self, enough: impl Fn(&Listener) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !enough(self) {
            match self.events.recv_deadline(deadline).expect("something happens in time") {
                LinkEvent::Up(session) => self.session = Some(session),
                LinkEvent::Down(_) => {
                    self.session = None;
                    self.downs += 1;
                }
                LinkEvent::Subscribed(filters) => {
                    self.granted.extend(filters.into_iter().map(|(it, granted)| (it.to_string(), granted)));
                }
                LinkEvent::Unsubscribed => self.unsubscribed += 1,
                LinkEvent::Received(incoming) => self.received.push(incoming),
                LinkEvent::Delivered(token) => assert!(self.delivered.insert(token.0), "{token:?}"),
                LinkEvent::SaidOffline => panic!("there is no other broker"),
            }
        }
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("it is up")
    }

    /// Subscribes to all of `filters`, in as many packets as it takes, and returns how many those were.
    #[track_caller]
    fn subscribe(&mut self, filters: &[(TopicFilter, Qos)]) -> usize {
        let (mut done, mut packets) = (0, 0);
        self.granted.clear();
        while done < filters.len() {
            done += self.session().subscribe(&filters[done..]).unwrap();
            packets += 1;
            self.run_until(|it| it.granted.len() == done);
        }
        packets
    }

    /// The payloads that have arrived, each with whether it was a retained one.
    fn texts(&self) -> Vec<(String, bool)> {
        let text = |it: &Incoming| (String::from_utf8_lossy(&it.payload).into_owned(), it.retained);
        self.received.iter().map(text).collect()
    }
}

fn message(topic: &str, payload: &str) -> Message {
    Message {
        topic: Topic::new(topic).unwrap(),
        payload: payload.as_bytes().into(),
        qos: Qos::AtLeastOnce,
        retain: false,
    }
}

fn filters(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<(TopicFilter, Qos)> {
    texts.into_iter().map(|it| (TopicFilter::new(it).unwrap(), Qos::AtLeastOnce)).collect()
}

fn text(text: &str, retained: bool) -> (String, bool) {
    (text.to_owned(), retained)
}

#[test]
fn what_is_retained_comes_with_each_subscribe_and_nothing_after_unsubscribe() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    mosquitto.publish("a/b", "kept", true);
    let mut listener = Listener::start(&mosquitto);
    for _ in 0..2 {
        listener.subscribe(&filters(["a/+"]));
        listener.run_until(|it| !it.received.is_empty());
        assert_eq!(listener.texts(), [text("kept", true)]);
        listener.received.clear();
    }
    mosquitto.publish("a/b", "new", false);
    listener.run_until(|it| !it.received.is_empty());
    assert_eq!(listener.texts(), [text("new", false)]);

    assert_eq!(listener.session().unsubscribe(&[TopicFilter::new("a/+").unwrap()]), Ok(1));
    listener.run_until(|it| it.unsubscribed == 1);
    mosquitto.publish("a/b", "unheard", false);
    listener.subscribe(&filters(["end"]));
    mosquitto.publish("end", "end", false);
    listener.run_until(|it| it.texts().contains(&text("end", false)));
    assert_eq!(listener.texts(), [text("new", false), text("end", false)]);
}

#[test]
fn five_thousand_filters_are_subscribed_to_and_after_a_restart_of_the_broker_once_more() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions::default());
    let mut listener = Listener::start(&mosquitto);
    let wanted = filters((0..5000).map(|it| format!("home/{it}/+/state")));
    for round in 1..=2 {
        assert_eq!(listener.subscribe(&wanted), 50);
        assert!(listener.granted.values().all(|it| *it));
        listener.received.clear();
        let topics = [0, 2500, 4999].map(|it| format!("home/{it}/x/state"));
        for topic in &topics {
            mosquitto.publish(topic, "on", false);
        }
        listener.run_until(|it| it.received.len() == topics.len());
        assert!(listener.received.iter().map(|it| it.topic.as_str()).eq(&topics));
        if round == 1 {
            mosquitto.kill();
            listener.run_until(|it| it.downs > 0);
            mosquitto.start_again();
            listener.run_until(|it| it.session.is_some());
        }
    }
}

#[test]
fn a_filter_that_the_broker_does_not_allow_is_answered_so_and_the_others_work() {
    // The access control file cannot refuse a SUBSCRIBE. This comes with Mosquitto as well.
    let plugin = fs::read_dir("/usr/lib").unwrap().flatten();
    let plugin = plugin.map(|it| it.path().join("mosquitto_dynamic_security.so")).find(|it| it.exists());
    let plugin = plugin.expect("Mosquitto's own plugin for dynamic security is installed with it");
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.json");
    fs::write(&rules, RULES).unwrap();
    let extra = format!("plugin {}\nplugin_opt_config_file {}\n", plugin.display(), rules.display());
    let mosquitto = Mosquitto::start(MosquittoOptions { extra, ..MosquittoOptions::default() });
    let mut listener = Listener::start(&mosquitto);
    listener.subscribe(&filters(["a", "secret", "b"]));
    let expected =
        [("a", true), ("b", true), ("secret", false)].map(|(it, granted)| (it.to_owned(), granted));
    assert_eq!(listener.granted, BTreeMap::from(expected));
    for topic in ["secret", "a", "b"] {
        mosquitto.publish(topic, topic, false);
    }
    listener.run_until(|it| it.received.len() == 2);
    assert_eq!(listener.texts(), [text("a", false), text("b", false)]);
}

#[test]
fn what_is_asked_during_heavy_publishing_costs_no_message() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["numbers"]);
    let mut listener = Listener::start(&mosquitto);
    let wanted = filters((0..100).map(|it| format!("a/{it}")));
    let gone: Vec<TopicFilter> = wanted.iter().map(|(filter, _)| filter.clone()).collect();
    let (mut next, mut asked) = (0, 0);
    while listener.delivered.len() < MESSAGES as usize {
        let delivered = listener.delivered.len();
        // Whoever does not know which are delivered, but that they are in order, may have so many on their way.
        while next < MESSAGES && next < delivered as u64 + 100 {
            listener.session().publish(Token(next), &message("numbers", &next.to_string())).unwrap();
            next += 1;
        }
        let answer = match asked % 2 {
            0 => listener.session().subscribe(&wanted),
            _ => listener.session().unsubscribe(&gone),
        };
        asked += usize::from(answer.is_ok());
        listener.run_until(|it| it.delivered.len() > delivered);
    }
    assert!(asked > 10, "asked {asked} times");
    assert_eq!(listener.downs, 0);
    let numbers = || observer.messages().iter().map(|it| it.text()).collect::<Vec<_>>();
    observer.wait_for("the last", LIMIT, |it| it.len() >= MESSAGES as usize);
    assert!(numbers().into_iter().eq((0..MESSAGES).map(|it| it.to_string())), "in order, once each");
}

const MESSAGES: u64 = 5000;
/// Everybody may do anything but subscribe to `secret`.
const RULES: &str = r#"{
    "defaultACLAccess": {
        "publishClientSend": true, "publishClientReceive": true, "subscribe": true, "unsubscribe": true
    },
    "roles": [{
        "rolename": "guest",
        "acls": [{"acltype": "subscribeLiteral", "topic": "secret", "priority": 1, "allow": false}]
    }],
    "groups": [{"groupname": "guests", "roles": [{"rolename": "guest"}]}],
    "anonymousGroup": "guests"
}"#;
