//! How many of several were accepted: [`Tally`].

use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::answer::{json, sentence};
use super::super::complain;
use super::super::say;
use super::super::socket::Mark;
use crate::protocol::Failure;
use crate::protocol::Reply;
use crate::service::signal::EXIT_AT_ONCE;

/// What became of several requests so far, told as it goes: to programs each answer, to people what was refused, and at a
/// terminal the numbers.
#[derive(Debug)]
pub(super) struct Tally {
    asked: AtomicU64,
    accepted: AtomicU64,
    /// Refused by whoever was asked.
    declined: AtomicU64,
    /// Never asked, for they were no requests.
    unfit: AtomicU64,
    json: bool,
    /// When the numbers were last written; `None` where nobody watches.
    drawn: Option<Mutex<Instant>>,
}

impl Tally {
    /// Of nothing yet. With `json`, answers are printed; where somebody `watches`, the numbers are written as they grow.
    pub(super) fn new(json: bool, watches: bool) -> Tally {
        let [asked, accepted, declined, unfit] = Default::default();
        let drawn = watches.then(|| Mutex::new(Instant::now()));
        Tally { asked, accepted, declined, unfit, json, drawn }
    }

    /// At Ctrl-C, and whatever else ends the process in good order, says what was accepted by then.
    pub(super) fn tell_when_interrupted(self: &Arc<Tally>) {
        let tally = Arc::clone(self);
        // Without a handler it ends all the same, silently.
        let _ = ctrlc::set_handler(move || {
            tally.ended_early("interrupted");
            process::exit(EXIT_AT_ONCE);
        });
    }

    /// A request is on its way.
    pub(super) fn asked(&self) {
        self.asked.fetch_add(1, Relaxed);
    }

    /// It was answered.
    pub(super) fn answered(&self, mark: &Mark, reply: Reply) {
        match reply {
            Reply::Failed(failure) => {
                self.declined.fetch_add(1, Relaxed);
                self.tell(mark, failure);
            }
            reply => {
                self.accepted.fetch_add(1, Relaxed);
                if self.json {
                    say(&json(reply, mark.fields()));
                }
            }
        }
        self.draw();
    }

    /// A line is no request.
    pub(super) fn refused(&self, mark: &Mark, failure: Failure) {
        self.unfit.fetch_add(1, Relaxed);
        self.tell(mark, failure);
    }

    /// There are no more lines to be had.
    pub(super) fn broke_off(&self, error: &io::Error) {
        self.unfit.fetch_add(1, Relaxed);
        self.clear();
        complain(format_args!("luigi-mqtt: cannot read standard input: {error}"));
    }

    /// How many were refused, by whomever.
    pub(super) fn failed(&self) -> u64 {
        self.declined.load(Relaxed) + self.unfit.load(Relaxed)
    }

    /// Writes the numbers for the last time, where somebody watches.
    pub(super) fn ended(&self) {
        if self.drawn.is_some() {
            self.clear();
            complain(format_args!("{}", self.sentence()));
        }
    }

    /// Says how far it came until `what`, to whomever.
    pub(super) fn ended_early(&self, what: &str) {
        self.clear();
        let answered = self.accepted.load(Relaxed) + self.declined.load(Relaxed);
        let open = match self.asked.load(Relaxed).saturating_sub(answered) {
            0 => String::new(),
            open => format!(", {open} without an answer"),
        };
        complain(format_args!("luigi-mqtt: {what}: {}{open}", self.sentence()));
    }

    fn sentence(&self) -> String {
        format!("{} accepted, {} refused", self.accepted.load(Relaxed), self.failed())
    }

    fn tell(&self, mark: &Mark, failure: Failure) {
        if self.json {
            return say(&json(Reply::Failed(failure), mark.fields()));
        }
        self.clear();
        complain(format_args!("luigi-mqtt: line {}: {}", mark.line, sentence(&failure)));
    }

    /// Writes the numbers, where somebody watches and has not seen them for a while.
    fn draw(&self) {
        let Some(drawn) = &self.drawn else { return };
        let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.elapsed() >= PAUSE {
            *drawn = Instant::now();
            let _ = write!(io::stderr(), "\r\x1b[K{}", self.sentence());
        }
    }

    /// Takes the numbers away, for a line of text.
    fn clear(&self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Faster than anybody reads, and nothing beside what is told.
const PAUSE: Duration = Duration::from_millis(100);
