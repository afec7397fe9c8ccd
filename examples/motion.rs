//! Motion on a GPIO line, in Home Assistant: a loop that waits for edges and never for the network.
//!
//! ```sh
//! MQTT_BROKER_HOST=homeassistant.local cargo run --example motion -- /dev/gpiochip0 17
//! # On a machine without lines: five movements, then the end.
//! MQTT_BROKER_HOST=homeassistant.local cargo run --example motion -- simulated 5
//! ```
//!
//! The line is read through the kernel's GPIO character device (Linux, `Documentation/userspace-api/gpio/chardev.rst`),
//! with the kernel's own debouncing where it has that.

use std::env;
use std::error::Error;
use std::thread;
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{EdgeDetection, EdgeKind, Value};

use luigi_mqtt::entity::BinarySensor;
use luigi_mqtt::{Client, Config};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [source, number] = &arguments[..] else { return Err(USAGE.into()) };
    let edges = match source.as_str() {
        "simulated" => simulated(number.parse()?),
        chip => edges_of_line(chip, number.parse()?)?,
    };

    let client = Client::connect(Config::from_environment("motion")?)?;
    let hall = client.register(BinarySensor::new("hall_motion", "Hall motion").device_class("motion"))?;
    for motion in edges {
        let motion = motion?;
        println!("{}", if motion { "motion" } else { "still" });
        if let Err(error) = hall.publish(motion) {
            eprintln!("{error}");
        }
    }
    Ok(())
}

/// What a line tells: whether there is motion.
type Edges = Box<dyn Iterator<Item = Result<bool, gpiocdev::Error>>>;

/// The state at the start, then each change, for ever.
fn edges_of_line(chip: &str, offset: u32) -> Result<Edges, gpiocdev::Error> {
    let request = Request::builder()
        .on_chip(chip)
        .with_consumer("motion")
        .with_line(offset)
        .as_input()
        .with_edge_detection(EdgeDetection::BothEdges)
        .with_debounce_period(DEBOUNCE)
        .request()?;
    let now = request.value(offset)? == Value::Active;
    let edge = move |_| Some(request.read_edge_event().map(|it| it.kind == EdgeKind::Rising));
    Ok(Box::new(std::iter::once(Ok(now)).chain((0..).map_while(edge))))
}

/// As many movements as `count`, one after the other.
fn simulated(count: usize) -> Edges {
    let step = |index: usize| {
        thread::sleep(STEP);
        Ok(index % 2 == 0)
    };
    Box::new((0..2 * count).map(step))
}

const USAGE: &str = "usage: motion CHIP LINE | motion simulated COUNT";
/// A sensor's contact settles within this.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// From one simulated edge to the next.
const STEP: Duration = Duration::from_millis(200);
