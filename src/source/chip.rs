//! Which of the kernel's numbered devices is meant.

use std::fs;
use std::path::{Path, PathBuf};

use super::SourceError;
use super::read::KernelFile;

/// One of the kernel's lists of devices: a folder with a numbered folder for each.
pub(super) struct DeviceList {
    /// Where it is, without the root.
    pub(super) folder: &'static str,
    /// What the folder of a device is called before its number.
    pub(super) prefix: &'static str,
    /// What a device is called in errors.
    pub(super) noun: &'static str,
    /// Where the folder of a device leads to, seen from the place on the bus that the device has.
    pub(super) place: fn(&Path) -> Option<PathBuf>,
}

impl DeviceList {
    /// The own folder of the device `chip` under `root`, which no other has. `chip` is one of:
    ///
    /// - the name of the folder, `hwmon1`;
    /// - the content of the device's file `name`, `ina219`; also without what follows an `@` in it, for some drivers add
    ///   their place in the device tree: `dht11` is `dht11@4`;
    /// - that with the place on the bus, `ina219@1-0041`.
    ///
    /// Of several the one with the lowest number: so two alike should be told apart by their place, for the
    /// numbers may change from one start to the next. Lists a folder and reads a file for each device.
    ///
    /// # Errors
    ///
    /// [`SourceError::NoDevice`] with the names that there are.
    pub(super) fn find(&self, root: &Path, chip: &str) -> Result<PathBuf, SourceError> {
        let list = root.join(self.folder);
        let number = |name: &str| name.strip_prefix(self.prefix)?.parse::<u32>().ok();
        let entries = fs::read_dir(&list).into_iter().flatten();
        let mut devices: Vec<(u32, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                Some((number(entry.file_name().to_str()?)?, entry.path()))
            })
            .collect();
        devices.sort_unstable();

        let mut names = Vec::new();
        for (_, folder) in devices {
            let name = KernelFile::at(folder.join("name")).parse("a name", |it| Some(it.trim().to_owned()));
            let name = name.unwrap_or_default();
            if self.is_meant(chip, &name, &folder) {
                // Its own place, for another may have its number as soon as it is unplugged.
                return Ok(folder.canonicalize().unwrap_or(folder));
            }
            if names.len() < MOST_NAMED {
                names.push(name);
            }
        }
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(SourceError::NoDevice { what: format!("{} {chip} (there is {there})", self.noun) })
    }

    fn is_meant(&self, chip: &str, name: &str, folder: &Path) -> bool {
        if folder.file_name().is_some_and(|it| it == chip) {
            return true;
        }
        if name.is_empty() {
            return false;
        }
        chip == name
            || name.split_once('@').is_some_and(|(driver, _)| driver == chip)
            || chip.split_once('@').is_some_and(|(driver, place)| {
                driver == name
                    && (self.place)(folder).is_some_and(|it| it.file_name().is_some_and(|it| it == place))
            })
    }
}

/// How many of the devices that there are an error names.
const MOST_NAMED: usize = 16;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::{hwmon, iio};
    use super::*;

    /// Makes a list with devices of (folder, name, place).
    fn list(list: &DeviceList, devices: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let listed = root.path().join(list.folder);
        fs::create_dir_all(&listed).unwrap();
        for (folder, name, place) in devices {
            // As sysfs has it: the list links to the device's own folder, below its place on the bus.
            let of_place = root.path().join("sys/devices").join(place);
            let device = of_place.join(folder);
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("name"), format!("{name}\n")).unwrap();
            symlink(&of_place, device.join("device")).unwrap();
            symlink(&device, listed.join(folder)).unwrap();
        }
        root
    }

    #[track_caller]
    fn check(devices: &DeviceList, there: &[(&str, &str, &str)], rows: &[(&str, Option<&str>)]) {
        let root = list(devices, there);
        for (chip, expected) in rows {
            let found = devices.find(root.path(), chip).ok();
            let found = found.as_deref().and_then(Path::file_name).and_then(|it| it.to_str());
            assert_eq!(found, *expected, "{chip}");
        }
    }

    #[test]
    fn a_chip_is_found_by_its_name_its_folder_or_its_place() {
        check(
            &hwmon::DEVICES,
            &[
                ("hwmon10", "ina219", "1-0041"),
                ("hwmon2", "ina219", "1-0040"),
                ("hwmon0", "cpu_thermal", "thermal_zone0"),
                ("hwmon", "odd", "1-0001"),
                ("hwmon11", "ina219", "1-0044"),
                ("power", "ina219", "1-0042"),
            ],
            &[
                ("ina219", Some("hwmon2")),
                ("hwmon10", Some("hwmon10")),
                ("ina219@1-0041", Some("hwmon10")),
                ("ina219@1-0042", None),
                ("ina226@1-0041", None),
                ("cpu_thermal", Some("hwmon0")),
                ("cpu", None),
                ("odd", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn what_is_found_is_where_the_device_is_and_not_where_its_number_leads() {
        let there = [("hwmon0", "ina219", "1-0040"), ("hwmon1", "ina219", "1-0041")];
        let root = list(&hwmon::DEVICES, &there);
        let found = hwmon::DEVICES.find(root.path(), "ina219@1-0041").unwrap();
        let own = root.path().join("sys/devices/1-0041/hwmon1");
        assert_eq!(found, own.canonicalize().unwrap());
    }

    #[test]
    fn a_name_with_a_place_in_it_is_found_without() {
        check(
            &iio::DEVICES,
            &[
                ("iio:device0", "bme280", "1-0076"),
                ("iio:device1", "dht11@4", "dht11@4"),
                ("trigger0", "bme280", "x"),
            ],
            &[
                ("dht11", Some("iio:device1")),
                ("dht11@4", Some("iio:device1")),
                ("dht11@5", None),
                ("bme280", Some("iio:device0")),
                ("bme280@1-0076", Some("iio:device0")),
                ("bme280@1-0077", None),
                ("iio:device1", Some("iio:device1")),
            ],
        );
    }

    #[test]
    fn an_error_says_what_there_is() {
        let devices = &hwmon::DEVICES;
        let root = list(devices, &[("hwmon1", "rpi_volt", "b"), ("hwmon0", "cpu_thermal", "a")]);
        let error = devices.find(root.path(), "ina219").unwrap_err();
        assert_eq!(error.to_string(), "hwmon chip ina219 (there is cpu_thermal, rpi_volt) is not there");
        let error = devices.find(Path::new("/nowhere"), "ina219").unwrap_err();
        assert_eq!(error.to_string(), "hwmon chip ina219 (there is none) is not there");
    }
}
