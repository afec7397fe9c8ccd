//! The builder of binary sensors.

use std::time::Duration;

use super::check;
use super::class::BINARY_SENSOR_CLASSES;
use super::draft::{Draft, common_setters, expiry_setters};
use super::{Entity, EntityError, Kind, Platform};

/// Describes a binary sensor: something that is on or off. Nothing is checked before [`BinarySensor::build`].
///
/// ```
/// use std::time::Duration;
/// use luigi_mqtt::entity::BinarySensor;
///
/// let hall = BinarySensor::new("hall", "Hall").device_class("motion").off_delay(Duration::from_secs(30));
/// assert!(hall.build().is_ok());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct BinarySensor {
    draft: Draft,
    payload_on: String,
    payload_off: String,
    off_delay: Option<Duration>,
}

impl BinarySensor {
    /// A binary sensor without a class, whose states are `ON` and `OFF`.
    pub fn new(id: &str, name: &str) -> BinarySensor {
        let draft = Draft::new(id, name);
        BinarySensor { draft, payload_on: ON.to_owned(), payload_off: OFF.to_owned(), off_delay: None }
    }

    /// What it senses, by Home Assistant's name for it: `motion`.
    pub fn device_class(mut self, class: &str) -> BinarySensor {
        self.draft.device_class = Some(class.to_owned());
        self
    }

    /// The payload that means on.
    pub fn payload_on(mut self, payload: &str) -> BinarySensor {
        self.payload_on = payload.to_owned();
        self
    }

    /// The payload that means off.
    pub fn payload_off(mut self, payload: &str) -> BinarySensor {
        self.payload_off = payload.to_owned();
        self
    }

    /// How long after it was last on Home Assistant shows it as off by itself: whole seconds, at least one.
    /// For sensors that never say off. That it was on is not retained, and told again only for so long:
    /// a Home Assistant that restarts later would take it for news.
    pub fn off_delay(mut self, delay: Duration) -> BinarySensor {
        self.off_delay = Some(delay);
        self
    }

    /// The binary sensor, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let BinarySensor { draft, payload_on, payload_off, off_delay } = self;
        let mut problems = draft.problems(Platform::BinarySensor);
        let class = check::one_of_known(
            "device_class",
            draft.device_class.as_deref(),
            BINARY_SENSOR_CLASSES,
            &mut problems,
        );
        check::on_off(&payload_on, &payload_off, &mut problems);
        check::seconds("off_delay", off_delay, &mut problems);
        let kind = Kind::BinarySensor { class, payload_on, payload_off, off_delay };
        draft.into_entity(kind, problems)
    }
}

common_setters!(BinarySensor, "binary_sensor");
expiry_setters!(BinarySensor);

/// Home Assistant's own defaults.
const ON: &str = "ON";
const OFF: &str = "OFF";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses(sensor: BinarySensor, problem: &str) {
        assert_eq!(sensor.build().unwrap_err().to_string(), format!("binary_sensor \"hall\": {problem}"));
    }

    fn hall() -> BinarySensor {
        BinarySensor::new("hall", "Hall")
    }

    #[test]
    fn a_device_class_is_one_of_binary_sensors() {
        for class in ["motion", "glass_break", "window"] {
            assert_eq!(hall().device_class(class).build().unwrap().device_class(), Some(class));
        }
        refuses(
            hall().device_class("movement"),
            "device_class: expected one of battery, battery_charging, carbon_monoxide, cold, connectivity, \
             door, garage_door, gas, glass_break, heat, light, lock, moisture, motion, moving, occupancy, \
             opening, plug, power, presence, problem, running, safety, smoke, sound, tamper, update, \
             vibration, window, found \"movement\"",
        );
        let error = hall().device_class("garagedoor").build().unwrap_err().to_string();
        assert!(error.contains("expected one of battery, battery_charging, "), "{error}");
        assert!(error.ends_with(r#", window, found "garagedoor" (did you mean garage_door?)"#), "{error}");
    }

    #[test]
    fn on_off_and_unknown_are_three_payloads() {
        assert!(hall().payload_on("1").payload_off("0").build().is_ok());
        refuses(
            hall().payload_on("OFF"),
            r#"payload_off: expected another one than payload_on, found "OFF""#,
        );
        refuses(hall().payload_on(" "), r#"payload_on: expected a text but None, found " ""#);
        refuses(hall().payload_off("None"), r#"payload_off: expected a text but None, found "None""#);
    }

    #[test]
    fn an_off_delay_is_in_whole_seconds() {
        assert!(hall().off_delay(Duration::from_secs(1)).build().is_ok());
        for delay in [Duration::from_millis(1500), Duration::ZERO] {
            let problem = format!("off_delay: expected whole seconds, at least 1, found {delay:?}");
            refuses(hall().off_delay(delay), &problem);
        }
    }
}
