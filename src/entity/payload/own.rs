//! What only one platform has in its discovery payload.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::super::StateClass;
use super::super::command::INSTALL;
use super::super::kind::Kind;
use super::super::light::Abilities;
use super::super::text::Pattern;

/// The keys of each platform, by its schema in `homeassistant/components/mqtt/<platform>.py`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OwnPayload<'a> {
    Sensor {
        #[serde(skip_serializing_if = "Option::is_none")]
        unit_of_measurement: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        state_class: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        suggested_display_precision: Option<u8>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        options: &'a [String],
    },
    BinarySensor {
        payload_on: &'a str,
        payload_off: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        off_delay: Option<u64>,
    },
    Number {
        #[serde(skip_serializing_if = "Option::is_none")]
        unit_of_measurement: Option<&'a str>,
        min: f64,
        max: f64,
        step: f64,
        mode: &'static str,
    },
    Select {
        options: &'a [String],
    },
    Text {
        min: u8,
        max: u8,
        mode: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pattern: Option<&'a str>,
    },
    Light {
        schema: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        supported_color_modes: Option<&'a [&'static str]>,
        brightness: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        brightness_scale: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        white_scale: Option<u32>,
        /// In kelvin, rather than mireds: the keys below it too.
        #[serde(skip_serializing_if = "Option::is_none")]
        color_temp_kelvin: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        min_kelvin: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_kelvin: Option<u32>,
        effect: bool,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        effect_list: &'a [String],
        flash: bool,
        transition: bool,
    },
    Event {
        event_types: &'a [String],
    },
    Update {
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload_install: Option<&'static str>,
    },
    DeviceTracker {
        source_type: &'static str,
    },
    Other(&'a Map<String, Json>),
    Nothing {},
}

impl<'a> OwnPayload<'a> {
    pub(super) fn new(kind: &'a Kind) -> OwnPayload<'a> {
        match kind {
            Kind::Sensor { unit, state_class, precision, options, .. } => OwnPayload::Sensor {
                unit_of_measurement: unit.as_deref(),
                state_class: state_class.map(StateClass::as_str),
                suggested_display_precision: *precision,
                options,
            },
            Kind::BinarySensor { payload_on, payload_off, off_delay, .. } => OwnPayload::BinarySensor {
                payload_on,
                payload_off,
                off_delay: off_delay.as_ref().map(Duration::as_secs),
            },
            Kind::Switch { .. } | Kind::Button { .. } => OwnPayload::Nothing {},
            Kind::Number { unit, min, max, step, mode, .. } => OwnPayload::Number {
                unit_of_measurement: unit.as_deref(),
                min: *min,
                max: *max,
                step: *step,
                mode,
            },
            Kind::Select { options } => OwnPayload::Select { options },
            Kind::Text { min, max, mode, pattern } => OwnPayload::Text {
                min: *min,
                max: *max,
                mode,
                pattern: pattern.as_ref().map(Pattern::as_str),
            },
            Kind::Light(abilities) => OwnPayload::light(abilities),
            Kind::Event { types, .. } => OwnPayload::Event { event_types: types },
            Kind::Update { title, installs, .. } => {
                OwnPayload::Update { title: title.as_deref(), payload_install: installs.then_some(INSTALL) }
            }
            Kind::DeviceTracker { source_type } => OwnPayload::DeviceTracker { source_type },
            Kind::Other { fields, .. } => OwnPayload::Other(fields),
        }
    }

    fn light(abilities: &'a Abilities) -> OwnPayload<'a> {
        let kelvin = abilities.kelvin();
        OwnPayload::Light {
            schema: "json",
            // Without, `brightness` says it all, and Home Assistant 2023.12 understands it too.
            supported_color_modes: abilities.has_colors().then_some(&abilities.modes),
            // Without it Home Assistant dims by darker colours, and sends no brightness.
            brightness: abilities.has_brightness(),
            brightness_scale: abilities.has_brightness().then_some(abilities.brightness_scale),
            white_scale: abilities.has_white().then_some(abilities.brightness_scale),
            color_temp_kelvin: kelvin.map(|_| true),
            min_kelvin: kelvin.map(|(warmest, _)| warmest),
            max_kelvin: kelvin.map(|(_, coldest)| coldest),
            effect: !abilities.effects.is_empty(),
            effect_list: &abilities.effects,
            flash: abilities.flash,
            transition: abilities.transition,
        }
    }
}
