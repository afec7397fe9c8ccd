//! How many readings a second the daemon takes over one open socket, what each costs it, how long an answer takes, and what
//! memory it has meanwhile; beside a socket on which lines are merely answered, and `mosquitto_pub -l`, in the same run.
//!
//! `scripts/bench socket` runs it. The broker is a Mosquitto on this machine. As many requests as the socket takes are on their way
//! at once, and each answer is looked at; then one at a time. `mosquitto_pub` reads the same values from a file and ends when the
//! broker has acknowledged them all. Everybody has a turn each round. Arguments: `--readings N` a way and round
//! (200,000), `--rounds N` (5), `--answers N` of which the time is taken (50,000).

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/options.rs"]
mod options;
#[path = "support/usage.rs"]
mod usage;

use daemon::Daemon;
use mosquitto::Mosquitto;
use options::number;
use usage::Usage;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (readings, rounds) = (number("--readings", 200_000)?, number("--rounds", 5)?);
    let answers = number("--answers", 50_000)?;
    let broker = Mosquitto::start()?;
    let lines = format!("HOST=127.0.0.1\nPORT={}\n", broker.port);
    let daemon = Daemon::start(&lines, SECTIONS, "attic")?;
    let id = daemon.process.id().to_string();
    let (socket, bare) = (daemon.socket(), daemon.path().join("bare"));
    answer_all(UnixListener::bind(&bare)?);
    let values = daemon.path().join("values");
    fs::write(&values, (0..readings).map(|it| format!("{}\n", value(it))).collect::<String>())?;

    let before = Usage::of(&id)?;
    let mut largest = [before.rss, before.anonymous, before.proportional];
    let mut runs: Vec<Vec<[f64; 3]>> = WAYS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (way, runs) in WAYS.iter().zip(&mut runs) {
            let earlier = Usage::of(&id)?;
            let daemon_took = |seconds| {
                let usage = Usage::of(&id)?;
                Ok::<_, Box<dyn Error>>((
                    seconds,
                    usage.ran - earlier.ran,
                    usage.switches() - earlier.switches(),
                ))
            };
            let (seconds, ran, switches) = match way.request {
                Some(request) if way.is_bare => (ask(&bare, request, readings)?, Duration::ZERO, 0),
                Some(request) => {
                    daemon_took(watching(&id, &mut largest, || ask(&socket, request, readings))?)?
                }
                None => publish_with_mosquitto(broker.port, &values)?,
            };
            let each = |it: f64| it / readings as f64;
            runs.push([1.0 / each(seconds), each(ran.as_secs_f64() * 1e6), each(switches as f64 * 1e3)]);
        }
    }
    println!("\n{readings} over one connection, as many at once as it takes, median of {rounds}:");
    let heads = ["a second", "of ours", "CPU µs each", "naps/1000"];
    println!("{:46}{}", "", heads.map(|it| format!("{it:>12}")).concat());
    let median = |runs: &[[f64; 3]], of: usize| quantile(runs.iter().map(|it| it[of]).collect(), 0.5);
    let ours = median(&runs[0], 0);
    for (way, runs) in WAYS.iter().zip(&runs) {
        let [rate, cpu, naps] = [0, 1, 2].map(|of| median(runs, of));
        println!("{:46}{rate:>12.0}{:>12.2}{cpu:>12.2}{naps:>12.1}", way.name, rate / ours);
    }

    println!("\n{answers} one at a time, µs to the answer:");
    println!("{:46}{}", "", ["median", "99 %", "99.9 %"].map(|it| format!("{it:>12}")).concat());
    for way in &WAYS {
        let Some(request) = way.request else { continue };
        let times = time_answers(if way.is_bare { &bare } else { &socket }, request, answers)?;
        let shown = [0.5, 0.99, 0.999].map(|share| format!("{:>12.1}", quantile(times.clone(), share)));
        println!("{:46}{}", way.name, shown.concat());
    }

    let after = Usage::of(&id)?;
    let asked = readings * rounds * 3 + answers * 3;
    println!(
        "\n{:46}{}",
        "memory of the daemon, kB:",
        ["VmRSS", "RssAnon", "Pss"].map(|it| format!("{it:>12}")).concat()
    );
    let print =
        |when: &str, sizes: [u64; 3]| println!("{when:46}{}", sizes.map(|it| format!("{it:>12}")).concat());
    print("before", [before.rss, before.anonymous, before.proportional]);
    print("most that was seen meanwhile", largest);
    print(&format!("after {asked} requests"), [after.rss, after.anonymous, after.proportional]);
    println!("threads: {} before, {} after", before.threads.len(), after.threads.len());
    Ok(())
}

/// What is asked, of whom.
struct Way {
    name: &'static str,
    /// The request up to its value; `None` of `mosquitto_pub`.
    request: Option<&'static str>,
    /// Whether it is merely answered.
    is_bare: bool,
}

/// Asks so often, and reads each answer. Returns the seconds that took.
fn ask(socket: &Path, request: &'static str, count: usize) -> Outcome<f64> {
    let stream = UnixStream::connect(socket)?;
    let mut writer = stream.try_clone()?;
    let began = Instant::now();
    let asking = thread::spawn(move || {
        for first in (0..count).step_by(AT_ONCE) {
            let some = first..(first + AT_ONCE).min(count);
            let lines: String = some.map(|it| line(request, it)).collect();
            writer.write_all(lines.as_bytes())?;
        }
        Ok::<_, std::io::Error>(())
    });
    let (mut reader, mut answer) = (BufReader::with_capacity(64 << 10, stream), Vec::new());
    for _ in 0..count {
        answer.clear();
        reader.read_until(b'\n', &mut answer)?;
        if answer != ACCEPTED {
            return Err(format!("answered {}", String::from_utf8_lossy(&answer)).into());
        }
    }
    asking.join().map_err(|_| "the thread that asks has panicked")??;
    Ok(began.elapsed().as_secs_f64())
}

/// How long each of so many answers takes, in µs.
fn time_answers(socket: &Path, request: &'static str, count: usize) -> Outcome<Vec<f64>> {
    let stream = UnixStream::connect(socket)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut answer = Vec::new();
    let mut time = |number| {
        let line = line(request, number);
        let began = Instant::now();
        (&stream).write_all(line.as_bytes())?;
        answer.clear();
        reader.read_until(b'\n', &mut answer)?;
        match answer == ACCEPTED {
            true => Ok(began.elapsed().as_secs_f64() * 1e6),
            false => Err(format!("answered {}", String::from_utf8_lossy(&answer)).into()),
        }
    };
    (0..count).map(&mut time).collect()
}

/// Does `it`, and keeps in `largest` the most memory that the process was seen to have meanwhile: VmRSS, RssAnon and Pss.
fn watching<T>(process: &str, largest: &mut [u64; 3], it: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                let Ok(usage) = Usage::of(process) else { return };
                let now = [usage.rss, usage.anonymous, usage.proportional];
                *largest = [0, 1, 2].map(|of| largest[of].max(now[of]));
                thread::sleep(BETWEEN_LOOKS);
            }
        });
        let outcome = it();
        done.store(true, Relaxed);
        outcome
    })
}

/// Has `mosquitto_pub` publish the lines of a file. Returns the seconds that took, its time on a processor, and how often it
/// has gone to sleep.
fn publish_with_mosquitto(port: u16, values: &Path) -> Outcome<(f64, Duration, u64)> {
    let (before, began) = (of_children()?, Instant::now());
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", "bench/socket", "-l"]);
    let status = command.stdin(File::open(values)?).status()?;
    let seconds = began.elapsed().as_secs_f64();
    match status.success() {
        true => {
            let after = of_children()?;
            Ok((seconds, after.0 - before.0, after.1 - before.1))
        }
        false => Err(format!("mosquitto_pub: {status}").into()),
    }
}

/// Has a thread answer each line as if it had accepted it.
fn answer_all(listener: UnixListener) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::with_capacity(8 << 10, &stream);
            while let Ok(bytes @ [_, ..]) = reader.fill_buf() {
                let (count, length) = (bytes.iter().filter(|it| **it == b'\n').count(), bytes.len());
                reader.consume(length);
                if (&stream).write_all(&ACCEPTED.repeat(count)).is_err() {
                    break;
                }
            }
        }
    });
}

fn line(request: &str, number: usize) -> String {
    format!("{request}{}}}\n", value(number))
}

/// Another each time.
fn value(number: usize) -> f64 {
    (number % 1000) as f64 / 10.0
}

/// The value that so large a share of `values` is below.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

/// The time on processors of all that was waited for, and how often it has gone to sleep.
fn of_children() -> Outcome<(Duration, u64)> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = |it: TimeVal| it.num_microseconds().unsigned_abs();
    let ran = Duration::from_micros(microseconds(usage.user_time()) + microseconds(usage.system_time()));
    Ok((ran, usage.voluntary_context_switches() as u64))
}

/// The first is what the others are compared with.
const WAYS: [Way; 5] = [
    Way { name: "readings, of which the newest counts", request: Some(LATEST), is_bare: false },
    Way {
        name: "readings, of which each counts",
        request: Some(r#"{"op":"reading","entity":"meter","value":"#),
        is_bare: false,
    },
    Way {
        name: "messages, QoS 0",
        request: Some(r#"{"op":"publish","topic":"bench/socket","qos":0,"payload":"#),
        is_bare: false,
    },
    Way { name: "merely answered", request: Some(LATEST), is_bare: true },
    Way { name: "mosquitto_pub -l, QoS 1", request: None, is_bare: false },
];
const LATEST: &str = r#"{"op":"reading","entity":"attic","value":"#;
const SECTIONS: &str = "[Sensor attic]\nSOURCE=socket\nDEVICE_CLASS=temperature\nUNIT=°C\n\
                        [Sensor meter]\nSOURCE=socket\nUNIT=m³\nDELIVERY=every\n";
const ACCEPTED: &[u8] = b"{\"ok\":\"accepted\"}\n";
/// How many requests are written at once.
const AT_ONCE: usize = 500;
/// How often its memory is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
