//! Channels of the kernel's industrial input and output: sensors on I²C and SPI, converters, the DHT22.

use std::fs;
use std::path::{Path, PathBuf};

use super::chip::DeviceList;
use super::read::KernelFile;
use super::{Sample, Source, SourceError};
use crate::config::Channel;
use crate::entity::Entity;
use crate::model::Value;

/// An input channel of a device (Linux, `Documentation/ABI/testing/sysfs-bus-iio`): `temp`, `pressure`, `voltage0`,
/// `voltage0-voltage1`, `temp_object`.
///
/// What the device has as `in_<channel>_input` is taken as it is; else (raw + offset) × scale, where offset and scale may be
/// the channel's own, that of its type, or of all. Then the kernel's unit becomes one that is shown; the entity's scale makes
/// others of it.
///
/// | channel | the kernel's unit | value |
/// | --- | --- | --- |
/// | `temp*` | m°C | °C |
/// | `humidityrelative*` | m% | % |
/// | `pressure*` | kPa | hPa |
/// | `voltage*`, `altvoltage*` | mV | V |
/// | `current*` | mA | A |
/// | `power*` | mW | W |
/// | `illuminance*` | lx | lx |
/// | `resistance*` | Ω | Ω |
/// | `capacitance*` | nF | nF |
/// | `distance*` | m | m |
/// | `energy*` | J | J |
/// | `concentration*` | % | % |
/// | others | as documented there | the same |
///
/// Drivers that talk to their device only now and then succeed, as that of the DHT22 (`EIO`, `ETIMEDOUT`), fail a sample; the
/// next is another try. Where the channel is, is looked up again after each failure and kept otherwise.
pub(super) struct Iio {
    entities: [Entity; 1],
    root: PathBuf,
    channel: Channel,
    /// Where the channel is; `None` when it is to be looked up.
    files: Option<Files>,
}

impl Iio {
    /// The channel `channel` under `root`, for `entity`. Nothing is read yet.
    pub(super) fn new(root: &Path, channel: Channel, entity: Entity) -> Iio {
        Iio { entities: [entity], root: root.to_owned(), channel, files: None }
    }

    fn find(&self) -> Result<Files, SourceError> {
        let Channel { chip, channel } = &self.channel;
        let folder = DEVICES.find(&self.root, chip)?;
        let what = || format!("channel {channel} of IIO device {chip}");
        Files::of(&folder, channel).ok_or_else(|| SourceError::NoDevice { what: what() })
    }
}

impl Source for Iio {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let mut files = match self.files.take() {
            Some(files) => files,
            None => self.find()?,
        };
        let value = shown(kind(&self.channel.channel), files.read()?);
        if !value.is_finite() {
            return Err(SourceError::Implausible {
                what: files.value.path().display().to_string(),
                found: value.to_string(),
                expected: "a number that is finite when it is scaled".to_owned(),
            });
        }
        self.files = Some(files);
        samples.push(Ok(Value::Number(value)));
        Ok(())
    }
}

/// The files of a channel.
struct Files {
    value: KernelFile,
    /// What is added to the value, and what the sum is multiplied with: of a raw one, where the device has them.
    offset: Option<KernelFile>,
    scale: Option<KernelFile>,
}

impl Files {
    /// Those of `channel` in `folder`; `None` where there are none.
    fn of(folder: &Path, channel: &str) -> Option<Files> {
        if channel.contains('/') {
            return None;
        }
        let file = |name: String| {
            let path = folder.join(name);
            path.is_file().then(|| KernelFile::at(path))
        };
        if let Some(value) = file(format!("in_{channel}_input")) {
            return Some(Files { value, offset: None, scale: None });
        }
        let value = file(format!("in_{channel}_raw"))?;
        // In `voltage0-voltage1`, that of all differences is `voltage-voltage`, and that of all voltages `voltage`.
        let unnumbered: String = channel.chars().filter(|it| !it.is_ascii_digit()).collect();
        let shared = |what: &str| {
            let channels = [channel, &unnumbered, kind(channel)].map(|it| format!("in_{it}_{what}"));
            channels.into_iter().chain([format!("in_{what}"), what.to_owned()]).find_map(file)
        };
        Some(Files { value, offset: shared("offset"), scale: shared("scale") })
    }

    /// The value in the kernel's unit. Offset and scale are read each time: whoever sets the gain changes them.
    fn read(&mut self) -> Result<f64, SourceError> {
        let read = |file: &mut Option<KernelFile>, absent| match file {
            Some(file) => file.parse(EXPECTED, decimal),
            None => Ok(absent),
        };
        let (offset, scale) = (read(&mut self.offset, 0.0)?, read(&mut self.scale, 1.0)?);
        Ok((self.value.parse(EXPECTED, decimal)? + offset) * scale)
    }
}

/// What a channel measures: `voltage` of `voltage0-voltage1`.
fn kind(channel: &str) -> &str {
    &channel[..channel.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(channel.len())]
}

/// What `value`, in the kernel's unit of such a channel, is in the one that is shown.
fn shown(kind: &str, value: f64) -> f64 {
    match kind {
        "temp" | "humidityrelative" | "voltage" | "altvoltage" | "current" | "power" => value / 1000.0,
        "pressure" => value * 10.0,
        _ => value,
    }
}

fn decimal(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Where the kernel lists the devices.
pub(super) const DEVICES: DeviceList = DeviceList {
    folder: "sys/bus/iio/devices",
    prefix: "iio:device",
    noun: "IIO device",
    place: |folder| Some(fs::read_link(folder).ok()?.parent()?.to_owned()),
};
const EXPECTED: &str = "a number";

#[cfg(test)]
mod tests {
    use super::super::read::{garbage, values_of};
    use super::*;

    use crate::entity::Sensor;

    /// A machine with one device, `chip`, that has these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(DEVICES.folder).join("iio:device0")).unwrap();
        put(&root, &[("name", "chip")]);
        put(&root, files);
        root
    }

    fn put(root: &tempfile::TempDir, files: &[(&str, &str)]) {
        for (name, text) in files {
            let folder = root.path().join(DEVICES.folder).join("iio:device0");
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
        }
    }

    fn source(root: &tempfile::TempDir, channel: &str) -> Iio {
        let channel = Channel { chip: "chip".to_owned(), channel: channel.to_owned() };
        Iio::new(root.path(), channel, Sensor::new("a", "A").unit("V").build().unwrap())
    }

    fn error(source: &mut Iio) -> String {
        source.sample(&mut Vec::new()).unwrap_err().to_string()
    }

    /// Compares what the channel of a device with these files has.
    #[track_caller]
    fn check(files: &[(&str, &str)], channel: &str, expected: f64) {
        assert_eq!(values_of(&mut source(&machine(files), channel)), [Value::Number(expected)], "{channel}");
    }

    #[test]
    fn each_kind_of_channel_comes_in_the_unit_that_is_shown() {
        for (channel, text, expected) in [
            ("temp", "-12250", -12.25),
            ("temp_ambient", "21062", 21.062),
            ("humidityrelative", "45300", 45.3),
            ("pressure", "101.325000000", 1013.25),
            ("voltage0", "3300", 3.3),
            ("altvoltage1", "230000", 230.0),
            ("current3", "250", 0.25),
            ("power2", "1500", 1.5),
            ("illuminance", "112.5", 112.5),
            ("distance", "0.75", 0.75),
            ("concentration_co2", "0.041", 0.041),
        ] {
            check(&[(&format!("in_{channel}_input"), text)], channel, expected);
        }
    }

    #[test]
    fn a_raw_value_is_moved_by_its_offset_and_then_scaled() {
        check(
            &[("in_temp_raw", "29000"), ("in_temp_offset", "-1000"), ("in_temp_scale", "0.75")],
            "temp",
            21.0,
        );
        check(
            &[("in_illuminance_raw", "150"), ("in_illuminance_scale", "0.833333")],
            "illuminance",
            124.99995,
        );
        check(&[("in_voltage2_raw", "1500")], "voltage2", 1.5);
        let both = [("in_temp_raw", "1"), ("in_temp_input", "21000"), ("in_temp_scale", "7")];
        check(&both, "temp", 21.0);
    }

    #[test]
    fn offset_and_scale_may_be_shared_by_more_and_more_channels() {
        let mut files = vec![("in_voltage0-voltage1_raw", "-4000"), ("scale", "0.5")];
        check(&files, "voltage0-voltage1", -2.0);
        files.push(("in_scale", "0.25"));
        check(&files, "voltage0-voltage1", -1.0);
        files.push(("in_voltage_scale", "2.0"));
        check(&files, "voltage0-voltage1", -8.0);
        files.push(("in_voltage-voltage_scale", "3"));
        check(&files, "voltage0-voltage1", -12.0);
        files.push(("in_voltage0-voltage1_scale", "0.125000000"));
        check(&files, "voltage0-voltage1", -0.5);
        files.push(("in_voltage_offset", "1000"));
        check(&files, "voltage0-voltage1", -0.375);
    }

    #[test]
    fn a_driver_that_fails_now_and_then_fails_a_sample_and_is_asked_again() {
        let root = machine(&[("in_temp_input", "")]);
        let mut temp = source(&root, "temp");
        assert!(error(&mut temp).ends_with(r#"in_temp_input: expected a number, found """#));
        put(&root, &[("in_temp_input", "21500")]);
        assert_eq!(values_of(&mut temp), [Value::Number(21.5)]);
    }

    #[test]
    fn a_scale_that_is_set_meanwhile_counts() {
        let root = machine(&[("in_voltage0_raw", "1000"), ("in_voltage0_scale", "1")]);
        let mut voltage = source(&root, "voltage0");
        assert_eq!(values_of(&mut voltage), [Value::Number(1.0)]);
        put(&root, &[("in_voltage0_scale", "2")]);
        assert_eq!(values_of(&mut voltage), [Value::Number(2.0)]);
    }

    #[test]
    fn a_channel_or_device_that_is_not_there_is_named_and_waited_for() {
        let root = machine(&[]);
        let mut temp = source(&root, "temp");
        assert_eq!(error(&mut temp), "channel temp of IIO device chip is not there");
        assert_eq!(error(&mut source(&root, "../x")), "channel ../x of IIO device chip is not there");
        put(&root, &[("in_temp_input", "21500")]);
        assert_eq!(values_of(&mut temp), [Value::Number(21.5)]);
        put(&root, &[("name", "other")]);
        fs::remove_file(root.path().join(DEVICES.folder).join("iio:device0/in_temp_input")).unwrap();
        assert!(error(&mut temp).starts_with("cannot read "));
        assert_eq!(error(&mut temp), "IIO device chip (there is other) is not there");
    }

    #[test]
    fn what_is_not_finite_when_it_is_scaled_is_refused() {
        let root = machine(&[("in_temp_raw", "1e300"), ("in_temp_scale", "1e300")]);
        assert!(error(&mut source(&root, "temp")).contains("found inf"));
    }

    #[test]
    fn nothing_in_a_file_makes_it_panic_or_tell_what_is_not_finite() {
        for text in garbage("-0.187500000\n") {
            assert!(decimal(&text).is_none_or(f64::is_finite), "{text:?}");
            kind(&text);
        }
    }
}
