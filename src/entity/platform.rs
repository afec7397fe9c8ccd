//! The kinds of entity that Home Assistant's MQTT knows.

use std::fmt;

/// A kind of entity.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Platform {
    /// Something with a number, a text or a time for its state.
    Sensor,
    /// Something that is on or off.
    BinarySensor,
    /// Something to be turned on and off.
    Switch,
    /// Something to be pressed.
    Button,
    /// A number to be set.
    Number,
    /// One of several options to be chosen.
    Select,
    /// A text to be set.
    Text,
    /// A light.
    Light,
    /// Something that happens.
    Event,
    /// A version of some software, and the newest there is.
    Update,
    /// Where something or somebody is.
    DeviceTracker,
    /// Any other, by Home Assistant's name for it: one of [`Platform::OTHERS`].
    Other(&'static str),
}

impl Platform {
    /// The names that [`Platform::Other`] may have: `ENTITY_PLATFORMS` of Home Assistant 2026.11 in
    /// `homeassistant/components/mqtt/const.py`, without those that have a builder of their own.
    pub const OTHERS: [&str; 19] = [
        "alarm_control_panel",
        "camera",
        "climate",
        "cover",
        "date",
        "datetime",
        "fan",
        "humidifier",
        "image",
        "infrared",
        "lawn_mower",
        "lock",
        "notify",
        "scene",
        "siren",
        "time",
        "vacuum",
        "valve",
        "water_heater",
    ];

    /// The platform called `name`, as it stands in a discovery topic; `None` where Home Assistant knows none.
    pub fn named(name: &str) -> Option<Platform> {
        let other = Platform::OTHERS.into_iter().find(|other| *other == name);
        OWN.into_iter().find(|own| own.as_str() == name).or(other.map(Platform::Other))
    }

    /// As it stands in a discovery topic.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::Sensor => "sensor",
            Platform::BinarySensor => "binary_sensor",
            Platform::Switch => "switch",
            Platform::Button => "button",
            Platform::Number => "number",
            Platform::Select => "select",
            Platform::Text => "text",
            Platform::Light => "light",
            Platform::Event => "event",
            Platform::Update => "update",
            Platform::DeviceTracker => "device_tracker",
            Platform::Other(name) => name,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Those that have a builder of their own.
const OWN: [Platform; 11] = [
    Platform::Sensor,
    Platform::BinarySensor,
    Platform::Switch,
    Platform::Button,
    Platform::Number,
    Platform::Select,
    Platform::Text,
    Platform::Light,
    Platform::Event,
    Platform::Update,
    Platform::DeviceTracker,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_finds_its_platform() {
        for platform in OWN {
            assert_eq!(Platform::named(platform.as_str()), Some(platform));
        }
        for name in Platform::OTHERS {
            assert_eq!(Platform::named(name), Some(Platform::Other(name)));
        }
        for name in ["", "Sensor", "tag", "device_automation"] {
            assert_eq!(Platform::named(name), None, "{name}");
        }
    }
}
