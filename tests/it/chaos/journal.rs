//! What happened when, and what was wrong.

use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The notes of one round, by all its threads.
pub(super) struct Journal {
    start: Instant,
    notes: Mutex<Vec<(Duration, String)>>,
    complaints: Mutex<Vec<(Duration, String)>>,
}

impl Journal {
    /// An empty one that begins now.
    pub(super) fn new() -> Journal {
        Journal { start: Instant::now(), notes: Mutex::default(), complaints: Mutex::default() }
    }

    /// Something happened.
    pub(super) fn note(&self, what: impl Into<String>) {
        self.notes.lock().unwrap().push((self.start.elapsed(), what.into()));
    }

    /// Something is wrong, where `outcome` says so.
    pub(super) fn check(&self, outcome: Result<(), String>) {
        if let Err(complaint) = outcome {
            self.complaints.lock().unwrap().push((self.start.elapsed(), complaint));
        }
    }

    /// Whether anything was wrong so far.
    pub(super) fn has_complaints(&self) -> bool {
        !self.complaints.lock().unwrap().is_empty()
    }

    /// All notes with their times, and among them the first complaints.
    pub(super) fn text(&self) -> String {
        let complaints = self.complaints.lock().unwrap();
        let shown = complaints.iter().take(SHOWN).map(|(at, it)| (*at, format!("WRONG: {it}")));
        let mut lines: Vec<(Duration, String)> =
            self.notes.lock().unwrap().iter().cloned().chain(shown).collect();
        lines.sort_by_key(|(at, _)| *at);
        let mut text = String::new();
        for (at, line) in lines {
            let _ = writeln!(text, "{:9.3} s  {line}", at.as_secs_f64());
        }
        if complaints.len() > SHOWN {
            let _ = writeln!(text, "and {} more that are wrong", complaints.len() - SHOWN);
        }
        text
    }
}

/// So many complaints are shown: one mistake may bring thousands.
const SHOWN: usize = 30;
