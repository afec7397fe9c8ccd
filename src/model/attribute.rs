//! Names in what an entity tells beside its state: those that no attribute can have, and those that an update has.

/// Whether Home Assistant 2026.11 has an attribute called `name` of its own on every platform, and leaves out what
/// others call so: `MQTT_ATTRIBUTES_BLOCKED` in `homeassistant/components/mqtt/entity.py`.
pub(crate) fn is_reserved_attribute(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// What Home Assistant 2026.11 reads of an update that is JSON; any other key has it refuse the whole:
/// `MQTT_JSON_UPDATE_SCHEMA` in `homeassistant/components/mqtt/update.py`.
pub(crate) const UPDATE_KEYS: &[&str] = &[
    "installed_version",
    "latest_version",
    "title",
    "release_summary",
    "release_url",
    "entity_picture",
    "in_progress",
    "update_percentage",
];

const RESERVED: &[&str] = &[
    "assumed_state",
    "available",
    "device_class",
    "device_info",
    "entity_category",
    "entity_id",
    "entity_picture",
    "entity_registry_enabled_default",
    "extra_state_attributes",
    "force_update",
    "friendly_name",
    "group_entities",
    "icon",
    "should_poll",
    "state",
    "supported_features",
    "unique_id",
    "unit_of_measurement",
];
