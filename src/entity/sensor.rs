//! The builder of sensors.

use super::check;
use super::draft::{Draft, common_setters, expiry_setters};
use super::{Entity, EntityError, Kind, Platform};

/// Describes a sensor: something with a number, a text or a time for its state. Nothing is checked before
/// [`Sensor::build`].
///
/// ```
/// use luigi_mqtt::entity::Sensor;
///
/// let attic = Sensor::new("attic", "Attic").device_class("temperature").unit("°C").state_class("measurement");
/// assert!(attic.clone().build().is_ok());
///
/// let error = attic.unit("C").build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "sensor \"attic\": unit_of_measurement: expected one of °C, °F, K for device class temperature, found \"C\"",
/// );
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Sensor {
    draft: Draft,
    unit: Option<String>,
    state_class: Option<String>,
    precision: Option<u8>,
    options: Option<Vec<String>>,
}

impl Sensor {
    /// A sensor with neither unit nor class, whose state may be any text.
    pub fn new(id: &str, name: &str) -> Sensor {
        Sensor { draft: Draft::new(id, name), unit: None, state_class: None, precision: None, options: None }
    }

    /// What it measures, by Home Assistant's name for it: `temperature`.
    pub fn device_class(mut self, class: &str) -> Sensor {
        self.draft.device_class = Some(class.to_owned());
        self
    }

    /// The unit of its numbers, as Home Assistant spells it: `°C`. Either micro sign will do.
    pub fn unit(mut self, unit: &str) -> Sensor {
        self.unit = Some(unit.to_owned());
        self
    }

    /// What its numbers mean over time, see [`StateClass`](super::StateClass); without one Home Assistant
    /// keeps no long-term statistics.
    pub fn state_class(mut self, class: &str) -> Sensor {
        self.state_class = Some(class.to_owned());
        self
    }

    /// How many decimals Home Assistant shows. The state itself is not rounded to it.
    pub fn precision(mut self, decimals: u8) -> Sensor {
        self.precision = Some(decimals);
        self
    }

    /// All states that it can have; for the device class `enum`.
    pub fn options<T: Into<String>>(mut self, options: impl IntoIterator<Item = T>) -> Sensor {
        self.options = Some(options.into_iter().map(T::into).collect());
        self
    }

    /// The sensor, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Sensor { draft, unit, state_class, precision, options } = self;
        let mut problems = draft.problems(Platform::Sensor);
        let class = check::sensor_class(draft.device_class.as_deref(), &mut problems);
        let unit = check::unit(unit.as_deref(), class, &mut problems);
        let state_class = check::state_class(state_class.as_deref(), class, &mut problems);
        check::angle(state_class, unit.as_deref(), &mut problems);
        check::precision(precision, class, &mut problems);
        check::sensor_options(options.as_deref(), draft.device_class.as_deref(), &mut problems);
        let kind = Kind::Sensor { class, unit, state_class, precision, options: options.unwrap_or_default() };
        draft.into_entity(kind, problems)
    }
}

common_setters!(Sensor, "sensor");
expiry_setters!(Sensor);

#[cfg(test)]
mod tests {
    use super::*;

    fn attic() -> Sensor {
        Sensor::new("attic", "Attic")
    }

    fn temperature() -> Sensor {
        attic().device_class("temperature").unit("°C")
    }

    #[track_caller]
    fn accepts(sensor: Sensor) -> Entity {
        sensor.build().unwrap()
    }

    #[track_caller]
    fn refuses(sensor: Sensor, problems: &[&str]) {
        let error = sensor.build().unwrap_err();
        let found: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
        assert_eq!(found, problems);
    }

    #[test]
    fn a_device_class_is_one_that_home_assistant_knows() {
        accepts(attic());
        accepts(temperature());
        accepts(attic().device_class("uptime"));
        for (class, suggestion) in [("temprature", " (did you mean temperature?)"), ("motion", "")] {
            let error = attic().device_class(class).build().unwrap_err().to_string();
            assert!(error.contains("expected one of absolute_humidity, apparent_power, aqi, "), "{error}");
            assert!(error.ends_with(&format!(", wind_speed, found {class:?}{suggestion}")), "{error}");
        }
    }

    #[test]
    fn a_unit_is_one_of_its_class() {
        accepts(attic().unit("widgets"));
        accepts(attic().device_class("monetary").unit("EUR"));
        accepts(attic().device_class("monetary"));
        accepts(attic().device_class("power_factor"));
        accepts(attic().device_class("power_factor").unit("%"));
        accepts(attic().device_class("aqi"));
        accepts(attic().device_class("ph"));
        for (class, unit, problem) in [
            (
                "temperature",
                Some("C"),
                r#"expected one of °C, °F, K for device class temperature, found "C""#,
            ),
            ("temperature", None, "expected one of °C, °F, K for device class temperature, found none"),
            ("battery", None, "expected % for device class battery, found none"),
            ("power_factor", Some("W"), r#"expected % or none for device class power_factor, found "W""#),
            ("aqi", Some("ppm"), r#"expected none for device class aqi, found "ppm""#),
            ("date", Some("d"), r#"expected none for device class date, found "d""#),
            ("timestamp", Some("s"), r#"expected none for device class timestamp, found "s""#),
            ("uptime", Some("s"), r#"expected none for device class uptime, found "s""#),
            ("enum", Some("x"), r#"expected none for device class enum, found "x""#),
        ] {
            let sensor = attic().device_class(class);
            let sensor = if let Some(unit) = unit { sensor.unit(unit) } else { sensor };
            refuses(sensor, &[&format!("unit_of_measurement: {problem}")]);
        }
        refuses(attic().unit(" "), &[r#"unit_of_measurement: expected a unit, found " ""#]);
    }

    #[test]
    fn a_unit_is_spelled_as_home_assistant_prefers() {
        for (class, found, preferred) in [
            ("pm25", "\u{b5}g/m³", "\u{3bc}g/m³"),
            ("pm25", "\u{3bc}g/m³", "\u{3bc}g/m³"),
            ("reactive_power", "kVAr", "kvar"),
            ("reactive_energy", "VArh", "varh"),
        ] {
            assert_eq!(accepts(attic().device_class(class).unit(found)).unit(), Some(preferred));
        }
    }

    #[test]
    fn a_state_class_goes_with_the_device_class() {
        accepts(attic().state_class("total_increasing"));
        accepts(temperature().state_class("measurement"));
        accepts(attic().device_class("energy").unit("kWh").state_class("total"));
        for (sensor, problem) in [
            (
                attic().state_class("mean"),
                r#"expected one of measurement, measurement_angle, total, total_increasing, found "mean""#,
            ),
            (
                temperature().state_class("total"),
                r#"expected measurement for device class temperature, found "total""#,
            ),
            (
                attic().device_class("energy").unit("kWh").state_class("measurement"),
                r#"expected one of total, total_increasing for device class energy, found "measurement""#,
            ),
            (
                attic().device_class("timestamp").state_class("measurement"),
                r#"expected none for device class timestamp, found "measurement""#,
            ),
        ] {
            refuses(sensor, &[&format!("state_class: {problem}")]);
        }
    }

    #[test]
    fn an_angle_is_in_degrees() {
        accepts(attic().unit("°").state_class("measurement_angle"));
        accepts(attic().device_class("wind_direction").unit("°").state_class("measurement_angle"));
        for (sensor, found) in [(attic(), "none"), (attic().unit("rad"), r#""rad""#)] {
            refuses(
                sensor.state_class("measurement_angle"),
                &[&format!(
                    "unit_of_measurement: expected ° for state class measurement_angle, found {found}"
                )],
            );
        }
    }

    #[test]
    fn options_are_for_an_enum_alone() {
        let mode = || attic().device_class("enum");
        accepts(mode());
        accepts(mode().options(["eco", "comfort"]));
        refuses(mode().options::<&str>([]), &["options: expected at least one, found none"]);
        refuses(mode().options(["a", "b", "a"]), &[r#"options: expected each one once, found "a" again"#]);
        refuses(
            mode().options(["a", ""]),
            &[r#"options: expected texts of 1 to 255 characters but None, found """#],
        );
        refuses(
            mode().options(["None"]),
            &[r#"options: expected texts of 1 to 255 characters but None, found "None""#],
        );
        for sensor in [attic(), temperature()] {
            refuses(
                sensor.options(["a"]),
                &[r#"options: expected none but for device class enum, found ["a"]"#],
            );
        }
    }

    #[test]
    fn only_numbers_have_a_precision() {
        accepts(temperature().precision(1));
        accepts(attic().precision(0));
        for class in ["date", "timestamp", "uptime", "enum"] {
            let problem =
                format!("suggested_display_precision: expected none for device class {class}, found 2");
            refuses(attic().device_class(class).precision(2), &[&problem]);
        }
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error = Sensor::new("a b", "").icon("thermometer").device_class("humidity").build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "sensor \"a b\": id: expected 1 to 64 of a-z A-Z 0-9 _ -, found \"a b\"; \
             name: expected a text, found \"\"; \
             icon: expected prefix:name, such as mdi:thermometer, found \"thermometer\"; \
             unit_of_measurement: expected % for device class humidity, found none"
        );
    }
}
