//! 1-Wire thermometers: the DS18B20 and its family.

mod answer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::read::KernelFile;
use super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::model::ObjectId;
use crate::model::Value;
use crate::model::is_thermometer;

use answer::Answer;

/// Thermometers on the 1-Wire bus, °C (Linux, `Documentation/w1/slaves/w1_therm.rst`): one, or all that are found.
///
/// Each sample has each device measure, one after the other, which takes 0.75 s (12 bits, the default). One that fails
/// fails alone.
pub(super) struct Thermometers {
    folder: PathBuf,
    /// What the entities of devices that turn up are made of; `None` where the one device is given.
    pattern: Option<Entity>,
    entities: Vec<Entity>,
    // Invariant: one for each of `entities`, in their order.
    devices: Vec<Device>,
}

impl Thermometers {
    /// The thermometer `device`, as `28-00000a1b2c3d`, under `root`; whether it is there or not.
    pub(super) fn one(root: &Path, device: &str, entity: Entity) -> Thermometers {
        let folder = root.join(FOLDER);
        let devices = vec![Device::new(&folder, device)];
        Thermometers { folder, pattern: None, entities: vec![entity], devices }
    }

    /// All thermometers under `root`, each with an entity made of `pattern`. Lists a folder of the kernel. One that turns
    /// up later is found by the next sample; one that is gone fails, and stays.
    pub(super) fn all(root: &Path, pattern: Entity) -> Thermometers {
        let folder = root.join(FOLDER);
        let mut all =
            Thermometers { folder, pattern: Some(pattern), entities: Vec::new(), devices: Vec::new() };
        all.look();
        all
    }

    /// Adds what has turned up, in the order of their names.
    fn look(&mut self) {
        let Some(pattern) = &self.pattern else { return };
        let Ok(folder) = fs::read_dir(&self.folder) else { return };
        let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let is_known = |name: &str| self.devices.iter().any(|device| device.name == name);
        let mut found: Vec<String> = names.filter(|it| is_thermometer(it) && !is_known(it)).collect();
        found.sort_unstable();
        found.truncate(MAX_DEVICES - self.devices.len());
        for name in found {
            self.entities.push(entity_of(pattern, &name));
            self.devices.push(Device::new(&self.folder, &name));
        }
    }
}

impl Source for Thermometers {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        self.look();
        if self.devices.is_empty() {
            let what = format!("a 1-Wire thermometer below {}", self.folder.display());
            return Err(SourceError::NoDevice { what });
        }
        samples.extend(self.devices.iter_mut().map(|device| device.celsius().map(Value::Number)));
        Ok(())
    }
}

/// One thermometer.
struct Device {
    /// Family code and serial number: `28-00000a1b2c3d`.
    name: String,
    /// What it answered, byte by byte: with every kernel.
    slave: KernelFile,
    /// The temperature alone: since Linux 5.9.
    temperature: KernelFile,
    /// The last temperature that was believed.
    last: Option<f64>,
}

impl Device {
    fn new(folder: &Path, name: &str) -> Device {
        let file = |file| KernelFile::at(folder.join(name).join(file));
        Device {
            name: name.to_owned(),
            slave: file("w1_slave"),
            temperature: file("temperature"),
            last: None,
        }
    }

    /// Has it measure, °C. Blocks for 0.75 s, some seconds where the bus is disturbed.
    fn celsius(&mut self) -> Result<f64, SourceError> {
        let believed = self.answer()?.celsius(family(&self.name), self.last);
        let celsius = believed.map_err(|(found, expected)| SourceError::Implausible {
            what: self.what(),
            found,
            expected: expected.to_owned(),
        })?;
        self.last = Some(celsius);
        Ok(celsius)
    }

    /// The file with the bytes goes first: a line that is shorted reads as zeros, and those have a right checksum and make a
    /// fine 0 °C, which the other file cannot tell from winter.
    fn answer(&mut self) -> Result<Answer, SourceError> {
        let answer = match self.slave.parse(answer::EXPECTED, Answer::with_bytes) {
            Err(error) if is_absent(&error) => self.temperature.parse(answer::EXPECTED_ALONE, Answer::alone),
            answer => answer,
        };
        answer.map_err(|error| match is_absent(&error) {
            true => SourceError::NoDevice { what: self.what() },
            false => error,
        })
    }

    fn what(&self) -> String {
        format!("1-Wire device {}", self.name)
    }
}

/// Whether the file was not there; its device goes with its folder, also while it is read.
fn is_absent(error: &SourceError) -> bool {
    let SourceError::Read { cause, .. } = error else { return false };
    cause.kind() == io::ErrorKind::NotFound || cause.raw_os_error() == Some(nix::libc::ENODEV)
}

fn is_serial(text: &str) -> bool {
    text.len() == SERIAL_CHARS && text.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Whether `id` is that of a thermometer, here or not, whose entity is made of the one with the id `pattern`.
pub fn is_thermometer_of(pattern: &ObjectId, id: &ObjectId) -> bool {
    let serial = id.as_str().rsplit_once('_').map(|(_, serial)| serial);
    serial.is_some_and(|it| is_serial(it) && id_of(pattern, it) == *id)
}

/// The id of the thermometer with this serial number: `attic` becomes `attic_00000a1b2c3d`.
fn id_of(pattern: &ObjectId, serial: &str) -> ObjectId {
    let pattern = pattern.as_str();
    // What has to be cut is cut of what all have in common.
    ObjectId::sanitized(&format!("{}_{serial}", &pattern[..pattern.len().min(63 - SERIAL_CHARS)]))
}

/// The family code of the device `name`: what it is.
fn family(name: &str) -> &str {
    name.split_once('-').map_or("", |(family, _)| family)
}

/// The entity of the device `name`: `attic` and "Attic" become `attic_00000a1b2c3d` and "Attic 2c3d".
fn entity_of(pattern: &Entity, name: &str) -> Entity {
    let serial = &name[name.len() - SERIAL_CHARS..];
    let id = id_of(pattern.id(), serial);
    let name = format!("{} {}", pattern.name(), &serial[SERIAL_CHARS - 4..]);
    pattern.clone().renamed(id, &name).expect("a name that is a text stays one when it grows")
}

/// Where the kernel has the devices of all buses.
const FOLDER: &str = "sys/bus/w1/devices";
/// The serial number has 48 bits.
const SERIAL_CHARS: usize = 12;
/// As many as the kernel looks for on a bus (`max_slave_count` of the module `wire`); what is more is left out.
const MAX_DEVICES: usize = 64;

#[cfg(test)]
mod tests;
