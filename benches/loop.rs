//! A loop that waits for the edges of a GPIO line and publishes each, 10,000 a second: how long it is in `publish`,
//! what the process takes of the machine meanwhile, and what arrives. Beside the same loop that publishes
//! nothing, and one that merely wakes a thread.
//!
//! `scripts/bench loop` runs it. The broker is a Mosquitto on the loopback. States (of which the newest counts) and
//! events (of which each counts) are published by processes of their own, each with the other two loops first. A loop that is
//! late catches up without a pause, as one does whose edges the kernel has queued. Arguments: `--rate N` a second
//! (10,000), `--seconds N` (10).

use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::{Event as Packets, MqttOptions, Packet, QoS};

use luigi_mqtt::client::EntityHandle;
use luigi_mqtt::entity::{BinarySensor, Event};
use luigi_mqtt::{Client, Config};

#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/options.rs"]
mod options;
#[path = "support/usage.rs"]
mod usage;

use mosquitto::Mosquitto;
use options::{number, option};
use usage::Usage;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let pace = Pace { rate: number("--rate", 10_000)?, seconds: number("--seconds", 10)? };
    if let Some(role) = option("--role") {
        return run(&role, number("--port", 0)?, &pace);
    }
    let broker = Mosquitto::start()?;
    println!("\n{} calls a second for {} s:", pace.rate, pace.seconds);
    for role in ["states", "events"] {
        let arrived = count(broker.port, &format!("{STATES}/{role}"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", role, "--port", &broker.port.to_string()]);
        command.args(["--rate", &pace.rate.to_string(), "--seconds", &pace.seconds.to_string()]);
        if !command.status()?.success() {
            return Err(format!("the process with the {role} has failed").into());
        }
        println!("{:34}{:>12}", "  arrived at a subscriber", settled(&arrived));
    }
    drop(broker);
    Ok(())
}

/// How often the loop goes round.
struct Pace {
    rate: usize,
    seconds: usize,
}

impl Pace {
    /// Goes round, and says how long each `call` took, in ns, and how late the latest was.
    fn go(&self, mut call: impl FnMut(usize)) -> (Vec<u32>, Duration) {
        // Written to, for the memory of what is measured is looked at in the middle.
        let mut took = vec![u32::MAX; self.rate * self.seconds];
        let (began, mut late) = (Instant::now(), Duration::ZERO);
        for (index, took) in took.iter_mut().enumerate() {
            let due = began + Duration::from_secs_f64(index as f64 / self.rate as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let called = Instant::now();
            call(index);
            *took = u32::try_from(called.elapsed().as_nanos()).unwrap_or(u32::MAX);
            late = late.max(called - due);
        }
        (took, late)
    }
}

/// Publishes as `role` says, after the empty loop.
fn run(role: &str, port: u16, pace: &Pace) -> Outcome<()> {
    let spool = tempfile::tempdir()?;
    let config = Config::builder("bench").broker("127.0.0.1", port);
    let client = Client::connect(config.state_topic(STATES).spool_directory(spool.path()).build()?)?;
    client.wait_connected(LIMIT)?;
    let (entity, publish) = match role {
        "states" => (client.register(BinarySensor::new(role, "Line"))?, publish_state as Publish),
        _ => (client.register(Event::new(role, "Edges", ["rising"]))?, publish_event as Publish),
    };
    // The announcement is over, and all that is made once is made.
    thread::sleep(SETTLE);
    publish(&entity, 0);
    thread::sleep(SETTLE);

    compare(pace)?;
    let begin = Usage::of("self")?;
    let mut refused = 0;
    let mut sizes = Vec::new();
    let middle = pace.rate * pace.seconds / 2;
    let (took, late) = pace.go(|index| {
        if index == middle {
            sizes.extend(Usage::of("self"));
        }
        refused += usize::from(!publish(&entity, index));
    });
    let end = Usage::of("self")?;
    print_calls(role, took, late, &begin, &end, pace);
    let health = client.health();
    client.disconnect(LIMIT);
    println!("{:34}{refused:>12}", "  not taken");
    println!("{:34}{:>12}", "  a newer one took their place", health.replaced());
    println!("{:34}{:>12}", "  dropped", health.dropped());
    sizes.insert(0, begin);
    sizes.push(end);
    for (name, of) in SIZES {
        let sizes: String = sizes.iter().map(|it| format!("{:>12}", of(it))).collect();
        println!("{name:34}{sizes}");
    }
    Ok(())
}

/// Goes round without anything to publish.
fn compare(pace: &Pace) -> Outcome<()> {
    let heads = ["median µs", "99.9 %", "longest", "most late", "wake-ups/s", "CPU %"];
    println!("{:34}{}", "", heads.map(|it| format!("{it:>12}")).concat());
    let before = Usage::of("self")?;
    let (took, late) = pace.go(|index| {
        black_box(index);
    });
    let between = Usage::of("self")?;
    print_calls("nothing", took, late, &before, &between, pace);

    // What a thread that waits costs the one that wakes it: all but a little of a call now and then.
    let (sender, receiver) = crossbeam_channel::bounded::<usize>(256);
    let woken = thread::spawn(move || receiver.iter().map(black_box).sum::<usize>());
    let (took, late) = pace.go(|index| {
        let _ = black_box(sender.try_send(index));
    });
    print_calls("waking a thread", took, late, &between, &Usage::of("self")?, pace);
    drop(sender);
    woken.join().map_err(|_| "the thread that was woken panicked")?;
    Ok(())
}

/// Publishes once; returns whether it was taken.
type Publish = fn(&EntityHandle, usize) -> bool;

fn publish_state(entity: &EntityHandle, index: usize) -> bool {
    entity.publish(index % 2 == 0).is_ok()
}

fn publish_event(entity: &EntityHandle, _: usize) -> bool {
    entity.publish("rising").is_ok()
}

fn print_calls(name: &str, mut took: Vec<u32>, late: Duration, before: &Usage, after: &Usage, pace: &Pace) {
    took.sort_unstable();
    let calls = took.len();
    let shown = [took[calls / 2], took[calls - 1 - calls / 1000], took[calls - 1]];
    let shown = shown.map(|it| format!("{:>12.2}", f64::from(it) / 1e3)).concat();
    let cpu = (after.ran - before.ran).as_secs_f64() / pace.seconds as f64 * 100.0;
    let wakes = (after.switches() - before.switches()) / pace.seconds as u64;
    println!("{name:34}{shown}{:>12.0}{wakes:>12}{cpu:>12.1}", late.as_secs_f64() * 1e6);
}

/// Counts the messages on `topic` from now on.
fn count(port: u16, topic: &str) -> Outcome<Arc<AtomicU64>> {
    let (client, mut connection) = rumqttc::Client::new(MqttOptions::new(topic, "127.0.0.1", port), 10);
    client.subscribe(topic, QoS::AtLeastOnce)?;
    let arrived = Arc::<AtomicU64>::default();
    let counted = arrived.clone();
    let is_subscribed = |it: &Packets| matches!(it, Packets::Incoming(Packet::SubAck(_)));
    while !is_subscribed(&connection.iter().next().ok_or("rumqttc has ended")??) {}
    thread::spawn(move || {
        for packet in connection.iter().map_while(Result::ok) {
            counted.fetch_add(u64::from(matches!(packet, Packets::Incoming(Packet::Publish(_)))), Relaxed);
        }
        drop(client);
    });
    Ok(arrived)
}

/// The count once it stands still.
fn settled(count: &AtomicU64) -> u64 {
    loop {
        let before = count.load(Relaxed);
        thread::sleep(SETTLE);
        if count.load(Relaxed) == before {
            return before;
        }
    }
}

/// One of the sizes of a process.
type Size = fn(&Usage) -> u64;
/// What is looked at before the loop, in the middle and at its end, in kB of 1024 bytes.
const SIZES: [(&str, Size); 3] = [
    ("  VmRSS: begin, middle, end", |it| it.rss),
    ("  RssAnon", |it| it.anonymous),
    ("  Pss", |it| it.proportional),
];
/// Below it are the states.
const STATES: &str = "bench/loop";
/// Longer than a pause after an announcement, and than a message takes.
const SETTLE: Duration = Duration::from_secs(2);
/// Longer than connecting, and than delivering what is left.
const LIMIT: Duration = Duration::from_secs(10);
