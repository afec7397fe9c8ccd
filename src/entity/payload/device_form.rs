//! All entities of a device in one message, for Home Assistant 2024.11 and newer.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::ObjectId;
use crate::model::Qos;

use super::super::{Device, Entity, Origin, Platform, Topics};
use super::{AvailabilityPayload, ComponentPayload, DevicePayload, OriginPayload, TopicPayload};

/// The payload that announces `device` with all its `entities` on [`Topics::device_config`], as JSON; Home Assistant
/// subscribes to their states and their availability with `qos`, or an entity's own.
///
/// What Home Assistant has of the device and does not find there it keeps. To be rid of an entity that is to be told once
/// with the `removed`, and left out after that. A payload without either is none that it takes: an empty one removes all.
pub fn device_payload<'a>(
    device: &'a Device,
    entities: impl Iterator<Item = &'a Entity>,
    removed: impl Iterator<Item = (&'a ObjectId, Platform)>,
    topics: &'a Topics,
    qos: Qos,
) -> String {
    let payload = DeviceFormPayload::new(device, entities, removed, topics, qos, Origin::OURS);
    serde_json::to_string(&payload).expect("a struct of strings, numbers and JSON always serializes")
}

/// What Home Assistant reads, by `DEVICE_DISCOVERY_SCHEMA` in `homeassistant/components/mqtt/schemas.py`: one key that it
/// does not know at the root, and it takes nothing.
#[derive(Serialize)]
pub(super) struct DeviceFormPayload<'a> {
    device: DevicePayload<'a>,
    origin: OriginPayload,
    /// Of all that say nothing else. A list, for a component's own list takes its place then: beside one that is not, Home
    /// Assistant would refuse both.
    availability: [TopicPayload; 1],
    qos: u8,
    components: BTreeMap<&'a str, Component<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Component<'a> {
    // In a box, for the other has nothing of that size.
    Told(Box<ComponentPayload<'a>>),
    Removed { platform: &'static str },
}

impl<'a> DeviceFormPayload<'a> {
    pub(super) fn new(
        device: &'a Device,
        entities: impl Iterator<Item = &'a Entity>,
        removed: impl Iterator<Item = (&'a ObjectId, Platform)>,
        topics: &'a Topics,
        qos: Qos,
        origin: Origin,
    ) -> DeviceFormPayload<'a> {
        let told = entities.map(|entity| {
            let component = ComponentPayload {
                platform: Some(entity.platform().as_str()),
                availability: AvailabilityPayload::own(entity, topics),
                qos: entity.qos().filter(|own| *own != qos).map(Qos::level),
                ..ComponentPayload::new(entity, topics)
            };
            (entity.id().as_str(), Component::Told(Box::new(component)))
        });
        let removed =
            removed.map(|(id, platform)| (id.as_str(), Component::Removed { platform: platform.as_str() }));
        DeviceFormPayload {
            device: DevicePayload::new(device),
            origin: OriginPayload::new(origin),
            availability: [TopicPayload::new(topics.availability().clone())],
            qos: qos.level(),
            components: told.chain(removed).collect(),
        }
    }
}
