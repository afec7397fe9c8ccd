//! What only one platform has.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::class::SensorClass;
use super::light::Abilities;
use super::text::Pattern;
use super::{Platform, StateClass};

/// What makes an entity one of its platform.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Sensor {
        class: Option<&'static SensorClass>,
        unit: Option<String>,
        state_class: Option<StateClass>,
        precision: Option<u8>,
        // Empty unless the class is `enum`.
        options: Vec<String>,
    },
    BinarySensor {
        class: Option<&'static str>,
        payload_on: String,
        payload_off: String,
        off_delay: Option<Duration>,
    },
    Switch {
        class: Option<&'static str>,
    },
    Button {
        class: Option<&'static str>,
    },
    Number {
        class: Option<&'static SensorClass>,
        unit: Option<String>,
        // Invariant: both finite, `min <= max`.
        min: f64,
        max: f64,
        step: f64,
        mode: &'static str,
    },
    Select {
        options: Vec<String>,
    },
    Text {
        min: u8,
        max: u8,
        mode: &'static str,
        pattern: Option<Pattern>,
    },
    Light(Abilities),
    Event {
        class: Option<&'static str>,
        types: Vec<String>,
    },
    Update {
        class: Option<&'static str>,
        title: Option<String>,
        installs: bool,
    },
    DeviceTracker {
        source_type: &'static str,
    },
    Other {
        platform: Platform,
        fields: Map<String, Json>,
        states: bool,
        commands: bool,
    },
}

impl Kind {
    pub(super) fn platform(&self) -> Platform {
        match self {
            Kind::Sensor { .. } => Platform::Sensor,
            Kind::BinarySensor { .. } => Platform::BinarySensor,
            Kind::Switch { .. } => Platform::Switch,
            Kind::Button { .. } => Platform::Button,
            Kind::Number { .. } => Platform::Number,
            Kind::Select { .. } => Platform::Select,
            Kind::Text { .. } => Platform::Text,
            Kind::Light(_) => Platform::Light,
            Kind::Event { .. } => Platform::Event,
            Kind::Update { .. } => Platform::Update,
            Kind::DeviceTracker { .. } => Platform::DeviceTracker,
            Kind::Other { platform, .. } => *platform,
        }
    }

    pub(super) fn device_class(&self) -> Option<&'static str> {
        match self {
            Kind::Sensor { class, .. } | Kind::Number { class, .. } => class.map(|class| class.name),
            Kind::BinarySensor { class, .. }
            | Kind::Switch { class }
            | Kind::Button { class }
            | Kind::Event { class, .. }
            | Kind::Update { class, .. } => *class,
            Kind::Select { .. }
            | Kind::Text { .. }
            | Kind::Light(_)
            | Kind::DeviceTracker { .. }
            | Kind::Other { .. } => None,
        }
    }

    /// Whether a state means the same to `other`.
    pub(super) fn shares_states_with(&self, other: &Kind) -> bool {
        let mut plain = [self.clone(), other.clone()];
        if self.has_numbers() && other.has_numbers() {
            for kind in &mut plain {
                if let Kind::Sensor { state_class, precision, .. } = kind {
                    (*state_class, *precision) = (None, None);
                }
            }
        }
        plain[0] == plain[1]
    }

    /// Whether it is a sensor whose states are numbers.
    pub(super) fn has_numbers(&self) -> bool {
        match self {
            Kind::Sensor { class: Some(class), .. } => class.is_numeric(),
            Kind::Sensor { unit, state_class, precision, .. } => {
                unit.is_some() || state_class.is_some() || precision.is_some()
            }
            _ => false,
        }
    }

    /// Whether it tells states at all.
    pub(super) fn has_states(&self) -> bool {
        match self {
            Kind::Button { .. } => false,
            Kind::Other { states, .. } => *states,
            _ => true,
        }
    }

    /// Whether Home Assistant asks things of it.
    pub(super) fn takes_commands(&self) -> bool {
        match self {
            Kind::Switch { .. }
            | Kind::Button { .. }
            | Kind::Number { .. }
            | Kind::Select { .. }
            | Kind::Text { .. }
            | Kind::Light(_) => true,
            Kind::Update { installs, .. } => *installs,
            Kind::Other { commands, .. } => *commands,
            Kind::Sensor { .. }
            | Kind::BinarySensor { .. }
            | Kind::Event { .. }
            | Kind::DeviceTracker { .. } => false,
        }
    }
}
