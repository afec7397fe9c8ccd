//! From the configuration's text to what Home Assistant is told: each folder of `tests/data/sources` is a machine, its
//! `luigi-mqtt.conf` what is asked of it, and `expected` what comes of that.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::filter::Filter;
use super::{Polled, Sample, SourceError, sources};
use crate::config::Config;
use crate::config::Environment;
use crate::config::Filtering;
use crate::entity::Entity;
use crate::model::Chain;
use crate::model::Value;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources")
}

/// What the machine under `root` tells at first, a line for each entity: `id = payload unit`, or `id: error`.
fn told(root: &Path) -> String {
    let text = fs::read(root.join("luigi-mqtt.conf")).unwrap();
    let config = Config::parse(&text, &Environment::new("pi", root)).unwrap_or_else(|it| panic!("{it}"));
    let told: String = sources(&config.declared, root).iter_mut().map(told_by).collect();
    told.replace(root.to_str().unwrap(), "")
}

fn told_by(polled: &mut Polled) -> String {
    let mut samples = Vec::new();
    let outcome = polled.source.sample(&mut samples);
    let entities = polled.source.entities();
    if let Err(error) = outcome {
        let ids: Vec<&str> = entities.iter().map(|it| it.id().as_str()).collect();
        return format!("{}: {}\n", ids.join(", "), Chain(&error));
    }
    assert_eq!(samples.len(), entities.len());
    let rules = &polled.filters[0];
    let line = |(entity, sample): (&Entity, Sample)| {
        let id = entity.id();
        match sample.and_then(|value| payload(entity, rules, value)) {
            Ok(payload) => {
                format!("{id} = {payload}{}\n", entity.unit().map_or_else(String::new, |it| format!(" {it}")))
            }
            Err(error) => format!("{id}: {}\n", Chain(&error)),
        }
    };
    entities.iter().zip(samples).map(line).collect()
}

/// The message that tells `value`.
fn payload(entity: &Entity, rules: &Filtering, value: Value) -> Result<String, SourceError> {
    let value = Filter::new(rules).take(value, Instant::now()).map_err(|it| it.of(entity.id().as_str()))?;
    Ok(entity
        .state_payload(&value.expect("the first value is always told"))
        .unwrap_or_else(|it| panic!("{it}")))
}

#[test]
fn each_machine_tells_what_is_expected_of_it() {
    let mut folders: Vec<PathBuf> = fs::read_dir(cases()).unwrap().map(|it| it.unwrap().path()).collect();
    folders.sort_unstable();
    assert!(folders.len() >= 16, "only {} cases were found", folders.len());
    let mut otherwise = String::new();
    for folder in folders {
        let (expected, told) = (fs::read_to_string(folder.join("expected")).unwrap(), told(&folder));
        if told != expected {
            otherwise += &format!("{}:\n{told}", folder.display());
        }
    }
    assert!(otherwise.is_empty(), "told otherwise than expected:\n{otherwise}");
}
