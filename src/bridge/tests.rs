//! The bridge and its inbox.

use std::time::Instant;

use crossbeam_channel::bounded;

use super::event::{Event, Request};
use super::{Bridge, Presence};
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::entity::Topics;
use crate::model::Health;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;

fn presence() -> Presence {
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
        },
        topics: Topics::new(topic("homeassistant"), node, state, availability).unwrap(),
        qos: Qos::AtLeastOnce,
        birth_topic: topic("homeassistant/status"),
        birth_payload: "online".to_owned(),
    }
}

/// A bridge without a connection.
fn bridge() -> Bridge {
    let ((_, stop), (_, link)) = (bounded(0), bounded(0));
    super::new(presence(), Health::default(), stop, link).0
}

fn attic() -> Entity {
    Sensor::new("attic", "Attic").build().unwrap()
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
fn online_comes_after_all_discovery_even_if_it_waits_from_the_connection_before() {
    let (mut bridge, now) = (bridge(), Instant::now());
    bridge.announce_availability(true);
    bridge.handle(register(attic()), now);
    bridge.announce_all(now);
    assert_eq!(sent(&mut bridge, now), ["homeassistant/sensor/pi/attic/config", "luigi/pi/availability"]);
}
