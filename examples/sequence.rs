//! Publishes numbered messages, several series at once, and says of each whether it was accepted.
//!
//! How a program of one's own embeds luigi-mqtt: the connection lives on threads of its own, `publish` answers at once
//! (in the mode `always` once the message is on the card), and what was accepted is delivered through whatever
//! happens to broker and network. `[Spool]` in the configuration says how much of that survives the program itself.
//!
//! ```sh
//! cargo run --example sequence -- luigi-mqtt.conf 100 20 attic/door,every,1,1 attic/light,latest,1,1
//! ```
//!
//! These are the configuration, the pause between two messages of a series in milliseconds, the length of a payload
//! in bytes, and for each series its topic, which of its messages are to arrive (`every` or `latest`), the QoS and
//! the first number. Ctrl-C ends it in order.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use luigi_mqtt::Client;
use luigi_mqtt::config::{Config, Environment};
use luigi_mqtt::model::{Chain, Delivery, Message, Qos, Topic};
use luigi_mqtt::service::{logging, signal};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [configuration, pause, length, series @ ..] = &arguments[..] else { return Err(USAGE.into()) };
    let config = Config::load(Some(Path::new(configuration)), &Environment::of_process())?;
    let (pause, length) = (Duration::from_millis(pause.parse()?), length.parse()?);
    let series = series.iter().map(|it| it.parse()).collect::<Result<Vec<Series>, _>>()?;

    logging::start(&config.logging)?;
    let ending = signal::Ending::of_signals()?;
    let stop = ending.channel();
    let luigi = Client::connect(config)?;
    thread::scope(|scope| {
        for series in &series {
            let (client, stop) = (luigi.clone(), stop.clone());
            scope.spawn(move || series.publish(&client, length, pause, &stop));
        }
    });
    let _ = stop.recv(); // Without a series there is only the spool to be sent.
    let farewell = luigi.disconnect(GOODBYE);
    println!("stopped; {} wait on the card, {} are lost", farewell.on_card, farewell.lost);
    Ok(())
}

/// Messages on one topic, counted from `first`.
struct Series {
    topic: Topic,
    delivery: Delivery,
    qos: Qos,
    first: u64,
}

impl Series {
    /// Publishes one after another until told to stop.
    fn publish(&self, client: &Client, length: usize, pause: Duration, stop: &Receiver<Infallible>) {
        for number in self.first.. {
            let payload = format!("{:.<length$}", format!("{number} "));
            let message = Message {
                topic: self.topic.clone(),
                payload: payload.into_bytes().into(),
                qos: self.qos,
                retain: self.delivery == Delivery::Latest,
            };
            let topic = &self.topic;
            let answer = match client.publish_message(message, self.delivery) {
                Ok(()) => format!("accepted {topic} {number}\n"),
                Err(refused) => format!("refused {topic} {number} {}\n", Chain(&refused)),
            };
            // In one go: whoever reads it sees a whole line, or nothing, whenever this process ends.
            let _ = io::stdout().write_all(answer.as_bytes());
            if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

impl FromStr for Series {
    type Err = Box<dyn Error>;

    fn from_str(text: &str) -> Result<Series, Box<dyn Error>> {
        let [topic, delivery, qos, first] = text.split(',').collect::<Vec<_>>()[..] else {
            return Err(USAGE.into());
        };
        let delivery = match delivery {
            "every" => Delivery::Every,
            "latest" => Delivery::Latest,
            _ => return Err(format!("expected every or latest, found {delivery:?}").into()),
        };
        let qos = Qos::from_level(qos.parse()?).ok_or("the QoS is 0, 1 or 2")?;
        Ok(Series { topic: Topic::new(topic)?, delivery, qos, first: first.parse()? })
    }
}

const USAGE: &str = "usage: sequence CONFIGURATION PAUSE_MS LENGTH [TOPIC,every|latest,QOS,FIRST]...";
/// Limit for what is still to be delivered at the end; what is not goes on the card.
const GOODBYE: Duration = Duration::from_secs(2);
