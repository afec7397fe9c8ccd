//! A light that obeys Home Assistant: on, off and brightness, shown in the terminal in the place of a lamp.
//!
//! ```sh
//! MQTT_BROKER_HOST=homeassistant.local cargo run --example light
//! ```

use std::error::Error;
use std::thread;

use luigi_mqtt::entity::{Command, Light, LightState};
use luigi_mqtt::{Client, Config};

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(Config::from_environment("light")?)?;
    let desk = client.register(Light::new("desk", "Desk").color_modes(["brightness"]))?;
    let mut lamp = LightState::off().brightness(255);
    desk.publish(lamp.clone())?;

    desk.on_command(move |desk, command, message| {
        // What the broker has kept is an old wish, not one of now.
        if let (Command::Light(wanted), false) = (command, message.retained) {
            lamp.apply(&wanted);
            println!("{}", if lamp.is_on() { "on" } else { "off" });
            if let Err(error) = desk.publish(lamp.clone()) {
                eprintln!("{error}");
            }
        }
    })?;
    loop {
        thread::park();
    }
}
