//! The broker that is killed, and the client beside ours that suffers nothing else.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::wait_until_or;

use super::ledger::Ledger;
use super::series::{CONTROL, payload};

/// A Mosquitto that stores sessions, shared between the storm that ends it and [`Control`].
#[derive(Clone)]
pub(super) struct Broker(Arc<Mutex<Mosquitto>>);

impl Broker {
    /// Starts one.
    pub(super) fn start() -> Broker {
        let options = MosquittoOptions {
            persistence: true,
            // However long the subscriber takes, all is kept for it.
            extra: "max_queued_messages 0".to_owned(),
            ..Default::default()
        };
        Broker(Arc::new(Mutex::new(Mosquitto::start(options))))
    }

    /// Nobody else talks to it or ends it meanwhile.
    pub(super) fn alone(&self) -> MutexGuard<'_, Mosquitto> {
        self.0.lock().unwrap()
    }
}

/// Waits until nothing is on its way from or to a broker at `port`: each side has read all, and nothing follows.
///
/// Mosquitto keeps in memory what it has acknowledged, until it saves it; and a subscriber to whom it resumes an
/// exchange from an older moment gets a message twice. Neither is our doing. So it is killed in a moment of silence, just after it has
/// saved: the silence is its own, the publisher is held up in the middle of whatever it was doing.
pub(super) fn wait_for_silence(mosquitto: &Mosquitto) {
    let port = format!(":{:04X}", mosquitto.port());
    let on_the_way = || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let waits = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_ours = fields[1].ends_with(&port) || fields[2].ends_with(&port);
            // The state 0A is a listener's, whose figures mean something else.
            is_ours && fields[3] != "0A" && fields[4] != "00000000:00000000"
        };
        table.lines().skip(1).filter(waits).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut silent_looks = 0;
    let mut length = 0;
    let silent = || {
        let before = std::mem::replace(&mut length, mosquitto.log_length());
        silent_looks = if on_the_way().is_empty() && before == length { silent_looks + 1 } else { 0 };
        silent_looks == SILENT_LOOKS
    };
    wait_until_or("silence at the broker", LIMIT, silent, on_the_way);
}

/// Publishes numbered messages straight to the broker, by `mosquitto_pub`.
pub(super) struct Control {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Begins, and enters each that the broker has acknowledged into `ledger`.
    pub(super) fn start(broker: Broker, ledger: Arc<Mutex<Ledger>>) -> Control {
        let ending = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ending);
        let thread = thread::spawn(move || {
            let mut number = 1;
            while !end.load(SeqCst) {
                broker.alone().publish(CONTROL, payload(number, 0), false);
                ledger.lock().unwrap().accepted(CONTROL, number);
                number += 1;
                thread::sleep(PAUSE);
            }
        });
        Control { ending, thread: Some(thread) }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.ending.store(true, SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// So many looks in a row find nothing on its way.
const SILENT_LOOKS: usize = 5;
/// Each message is a process of its own: few are enough.
const PAUSE: Duration = Duration::from_millis(250);
