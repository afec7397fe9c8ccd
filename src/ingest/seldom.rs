//! What may happen a thousand times a second and is in the log a few times an hour: [`Seldom`].

use std::fmt;
use std::time::{Duration, Instant};

/// Something that whoever opens the socket can bring about. It is logged when it happens, and then for a while no more: nobody
/// shall fill a card by it.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// It happened at `now`: a warning, or one more that is counted.
    pub(super) fn warn(&mut self, now: Instant, what: impl fmt::Display) {
        match self.count(now) {
            None => {}
            Some(0) => log::warn!("{what}"),
            Some(unsaid) => log::warn!("{what} (and {unsaid} times like it before)"),
        }
    }

    /// How often it went without a word before this one, which is to be said; `None` where it is not.
    fn count(&mut self, now: Instant) -> Option<u64> {
        if self.said_at.is_some_and(|it| now.saturating_duration_since(it) < PAUSE) {
            self.unsaid += 1;
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// A hundred lines a day at most.
const PAUSE: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_soon_is_only_counted() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        let said: Vec<_> =
            [0, 1, 899, 900, 901, 1800].map(|it| seldom.count(start + Duration::from_secs(it))).into();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
