//! What goes before it was announced, or with what only an earlier run told of it.

use std::time::Duration;

use crossbeam_channel::bounded;

use super::announcing_tests::{Rig, message, sensor};
use super::event::{Event, Request};
use super::tests::presence;
use super::{Bridge, Presence};
use crate::entity::BinarySensor;
use crate::entity::Entity;
use crate::entity::Form;
use crate::entity::Sensor;
use crate::mock::Faults;
use crate::model::ObjectId;

/// A bridge that has `attic` and `door` and is asked something before it is connected.
fn asked(form: Form, request: Request) -> Rig {
    let ask = |bridge: &mut Bridge| bridge.handle(Event::Request(request), std::time::Instant::now());
    Rig::prepared(form, [sensor("attic"), sensor("door")], Faults::default(), ask)
}

fn attic() -> ObjectId {
    ObjectId::new("attic").unwrap()
}

#[test]
fn what_goes_or_becomes_something_else_before_there_is_a_connection_is_removed_once_there_is() {
    let motion = BinarySensor::new("attic", "Attic").build().unwrap();
    for (request, then) in [
        (Request::Unregister(attic()), "device/pi sensor:door"),
        (Request::Register(Box::new(motion)), "device/pi binary_sensor:attic sensor:door"),
    ] {
        let mut rig = asked(Form::Device, request);
        let arrived = rig.arrived();
        assert!(arrived.contains(&"device/pi -attic sensor:door".to_owned()), "{arrived:?}");
        assert_eq!(rig.after(1_000), [then]);
    }
}

#[test]
fn what_an_earlier_run_told_of_an_entity_goes_with_it() {
    let attic_with = |attributes| Sensor::new("attic", "Attic").attributes(attributes).build().unwrap();
    let told = "luigi/pi/attic/attributes ".to_owned();
    let mut rig = Rig::new(Form::Entity, [attic_with(true)]);
    rig.arrived();
    rig.register(attic_with(true));
    assert!(!rig.arrived().contains(&told));
    rig.register(attic_with(false));
    assert!(rig.arrived().contains(&told));
    rig.register(attic_with(true));
    rig.arrived();
    rig.unregister("attic");
    let arrived = rig.arrived();
    assert!(arrived.contains(&told), "{arrived:?}");
}

#[test]
fn a_device_without_entities_stays_online_for_those_that_come() {
    let (done, heard) = bounded(1);
    let availability = presence().availability(true);
    let after = vec![message(availability.topic.as_str(), "")];
    let mut rig = Rig::prepared(Form::Entity, [], Faults::default(), |it| it.depart(vec![], after, done));
    rig.arrived();
    rig.after(1_000);
    assert_eq!(heard.try_recv(), Ok(()));
    assert_eq!(rig.broker.retained(&availability.topic).as_deref(), Some(&b"online"[..]));
}

#[test]
fn where_states_are_not_retained_the_broker_is_not_expected_to_keep_any() {
    let expiring = |it: Sensor| it.expire_after(Duration::from_secs(60));
    let attic = || Sensor::new("attic", "Attic");
    let keeps = |it: Entity| presence().told_on(&it).iter().any(|it| it.as_str() == "luigi/pi/attic");
    assert!(keeps(attic().build().unwrap()));
    assert!(!keeps(expiring(attic()).build().unwrap()));
}

#[test]
fn a_state_that_expires_since_a_reload_leaves_nothing_at_the_broker() {
    let mut rig = Rig::new(Form::Entity, [sensor("attic")]);
    rig.arrived();
    rig.after(1_000);
    let expiring = Sensor::new("attic", "Name").expire_after(Duration::from_secs(60)).build().unwrap();
    rig.register(expiring);
    let arrived = rig.arrived();
    assert!(arrived.contains(&"luigi/pi/attic None".to_owned()), "{arrived:?}");
    assert_eq!(rig.after(1_000), ["luigi/pi/attic "]);
}

#[test]
fn another_connection_gives_home_assistant_time_for_what_it_was_told_on_the_last() {
    for is_at_work in [true, false] {
        let mut rig = Rig::new(Form::Device, [sensor("attic")]);
        rig.arrived();
        rig.after(1_000);
        rig.after(1_000);
        if is_at_work {
            rig.register(sensor("door"));
            assert_eq!(rig.after(100), ["device/pi sensor:attic sensor:door"]);
        }
        let other = Presence { birth_payload: "born".to_owned(), form: Form::Device, ..presence() };
        rig.bridge.begin_anew(other, 128, rig.now);
        rig.connect();
        let arrived = rig.arrived();
        assert_eq!(arrived.is_empty(), is_at_work, "{arrived:?}");
        if is_at_work {
            let arrived = rig.after(1_500);
            assert!(arrived.contains(&"device/pi sensor:attic sensor:door".to_owned()), "{arrived:?}");
        }
    }
}
