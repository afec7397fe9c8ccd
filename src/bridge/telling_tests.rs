//! What is told through a handle without waiting, and what its notices say.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, unbounded};

use super::event::{Event, Request};
use super::follow::FollowRequest;
use super::tests::{LIMIT, connect, presence};
use super::{Accepted, Bridge, Handle, Inbox, RefusedBecause, Telling};
use crate::config;
use crate::entity::BinarySensor;
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::link::LinkEvent;
use crate::mock;
use crate::model::Delivery;
use crate::model::Fate;
use crate::model::Health;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::SpoolMode;
use crate::model::Topic;
use crate::model::Value;
use crate::outbox::News;
use crate::outbox::Notice;
use crate::registry::Limits;

/// A bridge that runs only where it is told to.
struct House {
    bridge: Bridge,
    inbox: Inbox,
    handle: Handle,
}

impl House {
    fn new() -> House {
        let spool =
            config::Spool { mode: SpoolMode::Memory, directory: "/nowhere".into(), max_bytes: 1 << 20 };
        // Nobody stops it, and nothing comes from a link.
        let (stop, link) = (crossbeam_channel::never(), crossbeam_channel::never());
        let (bridge, inbox, handle) = super::new(presence(), 90, spool, Health::default(), stop, link);
        House { bridge, inbox, handle }
    }

    fn with(entity: Entity) -> House {
        let house = House::new();
        house.handle.register(entity).unwrap();
        house.settled()
    }

    /// Has the bridge take all that is there.
    fn settled(mut self) -> House {
        self.settle();
        self
    }

    fn settle(&mut self) {
        loop {
            match self.inbox.next(Some(Instant::now()), true).unwrap() {
                Event::Tick => return,
                event => self.bridge.handle(event, Instant::now()),
            }
        }
    }

    fn tell(&mut self, telling: impl Into<Telling>) -> Receiver<News> {
        let (notice, news) = notice();
        assert_eq!(self.handle.tell(telling, Some(notice)), Ok(Accepted::Now));
        self.settle();
        news
    }

    /// Has all that waits delivered. Returns what went to the topics of states and availability.
    fn deliver(&mut self) -> Vec<String> {
        let (mut tokens, mut told) = (Vec::new(), Vec::new());
        self.bridge.outbox.send(Instant::now(), true, |token, message| {
            tokens.push(token);
            told.push(format!("{}={}", message.topic, String::from_utf8_lossy(&message.payload)));
            true
        });
        tokens.into_iter().for_each(|it| self.bridge.outbox.acknowledge(it));
        told
    }
}

fn notice() -> (Notice, Receiver<News>) {
    let (tell, news) = unbounded();
    (Notice::new(move |it| _ = tell.send(it)), news)
}

fn id(id: &str) -> ObjectId {
    ObjectId::new(id).unwrap()
}

fn attic(value: impl Into<Value>) -> Reading {
    Reading::new(id("attic"), value.into())
}

fn sensor() -> Sensor {
    Sensor::new("attic", "Attic")
}

fn said(news: &Receiver<News>) -> Vec<News> {
    news.try_iter().collect()
}

const DELIVERED: [News; 1] = [News::Ended(Some(Fate::Delivered))];
const REPLACED: [News; 1] = [News::Ended(Some(Fate::Replaced))];
const DROPPED: [News; 1] = [News::Ended(Some(Fate::Dropped))];
const STATE: &str = "luigi/pi/attic";

#[test]
fn a_value_that_is_told_twice_is_delivered_twice() {
    let mut house = House::with(sensor().build().unwrap());
    for _ in 0..2 {
        let news = house.tell(attic("warm"));
        assert_eq!(said(&news), []);
        assert_eq!(house.deliver(), [format!("{STATE}=warm")]);
        assert_eq!(said(&news), DELIVERED);
    }
}

#[test]
fn a_value_that_waits_is_replaced_by_the_next_or_by_the_end_of_its_entity() {
    let mut house = House::with(sensor().build().unwrap());
    let first = house.tell(attic("warm"));
    let second = house.tell(attic("cold"));
    assert_eq!((said(&first), said(&second)), (REPLACED.to_vec(), vec![]));
    house.handle.unregister(id("attic"));
    house.settle();
    assert_eq!(said(&second), REPLACED);
}

#[test]
fn values_of_which_every_one_counts_are_delivered_each() {
    let mut house = House::with(sensor().delivery(Delivery::Every).build().unwrap());
    let news = ["1", "2", "3"].map(|it| house.tell(attic(it)));
    assert_eq!(house.deliver(), [1, 2, 3].map(|it| format!("{STATE}={it}")));
    assert!(news.iter().all(|it| said(it) == DELIVERED));
}

#[test]
fn what_makes_no_message_is_told_dropped() {
    let mut house = House::with(BinarySensor::new("attic", "Attic").build().unwrap());
    for telling in [
        Telling::Reading(Reading::new(id("cellar"), "warm".into())),
        Telling::Reading(attic("neither on nor off")),
        Telling::Attributes(id("attic"), "{}".to_owned()),
        Telling::Available(id("attic"), false),
        Telling::Available(id("cellar"), false),
    ] {
        let news = house.tell(telling.clone());
        assert_eq!(said(&news), DROPPED, "{telling:?}");
    }
    assert_eq!(house.bridge.health.dropped(), 2, "of readings alone");
}

#[test]
fn who_waits_to_hear_that_it_is_unavailable_hears_it_although_that_is_no_news() {
    let mut house = House::with(sensor().availability(true).attributes(true).build().unwrap());
    let topic = presence().topics.entity_availability(&id("attic"));
    for _ in 0..2 {
        let news = house.tell(attic(Value::Unavailable));
        assert_eq!(house.deliver(), [format!("{topic}=offline")]);
        assert_eq!(said(&news), DELIVERED);
    }
    house.handle.offer(attic(Value::Unavailable));
    house.settle();
    assert_eq!(house.deliver(), [""; 0], "nobody waits");

    let state = house.tell(attic("warm"));
    let attributes = house.tell(Telling::Attributes(id("attic"), "{}".to_owned()));
    let available = house.tell(Telling::Available(id("attic"), false));
    house.deliver();
    assert!([state, attributes, available].iter().all(|it| said(it) == DELIVERED));
}

#[test]
fn what_ends_with_the_bridge_is_told_so() {
    let mut house = House::with(sensor().build().unwrap());
    let taken = house.tell(attic("warm"));
    let (notice, waiting) = notice();
    house.handle.tell(attic("cold"), Some(notice)).unwrap();
    drop(house);
    assert_eq!((said(&taken), said(&waiting)), (vec![News::Ended(None)], vec![News::Ended(None)]));
}

#[test]
fn what_is_refused_is_handed_back_without_a_word_and_called_for_once_there_is_room() {
    let mut house = House::with(sensor().build().unwrap());
    let (call, calls) = unbounded();
    house.handle.when_room(move || _ = call.send(()));
    while house.handle.tell(attic("warm"), None).is_ok() {}
    let (notice, news) = notice();
    let refused = house.handle.tell(attic("cold"), Some(notice)).unwrap_err();
    assert_eq!(refused, (attic("cold").into(), RefusedBecause::Full));
    assert!(news.is_empty() && news.try_recv().is_err());
    assert_eq!(calls.len(), 0);

    assert!(matches!(house.inbox.next(Some(Instant::now()), false), Some(Event::Tick)), "there is no room");
    house.settle();
    assert_eq!(calls.len(), 1, "not at each");
    assert_eq!(house.handle.tell(attic("cold"), None), Ok(Accepted::Now));
    house.bridge.finish(&mut house.inbox, Duration::ZERO);
    assert_eq!(calls.len(), 2, "there is nothing to wait for any more");
    assert_eq!(house.handle.tell(attic("cold"), None).unwrap_err().1, RefusedBecause::Stopped);
}

#[test]
fn large_messages_are_refused_before_many_of_them_wait() {
    let mut house = House::with(sensor().build().unwrap());
    let submit = |house: &House, bytes: usize| {
        let topic = Topic::new("large").unwrap();
        let message = Message { topic, payload: vec![0; bytes].into(), qos: Qos::AtLeastOnce, retain: false };
        house.handle.submit(message, Delivery::Latest, None).map_err(|it| it.cause)
    };
    for _ in 0..5 {
        assert_eq!(submit(&house, 200_000), Ok(Accepted::Now));
    }
    assert_eq!(submit(&house, 200_000), Err(RefusedBecause::Full));
    assert_eq!(submit(&house, 10), Ok(Accepted::Now), "for that there is room");
    house.settle();
    assert_eq!(submit(&house, 2 << 20), Ok(Accepted::Now), "alone it has the room, however large it is");
    assert_eq!(submit(&house, 10), Err(RefusedBecause::Full));
}

#[test]
fn with_the_card_always_what_must_be_there_first_is_told_once_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let spool =
        config::Spool { mode: SpoolMode::Always, directory: folder.path().into(), max_bytes: 1 << 20 };
    let ((stop, stopped), (_link, events)) = (bounded(0), bounded(0));
    let (mut bridge, inbox, handle) = super::new(presence(), 90, spool, Health::default(), stopped, events);
    for entity in [sensor(), Sensor::new("meter", "Meter").delivery(Delivery::Every)] {
        bridge.register(entity.build().unwrap()).unwrap();
    }
    let runs = std::thread::spawn(move || bridge.run(&inbox));
    let meter = |qos, delivery| Reading { qos, delivery, ..Reading::new(id("meter"), "1".into()) };
    for (reading, expected) in [
        (meter(None, None), Accepted::WhenStored),
        (meter(Some(Qos::AtMostOnce), None), Accepted::Now),
        (meter(None, Some(Delivery::Latest)), Accepted::Now),
        // Whether its entity counts every one nobody knows here.
        (attic("warm"), Accepted::WhenStored),
    ] {
        let (notice, news) = notice();
        assert_eq!(handle.tell(reading.clone(), Some(notice)), Ok(expected), "{reading:?}");
        if expected == Accepted::WhenStored {
            assert_eq!(news.recv_timeout(LIMIT), Ok(News::Stored), "{reading:?}");
        }
    }
    let message = Message::retained(Topic::new("a").unwrap(), *b"1", Qos::AtLeastOnce);
    let (every, stored) = notice();
    assert_eq!(handle.submit(message.clone(), Delivery::Every, Some(every)), Ok(Accepted::WhenStored));
    assert_eq!(stored.recv_timeout(LIMIT), Ok(News::Stored));
    assert_eq!(handle.submit(message, Delivery::Latest, None), Ok(Accepted::Now));
    drop(stop);
    runs.join().unwrap();
}

#[test]
fn who_watches_is_called_and_told_of_each_device_what_it_comes_to() {
    let mut house = House::new();
    let (ring, rung) = unbounded();
    let announce = |house: &mut House, id: &str, payload: &str| {
        let topic = Topic::new(format!("homeassistant/switch/{id}/config")).unwrap();
        let incoming = Incoming { topic, payload: payload.as_bytes().into(), retained: true };
        house.bridge.handle(Event::Link(LinkEvent::Received(incoming)), Instant::now());
    };
    let config = |name: &str| format!(r#"{{"name": "{name}", "state_topic": "s", "command_topic": "c"}}"#);
    assert!(house.handle.start_discovery(Limits::default()));
    house.settle();
    announce(&mut house, "lamp", &config("Lamp"));
    let watch = house.handle.watch_devices(move || _ = ring.send(())).unwrap();
    house.settle();
    let news = |rung: &Receiver<()>| {
        let is_rung = rung.try_iter().count() > 0;
        let all = std::iter::from_fn(|| watch.next()).map(|(id, it)| format!("{id} {it:?}"));
        (is_rung, all.collect::<Vec<_>>())
    };
    assert_eq!(news(&rung), (true, vec!["switch_lamp Came".to_owned()]), "what is known already");
    announce(&mut house, "pump", &config("Pump"));
    announce(&mut house, "lamp", &config("Desk lamp"));
    assert_eq!(news(&rung), (true, vec!["switch_lamp Changed".to_owned(), "switch_pump Came".to_owned()]));
    announce(&mut house, "lamp", "");
    assert_eq!(news(&rung), (true, vec!["switch_lamp Went".to_owned()]));
    assert_eq!(news(&rung), (false, vec![]));
}

#[test]
fn what_is_announced_is_quiet_only_once_the_broker_was_asked_for_it() {
    let quiet = |house: &mut House| {
        let (tell, told) = bounded(1);
        let request = FollowRequest::Quiet(tell);
        house.bridge.handle(Event::Request(Request::Follow(request)), Instant::now());
        told.try_recv().unwrap()
    };
    let following = || {
        let mut house = House::new();
        assert!(house.handle.start_discovery(Limits::default()));
        house.settle();
        assert_eq!(quiet(&mut house), None, "there is no broker");
        house
    };
    let dumb = mock::Faults { withhold_subacks: true, ..mock::Faults::default() };
    let (mut house, broker) = (following(), mock::Broker::start(dumb).unwrap());
    let (_link, _events) = connect(&mut house.bridge, &broker, Instant::now());
    assert_eq!(quiet(&mut house), None, "it does not answer");

    let (mut house, broker) = (following(), mock::Broker::start(mock::Faults::default()).unwrap());
    let (_link, events) = connect(&mut house.bridge, &broker, Instant::now());
    let answer = loop {
        let event = events.recv_timeout(LIMIT).unwrap();
        if matches!(event, LinkEvent::Subscribed(_)) {
            break event;
        }
        house.bridge.handle(Event::Link(event), Instant::now());
    };
    let answered = Instant::now();
    house.bridge.handle(Event::Link(answer), answered);
    let heard = quiet(&mut house).expect("it has answered");
    assert!(heard <= answered.elapsed());
}
