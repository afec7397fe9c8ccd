//! The notices of messages that are on the card alone.

use std::collections::BTreeMap;

use super::super::Notice;
use crate::model::Fate;

/// Notices by the number of the record. Few, for somebody awaits each: those who gave up waiting are forgotten, however
/// long the card is out of use for the broker's sake.
#[derive(Debug, Default)]
pub(super) struct Notices {
    by_number: BTreeMap<u64, Notice>,
    /// With so many, those are looked for that nobody awaits any more.
    sweep_at: usize,
}

impl Notices {
    /// Keeps `notice`, of the record `number`, as long as somebody awaits it.
    pub(super) fn keep(&mut self, number: u64, notice: Notice) {
        if self.by_number.len() >= self.sweep_at {
            self.by_number.retain(|_, it| it.is_awaited());
            self.sweep_at = (self.by_number.len() * 2).max(SWEEP_AT);
        }
        if notice.is_awaited() {
            self.by_number.insert(number, notice);
        }
    }

    /// Takes the notice of the record `number`, which is in memory again.
    pub(super) fn take(&mut self, number: u64) -> Option<Notice> {
        self.by_number.remove(&number)
    }

    /// The records below `number` are lost.
    pub(super) fn lose_below(&mut self, number: u64) {
        let rest = self.by_number.split_off(&number);
        let lost = std::mem::replace(&mut self.by_number, rest);
        lost.into_values().for_each(|it| it.end(Fate::Dropped));
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }
}

/// Fewer cost less than a look at each.
const SWEEP_AT: usize = 64;
