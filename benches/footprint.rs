//! What the daemon costs: time to `online`, memory, threads, wake-ups and processor time when idle, beside a peer.
//!
//! `scripts/bench` runs it. The broker is the mock one, in this process; the machine is the fixture of a Pi Zero W,
//! so that every host sensor is on. Arguments: `--seconds N` of idling (60), `--peer "COMMAND"` to measure in
//! the same run: it gets the broker's port as its last argument.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|it| it == name).and_then(|at| arguments.get(at + 1));
    let idle = Duration::from_secs(option("--seconds").map_or(Ok(60), |it| it.parse())?);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let daemon = Path::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
    println!("binary: {} kB on disk", fs::metadata(daemon)?.len() / 1000);

    let mut starts: Vec<f64> =
        (0..STARTS).map(|_| time_to_online(daemon, folder)).collect::<Result<_, _>>()?;
    starts.sort_by(f64::total_cmp);
    let (fastest, median, slowest) = (starts[0], starts[STARTS / 2], starts[STARTS - 1]);
    println!(
        "exec to acknowledged online: {median:.1} ms ({fastest:.1} to {slowest:.1}, median of {STARTS})"
    );

    let broker = Broker::start(Settings::default())?;
    let port = broker.address().port();
    let mut subjects = vec![
        ("luigi-mqtt, all host sensors", start(daemon, folder, port, "all")?),
        ("luigi-mqtt, no sensors", start(daemon, folder, port, "none")?),
    ];
    if let Some(peer) = option("--peer") {
        let command = format!("exec {peer} {port}");
        subjects.push(("peer", Running(Command::new("sh").args(["-c", &command]).spawn()?)));
    }
    thread::sleep(SETTLE);
    let before: Vec<Usage> = subjects.iter().map(|(_, it)| Usage::of(it.0.id())).collect::<Result<_, _>>()?;
    thread::sleep(idle);

    println!("\nidle for {} s, after {} s to settle:", idle.as_secs(), SETTLE.as_secs());
    let heads = ["VmRSS kB", "RssAnon", "Pss", "threads", "wake-ups/min", "CPU s/hour"];
    println!("{:30}{}", "", heads.map(|it| format!("{it:>13}")).concat());
    let minutes = idle.as_secs_f64() / 60.0;
    let mut sizes = Vec::new();
    for ((name, subject), before) in subjects.iter().zip(&before) {
        let usage = Usage::of(subject.0.id())?;
        let wakes = (usage.switches() - before.switches()) as f64 / minutes;
        let cpu = (usage.ran - before.ran).as_secs_f64() / minutes * 60.0;
        let Usage { rss, anonymous, proportional, .. } = usage;
        let threads = usage.threads.len();
        println!("{name:30}{rss:>13}{anonymous:>13}{proportional:>13}{threads:>13}{wakes:>13.1}{cpu:>13.2}");
        for (thread, switches) in &usage.threads {
            let earlier = before.threads.iter().find(|(name, _)| name == thread).map_or(0, |it| it.1);
            println!("  {thread:80}{:>13.1}", (switches - earlier) as f64 / minutes);
        }
        sizes.push((rss as f64, anonymous as f64));
    }
    if let [ours, _, peer] = sizes[..] {
        println!("\npeer / ours: VmRSS {:.1}, RssAnon {:.1}", peer.0 / ours.0, peer.1 / ours.1);
    }
    Ok(())
}

/// Milliseconds from starting the daemon to its `online` being acknowledged.
fn time_to_online(daemon: &Path, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let broker = Broker::start(Settings::default())?;
    let publishes = broker.publishes(1024);
    let began = Instant::now();
    let _running = start(daemon, folder, broker.address().port(), "all")?;
    loop {
        // The mock broker acknowledges a message right where it shows it.
        let publish = publishes.recv_timeout(Duration::from_secs(10))?;
        if publish.topic.as_str().ends_with("/availability") {
            return Ok(began.elapsed().as_secs_f64() * 1000.0);
        }
    }
}

/// Starts the daemon on the fixture of a Pi Zero W with `sensors` and the broker at `port`.
fn start(daemon: &Path, folder: &Path, port: u16, sensors: &str) -> Result<Running, Box<dyn Error>> {
    let config = folder.join(format!("bench-{port}-{sensors}.conf"));
    let text = format!(
        "[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Client]\nCLIENT_ID=luigi-{sensors}\n\
         [Logging]\nLOG_FILE=\nLOG_LEVEL=WARNING\n[Host]\nSENSORS={sensors}\n"
    );
    fs::write(&config, text)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/host/pi-zero-w");
    let mut command = Command::new(daemon);
    command.args(["run", "--config"]).arg(&config).env("LUIGI_MQTT_ROOT", root);
    Ok(Running(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?))
}

/// A process that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process has and has used, from `/proc` (proc(5)). Sizes in kB of 1024 bytes.
struct Usage {
    rss: u64,
    anonymous: u64,
    proportional: u64,
    /// Each thread's voluntary context switches: it goes to sleep once for each time it has woken.
    threads: Vec<(String, u64)>,
    /// Time on a processor.
    ran: Duration,
}

impl Usage {
    fn of(process: u32) -> Result<Usage, Box<dyn Error>> {
        let process = Path::new("/proc").join(process.to_string());
        let status = fs::read_to_string(process.join("status"))?;
        let mut threads = Vec::new();
        let mut ran = Duration::ZERO;
        for thread in fs::read_dir(process.join("task"))? {
            let thread = thread?.path();
            let name = fs::read_to_string(thread.join("comm"))?.trim().to_owned();
            threads.push((
                name,
                field(&fs::read_to_string(thread.join("status"))?, "voluntary_ctxt_switches:")?,
            ));
            let schedule = fs::read_to_string(thread.join("schedstat"))?;
            ran += Duration::from_nanos(schedule.split(' ').next().ok_or("no schedstat")?.parse()?);
        }
        Ok(Usage {
            rss: field(&status, "VmRSS:")?,
            anonymous: field(&status, "RssAnon:")?,
            proportional: field(&fs::read_to_string(process.join("smaps_rollup"))?, "Pss:")?,
            threads,
            ran,
        })
    }

    fn switches(&self) -> u64 {
        self.threads.iter().map(|it| it.1).sum()
    }
}

/// The number after `name` in a file of `name value` lines.
fn field(text: &str, name: &str) -> Result<u64, Box<dyn Error>> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).ok_or(format!("no {name}"))?;
    Ok(value.split_whitespace().next().ok_or(format!("no {name}"))?.parse()?)
}

/// How often the start is timed.
const STARTS: usize = 21;
/// How long connecting, announcing and the first samples are over after.
const SETTLE: Duration = Duration::from_secs(10);
