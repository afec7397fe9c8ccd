//! Which records are on the card alone.

use std::collections::VecDeque;
use std::ops::Range;

use crate::model::Topic;

/// The numbers of the records that are on the card and not in memory: a range, but for those in the midst that memory
/// has, or had until they were delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct Alone {
    // Invariant: `holes` lie within `range`, in order, and neither at its start nor at its end.
    range: Range<u64>,
    holes: VecDeque<Range<u64>>,
}

/// What is on a card that has failed, and is out of reach.
#[derive(Debug)]
pub(super) struct Away {
    /// Which.
    pub(super) alone: Alone,
    /// How many there are on each topic, as far as that is known.
    pub(super) topics: Vec<(Topic, u64)>,
    /// How many more there are.
    pub(super) others: u64,
}

impl Alone {
    /// All of `range`.
    pub(super) fn new(range: Range<u64>) -> Alone {
        Alone { range, holes: VecDeque::new() }
    }

    /// How many they are.
    pub(super) fn len(&self) -> u64 {
        let holes: u64 = self.holes.iter().map(|it| it.end - it.start).sum();
        self.range.end.saturating_sub(self.range.start) - holes
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The first.
    pub(super) fn first(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.range.start)
    }

    /// Adds `number`, which is higher than all of them.
    pub(super) fn push_back(&mut self, number: u64) {
        if self.is_empty() {
            self.range = number..number;
        } else if number > self.range.end {
            self.holes.push_back(self.range.end..number);
        }
        self.range.end = number + 1;
    }

    /// Adds `number`, where it is just before the first of them. Returns whether it was added.
    pub(super) fn push_front(&mut self, number: u64) -> bool {
        if self.is_empty() {
            self.range = number..number + 1;
        } else if self.range.start == number + 1 {
            self.range.start = number;
        } else {
            return false;
        }
        true
    }

    /// Takes `number` away, where it is the first of them. Returns whether it was.
    pub(super) fn pop(&mut self, number: u64) -> bool {
        let is_first = self.first() == Some(number);
        if is_first {
            self.forget_below(number + 1);
        }
        is_first
    }

    /// Takes those below `number` away. Returns how many there were.
    pub(super) fn forget_below(&mut self, number: u64) -> u64 {
        let before = self.len();
        self.range.start = number.clamp(self.range.start, self.range.end.max(self.range.start));
        while self.holes.front().is_some_and(|it| it.start <= self.range.start) {
            if let Some(hole) = self.holes.pop_front() {
                self.range.start = self.range.start.max(hole.end);
            }
        }
        before - self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_never_among_them() {
        let mut alone = Alone::new(3..5);
        [7, 8, 12].into_iter().for_each(|it| alone.push_back(it));
        assert!(alone.push_front(2) && !alone.push_front(0));
        assert_eq!((alone.first(), alone.len()), (Some(2), 6));
        assert!(!alone.pop(3) && alone.pop(2));
        assert_eq!((alone.forget_below(6), alone.first(), alone.len()), (2, Some(7), 3));
        assert_eq!((alone.forget_below(10), alone.first(), alone.len()), (2, Some(12), 1));
        assert!(!alone.pop(11) && alone.pop(12));
        assert_eq!((alone.first(), alone.len()), (None, 0));
        alone.push_back(20);
        assert_eq!((alone.first(), alone.len()), (Some(20), 1));
    }
}
