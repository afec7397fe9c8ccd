//! What somebody else has done between two events of the loop: [`Chore`].

use std::fmt;
use std::time::Instant;

/// Something that is to be done now and then, says when it is due next, and waits for nothing.
pub(super) struct Chore {
    due: Instant,
    /// Does it, and says when again.
    act: Box<dyn FnMut(Instant) -> Instant + Send>,
}

impl Chore {
    /// `act`, for the first time at `due`.
    pub(super) fn new(due: Instant, act: impl FnMut(Instant) -> Instant + Send + 'static) -> Chore {
        Chore { due, act: Box::new(act) }
    }

    /// When it is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Does it where it is due at `now`.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.due <= now {
            self.due = (self.act)(now);
        }
    }
}

impl fmt::Debug for Chore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chore").field("due", &self.due).finish_non_exhaustive()
    }
}
