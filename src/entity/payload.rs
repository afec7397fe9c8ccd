//! How an entity is announced: the discovery payload, the one place that spells Home Assistant's keys.

use std::time::Duration;

use serde::Serialize;

use crate::model::ObjectId;
use crate::model::Qos;

use super::{Device, Entity, Kind, Origin, Topics};

/// The payload that announces `entity` on [`Topics::config`], as JSON: it belongs to `device`, and Home
/// Assistant subscribes to its states and its availability with `qos`, or the entity's own.
pub fn discovery_payload(entity: &Entity, device: &Device, topics: &Topics, qos: Qos) -> String {
    let payload = EntityPayload::new(entity, device, topics, qos, Origin::OURS);
    serde_json::to_string(&payload).expect("a struct of strings and numbers always serializes")
}

/// What Home Assistant reads; it knows each key's meaning by `homeassistant/components/mqtt/schemas.py` and
/// the schema of the platform. What is left out has its default there.
#[derive(Default, Serialize)]
struct EntityPayload<'a> {
    name: &'a str,
    unique_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_entity_id: Option<&'a str>,
    /// The part of `default_entity_id` after the dot: what Home Assistant before 2025.10 reads instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<&'a str>,
    state_topic: String,
    availability_topic: &'a str,
    qos: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_of_measurement: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggested_display_precision: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_category: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    force_update: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled_by_default: Option<bool>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    options: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_on: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_off: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    off_delay: Option<u64>,
    device: DevicePayload<'a>,
    origin: OriginPayload,
}

#[derive(Default, Serialize)]
struct DevicePayload<'a> {
    identifiers: [&'a str; 1],
    name: &'a str,
    manufacturer: &'a str,
    model: &'a str,
    sw_version: &'a str,
}

#[derive(Default, Serialize)]
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
        let common = EntityPayload {
            name: &entity.name,
            unique_id: unique_id(topics, &entity.id),
            default_entity_id,
            object_id: default_entity_id.and_then(|id| id.split_once('.')).map(|(_, object_id)| object_id),
            state_topic: topics.state(&entity.id).as_str().to_owned(),
            availability_topic: topics.availability().as_str(),
            qos: entity.qos().unwrap_or(qos).level(),
            device_class: entity.device_class(),
            icon: entity.icon.as_deref(),
            entity_category: entity.diagnostic.then_some("diagnostic"),
            expire_after: entity.expire_after.as_ref().map(Duration::as_secs),
            force_update: entity.force_update.then_some(true),
            enabled_by_default: (!entity.enabled_by_default).then_some(false),
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
            ..EntityPayload::default()
        };
        match &entity.kind {
            Kind::Sensor { unit, state_class, precision, options, .. } => EntityPayload {
                unit_of_measurement: unit.as_deref(),
                state_class: state_class.map(|class| class.as_str()),
                suggested_display_precision: *precision,
                options,
                ..common
            },
            Kind::BinarySensor { payload_on, payload_off, off_delay, .. } => EntityPayload {
                payload_on: Some(payload_on),
                payload_off: Some(payload_off),
                off_delay: off_delay.as_ref().map(Duration::as_secs),
                ..common
            },
        }
    }
}

/// By this Home Assistant knows the entity again for ever, whatever its name: the Python module's rule.
fn unique_id(topics: &Topics, id: &ObjectId) -> String {
    format!("{}_{id}", topics.node())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use crate::model::Topic;

    use super::super::{BinarySensor, EntityError, Sensor};
    use super::*;

    /// Each is announced as `tests/data/discovery/<its id>.json` says. All of them were shown to Home
    /// Assistant's own schemas of 2023.12 and 2026.11.
    fn entities() -> Result<Vec<Entity>, EntityError> {
        Ok(vec![
            Sensor::new("bare", "Bare").build()?,
            Sensor::new("cpu_temperature", "Processor temperature")
                .device_class("temperature")
                .unit("°C")
                .state_class("measurement")
                .precision(1)
                .category_diagnostic()
                .build()?,
            Sensor::new("last_boot", "Last boot").device_class("timestamp").build()?,
            Sensor::new("mode", "Mode")
                .device_class("enum")
                .options(["eco", "comfort"])
                .icon("mdi:fan")
                .build()?,
            Sensor::new("dust", "Dust \"fine\"")
                .device_class("pm25")
                .unit("\u{b5}g/m³")
                .state_class("measurement")
                .expire_after(Duration::from_secs(300))
                .force_update(true)
                .enabled_by_default(false)
                .default_entity_id("sensor.dust_outside")
                .build()?,
            BinarySensor::new("under_voltage", "Under-voltage")
                .device_class("problem")
                .category_diagnostic()
                .build()?,
            BinarySensor::new("hall-motion", "Hall motion")
                .device_class("motion")
                .payload_on("1")
                .payload_off("0")
                .off_delay(Duration::from_secs(30))
                .expire_after(Duration::from_secs(3600))
                .icon("mdi:run")
                .default_entity_id("binary_sensor.hall")
                .build()?,
        ])
    }

    fn device() -> Device {
        Device {
            identifier: ObjectId::new("luigi-pi").unwrap(),
            name: "Luigi-pi".to_owned(),
            manufacturer: "Luigi Project".to_owned(),
            model: "Raspberry Pi Zero W".to_owned(),
            sw_version: "1.2.3".to_owned(),
        }
    }

    fn topics() -> Topics {
        let [prefix, state, availability] =
            ["homeassistant", "luigi/pi", "luigi/pi/availability"].map(|text| Topic::new(text).unwrap());
        Topics::new(prefix, ObjectId::new("luigi-pi").unwrap(), state, availability).unwrap()
    }

    #[test]
    fn entities_are_announced_as_the_golden_payloads_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/discovery");
        let origin = Origin { sw_version: "1.2.3", support_url: "https://example.org/luigi", ..Origin::OURS };
        let (device, topics) = (device(), topics());
        let mut files = BTreeSet::new();
        for entity in entities().unwrap() {
            let file = format!("{}.json", entity.id());
            let payload = EntityPayload::new(&entity, &device, &topics, Qos::AtLeastOnce, origin);
            let golden = fs::read_to_string(folder.join(&file)).unwrap_or_default();
            assert_eq!(serde_json::to_string_pretty(&payload).unwrap(), golden.trim_end(), "{file}");
            files.insert(file);
        }
        let found =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(files, found.collect());
    }

    #[test]
    fn a_payload_is_one_line_with_our_own_origin() {
        let entity = Sensor::new("bare", "Bare").build().unwrap();
        let payload = discovery_payload(&entity, &device(), &topics(), Qos::AtMostOnce);
        assert!(!payload.contains('\n'));
        assert!(payload.contains(r#","qos":0,"device":{"#), "{payload}");
        let origin =
            format!(r#""origin":{{"name":"luigi-mqtt","sw_version":"{}""#, env!("CARGO_PKG_VERSION"));
        assert!(payload.contains(&origin), "{payload}");
    }
}
