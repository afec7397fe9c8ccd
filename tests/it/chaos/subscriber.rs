//! Who sees what arrives: `mosquitto_sub`, with a session that outlives connections and brokers.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::Signal;

use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::Process;
use crate::support::wait_until_or;

use super::journal::Journal;
use super::ledger::Ledger;
use super::series::{CONTROL, number};

/// A subscription to all series, straight to the broker, which keeps for it what comes while it is away.
pub(super) struct Subscriber {
    length: usize,
    ledger: Arc<Mutex<Ledger>>,
    journal: Arc<Journal>,
    is_subscribed: Arc<AtomicBool>,
    process: Option<(Process, JoinHandle<()>)>,
}

impl Subscriber {
    /// Begins to enter what arrives into `ledger`, when the subscription stands. Our own payloads have `length` bytes.
    pub(super) fn start(
        mosquitto: &Mosquitto,
        length: usize,
        ledger: Arc<Mutex<Ledger>>,
        journal: Arc<Journal>,
    ) -> Subscriber {
        let is_subscribed = Arc::default();
        let mut subscriber = Subscriber { length, ledger, journal, is_subscribed, process: None };
        subscriber.come(mosquitto);
        let arrived = || {
            mosquitto.publish(MARK, "here?", false);
            subscriber.is_subscribed.load(SeqCst)
        };
        wait_until_or("the subscription", LIMIT, arrived, || mosquitto.log());
        subscriber
    }

    /// Connects.
    pub(super) fn come(&mut self, mosquitto: &Mosquitto) {
        let mut command = mosquitto.client("mosquitto_sub");
        // Where more than this are on the way to it, Mosquitto 2.0.11 lets some of the others overtake.
        command.args(["-D", "connect", "receive-maximum", "65535"]);
        // -c keeps the session; -R leaves out retained messages, which a new connection brings once more.
        command.args(["-c", "-i", "chaos-subscriber", "-q", "2", "-R", "-F", r"%t\t%p"]);
        command.args(["-t", "chaos/#", "-t", MARK]);
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let (length, ledger, journal) = (self.length, Arc::clone(&self.ledger), Arc::clone(&self.journal));
        let is_subscribed = Arc::clone(&self.is_subscribed);
        let reader = Process::each_line(process.stdout(), move |line| {
            let (topic, payload) = line.split_once('\t').unwrap_or((&line, ""));
            if topic == MARK {
                is_subscribed.store(true, SeqCst);
                return;
            }
            let number = number(payload, if topic == CONTROL { 0 } else { length });
            journal.check(number.and_then(|it| ledger.lock().unwrap().received(topic, it)));
        });
        self.process = Some((process, reader));
    }

    /// Disconnects, in a moment of silence: it knows of exchanges that it has begun only as long as it runs.
    pub(super) fn go(&mut self) {
        let (mut process, reader) = self.process.take().expect("it runs");
        if let Some(status) = process.ended() {
            self.journal.check(Err(format!("the subscriber has ended by itself: {status}")));
            return;
        }
        process.signal(Signal::SIGTERM);
        process.wait_exit(LIMIT);
        reader.join().unwrap();
    }
}

/// A topic of its own, by which it finds out that it is subscribed.
const MARK: &str = "subscribed";
