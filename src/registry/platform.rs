//! The platforms that Home Assistant knows over MQTT.

/// The platform called `name`, as a text that lives for ever; none where Home Assistant has no such platform.
pub(super) fn platform(name: &str) -> Option<&'static str> {
    PLATFORMS.binary_search(&name).ok().map(|at| PLATFORMS[at])
}

/// Whether entities of `platform` have no lasting state: what happened before somebody listened is over,
/// and kept copies of it are ignored (`homeassistant/components/mqtt/event.py`, `device_trigger.py`, `tag.py`).
pub(super) fn is_momentary(platform: &str) -> bool {
    matches!(platform, "event" | "device_automation" | "tag")
}

/// `SUPPORTED_COMPONENTS` of `homeassistant/components/mqtt/const.py`, 2026.11.0. Sorted.
pub const PLATFORMS: &[&str] = &[
    "alarm_control_panel",
    "binary_sensor",
    "button",
    "camera",
    "climate",
    "cover",
    "date",
    "datetime",
    "device_automation",
    "device_tracker",
    "event",
    "fan",
    "humidifier",
    "image",
    "infrared",
    "lawn_mower",
    "light",
    "lock",
    "notify",
    "number",
    "scene",
    "select",
    "sensor",
    "siren",
    "switch",
    "tag",
    "text",
    "time",
    "update",
    "vacuum",
    "valve",
    "water_heater",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_is_found_and_nothing_else() {
        assert!(PLATFORMS.is_sorted());
        for name in PLATFORMS {
            assert_eq!(platform(name), Some(*name));
        }
        for name in ["", "device", "Sensor", "sensors", "mqtt"] {
            assert_eq!(platform(name), None, "{name}");
        }
    }
}
