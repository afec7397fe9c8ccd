//! What the spool costs: bytes that reach the card, rates, and memory with a million messages in it.
//!
//! Arguments: `--folder DIR` for the spool (a new one below `target`); the bytes are those of the whole disk
//! that it is on, so nothing else should use that one. `--seconds N` for each paced row (60; at least five
//! messages), `--records N` (1000000).

use std::error::Error;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use luigi_mqtt::model::Message;
use luigi_mqtt::model::Qos;
use luigi_mqtt::model::Topic;
use luigi_mqtt::outbox::spool::Record;
use luigi_mqtt::outbox::spool::Spool;
use luigi_mqtt::outbox::spool::SpoolEvent;

#[path = "support/options.rs"]
mod options;

use options::{number, option};

fn main() -> Result<(), Box<dyn Error>> {
    let seconds: u64 = number("--seconds", 60)?;
    let records: u64 = number("--records", 1_000_000)?;
    let folder = match option("--folder") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("spool"),
    };
    fs::create_dir_all(&folder)?;
    println!("messages of {PAYLOAD} bytes, {} in the spool", record(0).spool_bytes());

    println!("\n{:40}{:>14}{:>14}{:>14}", "as fast as the card can", "groups/s", "messages/s", "B/message");
    for size in [1, 10, 100] {
        let subject = Subject::start(&folder, 16 << 20)?;
        let (before, began) = (Disk::of(&folder)?, Instant::now());
        let mut groups = 0;
        while began.elapsed() < RATE_TIME {
            subject.append(groups * size..(groups + 1) * size)?;
            groups += 1;
        }
        let rate = groups as f64 / began.elapsed().as_secs_f64();
        let bytes = Disk::of(&folder)?.written - before.written;
        let (messages, each) = (rate * size as f64, bytes / (groups * size));
        println!("{:40}{rate:>14.0}{messages:>14.0}{each:>14}", format!("groups of {size}"));
    }

    println!("\n{:40}{:>14}{:>14}", "at a pace", "B/message", "MB a day");
    for (what, pace, size, delivered) in [
        ("one a second, always, delivered", 1, 1, true),
        ("one a second, always, in an outage", 1, 1, false),
        ("one a second, in an outage", 10, 10, false),
        ("one a minute, always, delivered", 60, 1, true),
        ("one a minute, in an outage", 60, 1, false),
    ] {
        let subject = Subject::start(&folder, 16 << 20)?;
        let before = Disk::of(&folder)?;
        let groups = (seconds / pace).max(5);
        for group in 0..groups {
            let began = Instant::now();
            let next = subject.append(group * size..(group + 1) * size)?;
            if delivered {
                subject.spool.release(next);
            }
            thread::sleep(Duration::from_secs(pace).saturating_sub(began.elapsed()));
        }
        let bytes = Disk::of(&folder)?.written - before.written;
        let a_day = bytes as f64 / groups as f64 * 86_400.0 / pace as f64 / 1e6;
        println!("{what:40}{:>14}{a_day:>14.0}", bytes / (groups * size));
    }

    println!("\n{records} messages in the spool:");
    let empty = resident()?;
    let subject = Subject::start(&folder, 1 << 30)?;
    let began = Instant::now();
    for from in (0..records).step_by(500) {
        subject.append(from..(from + 500).min(records))?;
    }
    println!("stored in {:.1} s", began.elapsed().as_secs_f64());
    assert!(subject.spool.stop(LIMIT));
    let began = Instant::now();
    let (subject, first) = Subject::open(&folder, 1 << 30)?;
    println!("opened and checked in {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let (mut next, mut most) = (first, 0);
    while next < first + records {
        subject.spool.load(next);
        match subject.events.recv_timeout(LIMIT)? {
            SpoolEvent::Loaded { records, .. } => next += records.len() as u64,
            other => return Err(format!("{other:?}").into()),
        }
        subject.spool.release(next);
        most = most.max(resident()?);
    }
    let rate = records as f64 / began.elapsed().as_secs_f64();
    println!("drained at {rate:.0} messages/s; VmRSS {empty} kB without them, {most} kB at most meanwhile");
    Ok(())
}

/// A spool and its events.
struct Subject {
    spool: Spool,
    events: Receiver<SpoolEvent>,
}

impl Subject {
    /// A new spool.
    fn start(folder: &Path, max_bytes: u64) -> Result<Subject, Box<dyn Error>> {
        let _ = fs::remove_file(folder.join("spool"));
        Ok(Subject::open(folder, max_bytes)?.0)
    }

    /// The spool that is there, and the number of its first record.
    fn open(folder: &Path, max_bytes: u64) -> Result<(Subject, u64), Box<dyn Error>> {
        let (sender, events) = bounded(1);
        let spool = Spool::start(folder.to_owned(), max_bytes, sender)?;
        match events.recv_timeout(LIMIT)? {
            SpoolEvent::Opened { first, .. } => Ok((Subject { spool, events }, first)),
            other => Err(format!("{other:?}").into()),
        }
    }

    /// Stores a group and waits for it.
    fn append(&self, numbers: std::ops::Range<u64>) -> Result<u64, Box<dyn Error>> {
        self.spool.append(numbers.map(record).collect());
        loop {
            match self.events.recv_timeout(LIMIT)? {
                SpoolEvent::Stored { next } => return Ok(next),
                SpoolEvent::Dropped { .. } => {}
                other => return Err(format!("{other:?}").into()),
            }
        }
    }
}

fn record(number: u64) -> Record {
    let topic = Topic::new(format!("luigi/pi/counter{}", number % 10)).expect("it is one");
    let payload = format!("{number:>PAYLOAD$}").into_bytes().into();
    let message = Message { topic, payload, qos: Qos::AtLeastOnce, retain: false };
    Record { accepted: 1_700_000_000 + number, message }
}

/// The disk that a folder is on.
struct Disk {
    /// Bytes written to it since the start of the machine.
    written: u64,
}

impl Disk {
    /// The disk of `folder`, after all that waits to be written is.
    fn of(folder: &Path) -> Result<Disk, Box<dyn Error>> {
        Command::new("sync").arg("-f").arg(folder).status()?;
        let device = fs::metadata(folder)?.dev();
        let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
        let figures = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"))?;
        let sectors: u64 = figures.split_whitespace().nth(6).ok_or("no figures of the disk")?.parse()?;
        Ok(Disk { written: sectors * 512 })
    }
}

/// Memory of this process, in kB of 1024 bytes.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().next().ok_or("no VmRSS")?.parse()?)
}

/// Bytes of each payload.
const PAYLOAD: usize = 100;
/// How long each row without a pace takes.
const RATE_TIME: Duration = Duration::from_secs(5);
/// Longer than a card takes for anything.
const LIMIT: Duration = Duration::from_secs(120);
