//! Devices that come, fail and go.

use tempfile::TempDir;

use super::*;
use crate::entity::Sensor;

const A: &str = "28-00000a1b2c3d";
const B: &str = "10-000802b4d1f7";

fn pattern() -> Entity {
    Sensor::new("tank", "Tank").device_class("temperature").unit("°C").build().unwrap()
}

/// A machine whose bus has these devices, with their `w1_slave`.
fn bus(devices: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join(FOLDER)).unwrap();
    for (name, text) in devices {
        put(&root, name, text);
    }
    root
}

fn put(root: &TempDir, name: &str, text: &str) {
    let folder = root.path().join(FOLDER).join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("w1_slave"), text).unwrap();
}

fn slave(millidegrees: i32) -> String {
    format!("50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t={millidegrees}\n")
}

/// What each entity has: `id value`, or `id` and the error.
fn sampled(source: &mut Thermometers) -> Vec<String> {
    let mut samples = Vec::new();
    source.sample(&mut samples).unwrap();
    assert_eq!(samples.len(), source.entities().len());
    let lines = source.entities().iter().zip(samples).map(|(entity, sample)| match sample {
        Ok(Value::Number(celsius)) => format!("{} {celsius}", entity.id()),
        Ok(other) => format!("{} {other:?}", entity.id()),
        Err(error) => format!("{}: {error}", entity.id()),
    });
    lines.collect()
}

#[test]
fn all_that_are_there_have_an_entity_each_named_by_their_serial_number() {
    let root = bus(&[(A, &slave(21_062)), (B, &slave(-5_500))]);
    for (name, text) in
        [("w1_bus_master1", ""), ("00-800000000000", &*slave(1)), ("1d-00000a1b2c3d", &slave(1))]
    {
        put(&root, name, text);
    }
    let mut all = Thermometers::all(root.path(), pattern());
    let names: Vec<&str> = all.entities().iter().map(Entity::name).collect();
    assert_eq!(names, ["Tank d1f7", "Tank 2c3d"]);
    assert_eq!(sampled(&mut all), ["tank_000802b4d1f7 -5.5", "tank_00000a1b2c3d 21.062"]);
}

#[test]
fn one_that_turns_up_is_added_behind_and_one_that_goes_fails_alone() {
    let root = bus(&[(A, &slave(21_000))]);
    let mut all = Thermometers::all(root.path(), pattern());
    assert_eq!(sampled(&mut all), ["tank_00000a1b2c3d 21"]);
    put(&root, B, &slave(5_000));
    assert_eq!(sampled(&mut all), ["tank_00000a1b2c3d 21", "tank_000802b4d1f7 5"]);
    fs::remove_dir_all(root.path().join(FOLDER).join(A)).unwrap();
    assert_eq!(
        sampled(&mut all),
        [&format!("tank_00000a1b2c3d: 1-Wire device {A} is not there"), "tank_000802b4d1f7 5"]
    );
    put(&root, A, &slave(22_000));
    assert_eq!(sampled(&mut all), ["tank_00000a1b2c3d 22", "tank_000802b4d1f7 5"]);
}

#[test]
fn a_bus_without_any_is_an_error_until_one_is_there() {
    let root = bus(&[]);
    let mut all = Thermometers::all(root.path(), pattern());
    assert!(all.entities().is_empty());
    let error = all.sample(&mut Vec::new()).unwrap_err();
    assert!(matches!(error, SourceError::NoDevice { .. }), "{error}");
    put(&root, A, &slave(21_000));
    assert_eq!(sampled(&mut all), ["tank_00000a1b2c3d 21"]);
}

#[test]
fn one_that_is_given_is_waited_for_and_keeps_its_entity() {
    let root = bus(&[(B, &slave(5_000))]);
    let mut one = Thermometers::one(root.path(), A, pattern());
    assert_eq!(sampled(&mut one), [format!("tank: 1-Wire device {A} is not there")]);
    put(&root, A, &slave(21_000));
    assert_eq!(sampled(&mut one), ["tank 21"]);
}

#[test]
fn a_kernel_with_the_other_file_alone_will_do() {
    let root = bus(&[(A, "")]);
    let folder = root.path().join(FOLDER).join(A);
    fs::remove_file(folder.join("w1_slave")).unwrap();
    fs::write(folder.join("temperature"), "21062\n").unwrap();
    assert_eq!(sampled(&mut Thermometers::one(root.path(), A, pattern())), ["tank 21.062"]);
}

#[test]
fn a_hot_tank_may_be_at_85_degrees_but_not_out_of_the_blue() {
    let root = bus(&[(A, "")]);
    let mut one = Thermometers::one(root.path(), A, pattern());
    let blue = format!(
        "tank: 1-Wire device {A}: expected a measured temperature, not the one of a device without power, found 85 °C"
    );
    for (millidegrees, expected) in
        [(85_000, &*blue), (84_000, "tank 84"), (85_000, "tank 85"), (20_000, "tank 20"), (85_000, &blue)]
    {
        put(&root, A, &slave(millidegrees));
        assert_eq!(sampled(&mut one), [expected]);
    }
}

#[test]
fn no_more_devices_are_taken_than_a_bus_may_have() {
    let root = bus(&[]);
    let add = |numbers: std::ops::Range<u8>| {
        numbers.for_each(|number| put(&root, &format!("28-{number:012x}"), ""));
    };
    add(0..60);
    let mut all = Thermometers::all(root.path(), pattern());
    assert_eq!(all.entities().len(), 60);
    add(60..70);
    all.look();
    assert_eq!(all.entities().len(), MAX_DEVICES);
    all.look();
    assert_eq!(all.entities().len(), MAX_DEVICES);
}

#[test]
fn a_long_id_is_cut_but_never_the_serial_number() {
    let long = Sensor::new(&"x".repeat(64), "Long").build().unwrap();
    let id = entity_of(&long, A).id().to_string();
    assert_eq!(id.len(), 64);
    assert!(id.ends_with("_00000a1b2c3d"), "{id}");
}

#[test]
fn an_id_is_known_for_that_of_a_thermometer_whether_it_is_there_or_not() {
    let long = "x".repeat(60);
    let id = |it: &str| ObjectId::new(it).unwrap();
    for pattern in ["tank", "tank_2", &long] {
        let entity = Sensor::new(pattern, "Tank").build().unwrap();
        assert!(is_thermometer_of(&id(pattern), entity_of(&entity, A).id()), "{pattern}");
    }
    for other in
        ["tank", "tank_", "tank_humidity", "tank_00000a1b2c3", "tan_00000a1b2c3d", "tank_2_00000a1b2c3d"]
    {
        assert!(!is_thermometer_of(&id("tank"), &id(other)), "{other}");
    }
}
