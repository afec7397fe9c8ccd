//! How long it takes from an edge to the broker's acknowledgement, and to a subscriber, beside bare rumqttc in the same run.
//!
//! `scripts/bench edges` runs it. The broker is a Mosquitto on the loopback. The edge is a byte through a socket pair that
//! wakes a thread in poll(2), as the descriptor of a GPIO line does: from the write of that byte on, all is measured that
//! a program does with this library; of the service, all but what the kernel and `gpiocdev` do for the line itself, which
//! there is no hardware for here. The acknowledgement is measured where the program hears of it, so with one more waking
//! than the broker's packet takes. One edge is on its way at a time, with pauses in which everybody falls asleep. Arguments:
//! `--edges N` (3,000), `--pause MS` between them (5).

use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rumqttc::{Event, MqttOptions, Packet, QoS};

use luigi_mqtt::entity::BinarySensor;
use luigi_mqtt::{Client, Config};

#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/options.rs"]
mod options;

use mosquitto::Mosquitto;
use options::number;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (edges, pause) = (number("--edges", 3_000)?, Duration::from_millis(number("--pause", 5)? as u64));

    let broker = Mosquitto::start()?;
    let arrived = subscribe(broker.port)?;
    let folder = tempfile::tempdir()?;
    let config = Config::builder("edges").broker("127.0.0.1", broker.port).state_topic(STATES);
    let client = Client::connect(config.spool_directory(folder.path()).build()?)?;
    client.wait_connected(LIMIT)?;
    let line = client.register(BinarySensor::new("line", "Line"))?;
    let rumqttc = Bare::connect(broker.port)?;
    // The announcement is over then, and all that is made once is made.
    thread::sleep(SETTLE);

    println!("\nfrom an edge on, {edges} of them, one each {pause:?}, in µs:");
    let heads = ["median", "99 %", "99.9 %", "longest"];
    println!("{:46}{}", "", heads.map(|it| format!("{it:>10}")).concat());
    let topic = line.state_topic();
    let ways: [(&str, Box<Tell>, Until); 5] = [
        ("waking the thread alone", Box::new(|_| Ok(())), Until::Told),
        (
            "luigi-mqtt, to the acknowledgement",
            Box::new(|edge| Ok(client.publish_and_wait(topic.as_str(), payload(edge), LIMIT)?)),
            Until::Told,
        ),
        ("rumqttc alone, to the acknowledgement", Box::new(|edge| rumqttc.publish(edge, true)), Until::Told),
        (
            "luigi-mqtt, state to a subscriber",
            Box::new(|edge| Ok(line.publish(edge % 2 == 0)?)),
            Until::Arrived(&arrived),
        ),
        (
            "rumqttc alone, to a subscriber",
            Box::new(|edge| rumqttc.publish(edge, false)),
            Until::Arrived(&arrived),
        ),
    ];
    for (name, tell, until) in &ways {
        arrived.try_iter().for_each(drop);
        let mut took = run(edges, pause, tell, until)?;
        thread::sleep(SETTLE);
        took.sort();
        let at = |part: f64| took[((edges - 1) as f64 * part) as usize];
        let shown = [at(0.5), at(0.99), at(0.999), at(1.0)];
        let shown = shown.map(|it| format!("{:>10.0}", it.as_secs_f64() * 1e6)).concat();
        println!("{name:46}{shown}");
    }
    drop(ways);
    client.disconnect(LIMIT);
    Ok(())
}

/// Publishes what the edge with this number means.
type Tell<'a> = dyn Fn(usize) -> Outcome<()> + Sync + Send + 'a;

/// When an edge is through.
enum Until<'a> {
    /// When publishing it has returned.
    Told,
    /// When it has arrived.
    Arrived(&'a Receiver<Instant>),
}

/// How long each of `edges` took.
fn run(edges: usize, pause: Duration, tell: &Tell, until: &Until) -> Outcome<Vec<Duration>> {
    let (mut line, mut far_end) = UnixStream::pair()?;
    let (sender, told) = unbounded();
    thread::scope(|scope| {
        scope.spawn(move || {
            for edge in 0.. {
                let mut waited = [PollFd::new(far_end.as_fd(), PollFlags::POLLIN)];
                let woken = poll(&mut waited, PollTimeout::NONE).map_err(Box::<dyn Error>::from);
                let read = woken.and_then(|_| Ok(far_end.read(&mut [0])?));
                let done = match read {
                    Ok(0) => return, // The line is gone.
                    Ok(_) => tell(edge),
                    Err(error) => Err(error),
                };
                let _ = sender.send((Instant::now(), done.map_err(|it| it.to_string())));
            }
        });
        let mut took = Vec::with_capacity(edges);
        for _ in 0..edges {
            thread::sleep(pause);
            let began = Instant::now();
            line.write_all(&[1])?;
            let (returned, outcome) = told.recv_timeout(LIMIT)?;
            outcome?;
            let done = match until {
                Until::Told => returned,
                Until::Arrived(arrived) => arrived.recv_timeout(LIMIT)?,
            };
            took.push(done - began);
        }
        drop(line);
        Ok(took)
    })
}

/// rumqttc's blocking client, as its documentation has it.
struct Bare {
    client: rumqttc::Client,
    acknowledged: Receiver<()>,
}

impl Bare {
    fn connect(port: u16) -> Outcome<Bare> {
        let (client, mut connection) = rumqttc::Client::new(MqttOptions::new("bare", "127.0.0.1", port), 100);
        let (sender, acknowledged) = unbounded();
        thread::spawn(move || {
            for packet in connection.iter().map_while(Result::ok) {
                if matches!(packet, Event::Incoming(Packet::PubAck(_))) && sender.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(Bare { client, acknowledged })
    }

    /// Publishes, and waits for the acknowledgement where it is to.
    fn publish(&self, edge: usize, wait: bool) -> Outcome<()> {
        self.acknowledged.try_iter().for_each(drop);
        self.client.publish(format!("{STATES}/bare"), QoS::AtLeastOnce, true, payload(edge))?;
        if wait {
            self.acknowledged.recv_timeout(LIMIT)?;
        }
        Ok(())
    }
}

/// What the edge with this number means.
fn payload(edge: usize) -> &'static str {
    if edge % 2 == 0 { "ON" } else { "OFF" }
}

/// When each state arrives at a subscriber, which is bare rumqttc too.
fn subscribe(port: u16) -> Outcome<Receiver<Instant>> {
    let options = MqttOptions::new("subscriber", "127.0.0.1", port);
    let (client, mut connection) = rumqttc::Client::new(options, 10);
    client.subscribe(format!("{STATES}/+"), QoS::AtMostOnce)?;
    let (sender, arrived): (Sender<Instant>, _) = unbounded();
    thread::spawn(move || {
        for packet in connection.iter().map_while(Result::ok) {
            let is_state = matches!(packet, Event::Incoming(Packet::Publish(_)));
            if is_state && sender.send(Instant::now()).is_err() {
                return;
            }
        }
        drop(client);
    });
    Ok(arrived)
}

/// Below it are the states.
const STATES: &str = "bench/edges";
/// Longer than a pause after an announcement, and than a message takes.
const SETTLE: Duration = Duration::from_secs(2);
/// Longer than connecting, and than any message.
const LIMIT: Duration = Duration::from_secs(10);
