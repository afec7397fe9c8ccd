//! The bridge and its inbox, without a connection or with one to the mock broker.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::announcement::Announcement;
use super::event::{Event, Request};
use super::{ACKNOWLEDGE_LIMIT, Bridge, Presence, Refused, RefusedBecause};
use crate::config;
use crate::entity::BinarySensor;
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::Form;
use crate::entity::Sensor;
use crate::entity::Topics;
use crate::link::Link;
use crate::link::LinkEvent;
use crate::link::Options;
use crate::mock;
use crate::model::Delivery;
use crate::model::Health;
use crate::model::Incoming;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::SpoolMode;
use crate::model::Token;
use crate::model::Topic;
use crate::model::Value;

pub(super) fn presence() -> Presence {
    let topic = |text| Topic::new(text).unwrap();
    let node = ObjectId::new("pi").unwrap();
    let (state, availability) = (topic("luigi/pi"), topic("luigi/pi/availability"));
    Presence {
        device: Device {
            identifier: node.clone(),
            name: "Luigi".to_owned(),
            manufacturer: String::new(),
            model: String::new(),
            sw_version: String::new(),
            via: None,
        },
        topics: Topics::new(topic("homeassistant"), node, state, availability).unwrap(),
        form: Form::Entity,
        qos: Qos::AtLeastOnce,
        birth_topic: topic("homeassistant/status"),
        birth_payload: "online".to_owned(),
        layout: topic("smarthome"),
    }
}

fn spool() -> config::Spool {
    config::Spool { mode: SpoolMode::Memory, directory: "/nowhere".into(), max_bytes: 1 << 20 }
}

/// A bridge without a connection: what it would publish waits in its outbox.
pub(super) fn bridge() -> Bridge {
    bridge_of(presence())
}

/// The same with this presence.
pub(super) fn bridge_of(presence: Presence) -> Bridge {
    let ((_, stop), (_, link)) = (bounded(0), bounded(0));
    super::new(presence, WINDOW, spool(), Health::default(), stop, link).0
}

/// `bridge` with a connection to `broker`, and what comes from there.
pub(super) fn connect(
    bridge: &mut Bridge,
    broker: &mock::Broker,
    now: Instant,
) -> (Link, Receiver<LinkEvent>) {
    let presence = presence();
    let options = Options {
        broker: config::Broker::from(broker.address()),
        credentials: None,
        client: config::Client {
            id: "pi".to_owned(),
            keep_alive: Duration::from_secs(60),
            qos: presence.qos,
            reconnect_delay: Duration::from_secs(3600),
            reconnect_delay_max: Duration::from_secs(3600),
            connection_timeout: LIMIT,
            max_packet_bytes: 1 << 20,
            max_in_flight: 100,
            clean_session: true,
        },
        will: Some(presence.availability(false)),
        subscriptions: Vec::new(),
    };
    let (reports, reported) = bounded(64);
    let link = Link::start(options, reports).unwrap();
    let up = reported.recv_timeout(LIMIT).unwrap();
    assert!(matches!(up, LinkEvent::Up(_)), "{up:?}");
    bridge.handle(Event::Link(up), now);
    (link, reported)
}

fn attic() -> Entity {
    Sensor::new("attic", "Attic").build().unwrap()
}

fn reading() -> Event {
    Event::Reading(Reading::new(ObjectId::new("attic").unwrap(), "warm".into()))
}

fn register(entity: Entity) -> Event {
    Event::Request(Request::Register(Box::new(entity)))
}

/// Takes all that may go at `now` out of the outbox of `bridge`, as topics.
fn sent(bridge: &mut Bridge, now: Instant) -> Vec<String> {
    let mut sent = Vec::new();
    bridge.outbox.send(now, true, |_, message| {
        sent.push(message.topic.to_string());
        true
    });
    sent
}

#[test]
fn without_a_connection_too_the_work_of_the_beginning_has_an_end() {
    let (mut bridge, now) = (bridge(), Instant::now());
    let (work, rests) = bounded(9);
    bridge.after_work(now, move || work.try_send(()).unwrap());
    for (seconds, expected) in [(0, 0), (19, 0), (20, 1), (100, 0)] {
        bridge.handle(Event::Tick, now + Duration::from_secs(seconds));
        assert_eq!(rests.try_iter().count(), expected, "after {seconds} s");
    }
    assert_eq!(bridge.deadline(), None, "nothing is left to wake up for");
}

#[test]
fn online_comes_after_all_discovery_even_if_it_waits_from_the_connection_before() {
    let (mut bridge, now) = (bridge(), Instant::now());
    bridge.announce_availability(true);
    bridge.handle(register(attic()), now);
    bridge.announce_all(now);
    assert_eq!(sent(&mut bridge, now), ["homeassistant/sensor/pi/attic/config", "luigi/pi/availability"]);
}

#[test]
fn once_the_end_has_begun_a_birth_message_brings_no_more_online() {
    let broker = mock::Broker::start(mock::Faults { withhold_acks: Some(1), ..Default::default() }).unwrap();
    let (mut bridge, now) = (bridge(), Instant::now());
    let _link = connect(&mut bridge, &broker, Instant::now());
    bridge.announcement = Announcement::Closing;
    bridge.announce_availability(false);
    bridge.handle(Event::Tick, now);
    assert_eq!(bridge.outbox.len(), 2, "online and offline are in flight");

    let (topic, payload) = (presence().birth_topic, (*b"online").into());
    let birth = LinkEvent::Received(Incoming { topic, payload, retained: false });
    bridge.handle(Event::Link(birth), now);
    bridge.handle(Event::Tick, now + LIMIT);
    assert_eq!(bridge.outbox.len(), 2);
}

#[test]
fn offline_is_acknowledged_although_something_else_never_is() {
    let broker = mock::Broker::start(mock::Faults { withhold_acks: Some(1), ..Default::default() }).unwrap();
    let ((_, stop), (_, events)) = (bounded(0), bounded(0));
    let (mut bridge, mut inbox, _) = super::new(presence(), WINDOW, spool(), Health::default(), stop, events);
    let (_link, events) = connect(&mut bridge, &broker, Instant::now());
    inbox.link = events;
    let availability = presence().topics.availability().clone();
    let deadline = Instant::now() + LIMIT;
    while broker.retained(&availability).is_none() {
        assert!(Instant::now() < deadline, "online did not arrive");
    }
    broker.set_faults(mock::Faults::default());
    bridge.finish(&mut inbox, Duration::from_secs(2));
    assert_eq!(broker.retained(&availability).as_deref(), Some(&b"offline"[..]));
}

#[test]
fn what_is_published_once_the_end_has_begun_is_handed_back_rather_than_lost() {
    let ((_, stop), (_, link)) = (bounded(0), bounded(0));
    let (mut bridge, mut inbox, client) =
        super::new(presence(), WINDOW, spool(), Health::default(), stop, link);
    let message = presence().availability(true);
    client.publish(message.clone(), Delivery::Every).unwrap();
    let farewell = bridge.finish(&mut inbox, Duration::MAX);
    assert_eq!((farewell.lost, farewell.on_card), (1, 0));
    let refused = client.publish(message.clone(), Delivery::Every).unwrap_err();
    assert_eq!(refused, Refused { message, cause: RefusedBecause::Stopped });
    assert!(!client.offer(Reading::new(ObjectId::new("attic").unwrap(), "warm".into())));
    assert_eq!(client.report(), None);
}

#[test]
fn a_broker_that_acknowledges_nothing_is_given_up_however_busy_the_bridge_is() {
    let broker = mock::Broker::start(mock::Faults { withhold_acks: Some(1), ..Default::default() }).unwrap();
    let mut bridge = bridge();
    let _link = connect(&mut bridge, &broker, Instant::now());
    let now = Instant::now();
    for (after, is_up) in [(Duration::ZERO, true), (ACKNOWLEDGE_LIMIT, false)] {
        bridge.handle(reading(), now + after);
        assert_eq!(bridge.link.is_up(), is_up, "after {after:?}");
    }
}

#[test]
fn a_time_beyond_the_end_of_the_clock_never_comes() {
    let beyond = Duration::from_secs(u64::MAX);
    let expiring = Sensor::new("attic", "Attic").expire_after(beyond).build().unwrap();
    let lapsing = BinarySensor::new("attic", "Attic").off_delay(beyond).build().unwrap();
    for (entity, value) in [(expiring, Value::from("warm")), (lapsing, Value::from(true))] {
        let (mut bridge, now) = (bridge(), Instant::now());
        bridge.handle(register(entity), now);
        bridge.handle(Event::Reading(Reading::new(ObjectId::new("attic").unwrap(), value)), now);
        assert_eq!(sent(&mut bridge, now + LIMIT), ["luigi/pi/attic"]);
    }
}

#[test]
fn a_bridge_whose_clients_are_gone_goes_on() {
    let ((_stop, stopped), (_link, events)) = (bounded(0), bounded(0));
    let (_bridge, inbox, client) =
        super::new(presence(), WINDOW, spool(), Health::default(), stopped, events);
    drop(client);
    assert!(matches!(inbox.next(Some(Instant::now()), true), Some(Event::Tick)));
}

#[test]
fn a_bridge_without_its_link_ends_however_busy_it_is() {
    let ((_stop, stopped), (link, events)) = (bounded(0), bounded(0));
    let (_bridge, inbox, handle) =
        super::new(presence(), WINDOW, spool(), Health::default(), stopped, events);
    drop(link);
    handle.publish(presence().availability(true), Delivery::Every).unwrap();
    assert!(inbox.next(None, true).is_none());
}

#[test]
fn a_broker_that_sends_without_a_pause_leaves_the_others_a_turn() {
    let ((_stop, stopped), (link, events)) = (bounded(0), bounded(100));
    let (_bridge, inbox, handle) =
        super::new(presence(), WINDOW, spool(), Health::default(), stopped, events);
    (0..100).for_each(|token| link.send(LinkEvent::Delivered(Token(token))).unwrap());
    handle.publish(presence().availability(true), Delivery::Every).unwrap();
    handle.offer(Reading::new(ObjectId::new("attic").unwrap(), "warm".into()));
    handle.unregister(ObjectId::new("attic").unwrap());
    let turns = (0..60).map(|_| inbox.next(None, true).unwrap());
    let others: Vec<_> = turns.enumerate().filter(|(_, it)| !matches!(it, Event::Link(_))).collect();
    let [(_, Event::Request(_)), (_, Event::Reading(_)), (_, Event::Post(_))] = &others[..] else {
        panic!("{others:?}");
    };
}

pub(super) const LIMIT: Duration = Duration::from_secs(10);
const WINDOW: u16 = 90;
