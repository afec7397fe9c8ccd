//! What somebody else has done between two events of the loop: [`Chore`].

use std::fmt;
use std::time::Instant;

/// Something that is to be done now and then, and waits for nothing.
pub(super) struct Chore {
    due: Option<Instant>,
    /// Does it, and says when again, where that is known.
    act: Box<dyn FnMut(Instant) -> Option<Instant> + Send>,
}

impl Chore {
    /// `act`, for the first time at `due`.
    pub(super) fn new(due: Instant, act: impl FnMut(Instant) -> Option<Instant> + Send + 'static) -> Chore {
        Chore { due: Some(due), act: Box::new(act) }
    }

    /// When it is due, if it is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Has it done at `due`, and not before.
    pub(super) fn put_off(&mut self, due: Instant) {
        self.due = Some(due);
    }

    /// Does it where it is due at `now`.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.due = (self.act)(now);
        }
    }
}

impl fmt::Debug for Chore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chore").field("due", &self.due).finish_non_exhaustive()
    }
}
