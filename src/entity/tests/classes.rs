//! Every device class with every unit and state class, against what Home Assistant itself makes of them: what builds is what
//! it takes without a complaint, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::super::class::{BINARY_SENSOR_CLASSES, SENSOR_CLASSES, Units};
use super::super::{button, event, switch, update};
use super::*;

/// What Home Assistant takes, complains of and refuses: written by `scripts/device-classes`, which says how.
struct HomeAssistant(Json);

impl HomeAssistant {
    fn load() -> HomeAssistant {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/home-assistant/classes.json");
        HomeAssistant(serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    }

    /// Every text of the list `key`, and `ours`.
    fn and<'a>(&'a self, key: &str, ours: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        texts(&self.0[key]).chain(ours).collect()
    }

    fn takes(
        &self,
        platform: &str,
        class: Option<&str>,
        unit: Option<&str>,
        state_class: Option<&str>,
    ) -> bool {
        let taken = &self.0[platform][class.unwrap_or_default()]["taken"];
        taken.as_array().is_some_and(|entries| {
            entries.iter().any(|entry| {
                let has_unit = match entry[1].get("but") {
                    Some(others) => !has(others, unit) && (unit.is_none() || has(&self.0["units"], unit)),
                    None => has(&entry[1], unit),
                };
                has(&entry[0], state_class) && has_unit
            })
        })
    }
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().filter_map(Json::as_str)
}

/// Whether `wanted` is in `list`, where `null` stands for none.
fn has(list: &Json, wanted: Option<&str>) -> bool {
    list.as_array().unwrap().iter().any(|it| it.as_str() == wanted)
}

/// Each of `known`, and none.
fn or_none<'a>(known: &BTreeSet<&'a str>) -> Vec<Option<&'a str>> {
    known.iter().copied().map(Some).chain([None]).collect()
}

/// `builder` with `value` set by `set`, where there is one.
fn with<B>(builder: B, value: Option<&str>, set: impl FnOnce(B, &str) -> B) -> B {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

/// Whether the device class is none of what `built` complains of.
fn knows(built: Result<Entity, EntityError>) -> bool {
    built.err().is_none_or(|error| error.problems.iter().all(|it| it.field != "device_class"))
}

#[test]
fn what_builds_is_what_home_assistant_takes_of_all_classes_units_and_state_classes() {
    let home_assistant = HomeAssistant::load();
    let ours = SENSOR_CLASSES.iter().map(|class| class.name);
    let classes = or_none(&home_assistant.and("classes", ours.chain(BINARY_SENSOR_CLASSES.iter().copied())));
    let our_units = SENSOR_CLASSES.iter().flat_map(|class| match class.units {
        Units::OneOf(units) | Units::OneOfOrNone(units) => units,
        Units::Unitless | Units::AnyText => &[],
    });
    let units = or_none(&home_assistant.and("units", our_units.copied()));
    let state_classes = or_none(&StateClass::ALL.map(StateClass::as_str).into());

    let mut differences = Vec::new();
    let mut compared = 0;
    let mut compare = |platform: &str, class, unit, state_class, builds: bool| {
        compared += 1;
        if builds != home_assistant.takes(platform, class, unit, state_class) {
            differences.push(format!("{platform} {class:?} {unit:?} {state_class:?}: ours builds: {builds}"));
        }
    };
    for &class in &classes {
        let sensor = with(Sensor::new("a", "A"), class, Sensor::device_class);
        let number = with(Number::new("a", "A"), class, Number::device_class);
        // What is refused for its class alone is refused with all units: the suggestions take their time.
        let (is_of_sensors, is_of_numbers) = (knows(sensor.clone().build()), knows(number.clone().build()));
        for &unit in &units {
            for &state_class in &state_classes {
                let builds = is_of_sensors && {
                    let sensor = with(sensor.clone(), unit, Sensor::unit);
                    with(sensor, state_class, Sensor::state_class).build().is_ok()
                };
                compare("sensor", class, unit, state_class, builds);
            }
            let builds = is_of_numbers && with(number.clone(), unit, Number::unit).build().is_ok();
            compare("number", class, unit, None, builds);
        }
    }
    assert!(differences.is_empty(), "{} of {compared}:\n{}", differences.len(), differences.join("\n"));
    assert!(compared > 100_000, "{compared} are too few to be all");
}

#[test]
fn what_has_a_class_alone_has_one_that_home_assistant_takes() {
    let home_assistant = HomeAssistant::load();
    let check = |platform: &str, ours: &[&str], builds: &dyn Fn(&str) -> bool| {
        let theirs: BTreeSet<&str> = texts(&home_assistant.0[platform]).filter(|it| !it.is_empty()).collect();
        assert_eq!(ours.iter().copied().collect::<BTreeSet<_>>(), theirs, "{platform}");
        for class in home_assistant.and("classes", ours.iter().copied()) {
            assert_eq!(builds(class), theirs.contains(class), "{platform} {class}");
        }
    };
    check("binary_sensor", BINARY_SENSOR_CLASSES, &|it| {
        BinarySensor::new("a", "A").device_class(it).build().is_ok()
    });
    check("button", button::CLASSES, &|it| Button::new("a", "A").device_class(it).build().is_ok());
    check("event", event::CLASSES, &|it| doorbell().device_class(it).build().is_ok());
    check("switch", switch::CLASSES, &|it| pump().device_class(it).build().is_ok());
    check("update", update::CLASSES, &|it| update().device_class(it).build().is_ok());
}
