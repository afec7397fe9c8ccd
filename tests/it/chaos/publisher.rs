//! Our own process: `examples/sequence.rs`, which embeds the library.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::LIMIT;
use crate::support::Process;
use crate::support::example;

use super::disk::tolerant;
use super::journal::Journal;
use super::ledger::Ledger;
use super::series::Series;

/// What it publishes, and how.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// These, at the same time.
    pub(super) series: Vec<Series>,
    /// The pause between two messages of a series.
    pub(super) pause: Duration,
    /// The length of a payload in bytes.
    pub(super) length: usize,
}

/// The process over all its lives. What it accepts and refuses goes into the ledger.
pub(super) struct Publisher {
    folder: PathBuf,
    work: Work,
    ledger: Arc<Mutex<Ledger>>,
    journal: Arc<Journal>,
    life: Option<(Process, JoinHandle<()>)>,
    /// How many messages it said were on the card when it ended in order.
    on_card: Arc<AtomicU64>,
}

impl Publisher {
    /// One with `configuration` in `folder`, not yet started.
    pub(super) fn new(
        folder: &Path,
        configuration: &str,
        work: Work,
        ledger: Arc<Mutex<Ledger>>,
        journal: Arc<Journal>,
    ) -> Publisher {
        fs::write(folder.join(CONFIGURATION), configuration).unwrap();
        fs::set_permissions(folder.join(CONFIGURATION), Permissions::from_mode(0o600)).unwrap();
        Publisher { folder: folder.to_owned(), work, ledger, journal, life: None, on_card: Arc::default() }
    }

    /// Starts it, with the numbers after those that were used.
    pub(super) fn start(&mut self) {
        self.start_with(self.work.series.clone());
    }

    /// Starts it with nothing to publish but what is on the card.
    pub(super) fn start_without_work(&mut self) {
        self.start_with(Vec::new());
    }

    fn start_with(&mut self, series: Vec<Series>) {
        let mut command = tolerant(&example(EXAMPLE));
        command.arg(self.folder.join(CONFIGURATION));
        command.args([self.work.pause.as_millis().to_string(), self.work.length.to_string()]);
        for Series { topic, class, qos, .. } in series {
            let first = self.ledger.lock().unwrap().next(topic);
            command.arg(format!("{topic},{class},{qos},{first}"));
        }
        let log = File::options().create(true).append(true).open(self.folder.join(LOG)).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = Process::start(&mut command);
        let (ledger, journal) = (Arc::clone(&self.ledger), Arc::clone(&self.journal));
        let on_card = Arc::clone(&self.on_card);
        let reader = Process::each_line(process.stdout(), move |line| {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["accepted", topic, number] => {
                    ledger.lock().unwrap().accepted(topic, number.parse().unwrap());
                }
                ["refused", topic, number, ..] => {
                    journal.check(ledger.lock().unwrap().refused(topic, number.parse().unwrap()));
                }
                ["stopped;", count, "wait", ..] => {
                    on_card.store(count.parse().unwrap(), SeqCst);
                    journal.note(format!("the publisher says: {line}"));
                }
                _ => journal.check(Err(format!("the publisher says: {line}"))),
            }
        });
        self.life = Some((process, reader));
    }

    /// Its process identifier.
    pub(super) fn id(&self) -> u32 {
        self.life.as_ref().expect("it runs").0.id()
    }

    /// Ends it with SIGKILL.
    pub(super) fn kill(&mut self) {
        let (mut process, reader) = self.life.take().expect("it runs");
        if let Some(status) = process.ended() {
            self.journal.check(Err(format!("the publisher has ended by itself: {status}")));
            return;
        }
        process.kill();
        reader.join().unwrap(); // What it has said until then counts.
        // At most one message of each series was accepted, and not said to be.
        let mut ledger = self.ledger.lock().unwrap();
        self.work.series.iter().for_each(|it| ledger.skip(it.topic));
    }

    /// Whether it has left something on the card when it ended in order.
    pub(super) fn has_left_something(&self) -> bool {
        self.on_card.load(SeqCst) > 0
    }

    /// Ends it in order, if it runs.
    pub(super) fn stop(&mut self) {
        let Some((mut process, reader)) = self.life.take() else { return };
        process.signal(Signal::SIGTERM);
        let deadline = Instant::now() + LIMIT;
        while process.ended().is_none() && Instant::now() < deadline {
            thread::sleep(STEP);
        }
        let Some(status) = process.ended() else {
            let threads = threads(process.id());
            self.journal.check(Err(format!("the publisher does not end; its threads are in {threads}")));
            process.kill();
            return;
        };
        reader.join().unwrap();
        // A signal that comes before it listens to signals finds nothing accepted yet.
        if !status.success() && status.signal() != Some(Signal::SIGTERM as i32) {
            self.journal.check(Err(format!("the publisher has ended with {status}")));
        }
    }

    /// How many messages it says it has lost to damage.
    pub(super) fn lost(&self) -> u64 {
        let log = self.log();
        let before = log.lines().flat_map(|line| LOSSES.iter().filter_map(|words| line.split_once(words)));
        let counts =
            before.map(|(before, _)| before.rsplit(' ').next().and_then(|it| it.parse::<u64>().ok()));
        counts.map(|it| it.expect("the count is the word before")).sum()
    }

    /// Its log over all its lives.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join(LOG)).unwrap_or_default()
    }
}

/// The names of the threads of the process `id`, and what the kernel has each wait for.
fn threads(id: u32) -> String {
    let entries = fs::read_dir(format!("/proc/{id}/task")).unwrap().map(|it| it.unwrap().path());
    let of_thread = |thread: PathBuf| {
        let text = |file: &str| fs::read_to_string(thread.join(file)).unwrap_or_default().trim().to_owned();
        format!("{} ({})", text("comm"), text("wchan"))
    };
    entries.map(of_thread).collect::<Vec<_>>().join(", ")
}

/// What follows the number of messages in a line of its log that says how many it has lost.
const LOSSES: &[&str] = &[
    " messages in it are lost",
    " messages in the spool are damaged, and lost",
    " messages in it are out of reach",
];
const STEP: Duration = Duration::from_millis(10);
const EXAMPLE: &str = "sequence";
const CONFIGURATION: &str = "luigi-mqtt.conf";
const LOG: &str = "publisher.log";
