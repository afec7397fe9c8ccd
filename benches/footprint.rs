//! What the daemon costs: time to `online`, memory, threads, wake-ups and processor time when idle, beside a peer.
//!
//! `scripts/bench` runs it. The broker is the mock one, in this process; the machine is the fixture of a Pi Zero W,
//! so that every host sensor is on. Arguments: `--seconds N` of idling (60), `--peer "COMMAND"` to measure in
//! the same run: it gets the broker's port as its last argument.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;

#[path = "support/idle.rs"]
mod idle;
#[path = "support/options.rs"]
mod options;
#[path = "support/usage.rs"]
mod usage;

use idle::{Running, watch};
use options::{number, option};

fn main() -> Result<(), Box<dyn Error>> {
    let idle = Duration::from_secs(number("--seconds", 60)?);
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
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
        ("luigi-mqtt, no sensors, no socket", start(daemon, folder, port, "deaf")?),
    ];
    if let Some(peer) = option("--peer") {
        let command = format!("exec {peer} {port}");
        subjects.push(("peer", Running(Command::new("sh").args(["-c", &command]).spawn()?)));
    }
    let sizes = watch(&subjects, idle)?;
    if let [ours, _, _, peer] = sizes[..] {
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

/// Starts the daemon on the fixture of a Pi Zero W with `sensors`, `all` or `none` of them, and the broker at `port`; `deaf` has no
/// socket either.
fn start(daemon: &Path, folder: &Path, port: u16, sensors: &str) -> Result<Running, Box<dyn Error>> {
    let config = folder.join(format!("bench-{port}-{sensors}.conf"));
    // What an earlier run has announced is none of this one's business.
    let state = folder.join(format!("bench-{port}-{sensors}"));
    fs::create_dir_all(&state)?;
    let (sensors, socket) = if sensors == "deaf" { ("none", "no") } else { (sensors, "yes") };
    let text = format!(
        "[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Client]\nCLIENT_ID=luigi-{sensors}-{socket}\n\
         [Spool]\nDIRECTORY={0}\n[Socket]\nENABLED={socket}\nPATH={0}/socket\n[Logging]\nLOG_FILE=\n\
         LOG_LEVEL=ERROR\n[Host]\nSENSORS={sensors}\n",
        state.display()
    );
    fs::write(&config, text)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/host/pi-zero-w");
    let mut command = Command::new(daemon);
    command.args(["run", "--config"]).arg(&config).env("LUIGI_MQTT_ROOT", root);
    Ok(Running(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?))
}

/// How often the start is timed.
const STARTS: usize = 21;
