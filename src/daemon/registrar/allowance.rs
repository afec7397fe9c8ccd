//! How often a user may have something changed: [`Allowances`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many changes each user has left, for each of which the card is written and Home Assistant told. Users of whom nothing is
/// counted at the moment cost nothing.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    /// When all of a user's changes are made up for: each counts for [`PERIOD`].
    settled_at: BTreeMap<u32, Instant>,
}

impl Allowances {
    /// Takes one change of the user `uid`, at `now`.
    ///
    /// # Errors
    ///
    /// How long it takes until there is one left.
    pub(super) fn take(&mut self, uid: u32, now: Instant) -> Result<(), Duration> {
        self.settled_at.retain(|_, at| *at > now);
        let at = self.settled_at.get(&uid).copied().unwrap_or(now) + PERIOD;
        let excess = (at - now).saturating_sub(PERIOD * BURST);
        if !excess.is_zero() {
            return Err(excess);
        }
        self.settled_at.insert(uid, at);
        Ok(())
    }
}

/// How many changes may come at once: as many as there may be entities, so that after a restart all come back at once.
const BURST: u32 = super::MOST_ENTITIES as u32;
/// And how often they may come for ever: 17,280 a day. With a ledger of 100 kB that is 1.7 GB, of the tens of terabytes that a
/// card lasts.
const PERIOD: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_burst_and_then_one_change_each_period() {
        let (mut allowances, start) = (Allowances::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(allowances.take(1000, start), Ok(()));
        }
        assert_eq!(allowances.take(1000, start), Err(PERIOD));
        assert_eq!(allowances.take(1001, start), Ok(()), "another's");
        let soon = start + PERIOD / 5;
        assert_eq!(allowances.take(1000, soon), Err(PERIOD * 4 / 5));
        let later = start + PERIOD;
        assert_eq!(allowances.take(1000, later), Ok(()));
        assert_eq!(allowances.take(1000, later), Err(PERIOD));
        assert_eq!(allowances.settled_at.len(), 1, "the other's is made up for");
    }
}
