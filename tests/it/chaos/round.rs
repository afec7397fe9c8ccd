//! One round: a storm over a publisher, and then the account of what came through it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::support::Configuration;
use crate::support::LIMIT;
use crate::support::Relay;

use super::broker::{Broker, Control};
use super::disk::Disk;
use super::journal::Journal;
use super::ledger::{Ledger, Promise, Totals};
use super::publisher::{Publisher, Work};
use super::series::{CONTROL, OURS, Series};
use super::storm::{Fault, Storm};
use super::subscriber::Subscriber;

/// What is promised under which faults.
pub(super) struct Trial {
    /// As it is called in reports, and in the test that runs it.
    pub(super) name: &'static str,
    /// `[Spool] MODE`.
    pub(super) mode: &'static str,
    /// `[Client] CLEAN_SESSION`.
    pub(super) clean_session: &'static str,
    /// What is published.
    pub(super) series: &'static [Series],
    /// What may go wrong.
    pub(super) faults: &'static [&'static [Fault]],
}

/// What one or more rounds came to.
#[derive(Default)]
pub(super) struct Summary {
    totals: Totals,
    /// What was lost by what the publisher itself says was damaged.
    lost: u64,
    strikes: BTreeMap<Fault, u64>,
    connections: usize,
    /// How often the publisher said that the card takes nothing.
    failures: usize,
}

/// Runs `trial` for `duration` as `seed` has it, and for as long as it takes then for all to arrive.
///
/// # Errors
///
/// The report of what was not kept.
pub(super) fn run(trial: &Trial, seed: u64, duration: Duration) -> Result<Summary, String> {
    let folder = tempfile::Builder::new().prefix("chaos-").tempdir().unwrap();
    let mut random = Rng::with_seed(seed);
    let journal = Arc::new(Journal::new());
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    ledger.lock().unwrap().open(CONTROL, Promise::All);
    trial.series.iter().for_each(|it| ledger.lock().unwrap().open(it.topic, it.promise));

    let broker = Broker::start();
    let relay = Relay::start(broker.alone().port());
    let faults = trial.faults.concat();
    let disk = Disk::new(folder.path().join("spool"), faults.contains(&Fault::FillDisk));
    // With few at a time, each waits for others: no more is asked for than gets through.
    let (window, pauses) =
        random.choice([(1, 100..200), (5, 40..100), (20, 15..60), (100, 10..60)]).expect("there are some");
    let work = Work {
        series: trial.series.to_vec(),
        pause: Duration::from_millis(random.u64(pauses)),
        length: random.usize(20..600),
    };
    journal.note(format!("{work:?}, MAX_IN_FLIGHT={window}"));
    let configuration = Configuration::new(relay.port())
        .set("Client", "KEEPALIVE", 5)
        .set("Client", "CONNECTION_TIMEOUT", 2)
        .set("Client", "RECONNECT_DELAY_MAX", 2)
        .set("Client", "CLEAN_SESSION", trial.clean_session)
        .set("Client", "MAX_IN_FLIGHT", window)
        .set("Spool", "MODE", trial.mode)
        .set("Spool", "DIRECTORY", disk.folder().display())
        .set("Host", "ENABLED", "no")
        .set("Logging", "LOG_LEVEL", "INFO");

    let length = work.length;
    let mut subscriber =
        Subscriber::start(&broker.alone(), length, Arc::clone(&ledger), Arc::clone(&journal));
    let mut publisher =
        Publisher::new(folder.path(), &configuration.text(), work, Arc::clone(&ledger), Arc::clone(&journal));
    publisher.start();
    let control = Control::start(broker.clone(), Arc::clone(&ledger));
    let strikes = BTreeMap::new();
    let mut storm = Storm {
        random,
        faults,
        relay: &relay,
        broker: &broker,
        subscriber: &mut subscriber,
        publisher: &mut publisher,
        disk: &disk,
        journal: &journal,
        strikes,
    };
    storm.rage(duration);
    let strikes = storm.strikes;

    // What is accepted by now arrives while more is accepted, and that when the publisher ends in order; but for what
    // is left on the card then.
    wait_for_arrival("while it goes on", &ledger, &journal, &publisher);
    publisher.stop();
    drop(control);
    if publisher.has_left_something() {
        publisher.start_without_work();
    }
    wait_for_arrival("after its end", &ledger, &journal, &publisher);
    publisher.stop();
    subscriber.go();

    // What is beyond its limit for QoS 2 it throws away, and in MQTT 3.1.1 acknowledges it all the same.
    let mosquitto = broker.alone().log();
    match mosquitto.matches(", rc151)").count() {
        0 => {}
        count => {
            journal.check(Err(format!("the broker threw away {count}: too many were unfinished at QoS 2")))
        }
    }
    if publisher.log().contains("panicked at") {
        journal.check(Err("a thread of the publisher has panicked".to_owned()));
    }
    let ledger = ledger.lock().unwrap();
    let times = |words: &str| publisher.log().matches(words).count();
    let summary = Summary {
        totals: ledger.totals(OURS),
        lost: publisher.lost(),
        strikes,
        connections: times("] connected to the broker"),
        failures: times("] no spool: "),
    };
    if summary.totals.accepted == 0 || ledger.totals(CONTROL).received == 0 {
        journal.check(Err("nothing was shown, for nothing was published".to_owned()));
    }
    if !journal.has_complaints() {
        return Ok(summary);
    }
    fs::write(folder.path().join("mosquitto.log"), &mosquitto).unwrap();
    fs::write(folder.path().join("journal"), journal.text()).unwrap();
    disk.copy(&folder.path().join("spool-at-the-end"));
    drop(disk);
    Err(format!(
        "{} with seed {seed}: {summary}\n{}\nthe publisher's log ends:\n{}\nthe broker's log ends:\n{}\nall is in {}",
        trial.name,
        journal.text(),
        tail(&publisher.log()),
        tail(&mosquitto),
        folder.keep().display()
    ))
}

/// Waits until all that is accepted by now has arrived, but for as many as the publisher says were damaged; for as
/// long as it gets less.
fn wait_for_arrival(when: &str, ledger: &Mutex<Ledger>, journal: &Journal, publisher: &Publisher) {
    journal.note(format!("all is to arrive {when}"));
    let moment = ledger.lock().unwrap().moment();
    let mut least = usize::MAX;
    let mut deadline = Instant::now();
    loop {
        let missing = ledger.lock().unwrap().missing(&moment);
        let count = missing.values().map(|(_, count)| *count).sum::<usize>();
        if count == 0 || count as u64 <= publisher.lost() {
            return;
        }
        if count < least {
            (least, deadline) = (count, Instant::now() + 2 * LIMIT);
        } else if Instant::now() > deadline {
            for (topic, (first, count)) in missing {
                journal.check(Err(format!("{topic}: {count} are missing {when}, {first:?} first")));
            }
            return;
        }
        thread::sleep(STEP);
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

impl Summary {
    /// Counts those of `other` as well.
    pub(super) fn add(&mut self, other: Summary) {
        self.totals = self.totals + other.totals;
        self.lost += other.lost;
        self.connections += other.connections;
        self.failures += other.failures;
        other.strikes.into_iter().for_each(|(fault, count)| *self.strikes.entry(fault).or_default() += count);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { accepted, refused, received, again } = self.totals;
        let Summary { lost, connections, failures, .. } = self;
        write!(f, "accepted {accepted}, refused {refused}, arrived {received}, arrived again {again}, ")?;
        write!(f, "damaged and told so {lost}; connections {connections}, without card {failures}")?;
        self.strikes.iter().try_for_each(|(fault, count)| write!(f, ", {fault:?} {count}"))
    }
}

const STEP: Duration = Duration::from_millis(20);
/// So many lines of a log are shown.
const TAIL: usize = 40;
