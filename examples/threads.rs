//! Several threads, each with a sensor of its own, and one connection.
//!
//! ```sh
//! MQTT_BROKER_HOST=homeassistant.local cargo run --example threads -- 4 10
//! ```
//!
//! These are how many threads there are, and how many readings each takes.

use std::env;
use std::error::Error;
use std::thread;
use std::time::Duration;

use luigi_mqtt::entity::Sensor;
use luigi_mqtt::{Client, Config, Error as LuigiError};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [threads, readings] = &arguments[..] else { return Err("usage: threads THREADS READINGS".into()) };
    let (threads, readings) = (threads.parse::<usize>()?, readings.parse()?);

    let client = Client::connect(Config::from_environment("threads")?)?;
    thread::scope(|scope| {
        let spawn = |number| {
            let client = client.clone();
            scope.spawn(move || read(&client, number, readings))
        };
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().try_for_each(|it| it.join().unwrap_or(Ok(())))
    })?;
    // Dropping the client delivers what waits.
    Ok(())
}

/// Takes `readings` of the sensor `number`.
fn read(client: &Client, number: usize, readings: u32) -> Result<(), LuigiError> {
    let (id, name) = (format!("level_{number}"), format!("Level {number}"));
    let level = client.register(Sensor::new(&id, &name).unit("%").state_class("measurement"))?;
    for reading in 1..=readings {
        // Here a slow bus is read.
        thread::sleep(Duration::from_millis(10));
        level.publish(reading)?;
    }
    Ok(())
}
