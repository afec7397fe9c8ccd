//! What others announce to Home Assistant, as a table; or has one of them do something.
//!
//! ```sh
//! MQTT_BROKER_HOST=homeassistant.local cargo run --example devices -- 5
//! MQTT_BROKER_HOST=homeassistant.local cargo run --example devices -- 5 light_kitchen '{"state": "on", "brightness": 100}'
//! ```
//!
//! The number is how many seconds to wait for what is announced and for its states.

use std::env;
use std::error::Error;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use luigi_mqtt::{Client, Config};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (seconds, wish) = match &arguments[..] {
        [seconds] => (seconds, None),
        [seconds, id, wanted] => (seconds, Some((id, wanted))),
        _ => return Err("usage: devices SECONDS [ID WANTED]".into()),
    };
    let pause = Duration::from_secs_f64(seconds.parse()?);

    let client = Client::connect(Config::from_environment("devices")?)?;
    client.start_discovery()?;
    client.wait_connected(CONNECT)?;
    thread::sleep(pause);
    if let Some((id, wanted)) = wish {
        client.set_state(id, &serde_json::from_str::<Value>(wanted)?)?;
        thread::sleep(pause);
    }
    for device in client.discovered_devices() {
        println!("{:<40} {:<15} {}", device.id, device.platform, device.name);
        if let Some(state) = client.state(&device.id) {
            println!("    {:?}", state.availability);
            for (field, value) in state.fields.iter() {
                println!("    {field}: {value}");
            }
        }
    }
    client.stop_discovery();
    Ok(())
}

/// How long to wait for the broker.
const CONNECT: Duration = Duration::from_secs(20);
