//! Whatever a file holds and a section says of it, a value comes of it that is one, or a reason why not.
//!
//! The input is lines for a section, an empty line, and the content of the file `/x` and of a thermometer.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::config::{Config, Environment, Feed};
use luigi_mqtt::model::Value;
use luigi_mqtt::source;

fuzz_target!(|input: &[u8]| {
    let end = input.windows(2).position(|it| it == b"\n\n").unwrap_or(input.len());
    let section = [b"[Sensor a]\n", &input[..end]].concat();
    let Ok(mut config) = Config::parse(&section, &Environment::new("pi", &ROOT)) else { return };
    // Nothing else of the machine is read, and nothing run.
    config.declared.retain(|it| match it.input.as_ref().map(|it| &it.feed) {
        Some(Feed::File { path, .. }) => path == Path::new("/x"),
        Some(Feed::W1 { device }) => device.as_deref().is_none_or(|it| it == THERMOMETER),
        _ => false,
    });
    if config.declared.is_empty() {
        return;
    }
    let content = input.get(end + 2..).unwrap_or_default();
    for path in ["x".into(), format!("sys/bus/w1/devices/{THERMOMETER}/w1_slave")] {
        fs::write(ROOT.join(path), content).expect("there is room");
    }
    let mut samples = Vec::new();
    for mut polled in source::sources(&config.declared, &ROOT) {
        if let Err(error) = polled.source.sample(&mut samples) {
            assert!(!error.to_string().is_empty());
        }
    }
    for sample in samples {
        match sample {
            Ok(Value::Number(number)) => assert!(number.is_finite()),
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});

/// In memory where there is such a place.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = folder.join("luigi-mqtt-fuzz-extract");
    let device = folder.join("sys/bus/w1/devices").join(THERMOMETER);
    fs::create_dir_all(device).expect("a folder for temporary files can be written");
    folder
});

const THERMOMETER: &str = "28-00000a1b2c3d";
