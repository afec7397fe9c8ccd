//! What it costs a script to publish one value: time and processor time of a process that does so through the daemon, beside
//! `mosquitto_pub`, beside a shell script that calls that, and beside a process that does nothing, in the same run.
//!
//! `scripts/bench command` runs it. The broker is a Mosquitto on this machine: reached at once, over TLS, from 5 ms away (a
//! relay holds back what passes, for each direction), and both. All publish with QoS 1; `mosquitto_pub` ends when the broker has
//! acknowledged that, ours when the daemon has accepted it, or with `--wait` when the broker has acknowledged it. The script does
//! what a tool of a few lines does for each value: reads host and port from a configuration, its own host name, the sensor's
//! descriptor with jq where there is one, and the time. Everybody has a turn each round, so that a busy machine is as unfair to one
//! as to the other. Arguments: `--rounds N` (200), `--delay MS` for each direction (5).

use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

#[path = "../tests/it/support/certificates.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod certificates;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/distance.rs"]
mod distance;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/options.rs"]
mod options;

use certificates::{EVERYWHERE, Folder, Request};
use daemon::Daemon;
use distance::distance;
use mosquitto::Mosquitto;
use options::number;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (rounds, delay) = (number("--rounds", 200)?, Duration::from_millis(number("--delay", 5)?));
    let folder = Folder::new();
    let [authority, _] = folder.put_authorities();
    folder.put("broker", &Request::new("broker", EVERYWHERE).signed_by(&authority));
    let (certificate, key) = (folder.shown("broker.pem"), folder.shown("broker.key"));
    let plain = Mosquitto::start()?;
    let tls = Mosquitto::start_with(&format!("certfile {certificate}\nkeyfile {key}\n"))?;
    let authority = folder.path("ca.pem");
    let (near, far) = ("on this machine".to_owned(), format!("{delay:?} away"));
    compare(&near, plain.port, None, rounds)?;
    compare(&format!("{near}, TLS"), tls.port, Some(&authority), rounds)?;
    compare(&far, distance(plain.port, delay)?, None, rounds)?;
    compare(&format!("{far}, TLS"), distance(tls.port, delay)?, Some(&authority), rounds)
}

/// Prints what each way takes where the broker at `port` is so far away, and is reached by TLS where it has an `authority`.
fn compare(place: &str, port: u16, authority: Option<&Path>, rounds: usize) -> Outcome<()> {
    let mut lines = format!("HOST=127.0.0.1\nPORT={port}\n");
    if let Some(authority) = authority {
        lines += &format!("TLS_ENABLED=yes\nTLS_CA_CERT={}\n", authority.display());
    }
    let daemon = Daemon::start(&lines, ATTIC, "attic")?;
    let ways = ways(&daemon, port, authority)?;
    let mut runs: Vec<Vec<[f64; 2]>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((name, words), runs) in ways.iter().zip(&mut runs) {
            runs.push(run(words, &daemon).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    println!("\nthe broker {place}, median of {rounds}:");
    let heads = ["ms", "of ours", "CPU ms", "of ours", "99 % ms"];
    println!("{:46}{}", "", heads.map(|it| format!("{it:>10}")).concat());
    let quantile = |runs: &[[f64; 2]], of: usize, share: f64| {
        let mut values: Vec<f64> = runs.iter().map(|it| it[of]).collect();
        values.sort_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * share) as usize]
    };
    let [time, cpu] = [0, 1].map(|of| quantile(&runs[0], of, 0.5));
    for ((name, _), runs) in ways.iter().zip(&runs) {
        let [ms, spent] = [0, 1].map(|of| quantile(runs, of, 0.5));
        let late = quantile(runs, 0, 0.99);
        println!("{name:46}{ms:>10.2}{:>10.2}{spent:>10.2}{:>10.2}{late:>10.2}", ms / time, spent / cpu);
    }
    Ok(())
}

/// Who is compared, each with its words. The first is what the others are compared with.
fn ways(daemon: &Daemon, port: u16, authority: Option<&Path>) -> Outcome<Vec<(&'static str, Vec<String>)>> {
    let ours = [env!("CARGO_BIN_EXE_luigi-mqtt"), "publish", "attic", "21.5"];
    let tool = daemon.path().join("luigi-publish");
    symlink(ours[0], &tool)?;
    let tool = tool.display().to_string();
    let port = port.to_string();
    let mut theirs =
        vec!["mosquitto_pub", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-r", "-t", "a", "-m", "21.5"];
    let authority = authority.map(|it| it.display().to_string());
    theirs.extend(authority.iter().flat_map(|it| ["--cafile", it.as_str()]));
    let script = daemon.path().join("script");
    fs::write(&script, SCRIPT)?;
    fs::write(daemon.path().join("attic.json"), DESCRIPTOR)?;
    fs::write(daemon.path().join("script.conf"), format!("[Broker]\nHOST=127.0.0.1\nPORT={port}\n"))?;
    let (script, here) = (script.display().to_string(), daemon.path().display().to_string());
    let mut scripted = vec!["bash", &script, &here, "attic", "21.5"];
    scripted.extend(authority.as_deref());
    let owned = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect();
    Ok(vec![
        ("luigi-mqtt publish", owned(&ours)),
        ("luigi-mqtt publish --wait", owned(&[&ours[..], &["--wait"]].concat())),
        ("luigi-publish", owned(&[&tool, "--sensor", "attic", "--value", "21.5"])),
        ("mosquitto_pub", owned(&theirs)),
        ("a shell script that calls mosquitto_pub", owned(&scripted)),
        ("a process that does nothing (true)", owned(&["true"])),
    ])
}

/// Runs the command, which is to know where `daemon` listens. Returns how long that took, and for how long it and its children were on a processor, in ms.
fn run(words: &[String], daemon: &Daemon) -> Outcome<[f64; 2]> {
    let before = processor_time()?;
    let began = Instant::now();
    let mut command = Command::new(&words[0]);
    command.env("LUIGI_MQTT_SOCKET", daemon.socket());
    let status = command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let took = began.elapsed();
    match status.success() {
        true => Ok([took, processor_time()? - before].map(|it| it.as_secs_f64() * 1000.0)),
        false => Err(status.to_string().into()),
    }
}

/// The time on processors of all that was waited for.
fn processor_time() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = |it: TimeVal| it.num_microseconds().unsigned_abs();
    Ok(Duration::from_micros(microseconds(usage.user_time()) + microseconds(usage.system_time())))
}

const ATTIC: &str = "[Sensor attic]\nSOURCE=socket\nDEVICE_CLASS=temperature\nUNIT=°C\n";
const DESCRIPTOR: &str =
    r#"{"sensor_id":"attic","name":"Attic","module":"bench","device_class":"temperature"}"#;
/// Folder, sensor, value, and the authority where there is TLS.
const SCRIPT: &str = r#"
set -eu
host=$(grep '^HOST=' "$1/script.conf" | cut -d= -f2)
port=$(grep '^PORT=' "$1/script.conf" | cut -d= -f2)
name=$(hostname)
class=
if command -v jq >/dev/null; then class=$(jq -r '.device_class // empty' "$1/$2.json"); fi
case $class in motion | door | window) component=binary_sensor ;; *) component=sensor ;; esac
echo "$(date '+%Y-%m-%d %H:%M:%S') $2 $3" >>"$1/script.log"
mosquitto_pub -h "$host" -p "$port" -i "luigi_$name" -q 1 -r ${4:+--cafile "$4"} \
    -t "homeassistant/$component/luigi-$name/$2/state" -m "$3"
"#;
