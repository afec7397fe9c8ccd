//! Whatever a neighbour's descriptor and his entry in the registry of modules say, a sensor comes of it or a reason why not.
//!
//! The input is a line with the entry, and the descriptor.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::descriptor;
use luigi_mqtt::entity::Device;
use luigi_mqtt::model::ObjectId;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|it| *it == b'\n').unwrap_or(input.len());
    let (sensors, modules) = (FOLDER.join("sensors"), FOLDER.join("modules"));
    fs::write(sensors.join("a.json"), input.get(end + 1..).unwrap_or_default()).expect("there is room");
    fs::write(modules.join("m.json"), &input[..end]).expect("there is room");
    let (found, problems) = descriptor::read_all(&sensors, &modules, &DEVICE);
    assert!(found.len() == 1 || !problems.is_empty());
    assert!(found.iter().all(|(owner, entity)| owner == "descriptor a.json" && entity.own_device().is_some()));
    assert!(problems.iter().all(|it| !it.is_empty()));
});

/// In memory where there is such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = folder.join("luigi-mqtt-fuzz-descriptor");
    for name in ["sensors", "modules"] {
        fs::create_dir_all(folder.join(name)).expect("a folder for temporary files can be written");
    }
    folder
});

static DEVICE: LazyLock<Device> = LazyLock::new(|| Device {
    identifier: ObjectId::new("pi").expect("it has nothing but letters"),
    name: "Pi".to_owned(),
    manufacturer: String::new(),
    model: String::new(),
    sw_version: String::new(),
    via: None,
});
