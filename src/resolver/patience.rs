//! Waiting for several at once, and how long it took.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};

use crate::worker::poll_timeout;

/// Waits until there is something to read from one of `sources`, or their end, until `deadline` at most. May return early for
/// no reason.
pub(super) fn wait_for_any<'a>(sources: impl Iterator<Item = BorrowedFd<'a>>, deadline: Instant) {
    let mut sources: Vec<PollFd<'_>> = sources.map(|it| PollFd::new(it, PollFlags::POLLIN)).collect();
    let left = deadline.saturating_duration_since(Instant::now());
    // What is wrong with one of them is found when it is read.
    let _ = poll(&mut sources, poll_timeout(Some(left)));
}

/// A duration for people: `5 s`, `2.5 s`.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.as_secs_f32() * 10.0).round();
        write!(f, "{} s", tenths / 10.0)
    }
}
