//! Channels of the kernel's hardware monitoring.

use std::fs;
use std::path::{Path, PathBuf};

use super::chip::DeviceList;
use super::read::KernelFile;
use super::{Sample, Source, SourceError};
use crate::config::Channel;
use crate::entity::Entity;
use crate::model::Value;

/// A channel of a chip (Linux, `Documentation/hwmon/sysfs-interface.rst`): `temp1`, `in0`, `fan2`, `intrusion0`; its label,
/// `Vcore`; or one attribute, `temp1_max`, `power1_average`.
///
/// The kernel's thousandths and millionths become whole units; the entity's scale makes others of them where it is to
/// show mV.
///
/// | channel | value |
/// | --- | --- |
/// | `temp*` | °C |
/// | `in*`, `cpu*_vid` | V |
/// | `curr*` | A |
/// | `power*` | W |
/// | `energy*` | J |
/// | `humidity*` | % |
/// | `fan*` | rpm |
/// | `freq*` | Hz |
/// | `pwm*` | 0 to 255 |
/// | `intrusion*`, and attributes that end in `_alarm`, `_fault`, `_beep` or `_enable` | 0 or 1 |
///
/// Where it is, is looked up again after each failure and kept otherwise.
pub(super) struct Hwmon {
    entities: [Entity; 1],
    root: PathBuf,
    channel: Channel,
    /// Where the channel is; `None` when it is to be looked up.
    files: Option<Files>,
}

impl Hwmon {
    /// The channel `channel` under `root`, for `entity`. Nothing is read yet.
    pub(super) fn new(root: &Path, channel: Channel, entity: Entity) -> Hwmon {
        Hwmon { entities: [entity], root: root.to_owned(), channel, files: None }
    }

    fn find(&self) -> Result<Files, SourceError> {
        let Channel { chip, channel } = &self.channel;
        let folder = DEVICES.find(&self.root, chip)?;
        let files = Files::of(&folder, channel).or_else(|| Files::of(&folder, &labelled(&folder, channel)?));
        let what = || format!("channel {channel} of hwmon chip {chip}");
        files.ok_or_else(|| SourceError::NoDevice { what: what() })
    }
}

impl Source for Hwmon {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let mut files = match self.files.take() {
            Some(files) => files,
            None => self.find()?,
        };
        let value = files.read()?;
        self.files = Some(files);
        samples.push(Ok(Value::Number(value)));
        Ok(())
    }
}

/// The files of a channel.
struct Files {
    value: KernelFile,
    /// What the value is divided by.
    divisor: f64,
    /// Says 1 where the value is not to be trusted: no probe at the chip, no fan.
    fault: Option<KernelFile>,
}

impl Files {
    /// Those of `channel` in `folder`; `None` where there are none.
    fn of(folder: &Path, channel: &str) -> Option<Files> {
        if !channel.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') {
            return None;
        }
        let names = ["_input", "", "_average", "_alarm"].map(|suffix| format!("{channel}{suffix}"));
        let name = names.iter().find(|name| folder.join(name).is_file())?;
        let fault = folder.join(format!("{channel}_fault"));
        Some(Files {
            value: KernelFile::at(folder.join(name)),
            divisor: divisor(name),
            fault: fault.exists().then(|| KernelFile::at(fault)),
        })
    }

    fn read(&mut self) -> Result<f64, SourceError> {
        if let Some(fault) = &mut self.fault {
            // It is there to be asked; a chip that will not answer is no reason to doubt the value.
            if fault.parse(EXPECTED, whole).is_ok_and(|fault| fault != 0) {
                return Err(SourceError::Implausible {
                    what: self.value.path().display().to_string(),
                    found: "a fault".to_owned(),
                    expected: "a probe that is connected".to_owned(),
                });
            }
        }
        Ok(self.value.parse(EXPECTED, whole)? as f64 / self.divisor)
    }
}

/// The channel with this label.
fn labelled(folder: &Path, label: &str) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut channels: Vec<String> =
        names.filter_map(|it| Some(it.strip_suffix("_label")?.to_owned())).collect();
    channels.sort_unstable();
    channels.into_iter().find(|channel| {
        let mut file = KernelFile::at(folder.join(format!("{channel}_label")));
        file.parse("a label", |text| (text.trim() == label).then_some(())).is_ok()
    })
}

/// What the number in the file `name` is divided by to be in whole units.
fn divisor(name: &str) -> f64 {
    let of = &name[..name.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(name.len())];
    let attribute = name.rsplit_once('_').map_or("", |(_, attribute)| attribute);
    match (of, attribute) {
        (_, "alarm" | "fault" | "beep" | "enable" | "type" | "interval" | "pwm") => 1.0,
        ("temp" | "in" | "curr" | "humidity" | "cpu", _) => 1e3,
        ("power" | "energy", _) => 1e6,
        _ => 1.0,
    }
}

fn whole(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// Where the kernel lists the chips.
pub(super) const DEVICES: DeviceList = DeviceList {
    folder: "sys/class/hwmon",
    prefix: "hwmon",
    noun: "hwmon chip",
    place: |folder| fs::read_link(folder.join("device")).ok(),
};
const EXPECTED: &str = "a whole number";

#[cfg(test)]
mod tests {
    use super::super::read::{garbage, values_of};
    use super::*;

    use crate::entity::Sensor;

    fn entity() -> Entity {
        Sensor::new("a", "A").unit("V").build().unwrap()
    }

    /// A machine with one chip, `lm75`, that has these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        put(&root, "hwmon0", &[("name", "lm75")]);
        put(&root, "hwmon0", files);
        root
    }

    fn put(root: &tempfile::TempDir, chip: &str, files: &[(&str, &str)]) {
        let folder = root.path().join(DEVICES.folder).join(chip);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
        }
    }

    fn source(root: &tempfile::TempDir, channel: &str) -> Hwmon {
        let channel = Channel { chip: "lm75".to_owned(), channel: channel.to_owned() };
        Hwmon::new(root.path(), channel, entity())
    }

    fn error(source: &mut Hwmon) -> String {
        source.sample(&mut Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn each_kind_of_channel_comes_in_its_whole_unit() {
        let root = machine(&[
            ("temp1_input", "-12250"),
            ("temp1_max", "80000"),
            ("temp1_max_alarm", "1"),
            ("in0_input", "1203"),
            ("curr1_input", "-250"),
            ("power1_input", "3300000"),
            ("power2_average", "1500000"),
            ("energy1_input", "7200000000"),
            ("humidity1_input", "45300"),
            ("fan1_input", "1250"),
            ("pwm1", "128"),
            ("freq1_input", "500000000"),
            ("intrusion0_alarm", "1"),
            ("cpu0_vid", "1100"),
        ]);
        for (channel, expected) in [
            ("temp1", -12.25),
            ("temp1_max", 80.0),
            ("temp1_max_alarm", 1.0),
            ("in0", 1.203),
            ("curr1", -0.25),
            ("power1", 3.3),
            ("power2", 1.5),
            ("energy1", 7200.0),
            ("humidity1", 45.3),
            ("fan1", 1250.0),
            ("pwm1", 128.0),
            ("freq1", 500e6),
            ("intrusion0", 1.0),
            ("cpu0_vid", 1.1),
        ] {
            assert_eq!(values_of(&mut source(&root, channel)), [Value::Number(expected)], "{channel}");
        }
    }

    #[test]
    fn a_channel_is_found_by_its_label_too() {
        let root = machine(&[
            ("in0_label", "VDD"),
            ("in0_input", "3300"),
            ("temp2_label", "Tctl"),
            ("temp2_input", "41000"),
        ]);
        assert_eq!(values_of(&mut source(&root, "Tctl")), [Value::Number(41.0)]);
        assert_eq!(values_of(&mut source(&root, "VDD")), [Value::Number(3.3)]);
        assert_eq!(error(&mut source(&root, "Vdd")), "channel Vdd of hwmon chip lm75 is not there");
        assert_eq!(error(&mut source(&root, "../name")), "channel ../name of hwmon chip lm75 is not there");
    }

    #[test]
    fn a_fault_is_a_failed_sample_and_ends() {
        let root = machine(&[("temp1_input", "127937"), ("temp1_fault", "1")]);
        let mut temp = source(&root, "temp1");
        let file = root.path().join("sys/class/hwmon/hwmon0/temp1_input");
        let expected = format!("{}: expected a probe that is connected, found a fault", file.display());
        assert_eq!(error(&mut temp), expected);
        put(&root, "hwmon0", &[("temp1_input", "21000"), ("temp1_fault", "0")]);
        assert_eq!(values_of(&mut temp), [Value::Number(21.0)]);
        // It is asked each time, not only where the channel is looked up.
        put(&root, "hwmon0", &[("temp1_fault", "1")]);
        assert_eq!(error(&mut temp), expected);
    }

    #[test]
    fn a_chip_that_comes_or_gets_another_number_is_found_again() {
        let root = machine(&[]);
        let mut temp = source(&root, "temp1");
        assert_eq!(error(&mut temp), "channel temp1 of hwmon chip lm75 is not there");
        put(&root, "hwmon0", &[("temp1_input", "20000")]);
        assert_eq!(values_of(&mut temp), [Value::Number(20.0)]);

        let list = root.path().join(DEVICES.folder);
        fs::rename(list.join("hwmon0"), list.join("hwmon7")).unwrap();
        assert!(error(&mut temp).starts_with("cannot read "));
        assert_eq!(values_of(&mut temp), [Value::Number(20.0)]);
    }

    #[test]
    fn nothing_in_a_file_makes_it_panic_or_tell_what_is_not_finite() {
        for text in garbage("-21062\n") {
            assert!(
                whole(&text).is_none_or(|it| (it as f64 / divisor("temp1_input")).is_finite()),
                "{text:?}"
            );
            divisor(&text);
        }
    }
}
