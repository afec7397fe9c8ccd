//! 1-Wire thermometers, as the kernel names them.

/// Whether `name` is that of a thermometer below `/sys/bus/w1/devices`: a family code and a serial number of 48 bits, as
/// `28-00000a1b2c3d`.
pub(crate) fn is_thermometer(name: &str) -> bool {
    let Some((family, serial)) = name.split_once('-') else { return false };
    FAMILIES.contains(&family) && serial.len() == 12 && serial.bytes().all(|it| it.is_ascii_hexdigit())
}

/// The families that the kernel drives (Linux, `drivers/w1/slaves/w1_therm.c`): DS18S20, DS1822, DS18B20, DS1825 (and
/// MAX31850) and DS28EA00.
const FAMILIES: [&str; 5] = ["10", "22", "28", "3b", "42"];
