//! Whether the board's power supply is too weak, and whether it has slowed down its processor.

use std::fs;
use std::path::Path;

use super::super::read::KernelFile;
use super::super::{Sample, Source, SourceError};
use crate::entity::BinarySensor;
use crate::entity::Entity;
use crate::model::Value;

/// Under-voltage and throttling of a Raspberry Pi, each on while it lasts.
///
/// Raspberry Pi's own kernels tell both (`get_throttled` of their firmware driver: a bit mask, described
/// with `vcgencmd get_throttled` in Raspberry Pi's documentation); the kernel of others tells the
/// under-voltage only (hwmon `rpi_volt`, the kernel's `Documentation/hwmon/raspberrypi-hwmon.rst`).
pub(super) struct Throttling {
    entities: Vec<Entity>,
    file: KernelFile,
    told: Told,
}

/// What the file holds.
#[derive(Clone, Copy)]
enum Told {
    /// The firmware's bit mask.
    Mask,
    /// 1 while the voltage is too low.
    Alarm,
}

impl Throttling {
    /// The board of the machine under `root`; `None` when it is one that does not tell.
    pub(super) fn find(root: &Path) -> Option<Throttling> {
        let firmware = Throttling {
            entities: vec![
                entity("under_voltage", "Under-voltage", "mdi:flash-alert"),
                entity("throttled", "Throttled", "mdi:speedometer-slow"),
            ],
            file: KernelFile::new(root, "sys/devices/platform/soc/soc:firmware/get_throttled"),
            told: Told::Mask,
        };
        firmware.that_reads().or_else(|| Throttling::alarm(root))
    }

    fn alarm(root: &Path) -> Option<Throttling> {
        fs::read_dir(root.join(HWMON)).ok()?.find_map(|entry| {
            let folder = format!("{HWMON}/{}", entry.ok()?.file_name().to_str()?);
            let mut name = KernelFile::new(root, &format!("{folder}/name"));
            name.parse("rpi_volt", |text| (text.trim() == "rpi_volt").then_some(())).ok()?;
            let alarm = Throttling {
                entities: vec![entity("under_voltage", "Under-voltage", "mdi:flash-alert")],
                file: KernelFile::new(root, &format!("{folder}/in0_lcrit_alarm")),
                told: Told::Alarm,
            };
            alarm.that_reads()
        })
    }

    fn that_reads(mut self) -> Option<Throttling> {
        self.sample(&mut Vec::new()).is_ok().then_some(self)
    }
}

impl Source for Throttling {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        match self.told {
            Told::Mask => {
                let mask = self.file.parse("a hexadecimal bit mask", mask)?;
                samples.push(Ok(Value::Switch(mask & UNDER_VOLTAGE != 0)));
                samples.push(Ok(Value::Switch(mask & SLOWED_DOWN != 0)));
            }
            Told::Alarm => samples.push(Ok(Value::Switch(self.file.parse("0 or 1", alarm)?))),
        }
        Ok(())
    }
}

fn entity(id: &str, name: &str, icon: &str) -> Entity {
    BinarySensor::new(id, name)
        .device_class("problem")
        .icon(icon)
        .category_diagnostic()
        .build()
        .expect("a test builds every entity of the host")
}

fn mask(get_throttled: &str) -> Option<u32> {
    let digits = get_throttled.trim();
    u32::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()
}

fn alarm(in0_lcrit_alarm: &str) -> Option<bool> {
    match in0_lcrit_alarm.trim() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

const HWMON: &str = "sys/class/hwmon";
/// Bit 0: the voltage is too low now. (Bits 16 to 19 say what has happened since the boot.)
const UNDER_VOLTAGE: u32 = 1;
/// Bits 1 to 3: the processor is slowed down now: its frequency is capped, it is throttled,
/// or it has reached the soft temperature limit.
const SLOWED_DOWN: u32 = 0b1110;

#[cfg(test)]
mod tests {
    use super::super::super::read::{garbage, values_of};
    use super::*;

    /// Samples a board whose files are `files`.
    fn sampled(files: &[(&str, &str)]) -> Option<Vec<Value>> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut source = Throttling::find(root.path())?;
        let values = values_of(&mut source);
        assert_eq!(values.len(), source.entities().len());
        Some(values)
    }

    #[test]
    fn the_firmwares_bits_of_now_are_told_and_those_of_the_past_are_not() {
        for (text, under_voltage, throttled) in [
            ("0\n", false, false),
            ("1\n", true, false),
            ("2\n", false, true),
            ("4\n", false, true),
            ("8\n", false, true),
            ("50005\n", true, true),
            ("0x50000\n", false, false),
            ("F0000\n", false, false),
        ] {
            let values = sampled(&[("sys/devices/platform/soc/soc:firmware/get_throttled", text)]);
            assert_eq!(values, Some(vec![under_voltage.into(), throttled.into()]), "{text:?}");
        }
    }

    #[test]
    fn without_the_firmwares_file_the_voltage_alarm_is_told() {
        let volt = |alarm| {
            [
                ("sys/class/hwmon/hwmon0/name", "other_volt\n"),
                ("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n"),
                ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
                ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm),
            ]
        };
        assert_eq!(sampled(&volt("1\n")), Some(vec![true.into()]));
        assert_eq!(sampled(&volt("0\n")), Some(vec![false.into()]));
        assert_eq!(sampled(&volt("x\n")), None);
        assert_eq!(sampled(&volt("1\n")[..3]), None);
    }

    #[test]
    fn nothing_makes_the_parsers_panic() {
        let found = garbage("50005\n").filter(|text| mask(text).is_some() || alarm(text).is_some()).count();
        assert!((1..2_000).contains(&found), "{found}");
    }
}
