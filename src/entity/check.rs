//! Home Assistant's rules for what an entity may say of itself. What it refuses, what it complains of in
//! its log and what it silently changes is a problem here.
//!
//! From its 2026.11 source, `homeassistant/components/mqtt/{sensor,binary_sensor,schemas}.py` and
//! `homeassistant/components/sensor/entity.py`.

use std::time::Duration;

use crate::model::ObjectId;
use crate::model::nearest;

use super::class::{self, SensorClass, StateClass, Units};
use super::problem::Problems;
use super::state::{MAX_CHARS, UNKNOWN};
use super::{Device, Entity, EntityError, Platform, Topics};

pub(super) fn id(found: &str, problems: &mut Problems) {
    if let Err(error) = ObjectId::new(found) {
        problems.push("id", error.to_string());
    }
}

pub(super) fn name(found: &str, problems: &mut Problems) {
    if found.trim().is_empty() {
        problems.add("name", "a text", quoted(found));
    }
}

pub(super) fn icon(found: Option<&str>, problems: &mut Problems) {
    let fits = |icon: &str| match icon.split_once(':') {
        Some((prefix, name)) => !prefix.is_empty() && !name.is_empty() && !icon.contains(char::is_whitespace),
        None => false,
    };
    if let Some(icon) = found.filter(|icon| !fits(icon)) {
        problems.add("icon", "prefix:name, such as mdi:thermometer", quoted(icon));
    }
}

/// Whether `found` is a category of its own: only what can be set may be there to set up the device.
pub(super) fn entity_category(found: Option<&str>, platform: Platform, problems: &mut Problems) {
    let known: &[&str] = match platform {
        Platform::Sensor | Platform::BinarySensor => &["diagnostic"],
        _ => &["config", "diagnostic"],
    };
    if let Some(category) = found.filter(|found| !known.contains(found)) {
        problems.add("entity_category", format!("{} or none", known.join(", ")), quoted(category));
    }
}

/// Whether `found`, of the key `field`, is a time that Home Assistant keeps to.
pub(super) fn seconds(field: &'static str, found: Option<Duration>, problems: &mut Problems) {
    if let Some(period) = found.filter(|period| !is_whole(*period) || period.is_zero()) {
        problems.add(field, "whole seconds, at least 1", format!("{period:?}"));
    }
}

pub(super) fn default_entity_id(found: Option<&str>, platform: Platform, problems: &mut Problems) {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = |id: &str| match id.split_once('.') {
        Some((domain, slug)) => domain == platform.as_str() && slug.split('_').all(is_word),
        None => false,
    };
    if let Some(id) = found.filter(|id| !fits(id)) {
        let expected = format!("{platform}. and words of a-z 0-9 joined by _");
        problems.add("default_entity_id", expected, quoted(id));
    }
}

/// The class that `found` names.
pub(super) fn sensor_class(found: Option<&str>, problems: &mut Problems) -> Option<&'static SensorClass> {
    let found = found?;
    let class = SensorClass::named(found);
    if class.is_none() {
        let known: Vec<_> = SensorClass::names().collect();
        unknown("device_class", &known, found, problems);
    }
    class
}

/// The class that `found` names, where its states are numbers.
pub(super) fn number_class(found: Option<&str>, problems: &mut Problems) -> Option<&'static SensorClass> {
    let found = found?;
    let class = SensorClass::named(found).filter(|class| class.is_numeric());
    if class.is_none() {
        let known: Vec<_> = SensorClass::numeric_names().collect();
        unknown("device_class", &known, found, problems);
    }
    class
}

/// The one of `known` that `found`, of the key `field`, names.
pub(super) fn one_of_known(
    field: &'static str,
    found: Option<&str>,
    known: &'static [&'static str],
    problems: &mut Problems,
) -> Option<&'static str> {
    let found = found?;
    let named = known.iter().find(|known| **known == found);
    if named.is_none() {
        unknown(field, known, found, problems);
    }
    named.copied()
}

/// `found` in the spelling that Home Assistant prefers.
pub(super) fn unit(
    found: Option<&str>,
    class: Option<&SensorClass>,
    problems: &mut Problems,
) -> Option<String> {
    let unit = found.map(class::preferred_unit);
    let wanted = match (class.map(|class| &class.units), unit.as_deref()) {
        (None | Some(Units::AnyText), Some(unit)) if !unit.trim().is_empty() => None,
        (None | Some(Units::Unitless | Units::OneOfOrNone(_) | Units::AnyText), None) => None,
        (None | Some(Units::AnyText), Some(_)) => Some("a unit".to_owned()),
        (Some(Units::Unitless), _) => Some("none".to_owned()),
        (Some(Units::OneOf(units) | Units::OneOfOrNone(units)), Some(unit)) if units.contains(&unit) => None,
        (Some(Units::OneOf(units)), _) => Some(one_of(units)),
        (Some(Units::OneOfOrNone(units)), _) => Some(format!("{} or none", one_of(units))),
    };
    if let Some(wanted) = wanted {
        problems.add(
            "unit_of_measurement",
            wanted + &for_class(class),
            found.map_or("none".to_owned(), quoted),
        );
    }
    unit
}

/// The state class that `found` names, where it goes with the device class.
pub(super) fn state_class(
    found: Option<&str>,
    class: Option<&SensorClass>,
    problems: &mut Problems,
) -> Option<StateClass> {
    let found = found?;
    let state_class = StateClass::ALL.into_iter().find(|state_class| state_class.as_str() == found);
    let allowed = class.map_or(StateClass::ALL.as_slice(), |class| class.state_classes);
    let fitting = state_class.filter(|state_class| allowed.contains(state_class));
    if fitting.is_none() {
        let names: Vec<_> = allowed.iter().map(|state_class| state_class.as_str()).collect();
        problems.add("state_class", one_of(&names) + &for_class(class), quoted(found));
    }
    fitting
}

/// Whether the unit is an angle's where the state class is.
pub(super) fn angle(state_class: Option<StateClass>, unit: Option<&str>, problems: &mut Problems) {
    if state_class == Some(StateClass::MeasurementAngle) && unit != Some("°") {
        let found = unit.map_or("none".to_owned(), quoted);
        problems.add("unit_of_measurement", "° for state class measurement_angle", found);
    }
}

pub(super) fn precision(found: Option<u8>, class: Option<&SensorClass>, problems: &mut Problems) {
    if let (Some(decimals), Some(false)) = (found, class.map(SensorClass::is_numeric)) {
        problems.add("suggested_display_precision", "none".to_owned() + &for_class(class), decimals);
    }
}

/// Whether `found` is what a sensor of the class called `class` (known or not) may have for options.
pub(super) fn sensor_options(found: Option<&[String]>, class: Option<&str>, problems: &mut Problems) {
    let Some(found) = found else { return };
    if class != Some("enum") {
        problems.add("options", "none but for device class enum", format!("{found:?}"));
    }
    options("options", found, problems);
}

/// Whether `found`, of the key `field`, are texts to choose one from.
pub(super) fn options(field: &'static str, found: &[String], problems: &mut Problems) {
    if found.is_empty() {
        problems.add(field, "at least one", "none");
    }
    for (at, option) in found.iter().enumerate() {
        if option.is_empty() || option == UNKNOWN || option.chars().count() > MAX_CHARS {
            let expected = format!("texts of 1 to {MAX_CHARS} characters but {UNKNOWN}");
            problems.add(field, expected, quoted(option));
        }
        if found[..at].contains(option) {
            problems.add(field, "each one once", format!("{option:?} again"));
        }
    }
}

/// Whether Home Assistant can tell on from off, and both from unknown.
pub(super) fn on_off(on: &str, off: &str, problems: &mut Problems) {
    for (field, payload) in [("payload_on", on), ("payload_off", off)] {
        if payload.trim().is_empty() || payload == UNKNOWN {
            problems.add(field, format!("a text but {UNKNOWN}"), quoted(payload));
        }
    }
    if on == off {
        problems.add("payload_off", "another one than payload_on", quoted(off));
    }
}

pub(super) fn on_device(entity: &Entity, device: &Device, topics: &Topics) -> Result<(), EntityError> {
    let mut problems = Problems::default();
    if !device.name.is_empty() && entity.name.starts_with(&device.name) {
        let expected = format!("a name that does not begin with the device's, {:?}", device.name);
        problems.add("name", expected, quoted(&entity.name));
    }
    if device.identifier != *topics.identity() && device.identifier == *topics.node() {
        let expected = "another identifier: our own device is announced there";
        problems.add("device", expected, quoted(device.identifier.as_str()));
    }
    if let Some(told) = topics.told_where_availability_is(entity) {
        let expected =
            format!("another id: its {told} would go to the availability topic {}", topics.availability());
        problems.add("id", expected, quoted(entity.id.as_str()));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.of(entity.platform(), entity.id.as_str())) }
}

/// Adds that `found`, of the key `field`, is none of `known`, and which of them was meant.
fn unknown(field: &'static str, known: &[&str], found: &str, problems: &mut Problems) {
    let meant = nearest(found, known.iter().copied());
    let suggestion = meant.map_or(String::new(), |name| format!(" (did you mean {name}?)"));
    problems.add(field, one_of(known), quoted(found) + &suggestion);
}

fn is_whole(duration: Duration) -> bool {
    duration.subsec_nanos() == 0
}

fn one_of(allowed: &[&str]) -> String {
    match allowed {
        [] => "none".to_owned(),
        [only] => (*only).to_owned(),
        several => format!("one of {}", several.join(", ")),
    }
}

fn for_class(class: Option<&SensorClass>) -> String {
    class.map_or(String::new(), |class| format!(" for device class {}", class.name))
}

pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use crate::model::Topic;

    use super::super::{BinarySensor, Sensor};
    use super::*;

    fn attic() -> Sensor {
        Sensor::new("attic", "Attic")
    }

    /// Builds each sensor; the problem is `None` where it is to be accepted.
    #[track_caller]
    fn check(rows: impl IntoIterator<Item = (Sensor, Option<&'static str>)>) {
        for (sensor, problem) in rows {
            let found = sensor.clone().build().err().map(|error| error.to_string());
            let expected = problem.map(|problem| format!("sensor \"attic\": {problem}"));
            assert_eq!(found, expected, "{sensor:?}");
        }
    }

    #[test]
    fn a_name_says_something() {
        for name in ["", " "] {
            let error = Sensor::new("attic", name).build().unwrap_err();
            assert_eq!(error.problems[0].field, "name");
        }
    }

    #[test]
    fn an_icon_has_a_prefix() {
        const EXPECTED: &str = "icon: expected prefix:name, such as mdi:thermometer, found";
        check([(attic().icon("mdi:home"), None), (attic().icon("custom:a-b"), None)]);
        for icon in ["thermometer", "mdi:", ":home", "mdi: home", ""] {
            let error = attic().icon(icon).build().unwrap_err();
            assert_eq!(error.to_string(), format!("sensor \"attic\": {EXPECTED} {icon:?}"));
        }
    }

    #[test]
    fn a_sensor_configures_nothing() {
        check([
            (attic().category_diagnostic(), None),
            (
                attic().category("config"),
                Some(r#"entity_category: expected diagnostic or none, found "config""#),
            ),
        ]);
    }

    #[test]
    fn a_state_expires_after_whole_seconds() {
        check([
            (attic().expire_after(Duration::from_secs(1)), None),
            (
                attic().expire_after(Duration::ZERO),
                Some("expire_after: expected whole seconds, at least 1, found 0ns"),
            ),
            (
                attic().expire_after(Duration::from_millis(2500)),
                Some("expire_after: expected whole seconds, at least 1, found 2.5s"),
            ),
        ]);
    }

    #[test]
    fn an_entity_id_is_of_the_platform_and_a_slug() {
        check([(attic().default_entity_id("sensor.attic_2"), None)]);
        for id in ["attic", "binary_sensor.attic", "sensor.", "sensor.Attic", "sensor._a", "sensor.a__b"] {
            let error = attic().default_entity_id(id).build().unwrap_err().to_string();
            let expected = format!("expected sensor. and words of a-z 0-9 joined by _, found \"{id}\"");
            assert_eq!(error, format!("sensor \"attic\": default_entity_id: {expected}"));
        }
        assert!(BinarySensor::new("a", "A").default_entity_id("binary_sensor.a").build().is_ok());
    }

    #[test]
    fn a_name_does_not_begin_with_the_devices_and_an_id_leaves_the_availability_topic_alone() {
        let node = ObjectId::new("luigi-pi").unwrap();
        let device = Device {
            identifier: node.clone(),
            name: "Pi".to_owned(),
            manufacturer: String::new(),
            model: String::new(),
            sw_version: String::new(),
            via: None,
        };
        let [prefix, state, availability] =
            ["homeassistant", "luigi/pi", "luigi/pi/availability"].map(|text| Topic::new(text).unwrap());
        let topics = Topics::new(prefix, node, state, availability).unwrap();
        for (id, name, field) in [
            ("attic", "Attic", None),
            ("attic", "My Pi", None),
            ("attic", "Pi", Some("name")),
            ("attic", "Pi attic", Some("name")),
            ("attic", "Pickles", Some("name")),
            ("availability", "Attic", Some("id")),
        ] {
            let checked = Sensor::new(id, name).build().unwrap().check_with(&device, &topics);
            assert_eq!(checked.err().map(|error| error.problems[0].field), field, "{id} {name}");
        }
        let nameless = Device { name: String::new(), ..device };
        assert_eq!(Sensor::new("attic", "Attic").build().unwrap().check_with(&nameless, &topics), Ok(()));
    }
}
