//! A temperature from a kernel file, in Home Assistant, every so many seconds.
//!
//! ```sh
//! MQTT_BROKER_HOST=homeassistant.local cargo run --example temperature -- /sys/class/thermal/thermal_zone0/temp 60
//! ```
//!
//! The file holds thousandths of a degree Celsius, as the kernel writes them for thermal zones and hwmon
//! (`Documentation/hwmon/sysfs-interface.rst`) and for 1-Wire sensors of the DS18B20 family.

use std::env;
use std::error::Error;
use std::fs;
use std::thread;
use std::time::Duration;

use luigi_mqtt::entity::Sensor;
use luigi_mqtt::{Client, Config};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, seconds] = &arguments[..] else { return Err("usage: temperature FILE SECONDS".into()) };
    let pause = Duration::from_secs(seconds.parse()?);

    let client = Client::connect(Config::from_environment("thermometer")?)?;
    let room = client.register(
        Sensor::new("room_temperature", "Room temperature")
            .device_class("temperature")
            .unit("°C")
            .state_class("measurement")
            .precision(1)
            .availability(true),
    )?;
    loop {
        match temperature(file) {
            Ok(celsius) => {
                room.set_available(true);
                room.publish(celsius)?;
            }
            // The sensor is unplugged: Home Assistant is to show that, not the last value for ever.
            Err(error) => {
                eprintln!("{file}: {error}");
                room.set_available(false);
            }
        }
        thread::sleep(pause);
    }
}

/// In °C.
fn temperature(file: &str) -> Result<f64, Box<dyn Error>> {
    let thousandths: f64 = fs::read_to_string(file)?.trim().parse()?;
    Ok(thousandths / 1000.0)
}
