//! What is announced in which order, with a connection to the mock broker and a clock of the test's own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use serde_json::Value as Json;

use super::announcement::Announcement;
use super::event::{Event, Request};
use super::tests::{LIMIT, bridge_of, connect, presence};
use super::{Bridge, Presence};
use crate::entity::BinarySensor;
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::Form;
use crate::entity::Sensor;
use crate::link::Link;
use crate::link::LinkEvent;
use crate::mock;
use crate::mock::Broker;
use crate::mock::Faults;
use crate::model::Incoming;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::Topic;

/// A bridge, its connection, and what arrives at the broker.
pub(super) struct Rig {
    pub(super) broker: Broker,
    arrived: Receiver<mock::Publish>,
    pub(super) bridge: Bridge,
    link: Option<(Link, Receiver<LinkEvent>)>,
    pub(super) now: Instant,
}

impl Rig {
    /// A connected one with `entities`, each in a message of its own or not.
    pub(super) fn new(form: Form, entities: impl IntoIterator<Item = Entity>) -> Rig {
        Rig::prepared(form, entities, Faults::default(), |_| {})
    }

    pub(super) fn prepared(
        form: Form,
        entities: impl IntoIterator<Item = Entity>,
        faults: Faults,
        prepare: impl FnOnce(&mut Bridge),
    ) -> Rig {
        let broker = Broker::start(faults).unwrap();
        let mut bridge = bridge_of(Presence { form, ..presence() });
        entities.into_iter().for_each(|it| bridge.register(it).unwrap());
        prepare(&mut bridge);
        let (arrived, now) = (broker.publishes(100), Instant::now());
        let mut rig = Rig { broker, arrived, bridge, link: None, now };
        rig.connect();
        rig
    }

    pub(super) fn connect(&mut self) {
        self.link = Some(connect(&mut self.bridge, &self.broker, self.now));
    }

    /// The connection is lost with whatever was not acknowledged.
    fn lose(&mut self) {
        let Some((link, events)) = self.link.take() else { return };
        self.broker.cut();
        loop {
            let event = events.recv_timeout(LIMIT).unwrap();
            let is_down = matches!(event, LinkEvent::Down(_));
            self.bridge.handle(Event::Link(event), self.now);
            if is_down {
                break;
            }
        }
        drop((link, events));
    }

    fn withhold_acks(&self, withhold: bool) {
        self.broker.set_faults(Faults { withhold_acks: withhold.then_some(1), ..Faults::default() });
    }

    fn ask(&mut self, request: Request) {
        self.bridge.handle(Event::Request(request), self.now);
    }

    pub(super) fn register(&mut self, entity: Entity) {
        self.ask(Request::Register(Box::new(entity)));
    }

    pub(super) fn unregister(&mut self, id: &str) {
        self.ask(Request::Unregister(ObjectId::new(id).unwrap()));
    }

    /// What arrives until all that was announced is acknowledged, in short.
    pub(super) fn arrived(&mut self) -> Vec<String> {
        while !self.bridge.outbox.is_announced() {
            let event = self.link.as_ref().unwrap().1.recv_timeout(LIMIT).unwrap();
            self.bridge.handle(Event::Link(event), self.now);
        }
        self.arrived.try_iter().map(|it| short(&it)).filter(|it| it != OFFLINE).collect()
    }

    /// The next message that arrives, acknowledged or not.
    fn next(&self) -> String {
        let mut arrived = std::iter::from_fn(|| self.arrived.recv_timeout(LIMIT).ok()).map(|it| short(&it));
        arrived.find(|it| it != OFFLINE).expect("a message within the limit")
    }

    /// Returns when everything is acknowledged.
    fn deliver(&mut self) {
        while !self.bridge.outbox.is_empty() {
            let event = self.link.as_ref().unwrap().1.recv_timeout(LIMIT).unwrap();
            self.bridge.handle(Event::Link(event), self.now);
        }
    }

    /// `ms` pass.
    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.bridge.handle(Event::Tick, self.now);
    }

    /// What arrives `ms` later, until all that was announced then is acknowledged.
    pub(super) fn after(&mut self, ms: u64) -> Vec<String> {
        self.pass(ms);
        self.arrived()
    }
}

/// A message in short: of a device its components, those that go with a `-`, of an entity nothing but that it is announced.
fn short(publish: &mock::Publish) -> String {
    let payload = String::from_utf8_lossy(&publish.payload);
    let topic = publish.topic.as_str().replace("homeassistant/", "").replace("/config", "");
    let Ok(json) = serde_json::from_str::<Json>(&payload) else { return format!("{topic} {payload}") };
    let Some(components) = json["components"].as_object() else {
        return if json["name"].is_string() { format!("{topic} {{}}") } else { format!("{topic} {payload}") };
    };
    let component = |(id, it): (&String, &Json)| match it.as_object().map(serde_json::Map::len) {
        Some(1) => format!("-{id}"),
        _ => format!("{}:{id}", it["platform"].as_str().unwrap()),
    };
    format!("{topic} {}", components.iter().map(component).collect::<Vec<_>>().join(" "))
}

pub(super) fn sensor(id: &str) -> Entity {
    Sensor::new(id, "Name").build().unwrap()
}

/// A sensor of another device.
fn there(id: &str) -> Entity {
    let device = Device { identifier: ObjectId::new("shed").unwrap(), ..presence().device };
    sensor(id).on_device(Arc::new(device))
}

pub(super) fn message(topic: &str, payload: &str) -> Message {
    Message::retained(Topic::new(topic).unwrap(), payload.as_bytes(), Qos::AtLeastOnce)
}

#[test]
fn each_device_is_announced_in_one_message_and_what_changes_together_goes_together() {
    let mut rig = Rig::new(Form::Device, [sensor("attic"), there("door"), there("wind")]);
    assert_eq!(rig.arrived(), ["device/pi sensor:attic", "device/shed sensor:door sensor:wind", ONLINE]);
    rig.after(1_000);
    ["b", "c", "d"].into_iter().for_each(|id| rig.register(sensor(id)));
    assert_eq!(rig.after(99), NOTHING);
    assert_eq!(rig.after(1), ["device/pi sensor:attic sensor:b sensor:c sensor:d"]);
    // Home Assistant works through it now.
    rig.register(there("door"));
    rig.register(sensor("e"));
    assert_eq!(rig.after(100), ["device/shed sensor:door sensor:wind"]);
    assert_eq!(rig.after(899), NOTHING);
    assert_eq!(rig.after(1), ["device/pi sensor:attic sensor:b sensor:c sensor:d sensor:e"]);
    assert_eq!(rig.after(10_000), NOTHING);
}

#[test]
fn a_state_that_the_broker_does_not_keep_is_told_again_to_a_home_assistant_that_was_slow() {
    let expires = |id| Sensor::new(id, "Name").expire_after(Duration::from_secs(60)).build().unwrap();
    let mut rig = Rig::new(Form::Entity, [expires("attic"), sensor("kept")]);
    let (work, rests) = bounded(9);
    rig.bridge.after_work(rig.now, move || work.try_send(()).unwrap());
    rig.arrived();
    for id in ["attic", "kept"] {
        let reading = Reading::new(ObjectId::new(id).unwrap(), "5".into());
        rig.bridge.handle(Event::Reading(reading), rig.now);
    }
    rig.pass(1_000);
    rig.deliver();
    let mut told = [rig.next(), rig.next()];
    told.sort();
    assert_eq!(told, ["luigi/pi/attic 5", "luigi/pi/kept 5"]);
    rig.pass(9_999);
    assert!(rig.bridge.echo.is_some());
    rig.pass(1);
    assert_eq!((rig.next().as_str(), rig.bridge.echo), ("luigi/pi/attic 5", None));
    rig.deliver();
    assert_eq!(rig.arrived.try_iter().count(), 0, "one that the broker keeps is not missed");
    rig.pass(9_999);
    assert_eq!(rests.try_iter().count(), 0, "there was much to do until a moment ago");
    rig.pass(1);
    assert_eq!(rests.try_iter().count(), 1);
}

#[test]
fn what_goes_is_told_with_its_platform_alone_and_then_not_at_all() {
    let mut rig = Rig::new(Form::Device, [sensor("attic"), sensor("door"), there("wind")]);
    rig.arrived();
    rig.after(1_000);
    rig.unregister("attic");
    rig.unregister("wind");
    assert_eq!(rig.arrived(), ["luigi/pi/attic ", "luigi/pi/wind "]);
    // An empty message removes all of a device.
    assert_eq!(rig.after(100), ["device/pi -attic sensor:door", "device/shed "]);
    assert_eq!(rig.after(999), NOTHING);
    assert_eq!(rig.after(1), ["device/pi sensor:door"]);
    rig.unregister("door");
    rig.after(1_000);
    assert_eq!(rig.after(1_000), NOTHING);
    assert!(rig.bridge.devices.are_told());
}

#[test]
fn what_comes_back_on_another_platform_or_device_does_so_when_it_has_gone() {
    for (new, first, then) in [
        (
            BinarySensor::new("attic", "Name").build().unwrap(),
            "device/pi -attic sensor:door",
            "device/pi binary_sensor:attic sensor:door",
        ),
        (there("attic"), "device/pi -attic sensor:door", "device/shed sensor:attic"),
    ] {
        let mut rig = Rig::new(Form::Device, [sensor("attic"), sensor("door")]);
        rig.arrived();
        rig.after(1_000);
        assert_eq!(rig.after(1_000), NOTHING);
        rig.register(new);
        let reading = Reading::new(ObjectId::new("door").unwrap(), "warm".into());
        rig.bridge.handle(Event::Reading(reading), rig.now);
        rig.arrived();
        assert_eq!(rig.bridge.announcement, Announcement::DISCOVERING);
        assert_eq!(rig.after(100), [first]);
        assert_eq!(rig.after(999), NOTHING);
        let mut arrived = rig.after(1);
        arrived.retain(|it| it != "device/pi sensor:door");
        assert_eq!(arrived, [then]);
        // A state that is told before Home Assistant knows the entity might be lost.
        assert_eq!(rig.after(999), NOTHING);
        rig.after(1);
        assert!(rig.bridge.announcement.lets_states_go());
    }
}

#[test]
fn what_was_to_go_when_the_connection_was_lost_goes_on_the_next() {
    let mut rig = Rig::new(Form::Device, [sensor("attic"), sensor("door")]);
    rig.arrived();
    rig.after(1_000);
    rig.withhold_acks(true);
    rig.unregister("attic");
    rig.pass(100);
    rig.lose();
    rig.withhold_acks(false);
    rig.arrived.try_iter().for_each(drop);
    rig.connect();
    let arrived = rig.arrived();
    assert!(arrived.contains(&"device/pi -attic sensor:door".to_owned()), "{arrived:?}");
    assert_eq!(rig.after(1_000), ["device/pi sensor:door"]);
}

#[test]
fn a_birth_has_devices_told_again_but_not_while_home_assistant_works_through_the_last_message() {
    let mut rig = Rig::new(Form::Device, [sensor("attic")]);
    rig.arrived();
    rig.after(1_000);
    rig.after(1_000);
    birth(&mut rig);
    rig.bridge.announcement = Announcement::Delayed { until: rig.now + SECOND };
    rig.register(sensor("door"));
    assert_eq!(rig.after(100), ["device/pi sensor:attic sensor:door"]);
    assert_eq!(rig.after(900), [ONLINE]);
    assert_eq!(rig.after(99), NOTHING);
    assert_eq!(rig.after(1), ["device/pi sensor:attic sensor:door"]);
    assert_eq!(rig.after(10_000), NOTHING);
}

fn birth(rig: &mut Rig) {
    let (topic, payload) = (presence().birth_topic, (*b"online").into());
    let birth = LinkEvent::Received(Incoming { topic, payload, retained: false });
    rig.bridge.handle(Event::Link(birth), rig.now);
}

/// A bridge that is to take leave of something, and who hears when it has.
fn departing(form: Form, withhold_acks: bool) -> (Rig, Receiver<()>) {
    let before = vec![
        vec![message("homeassistant/sensor/old/a/config", ""), message("luigi/old/a", "")],
        vec![],
        vec![message("homeassistant/sensor/old/b/config", r#"{"migrate_discovery":true}"#)],
    ];
    let after = vec![message("homeassistant/sensor/old/b/config", "")];
    let (done, heard) = bounded(1);
    let faults = Faults { withhold_acks: withhold_acks.then_some(1), ..Faults::default() };
    (Rig::prepared(form, [sensor("b")], faults, |it| it.depart(before, after, done)), heard)
}

#[test]
fn leave_is_taken_group_by_group_before_anything_is_announced_and_the_rest_after() {
    for (form, discovery) in [(Form::Entity, "sensor/pi/b {}"), (Form::Device, "device/pi sensor:b")] {
        let (mut rig, heard) = departing(form, false);
        assert_eq!(rig.arrived(), REMOVED);
        assert_eq!(rig.after(999), NOTHING);
        assert_eq!(rig.after(1), [MIGRATING]);
        // Neither what is registered now nor a Home Assistant that starts goes ahead of the rest.
        birth(&mut rig);
        rig.register(sensor("b"));
        assert_eq!(rig.after(999), NOTHING);
        assert_eq!(rig.after(1), [discovery, ONLINE]);
        assert_eq!(rig.after(999), NOTHING);
        assert!(heard.try_recv().is_err());
        assert_eq!(rig.after(1), [EMPTIED]);
        assert_eq!(heard.try_recv(), Ok(()));
        assert_eq!(rig.after(10_000), NOTHING);
    }
}

#[test]
fn what_is_found_later_and_known_from_elsewhere_takes_leave_of_that_first_and_all_is_announced_anew() {
    for connected in [true, false] {
        let mut rig = Rig::new(Form::Entity, [sensor("a")]);
        rig.arrived();
        rig.after(1_000);
        if !connected {
            rig.lose();
        }
        let (done, heard) = bounded(2);
        for topic in ["b", "c"] {
            let old = |payload| message(&format!("homeassistant/sensor/old/{topic}/config"), payload);
            let before = vec![vec![old(r#"{"migrate_discovery":true}"#)]];
            rig.ask(Request::Depart(before, vec![old("")], done.clone()));
            rig.register(sensor(topic));
        }
        if !connected {
            rig.connect();
        }
        // The reading of an entity that is not announced yet is not lost.
        let value = Reading::new(ObjectId::new("b").unwrap(), 5.0.into());
        rig.bridge.handle(Event::Reading(value), rig.now);
        assert_eq!(rig.arrived(), [MIGRATING]);
        assert_eq!(rig.after(999), NOTHING);
        assert_eq!(rig.after(1), [MIGRATING.replace("/b", "/c")]);
        assert_eq!(rig.after(999), NOTHING);
        assert_eq!(rig.after(1), ["sensor/pi/a {}", "sensor/pi/b {}", "sensor/pi/c {}", ONLINE]);
        assert!(heard.is_empty());
        let mut last = rig.after(1_000);
        last.extend(rig.arrived.recv_timeout(LIMIT).iter().map(short));
        assert_eq!(last, [EMPTIED, "sensor/old/c ", "luigi/pi/b 5"]);
        assert_eq!(heard.len(), 1, "the last speaks for both");
    }
}

#[test]
fn a_connection_that_is_lost_while_leave_is_taken_changes_nothing_of_the_order() {
    let steps = [&REMOVED[..], &[MIGRATING], &["sensor/pi/b {}", ONLINE], &[EMPTIED]];
    for lost_at in 0..steps.len() {
        let (mut rig, heard) = departing(Form::Entity, lost_at == 0);
        for (step, expected) in steps.into_iter().enumerate() {
            if step > 0 {
                rig.withhold_acks(step == lost_at);
                rig.now += SECOND;
                rig.bridge.handle(Event::Tick, rig.now);
            }
            if step == lost_at {
                let arrived: Vec<_> = expected.iter().map(|_| rig.next()).collect();
                assert_eq!(arrived, expected);
                rig.lose();
                rig.withhold_acks(false);
                rig.connect();
            }
            let again =
                if step == 3 && lost_at == 3 { &[EMPTIED, "sensor/pi/b {}", ONLINE] } else { expected };
            assert_eq!(rig.arrived(), again, "step {step}, lost at {lost_at}");
            if step < 2 {
                // Acknowledged: this one makes no difference but that Home Assistant is not hurried.
                rig.lose();
                rig.connect();
                assert_eq!(rig.arrived(), NOTHING, "step {step}, lost at {lost_at}");
            }
            assert_eq!(heard.try_recv().is_ok(), step == 3, "step {step}, lost at {lost_at}");
        }
    }
}

#[test]
fn who_waits_for_the_announcement_hears_of_it_when_nothing_is_left_to_be_told() {
    let announced = |rig: &mut Rig| {
        let (done, heard) = bounded(1);
        rig.ask(Request::Announced(done));
        heard
    };
    let mut rig = Rig::new(Form::Device, [sensor("attic"), sensor("door")]);
    let heard = announced(&mut rig);
    assert!(heard.try_recv().is_err());
    rig.arrived();
    assert_eq!(heard.try_recv(), Ok(()));
    rig.after(1_000);
    rig.after(1_000);
    rig.unregister("attic");
    let heard = announced(&mut rig);
    for ms in [100, 999] {
        rig.after(ms);
        assert!(heard.try_recv().is_err());
    }
    rig.after(1);
    assert_eq!(heard.try_recv(), Ok(()));

    rig.lose();
    let first = announced(&mut rig);
    let others: Vec<_> = (0..64).map(|_| announced(&mut rig)).collect();
    assert_eq!(first.try_recv(), Err(TryRecvError::Disconnected));
    rig.connect();
    rig.arrived();
    rig.after(1_000);
    assert!(others.iter().all(|it| it.try_recv().is_ok()));
}

#[test]
fn the_end_waits_for_no_pause_between_two_messages() {
    let mut rig = Rig::new(Form::Device, [sensor("attic"), sensor("door")]);
    rig.arrived();
    rig.unregister("attic");
    rig.bridge.hurry_devices(rig.now);
    rig.bridge.send(rig.now);
    assert_eq!(rig.arrived(), ["luigi/pi/attic ", "device/pi -attic sensor:door"]);
    rig.bridge.hurry_devices(rig.now);
    rig.bridge.send(rig.now);
    assert_eq!(rig.arrived(), ["device/pi sensor:door"]);
}

const SECOND: Duration = Duration::from_secs(1);
const NOTHING: [&str; 0] = [];
const ONLINE: &str = "luigi/pi/availability online";
const REMOVED: [&str; 2] = ["sensor/old/a ", "luigi/old/a "];
const MIGRATING: &str = r#"sensor/old/b {"migrate_discovery":true}"#;
const EMPTIED: &str = "sensor/old/b ";
/// The will, which comes at any time after a connection was lost.
const OFFLINE: &str = "luigi/pi/availability offline";
