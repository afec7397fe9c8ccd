//! What an entity may say beside its state.

use serde_json::{Map, Value as Json};

use crate::model::is_reserved_attribute;

use super::refusal::{Refusal, quoted};
use super::{Entity, Platform, ValueError};

impl Entity {
    /// The payload that tells Home Assistant the entity's `attributes`: all of them, for those that it had before and
    /// are not told again are gone.
    ///
    /// # Errors
    ///
    /// [`ValueError`] when the entity was built without attributes, when Home Assistant would leave one out for its
    /// name, such as `state` or `icon`, or when those that say where a device tracker is do not.
    pub fn attributes_payload(&self, attributes: &Map<String, Json>) -> Result<String, ValueError> {
        self.check_attributes(attributes).map_err(|refusal| self.value_error(refusal))?;
        Ok(serde_json::to_string(attributes).expect("a map with texts for keys always serializes"))
    }

    fn check_attributes(&self, attributes: &Map<String, Json>) -> Result<(), Refusal> {
        if !self.attributes {
            return Err(Refusal::new(
                "no attributes, for it is described without `attributes: true`",
                quoted_keys(attributes),
            ));
        }
        let own = blocked_on(self.platform());
        let blocked = |key: &&String| is_reserved_attribute(key) || own.contains(&key.as_str());
        if let Some(key) = attributes.keys().find(blocked) {
            let expected = "attributes without those that Home Assistant has of its own";
            return Err(Refusal::new(expected, quoted(key)));
        }
        if self.platform() == Platform::DeviceTracker { check_place(attributes) } else { Ok(()) }
    }
}

/// Home Assistant wants both coordinates or none, and numbers.
fn check_place(attributes: &Map<String, Json>) -> Result<(), Refusal> {
    let (latitude, longitude) = (attributes.get("latitude"), attributes.get("longitude"));
    if latitude.is_none() && longitude.is_none() {
        return Ok(());
    }
    for (key, found, min, max) in [
        ("latitude", latitude, -90.0, 90.0),
        ("longitude", longitude, -180.0, 180.0),
        ("gps_accuracy", attributes.get("gps_accuracy").or(Some(&Json::from(0))), 0.0, f64::MAX),
    ] {
        if !found.and_then(Json::as_f64).is_some_and(|number| (min..=max).contains(&number)) {
            let range = if max < f64::MAX { format!("{min} to {max}") } else { format!("{min} up") };
            let found = found.map_or("none".to_owned(), |found| quoted(&found.to_string()));
            return Err(Refusal::new(format!("{key} as a number from {range}"), found));
        }
    }
    Ok(())
}

fn quoted_keys(attributes: &Map<String, Json>) -> String {
    quoted(&attributes.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// The names that Home Assistant 2026.11 leaves out on `platform` beside those of [`is_reserved_attribute`]: the
/// `MQTT_…_ATTRIBUTES_BLOCKED` in `homeassistant/components/mqtt`, with the names they stand for.
fn blocked_on(platform: Platform) -> &'static [&'static str] {
    match platform.as_str() {
        "alarm_control_panel" => &["changed_by", "code_arm_required", "code_format"],
        "camera" => &["access_token", "brand", "model_name", "motion_detection"],
        "climate" => &[
            "current_humidity",
            "current_temperature",
            "fan_mode",
            "fan_modes",
            "humidity",
            "hvac_action",
            "hvac_modes",
            "max_humidity",
            "max_temp",
            "min_humidity",
            "min_temp",
            "preset_mode",
            "preset_modes",
            "swing_horizontal_mode",
            "swing_horizontal_modes",
            "swing_mode",
            "swing_modes",
            "target_temp_high",
            "target_temp_low",
            "target_temp_step",
            "temperature",
        ],
        "cover" => &["current_position", "current_tilt_position"],
        "event" => &["event_type", "event_types"],
        "fan" => {
            &["direction", "oscillating", "percentage", "percentage_step", "preset_mode", "preset_modes"]
        }
        "humidifier" => &["available_modes", "humidity", "max_humidity", "min_humidity", "mode"],
        "light" => &[
            "brightness",
            "color_mode",
            "color_temp_kelvin",
            "effect",
            "effect_list",
            "hs_color",
            "max_color_temp_kelvin",
            "min_color_temp_kelvin",
            "rgb_color",
            "rgbw_color",
            "rgbww_color",
            "supported_color_modes",
            "xy_color",
        ],
        "lock" => &["changed_by", "code_format"],
        "number" => &["max", "min", "step"],
        "select" => &["options"],
        "sensor" => &["last_reset", "state_class"],
        "siren" => &["available_tones", "duration", "tone", "volume_level"],
        "text" => &["max", "min", "mode", "pattern"],
        "vacuum" => &["fan_speed"],
        "valve" => &["current_position"],
        "water_heater" => &[
            "current_temperature",
            "max_temp",
            "min_temp",
            "operation_list",
            "operation_mode",
            "temperature",
        ],
        _ => &[],
    }
}
