//! How fast messages go out, what that costs, and what one publish call costs, beside libmosquitto, paho-mqtt and bare
//! rumqttc.
//!
//! `scripts/bench throughput` runs it. The broker is a Mosquitto on the loopback, as Debian configures it. Each client
//! runs in a process of its own, one after the other, round for round, so that a busy machine is as unfair to one as to
//! the other; what is printed is the median of the rounds. Arguments: `--messages N` a client and round (50,000),
//! `--rounds N` (5), `--peer "COMMAND"` to measure in the same run: it gets the broker's port, the quality of service
//! and the number of messages as its last arguments, and prints the seconds that it took; `--only rates`, `windows` or
//! `calls`.

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use rumqttc::{Event, MqttOptions, Outgoing, Packet, QoS};

use luigi_mqtt::Client;
use luigi_mqtt::config::Config;
use luigi_mqtt::config::Environment;
use luigi_mqtt::model::Delivery;
use luigi_mqtt::model::Message;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;

#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/options.rs"]
mod options;

use mosquitto::Mosquitto;
use options::{number, option};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    if let Some(role) = option("--role") {
        let (port, qos) = (number("--port", 0)?, number("--qos", 0)?);
        let (messages, window) = (number("--messages", 0)?, number("--window", WINDOW)?);
        return match role.as_str() {
            "luigi" => publish_with_luigi(port, qos, messages, window),
            "rumqttc" => publish_with_rumqttc(port, qos, messages),
            _ => time_calls(port, messages),
        };
    }
    let (messages, rounds) = (number("--messages", 50_000)?, number("--rounds", 5)?);
    let only = option("--only");
    let is_wanted = |part| only.as_deref().is_none_or(|it| it == part);
    let broker = Mosquitto::start()?;
    let folder = tempfile::tempdir()?;
    let lines = folder.path().join("lines");
    fs::write(&lines, format!("{}\n", "x".repeat(PAYLOAD)).repeat(Peer::Mosquitto.share(messages)))?;
    let bench = Bench { port: broker.port, messages, rounds, lines };
    if is_wanted("rates") {
        let mut clients = vec![Peer::Luigi { window: WINDOW }, Peer::Mosquitto, Peer::Rumqttc];
        clients.extend(option("--peer").map(Peer::Paho));
        for qos in 0..=2 {
            bench.compare(qos, &clients)?;
        }
    }
    if is_wanted("windows") {
        let clients = [20, 50, 100, 200, 400].map(|window| Peer::Luigi { window });
        bench.compare(1, &clients)?;
        bench.compare(2, &clients)?;
    }
    if is_wanted("calls") {
        print!("{}", String::from_utf8(this("calls", bench.port, 1, messages).output()?.stdout)?);
    }
    Ok(())
}

/// What all clients have in common.
struct Bench {
    port: u16,
    messages: usize,
    rounds: usize,
    /// One payload a line, as many as messages.
    lines: PathBuf,
}

/// Who publishes.
enum Peer {
    /// This library, with so many messages in flight at most.
    Luigi { window: usize },
    /// `mosquitto_pub`, which is libmosquitto and little else.
    Mosquitto,
    /// rumqttc's blocking client with a channel of 100 messages, and as many in flight.
    Rumqttc,
    /// The command of a program in Python.
    Paho(String),
}

/// What one run took.
struct Run {
    /// Messages a second.
    rate: f64,
    /// Seconds on a processor for 100,000 messages, with those that the start of the program took.
    cpu: f64,
    /// Largest resident size, in kB of 1024 bytes.
    peak: u64,
}

impl Bench {
    /// Prints what `clients` need for the same messages at `qos`.
    fn compare(&self, qos: u8, clients: &[Peer]) -> Outcome<()> {
        let mut runs: Vec<Vec<Run>> = clients.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for (client, runs) in clients.iter().zip(&mut runs) {
                runs.push(self.run(client, qos)?);
            }
        }
        let heads = ["messages/s", "of ours", "CPU s/100k", "of ours", "VmHWM kB"];
        println!("\nQoS {qos}, {} messages of {PAYLOAD} bytes, median of {}:", self.messages, self.rounds);
        println!("{:34}{}", "", heads.map(|it| format!("{it:>12}")).concat());
        let median = |runs: &[Run], of: fn(&Run) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (rate, cpu) = (median(&runs[0], |it| it.rate), median(&runs[0], |it| it.cpu));
        for (client, runs) in clients.iter().zip(&runs) {
            let (its_rate, its_cpu) = (median(runs, |it| it.rate), median(runs, |it| it.cpu));
            let peak = median(runs, |it| it.peak as f64);
            println!(
                "{:34}{its_rate:>12.0}{:>12.2}{its_cpu:>12.3}{:>12.2}{peak:>12.0}",
                client.name(),
                its_rate / rate,
                its_cpu / cpu
            );
        }
        Ok(())
    }

    /// Has `client` publish all messages.
    fn run(&self, client: &Peer, qos: u8) -> Outcome<Run> {
        let messages = client.share(self.messages);
        let mut command = match client {
            Peer::Luigi { window } => {
                let mut command = this("luigi", self.port, qos, messages);
                command.args(["--window", &window.to_string()]);
                command
            }
            Peer::Rumqttc => this("rumqttc", self.port, qos, messages),
            Peer::Mosquitto => {
                let mut command = Command::new("mosquitto_pub");
                command.args(["-p", &self.port.to_string(), "-t", TOPIC, "-q", &qos.to_string(), "-l"]);
                command.stdin(File::open(&self.lines)?);
                command
            }
            Peer::Paho(python) => {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("exec {python} {} {qos} {messages}", self.port)]);
                command
            }
        };
        let before = processor_time(UsageWho::RUSAGE_CHILDREN)?;
        let began = Instant::now();
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut peak = 0;
        while process.try_wait()?.is_none() {
            // Gone between the two looks: the one before will do.
            peak = peak_of(process.id()).unwrap_or(peak);
            thread::sleep(LOOK);
        }
        let all = began.elapsed().as_secs_f64();
        let output = process.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("{} ended with {}", client.name(), output.status).into());
        }
        // Who tells how long it took leaves out the start. `mosquitto_pub` does not, and needs milliseconds for it.
        let said = String::from_utf8(output.stdout)?;
        let seconds = if said.is_empty() { all } else { said.trim().parse()? };
        let ran = processor_time(UsageWho::RUSAGE_CHILDREN)? - before;
        let share = messages as f64;
        Ok(Run { rate: share / seconds, cpu: ran.as_secs_f64() / share * 100_000.0, peak })
    }
}

impl Peer {
    /// How many of `messages` it gets.
    fn share(&self, messages: usize) -> usize {
        match self {
            // It ends when the identifier of the last message is acknowledged, and that comes round before.
            Peer::Mosquitto => messages.min(usize::from(u16::MAX)),
            // It is slow.
            Peer::Paho(_) => messages / 5,
            Peer::Luigi { .. } | Peer::Rumqttc => messages,
        }
    }

    fn name(&self) -> String {
        match self {
            Peer::Luigi { window } => format!("luigi-mqtt, {window} in flight"),
            Peer::Mosquitto => "mosquitto_pub -l (libmosquitto)".to_owned(),
            Peer::Rumqttc => "rumqttc alone, 100 in flight".to_owned(),
            Peer::Paho(_) => "paho-mqtt (Python)".to_owned(),
        }
    }
}

/// This program, to do one thing alone.
fn this(role: &str, port: u16, qos: u8, messages: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("Linux knows which program runs"));
    command.args(["--role", role, "--port", &port.to_string()]);
    command.args(["--qos", &qos.to_string(), "--messages", &messages.to_string()]);
    command
}

/// Publishes as a program does that has more messages than the broker takes: it waits a moment when it is told that
/// there is no room. Prints the seconds from the first call to the last acknowledgement.
fn publish_with_luigi(port: u16, qos: u8, messages: usize, window: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let luigi = connected(port, window, folder.path())?;
    let (client, health) = (luigi.clone(), luigi.health());
    let topic = Topic::new(TOPIC)?;
    let qos = Qos::from_level(qos).ok_or("no such quality of service")?;
    let payload = [b'x'; PAYLOAD];
    let before = health.delivered();
    let began = Instant::now();
    for _ in 0..messages {
        let message = Message { topic: topic.clone(), payload: payload.into(), qos, retain: false };
        publish_patiently(&client, message);
    }
    while health.delivered() - before < messages as u64 {
        if health.dropped() > 0 {
            return Err("messages were dropped".into());
        }
        thread::sleep(PAUSE);
    }
    println!("{}", began.elapsed().as_secs_f64());
    luigi.disconnect(Duration::from_secs(1));
    Ok(())
}

/// Publishes `message` once there is room for it.
fn publish_patiently(client: &Client, mut message: Message) {
    while let Err(refused) = client.publish_message(message, Delivery::Every) {
        message = refused.message;
        thread::sleep(PAUSE);
    }
}

/// As [`start`], connected and with its announcement behind it.
fn connected(port: u16, window: usize, folder: &Path) -> Outcome<Client> {
    let luigi = start(port, window, folder)?;
    // What waits for the announcement's end shows when that was.
    let topic = Topic::new(TOPIC)?;
    publish_patiently(
        &luigi,
        Message { topic, payload: (*b"").into(), qos: Qos::AtLeastOnce, retain: false },
    );
    while luigi.health().delivered() < 2 {
        thread::sleep(PAUSE);
    }
    Ok(luigi)
}

/// The library with the broker at `port`, whether there is one or not, and its spool in `folder`.
fn start(port: u16, window: usize, folder: &Path) -> Outcome<Client> {
    let path = folder.join("luigi-mqtt.conf");
    let text = format!(
        "[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Client]\nCLIENT_ID=luigi-bench\nMAX_IN_FLIGHT={window}\n\
         [Logging]\nLOG_FILE=\n"
    );
    fs::write(&path, text)?;
    let mut config = Config::load(Some(&path), &Environment::new("bench", Path::new("/")))?;
    config.spool.directory = folder.to_owned();
    Ok(Client::connect(config)?)
}

/// The same with rumqttc alone, as its documentation has it.
fn publish_with_rumqttc(port: u16, qos: u8, messages: usize) -> Outcome<()> {
    let mut options = MqttOptions::new("rumqttc-bench", "127.0.0.1", port);
    options.set_inflight(100);
    let (client, mut connection) = rumqttc::Client::new(options, 100);
    let mut events = connection.iter();
    events.next().ok_or("rumqttc has ended")??;
    let level = rumqttc::qos(qos).map_err(|_| "no such quality of service")?;
    let began = Instant::now();
    let publisher = thread::spawn(move || {
        for _ in 0..messages {
            client.publish(TOPIC, level, false, [b'x'; PAYLOAD])?;
        }
        Ok::<_, rumqttc::ClientError>(client)
    });
    let mut delivered = 0;
    while delivered < messages {
        delivered += usize::from(matches!(
            (level, events.next().ok_or("rumqttc has ended")??),
            (QoS::AtMostOnce, Event::Outgoing(Outgoing::Publish(_)))
                | (QoS::AtLeastOnce, Event::Incoming(Packet::PubAck(_)))
                | (QoS::ExactlyOnce, Event::Incoming(Packet::PubComp(_)))
        ));
    }
    println!("{}", began.elapsed().as_secs_f64());
    publisher.join().map_err(|_| "the publisher panicked")??;
    Ok(())
}

/// Prints what one publish call costs, as often as `calls`, beside a call that does nothing: what that shows is the
/// clock's own cost and the machine's other work.
fn time_calls(port: u16, calls: usize) -> Outcome<()> {
    println!("\none call, in µs, the refused ones included:");
    println!("{:40}{}", "", ["calls", "median", "99.9 %", "longest"].map(|it| format!("{it:>10}")).concat());
    let paced = (calls / 10).max(1);
    let pace = Duration::from_millis(1);
    let nothing = |message| drop(black_box(message));
    time("nothing, one after the other", calls, Duration::ZERO, nothing)?;
    time("nothing, 1000/s", paced, pace, nothing)?;
    // What a thread that waits costs the one that wakes it: all but a little of a call now and then.
    let (sender, receiver) = crossbeam_channel::bounded(1);
    thread::spawn(move || receiver.iter().for_each(drop));
    time("waking a thread, 1000/s", paced, pace, |message| drop(black_box(sender.try_send(message))))?;

    let folder = tempfile::tempdir()?;
    let luigi = connected(port, WINDOW, folder.path())?;
    let client = luigi.clone();
    let publish = |message| drop(black_box(client.publish_message(message, Delivery::Every)));
    time("publish, one after the other", calls, Duration::ZERO, publish)?;
    while luigi.health().waiting() > 0 {
        thread::sleep(PAUSE);
    }
    time("publish, 1000/s", paced, pace, publish)?;
    luigi.disconnect(Duration::from_secs(1));

    // Nobody listens where nobody ever will.
    let absent = start(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(), WINDOW, folder.path())?;
    let client = absent.clone();
    let publish = |message| drop(black_box(client.publish_message(message, Delivery::Every)));
    time("publish, broker away, 1000/s", paced, pace, publish)?;
    time("publish, broker away, one after the other", calls, Duration::ZERO, publish)?;
    Ok(())
}

/// Prints how long each of so many `calls` of `call` takes, one every `pace`.
fn time(name: &str, calls: usize, pace: Duration, call: impl Fn(Message)) -> Outcome<()> {
    let topic = Topic::new(TOPIC)?;
    let mut took = Vec::with_capacity(calls);
    for _ in 0..calls {
        let payload = [b'x'; PAYLOAD].into();
        let message = Message { topic: topic.clone(), payload, qos: Qos::AtLeastOnce, retain: false };
        let began = Instant::now();
        call(message);
        took.push(began.elapsed());
        if pace > Duration::ZERO {
            thread::sleep(pace);
        }
    }
    took.sort();
    let shown = [took[calls / 2], took[calls - 1 - calls / 1000], took[calls - 1]];
    let shown = shown.map(|it| format!("{:>10.2}", it.as_secs_f64() * 1e6)).concat();
    println!("{name:40}{calls:>10}{shown}");
    Ok(())
}

/// Time on processors so far.
fn processor_time(of: UsageWho) -> Outcome<Duration> {
    let usage = getrusage(of)?;
    let microseconds = |it: TimeVal| it.num_microseconds().unsigned_abs();
    Ok(Duration::from_micros(microseconds(usage.user_time()) + microseconds(usage.system_time())))
}

/// The largest resident size of a process so far, in kB of 1024 bytes (proc(5)).
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

const TOPIC: &str = "bench/throughput";
/// Bytes of each message.
const PAYLOAD: usize = 100;
/// Messages in flight, where that is not what is measured: the default.
const WINDOW: usize = 100;
/// How long to wait for room, or for the end: short beside what takes part in a second, long beside a system call.
const PAUSE: Duration = Duration::from_millis(1);
/// How often the size of a process is looked at.
const LOOK: Duration = Duration::from_millis(5);
