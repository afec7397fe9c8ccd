//! How hot the processor is.

use std::fs;
use std::path::Path;

use super::super::read::{KernelFile, tenths};
use super::super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Value;

/// Temperature of the processor, °C (`/sys/class/thermal/thermal_zone*/temp`, millidegrees:
/// the kernel's `Documentation/ABI/testing/sysfs-class-thermal`).
pub(super) struct CpuTemperature {
    entities: [Entity; 1],
    zone: KernelFile,
}

impl CpuTemperature {
    /// The processor of the machine under `root`; `None` when no thermal zone tells its temperature.
    ///
    /// A board has several zones, and their numbers mean nothing: the type says which is the processor's.
    /// Where none does, the first zone is the best guess.
    pub(super) fn find(root: &Path) -> Option<CpuTemperature> {
        let mut ranked: Vec<(usize, u32)> = fs::read_dir(root.join(ZONES))
            .ok()?
            .filter_map(|entry| {
                let number = entry.ok()?.file_name().to_str()?.strip_prefix("thermal_zone")?.parse().ok()?;
                let mut kind = KernelFile::new(root, &format!("{ZONES}/thermal_zone{number}/type"));
                let kind = kind.parse("a type", |text| Some(text.trim().to_ascii_lowercase()));
                Some((rank(&kind.unwrap_or_default(), number)?, number))
            })
            .collect();
        ranked.sort_unstable();
        ranked.into_iter().find_map(|(_, number)| {
            let mut zone = KernelFile::new(root, &format!("{ZONES}/thermal_zone{number}/temp"));
            zone.parse(EXPECTED, celsius).ok()?;
            Some(CpuTemperature { entities: [entity()], zone })
        })
    }
}

impl Source for CpuTemperature {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        samples.push(Ok(Value::Number(self.zone.parse(EXPECTED, celsius)?)));
        Ok(())
    }
}

fn entity() -> Entity {
    Sensor::new("cpu_temperature", "CPU temperature")
        .device_class("temperature")
        .unit("°C")
        .state_class("measurement")
        .precision(1)
        .category_diagnostic()
        .build()
        .expect("a test builds every entity of the host")
}

/// How well a zone of type `kind` suits, 0 best; `None` when it is something else's.
fn rank(kind: &str, number: u32) -> Option<usize> {
    KINDS.iter().position(|it| kind.contains(it)).or((number == 0).then_some(KINDS.len()))
}

fn celsius(temp: &str) -> Option<f64> {
    let millidegrees: i32 = temp.trim().parse().ok()?;
    PLAUSIBLE.contains(&millidegrees).then(|| tenths(f64::from(millidegrees) / 1000.0))
}

const ZONES: &str = "sys/class/thermal";
/// What zones of processors are called: on a Raspberry Pi now and before Linux 4.19, on PCs, on other boards.
const KINDS: [&str; 6] = ["cpu-thermal", "cpu_thermal", "bcm2835_thermal", "x86_pkg_temp", "soc", "cpu"];
const EXPECTED: &str = "-60000 to 200000 millidegrees";
/// Drivers report figures far outside this for a sensor that is switched off.
const PLAUSIBLE: std::ops::RangeInclusive<i32> = -60_000..=200_000;

#[cfg(test)]
mod tests {
    use super::super::super::read::{garbage, values_of};
    use super::*;

    /// Finds the processor among `zones` of (number, type, temp) and samples it.
    #[track_caller]
    fn check(zones: &[(u32, &str, &str)], expected: Option<f64>) {
        let root = tempfile::tempdir().unwrap();
        for (number, kind, temp) in zones {
            let zone = root.path().join(format!("{ZONES}/thermal_zone{number}"));
            fs::create_dir_all(&zone).unwrap();
            fs::write(zone.join("type"), format!("{kind}\n")).unwrap();
            fs::write(zone.join("temp"), format!("{temp}\n")).unwrap();
        }
        let found = CpuTemperature::find(root.path()).map(|mut source| values_of(&mut source));
        assert_eq!(found, expected.map(|celsius| vec![Value::Number(celsius)]), "{zones:?}");
    }

    #[test]
    fn the_processors_zone_is_told_by_its_type() {
        check(&[(0, "cpu-thermal", "48312")], Some(48.3));
        check(&[(0, "acpitz", "27800"), (1, "x86_pkg_temp", "51000")], Some(51.0));
        check(
            &[(0, "gpu-thermal", "40000"), (1, "soc-thermal", "41000"), (2, "cpu-thermal", "42000")],
            Some(42.0),
        );
        check(&[(2, "cpu-little", "40000"), (10, "cpu-big", "41000")], Some(40.0));
    }

    #[test]
    fn where_no_type_is_known_the_first_zone_is_taken() {
        check(&[(0, "acpitz", "27800"), (1, "iwlwifi_1", "33000")], Some(27.8));
        check(&[(1, "iwlwifi_1", "33000")], None);
        check(&[], None);
    }

    #[test]
    fn a_zone_that_tells_nothing_is_passed_over() {
        check(&[(0, "acpitz", "27800"), (1, "x86_pkg_temp", "")], Some(27.8));
        check(&[(0, "cpu-thermal", "-274000")], None);
        check(&[(0, "cpu-thermal", "48.3")], None);
    }

    #[test]
    fn nothing_makes_the_parser_panic_or_return_nonsense() {
        for text in garbage("48312\n") {
            assert!(celsius(&text).is_none_or(|it| (-60.0..=200.0).contains(&it)), "{text:?}");
        }
    }
}
