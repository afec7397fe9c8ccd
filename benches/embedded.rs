//! What the library costs in a program of one's own that waits: memory, threads, wake-ups and processor time, beside bare
//! rumqttc.
//!
//! `scripts/bench embedded` runs it, without the features of the command. The broker is a Mosquitto on the loopback. All
//! subjects are processes of this one program, at the same time. Argument: `--seconds N` of idling (60).

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use rumqttc::MqttOptions;

use luigi_mqtt::entity::Sensor;
use luigi_mqtt::model::Qos;
use luigi_mqtt::{Client, Config};

#[path = "support/idle.rs"]
mod idle;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/options.rs"]
mod options;
#[path = "support/usage.rs"]
mod usage;

use idle::{Running, watch};
use mosquitto::Mosquitto;
use options::{number, option};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    if let Some(role) = option("--role") {
        return idle(&role, option("--port").ok_or("no port")?.parse()?).map(|never| match never {});
    }
    let seconds = Duration::from_secs(number("--seconds", 60)?);
    let broker = Mosquitto::start()?;
    let others = announce(broker.port)?;
    let subjects: Vec<(&str, Running)> =
        ROLES.into_iter().map(|role| Ok((role, start(role, broker.port)?))).collect::<Outcome<_>>()?;
    watch(&subjects, seconds)?;
    others.disconnect(LIMIT);
    Ok(())
}

/// What is measured.
const ROLES: [&str; 5] = [RUMQTTC, "luigi-mqtt", SUBSCRIPTIONS, DISCOVERY, NOTHING];
const RUMQTTC: &str = "rumqttc alone";
const SUBSCRIPTIONS: &str = "luigi-mqtt, 100 subscriptions, a callback";
const DISCOVERY: &str = "luigi-mqtt, following 200 entities";
const NOTHING: &str = "this program, doing nothing";

/// This program in one of its roles. It ends when its input does.
fn start(role: &str, port: u16) -> Outcome<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--role", role, "--port", &port.to_string()]);
    Ok(Running(command.stdin(Stdio::piped()).spawn()?))
}

/// The entities that are followed, announced by somebody else, each with a state.
fn announce(port: u16) -> Outcome<Client> {
    let client = Client::connect(Config::builder("others").broker("127.0.0.1", port).build()?)?;
    client.wait_connected(LIMIT)?;
    for number in 0..200 {
        let sensor = Sensor::new(&format!("room{number}"), &format!("Room {number}"));
        let room =
            client.register(sensor.device_class("temperature").unit("°C").state_class("measurement"))?;
        room.publish(21.5)?;
    }
    Ok(client)
}

/// Is `role` until the input ends.
fn idle(role: &str, port: u16) -> Outcome<Infallible> {
    match role {
        NOTHING => wait(),
        RUMQTTC => {
            let mut options = MqttOptions::new(role, "127.0.0.1", port);
            options.set_keep_alive(KEEP_ALIVE);
            let (client, mut connection) = rumqttc::Client::new(options, 100);
            connection.iter().for_each(drop);
            drop(client);
            Err("rumqttc has ended".into())
        }
        _ => {
            let config = Config::builder("idle").client_id(role).keep_alive(KEEP_ALIVE);
            let client = Client::connect(config.broker("127.0.0.1", port).build()?)?;
            let mut channels = Vec::new();
            if role == SUBSCRIPTIONS {
                client.subscribe("house/doors/+", Qos::AtLeastOnce, |_, _| {})?;
                for number in 1..100 {
                    channels.push(client.subscribe_channel(&format!("house/room{number}/+/state"))?);
                }
            }
            if role == DISCOVERY {
                client.start_discovery()?;
                while client.discovered_devices().len() < 200 {
                    std::thread::sleep(PAUSE);
                }
            }
            wait()
        }
    }
}

/// Waits for the end of the input, and ends with it.
fn wait() -> ! {
    let _ = io::stdin().read(&mut [0]);
    std::process::exit(0)
}

const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Between two looks at what was discovered.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than a connection on this machine takes.
const LIMIT: Duration = Duration::from_secs(10);
