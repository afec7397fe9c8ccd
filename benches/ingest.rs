//! How many readings a second a producer can tell the bridge, beside those that are merely offered, and beside messages of its
//! own.
//!
//! `scripts/bench ingest` runs it. The broker is a Mosquitto on the loopback. One thread hands over the readings of one
//! sensor as fast as they are taken; each way runs in a process of its own, one after the other, round for round, and
//! what is printed is the median of the rounds. Arguments: `--readings N` a way and round (200,000), `--rounds N` (5).

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

use luigi_mqtt::bridge::{Accepted, Handle, RefusedBecause, Telling};
use luigi_mqtt::client::{Core, presence};
use luigi_mqtt::config::{Config, Environment};
use luigi_mqtt::entity::Sensor;
use luigi_mqtt::model::{Delivery, Health, Message, ObjectId, Reading, SpoolMode, Topic};
use luigi_mqtt::outbox::{News, Notice};
use luigi_mqtt::worker::Pulses;

#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/options.rs"]
mod options;

use mosquitto::Mosquitto;
use options::{number, option};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let readings = number("--readings", 200_000)?;
    if let Some(way) = &option("--way") {
        return run(way, number("--port", 0)?, readings);
    }
    let (rounds, broker) = (number("--rounds", 5)?, Mosquitto::start()?);
    let mut runs: Vec<Vec<[f64; 3]>> = WAYS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (way, runs) in WAYS.iter().zip(&mut runs) {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--way", way, "--port", &broker.port.to_string()]);
            let output = command.args(["--readings", &readings.to_string()]).output()?;
            if !output.status.success() {
                return Err(format!("{way}: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
            let said = String::from_utf8(output.stdout)?;
            let mut figures = said.split_whitespace().map(str::parse);
            let mut next = || figures.next().ok_or("too few figures");
            runs.push([next()??, next()??, next()??]);
        }
    }
    println!("\n{readings} of one sensor, median of {rounds}:");
    println!(
        "{:34}{}",
        "",
        ["a second", "of offered", "CPU µs each", "sent"].map(|it| format!("{it:>12}")).concat()
    );
    let median = |runs: &[[f64; 3]], of: usize| {
        let mut values: Vec<f64> = runs.iter().map(|it| it[of]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let offered = median(&runs[0], 0);
    for (way, runs) in WAYS.iter().zip(&runs) {
        let [rate, cpu, sent] = [0, 1, 2].map(|of| median(runs, of));
        println!("{way:34}{rate:>12.0}{:>12.2}{cpu:>12.2}{sent:>12.0}", rate / offered);
    }
    Ok(())
}

/// Hands over so many readings in this `way`. Prints how many a second were taken from the first to the last, the time on
/// processors for each in µs, and how many messages went out.
fn run(way: &str, port: u16, readings: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let text = format!("[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Logging]\nLOG_FILE=\n");
    let path = folder.path().join("luigi-mqtt.conf");
    std::fs::write(&path, text)?;
    let mut config = Config::load(Some(&path), &Environment::new("bench", std::path::Path::new("/")))?;
    config.spool.directory = folder.path().to_owned();
    config.spool.mode = SpoolMode::Outage;
    let health = Health::default();
    let entity = Sensor::new("attic", "Attic").build()?;
    let (stop, stopped) = bounded(0);
    let mut core =
        Core::start(&config, presence(&config)?, [entity], health.clone(), stopped, Pulses::default())?;
    let handle = core.handle();
    let (tell_room, room) = bounded(1);
    handle.when_room(move || _ = tell_room.try_send(()));
    let bridge = thread::spawn(move || {
        core.run();
        core.finish(Duration::from_secs(2))
    });
    // What waits for the announcement's end shows when that was.
    let first = Message::retained(Topic::new("bench/ingest")?, *b"", handle.qos());
    handle.publish_with_notice(first, Delivery::Every)?.wait(Duration::from_secs(60))?;
    let before = (health.delivered(), processor_time()?);
    let producer = Producer { handle, room, ended: Arc::default() };
    let began = Instant::now();
    for number in 0..readings {
        producer.hand_over(way, number)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    while way == "told, with a notice" && producer.ended.load(Relaxed) < readings as u64 {
        thread::sleep(Duration::from_millis(1));
    }
    let ran = (processor_time()? - before.1).as_secs_f64() * 1e6;
    println!("{} {} {}", readings as f64 / seconds, ran / readings as f64, health.delivered() - before.0);
    drop::<Sender<_>>(stop);
    bridge.join().map_err(|_| "the bridge panicked")?;
    Ok(())
}

/// Who has the readings.
struct Producer {
    handle: Handle,
    /// Says when to try again.
    room: Receiver<()>,
    /// How many notices have come to their end.
    ended: Arc<AtomicU64>,
}

impl Producer {
    fn hand_over(&self, way: &str, number: usize) -> Outcome<()> {
        let reading = Reading::new(ObjectId::new("attic")?, (number as f64).into());
        match way {
            "offered, and again until taken" => {
                while !self.handle.offer(reading.clone()) {
                    thread::yield_now();
                }
            }
            "told" => self.until_taken(Telling::from(reading), |it| self.handle.tell(it, None))?,
            "told, with a notice" => self.until_taken(Telling::from(reading), |it| {
                let ended = Arc::clone(&self.ended);
                let notice = Notice::new(move |news| {
                    ended.fetch_add(u64::from(matches!(news, News::Ended(_))), Relaxed);
                });
                self.handle.tell(it, Some(notice))
            })?,
            _ => {
                let payload = number.to_string().into_bytes();
                let message = Message::retained(Topic::new("bench/ingest")?, payload, self.handle.qos());
                self.until_taken(message, |message| {
                    let submitted = self.handle.submit(message, Delivery::Latest, None);
                    submitted.map_err(|it| (it.message, it.cause))
                })?;
            }
        }
        Ok(())
    }

    /// Hands over `it` by `hand`, and sleeps while there is no room.
    fn until_taken<T>(
        &self,
        mut it: T,
        hand: impl Fn(T) -> Result<Accepted, (T, RefusedBecause)>,
    ) -> Outcome<()> {
        loop {
            match hand(it) {
                Ok(_) => return Ok(()),
                Err((back, RefusedBecause::Full)) => it = back,
                Err((_, cause)) => return Err(cause.into()),
            }
            self.room.recv()?;
        }
    }
}

/// Time on processors so far.
fn processor_time() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let microseconds = |it: TimeVal| it.num_microseconds().unsigned_abs();
    Ok(Duration::from_micros(microseconds(usage.user_time()) + microseconds(usage.system_time())))
}

/// The first is what the others are compared with.
const WAYS: [&str; 4] =
    ["offered, and again until taken", "told", "told, with a notice", "published, the newest of a topic"];
