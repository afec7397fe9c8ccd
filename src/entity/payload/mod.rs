//! How entities are announced: the discovery payload, of one entity or of all that a device has. Here alone are Home
//! Assistant's keys spelt.

mod device_form;
mod own;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use serde::Serialize;

use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;

use super::{Device, Entity, Origin, Topics};
pub use device_form::device_payload;
use own::OwnPayload;

/// The payload that announces `entity` on [`Topics::config`], as JSON: it belongs to `device`, ours, or its
/// own, and Home Assistant subscribes to its states and its availability with `qos`, or the entity's own.
pub fn discovery_payload(entity: &Entity, device: &Device, topics: &Topics, qos: Qos) -> String {
    let payload = EntityPayload::new(entity, device, topics, qos, Origin::OURS);
    serde_json::to_string(&payload).expect("a struct of strings, numbers and JSON always serializes")
}

/// What Home Assistant reads; it knows each key's meaning by `homeassistant/components/mqtt/schemas.py` and
/// the schema of the platform. What is left out has its default there.
#[derive(Serialize)]
struct EntityPayload<'a> {
    #[serde(flatten)]
    component: ComponentPayload<'a>,
    device: DevicePayload<'a>,
    origin: OriginPayload,
}

/// What is the entity's own, whichever way it is announced.
#[derive(Serialize)]
struct ComponentPayload<'a> {
    /// Where the topic does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'static str>,
    name: &'a str,
    unique_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_entity_id: Option<&'a str>,
    /// The part of `default_entity_id` after the dot: what Home Assistant before 2025.10 reads instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_attributes_topic: Option<String>,
    #[serde(flatten)]
    availability: Option<AvailabilityPayload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qos: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    force_update: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled_by_default: Option<bool>,
    #[serde(flatten)]
    own: OwnPayload<'a>,
}

/// Where Home Assistant hears whether the entity is available.
#[derive(Serialize)]
#[serde(untagged)]
enum AvailabilityPayload<'a> {
    /// As the device is.
    Shared { availability_topic: &'a str },
    /// Where the device is and the entity says so too.
    Own { availability: [TopicPayload; 2], availability_mode: &'static str },
}

#[derive(Serialize)]
struct TopicPayload {
    topic: String,
}

#[derive(Serialize)]
struct DevicePayload<'a> {
    identifiers: [&'a str; 1],
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    manufacturer: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sw_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    via_device: Option<&'a str>,
}

#[derive(Serialize)]
struct OriginPayload {
    name: &'static str,
    sw_version: &'static str,
    support_url: &'static str,
}

impl<'a> EntityPayload<'a> {
    fn new(
        entity: &'a Entity,
        device: &'a Device,
        topics: &'a Topics,
        qos: Qos,
        origin: Origin,
    ) -> EntityPayload<'a> {
        EntityPayload {
            component: ComponentPayload {
                availability: Some(AvailabilityPayload::new(entity, topics)),
                qos: Some(entity.qos().unwrap_or(qos).level()),
                ..ComponentPayload::new(entity, topics)
            },
            device: DevicePayload::new(entity.own_device().map_or(device, |it| it)),
            origin: OriginPayload::new(origin),
        }
    }
}

impl<'a> ComponentPayload<'a> {
    /// `entity` without what several may have in common.
    fn new(entity: &'a Entity, topics: &'a Topics) -> ComponentPayload<'a> {
        let default_entity_id = entity.default_entity_id.as_deref();
        let text = |topic: Topic| topic.as_str().to_owned();
        ComponentPayload {
            platform: None,
            name: &entity.name,
            unique_id: topics.unique_id(&entity.id),
            default_entity_id,
            object_id: default_entity_id.and_then(|id| id.split_once('.')).map(|(_, object_id)| object_id),
            state_topic: entity.has_states().then(|| text(topics.state(&entity.id))),
            command_topic: entity.takes_commands().then(|| text(topics.command(&entity.id))),
            json_attributes_topic: entity.attributes.then(|| text(topics.attributes(&entity.id))),
            availability: None,
            qos: None,
            device_class: entity.device_class(),
            icon: entity.icon.as_deref(),
            entity_category: entity.category.as_deref(),
            expire_after: entity.expire_after.as_ref().map(Duration::as_secs),
            force_update: entity.force_update.then_some(true),
            enabled_by_default: (!entity.enabled_by_default).then_some(false),
            own: OwnPayload::new(&entity.kind),
        }
    }
}

impl<'a> DevicePayload<'a> {
    fn new(device: &'a Device) -> DevicePayload<'a> {
        DevicePayload {
            identifiers: [device.identifier.as_str()],
            name: &device.name,
            manufacturer: &device.manufacturer,
            model: &device.model,
            sw_version: &device.sw_version,
            via_device: device.via.as_ref().map(ObjectId::as_str),
        }
    }
}

impl OriginPayload {
    fn new(origin: Origin) -> OriginPayload {
        OriginPayload { name: origin.name, sw_version: origin.sw_version, support_url: origin.support_url }
    }
}

impl<'a> AvailabilityPayload<'a> {
    fn new(entity: &Entity, topics: &'a Topics) -> AvailabilityPayload<'a> {
        let shared = AvailabilityPayload::Shared { availability_topic: topics.availability().as_str() };
        AvailabilityPayload::own(entity, topics).unwrap_or(shared)
    }

    /// That of an entity that has one of its own.
    fn own(entity: &Entity, topics: &Topics) -> Option<AvailabilityPayload<'a>> {
        let both = [topics.availability().clone(), topics.entity_availability(&entity.id)];
        entity.availability.then(|| AvailabilityPayload::Own {
            availability: both.map(TopicPayload::new),
            availability_mode: "all",
        })
    }
}

impl TopicPayload {
    fn new(topic: Topic) -> TopicPayload {
        TopicPayload { topic: topic.as_str().to_owned() }
    }
}
