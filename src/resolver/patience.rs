//! Waiting for several at once, and how long it took.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Waits until there is something to read from one of `sources`, or their end, until `deadline` at most. May return early for
/// no reason.
pub(super) fn wait_for_any<'a>(sources: impl Iterator<Item = BorrowedFd<'a>>, deadline: Instant) {
    let mut sources: Vec<PollFd<'_>> = sources.map(|it| PollFd::new(it, PollFlags::POLLIN)).collect();
    // The system waits for whole milliseconds; without one more it would be asked again and again in the last.
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    // What is wrong with one of them is found when it is read.
    let _ = poll(&mut sources, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
}

/// A duration for people: `5 s`, `2.5 s`.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.as_secs_f32() * 10.0).round();
        write!(f, "{} s", tenths / 10.0)
    }
}
