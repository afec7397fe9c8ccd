//! How an entity is announced: the discovery payload. Here and in `own` alone are Home Assistant's keys
//! spelt.

mod own;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use serde::Serialize;

use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;

use super::{Device, Entity, Origin, Topics};
use own::OwnPayload;

/// The payload that announces `entity` on [`Topics::config`], as JSON: it belongs to `device`, and Home
/// Assistant subscribes to its states and its availability with `qos`, or the entity's own.
pub fn discovery_payload(entity: &Entity, device: &Device, topics: &Topics, qos: Qos) -> String {
    let payload = EntityPayload::new(entity, device, topics, qos, Origin::OURS);
    serde_json::to_string(&payload).expect("a struct of strings, numbers and JSON always serializes")
}

/// What Home Assistant reads; it knows each key's meaning by `homeassistant/components/mqtt/schemas.py` and
/// the schema of the platform. What is left out has its default there.
#[derive(Serialize)]
struct EntityPayload<'a> {
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
    availability: AvailabilityPayload<'a>,
    qos: u8,
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
    device: DevicePayload<'a>,
    origin: OriginPayload,
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
    manufacturer: &'a str,
    model: &'a str,
    sw_version: &'a str,
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
        let default_entity_id = entity.default_entity_id.as_deref();
        let text = |topic: Topic| topic.as_str().to_owned();
        EntityPayload {
            name: &entity.name,
            unique_id: unique_id(topics, &entity.id),
            default_entity_id,
            object_id: default_entity_id.and_then(|id| id.split_once('.')).map(|(_, object_id)| object_id),
            state_topic: entity.has_states().then(|| text(topics.state(&entity.id))),
            command_topic: entity.takes_commands().then(|| text(topics.command(&entity.id))),
            json_attributes_topic: entity.attributes.then(|| text(topics.attributes(&entity.id))),
            availability: AvailabilityPayload::new(entity, topics),
            qos: entity.qos().unwrap_or(qos).level(),
            device_class: entity.device_class(),
            icon: entity.icon.as_deref(),
            entity_category: entity.category.as_deref(),
            expire_after: entity.expire_after.as_ref().map(Duration::as_secs),
            force_update: entity.force_update.then_some(true),
            enabled_by_default: (!entity.enabled_by_default).then_some(false),
            own: OwnPayload::new(&entity.kind),
            device: DevicePayload {
                identifiers: [device.identifier.as_str()],
                name: &device.name,
                manufacturer: &device.manufacturer,
                model: &device.model,
                sw_version: &device.sw_version,
            },
            origin: OriginPayload {
                name: origin.name,
                sw_version: origin.sw_version,
                support_url: origin.support_url,
            },
        }
    }
}

impl<'a> AvailabilityPayload<'a> {
    fn new(entity: &Entity, topics: &'a Topics) -> AvailabilityPayload<'a> {
        let device = topics.availability();
        if entity.availability {
            let both = [device.clone(), topics.entity_availability(&entity.id)];
            AvailabilityPayload::Own {
                availability: both.map(|topic| TopicPayload { topic: topic.as_str().to_owned() }),
                availability_mode: "all",
            }
        } else {
            AvailabilityPayload::Shared { availability_topic: device.as_str() }
        }
    }
}

/// By this Home Assistant knows the entity again for ever, whatever its name: the Python module's rule.
fn unique_id(topics: &Topics, id: &ObjectId) -> String {
    format!("{}_{id}", topics.node())
}
