//! What 200 sensors that are files cost, each read once a second, half of them with another value each time: memory,
//! threads, wake-ups and processor time of the daemon, beside itself without sensors and beside a peer that reads the
//! same files, in the same run.
//!
//! `scripts/bench sources` runs it. The broker is a Mosquitto on the loopback. Arguments: `--seconds N` of watching (60),
//! `--files N` (200), `--peer "COMMAND"` to measure in the same run: it gets the broker's port, the folder of the files
//! (`0`, `1`, …), and how many there are as its last arguments, and publishes below `bench/peer/` what has changed.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rumqttc::{Event, MqttOptions, Packet, QoS};

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
    let (seconds, count) = (number("--seconds", 60)?, number("--files", 200)?);
    let folder = tempfile::tempdir()?;
    let files = Files::create(folder.path().join("files"), count)?;
    let path = files.folder.clone();
    thread::spawn(move || files.change_each_second());

    let broker = Mosquitto::start()?;
    let (many, none) = (format!("luigi-mqtt, {count} files each second"), "luigi-mqtt, no sensors");
    let mut arrived = vec![Arrivals::count(broker.port, "many")?];
    let mut subjects = vec![
        (many.as_str(), start(folder.path(), broker.port, "many", &sections(&path, count))?),
        (none, start(folder.path(), broker.port, "none", "")?),
    ];
    if let Some(peer) = option("--peer") {
        let command = format!("exec {peer} {} '{}' {count}", broker.port, path.display());
        arrived.push(Arrivals::count(broker.port, "peer")?);
        subjects.push(("peer, the same files", Running(Command::new("sh").args(["-c", &command]).spawn()?)));
    }
    let sizes = watch(&subjects, Duration::from_secs(seconds))?;
    if let [ours, _, peer] = sizes[..] {
        println!("\npeer / ours: VmRSS {:.1}, RssAnon {:.1}", peer.0 / ours.0, peer.1 / ours.1);
    }
    println!("\nmessages a second at a subscriber, of {} that are to be told:", count.div_ceil(2));
    let before: Vec<u64> = arrived.iter().map(Arrivals::so_far).collect();
    thread::sleep(COUNTING);
    for (of, before) in arrived.iter().zip(before) {
        println!("{:46}{:>13.1}", of.whose, (of.so_far() - before) as f64 / COUNTING.as_secs_f64());
    }
    Ok(())
}

/// Small files with a number in each.
struct Files {
    folder: PathBuf,
    open: Vec<File>,
}

impl Files {
    fn create(folder: PathBuf, count: usize) -> Outcome<Files> {
        fs::create_dir(&folder)?;
        let open =
            (0..count).map(|it| File::create(folder.join(it.to_string()))).collect::<Result<_, _>>()?;
        let files = Files { folder, open };
        files.write(1, 0)?;
        Ok(files)
    }

    /// Writes `number` into the first and each `step`th after it. As long as the one before it, so that nobody reads a
    /// part.
    fn write(&self, step: usize, number: u32) -> Outcome<()> {
        for file in self.open.iter().step_by(step) {
            file.write_all_at(format!("{number:08}\n").as_bytes(), 0)?;
        }
        Ok(())
    }

    /// Each other one has another number each second, until the program ends.
    fn change_each_second(self) {
        let began = Instant::now();
        for number in 1.. {
            let due = began + Duration::from_secs(number.into());
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.write(2, number).expect("the files are ours, in a folder that is gone after us");
        }
    }
}

/// A section for each of the files in `folder`.
fn sections(folder: &Path, count: usize) -> String {
    let folder = folder.display();
    (0..count)
        .map(|it| format!("[Sensor file{it}]\nPATH={folder}/{it}\nINTERVAL=1s\nSTATE_CLASS=measurement\n"))
        .collect()
}

/// Starts the daemon with `sections` and the broker at `port`, its states below `bench/<name>`.
fn start(folder: &Path, port: u16, name: &str, sections: &str) -> Outcome<Running> {
    let config = folder.join(format!("{name}.conf"));
    let own = folder.join(name);
    let text = format!(
        "[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Client]\nCLIENT_ID=luigi-{name}\n[Topics]\nSTATE_TOPIC=bench/{name}\n\
         [Spool]\nDIRECTORY={}\n[Logging]\nLOG_FILE=\nLOG_LEVEL=WARNING\n[Host]\nSENSORS=none\n{sections}",
        own.display()
    );
    fs::create_dir(&own)?;
    // Else it warns, for there could be a password in it.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&config)?;
    file.write_all(text.as_bytes())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
    command.args(["run", "--config"]).arg(&config);
    Ok(Running(command.stdin(Stdio::null()).stderr(Stdio::inherit()).spawn()?))
}

/// How many states of somebody have arrived.
struct Arrivals {
    whose: &'static str,
    count: Arc<AtomicU64>,
}

impl Arrivals {
    /// Counts what comes below `bench/<whose>` from now on.
    fn count(port: u16, whose: &'static str) -> Outcome<Arrivals> {
        let options = MqttOptions::new(format!("counts-{whose}"), "127.0.0.1", port);
        let (client, mut connection) = rumqttc::Client::new(options, 10);
        client.subscribe(format!("bench/{whose}/#"), QoS::AtMostOnce)?;
        let count = Arc::<AtomicU64>::default();
        let counted = count.clone();
        thread::spawn(move || {
            for packet in connection.iter().map_while(Result::ok) {
                counted.fetch_add(u64::from(matches!(packet, Event::Incoming(Packet::Publish(_)))), Relaxed);
            }
            drop(client);
        });
        Ok(Arrivals { whose, count })
    }

    fn so_far(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

/// How long what arrives is counted.
const COUNTING: Duration = Duration::from_secs(10);
