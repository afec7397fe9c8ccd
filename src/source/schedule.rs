//! When each source is due.

use std::time::{Duration, Instant};

/// The times at which sources are due: each after its delay, then at whole multiples of its interval
/// after it. So sources whose intervals share multiples are due together, in one waking of the processor, and
/// late samples add up to no drift. Reads no clock.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    // Invariant: within `SHORTEST` and `LONGEST`.
    interval: Duration,
    due: Instant,
}

impl Schedule {
    /// Sources with these intervals, each brought within [`SHORTEST`] and [`LONGEST`], and first due this long
    /// after `start`.
    pub(super) fn new(start: Instant, sources: impl IntoIterator<Item = (Duration, Duration)>) -> Schedule {
        let slot = |(interval, delay): (Duration, _)| {
            let interval = interval.clamp(SHORTEST, LONGEST);
            Slot { interval, due: start + delay }
        };
        Schedule { start, slots: sources.into_iter().map(slot).collect() }
    }

    /// When the next source is due; `None` when there are no sources.
    pub(super) fn next(&self) -> Option<Instant> {
        self.slots.iter().map(|slot| slot.due).min()
    }

    /// Takes the position of a source that is due at `now` or within [`TOGETHER`] of it. Its next time is after
    /// that: whatever was missed, by a slow neighbour or a machine held up, is skipped and not made up for.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<usize> {
        let horizon = now + TOGETHER;
        let position = self.slots.iter().position(|slot| slot.due <= horizon)?;
        let slot = &mut self.slots[position];
        let elapsed = horizon.duration_since(self.start).as_nanos();
        // Less than an interval, and a day of nanoseconds fits in 64 bits many times over.
        let into_interval = Duration::from_nanos((elapsed % slot.interval.as_nanos()) as u64);
        slot.due = horizon + (slot.interval - into_interval);
        Some(position)
    }
}

/// Sources that are due so soon after one another are sampled together.
const TOGETHER: Duration = Duration::from_millis(250);
/// Limits of an interval: those of the configuration.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Which sources are taken at `now_ms`, in their order.
    fn taken(schedule: &mut Schedule, start: Instant, now_ms: u64) -> Vec<usize> {
        let now = start + Duration::from_millis(now_ms);
        let mut taken: Vec<usize> = std::iter::from_fn(|| schedule.take_due(now)).collect();
        taken.sort_unstable();
        taken
    }

    /// Takes what is due at each time of `expected`, and checks that the schedule is due next as stated.
    #[track_caller]
    fn check(intervals_ms: &[u64], expected: &[(u64, &[usize], u64)]) {
        let start = Instant::now();
        let sources = intervals_ms.iter().map(|it| (Duration::from_millis(*it), Duration::ZERO));
        let mut schedule = Schedule::new(start, sources);
        for (now_ms, sources, next_ms) in expected {
            assert_eq!(taken(&mut schedule, start, *now_ms), *sources, "at {now_ms} ms");
            assert_eq!(schedule.next(), Some(start + Duration::from_millis(*next_ms)), "after {now_ms} ms");
        }
    }

    #[test]
    fn all_are_due_at_the_start_and_then_each_at_its_interval() {
        check(
            &[30_000, 60_000],
            &[
                (0, &[0, 1], 30_000),
                (30_000, &[0], 60_000),
                (60_000, &[0, 1], 90_000),
                (90_000, &[0], 120_000),
            ],
        );
    }

    #[test]
    fn being_late_adds_up_to_no_drift() {
        check(
            &[1_000],
            &[(40, &[0], 1_000), (1_090, &[0], 2_000), (2_700, &[0], 3_000), (3_001, &[0], 4_000)],
        );
    }

    #[test]
    fn what_was_missed_is_skipped() {
        check(
            &[1_000, 7_000],
            &[(0, &[0, 1], 1_000), (3_600_400, &[0, 1], 3_601_000), (3_601_000, &[0], 3_602_000)],
        );
    }

    #[test]
    fn sources_due_at_nearly_the_same_time_share_a_waking() {
        check(&[10_000, 10_200], &[(0, &[0, 1], 10_000), (10_000, &[0, 1], 20_000), (20_000, &[0], 20_400)]);
    }

    #[test]
    fn before_its_time_nothing_is_due() {
        check(&[1_000], &[(0, &[0], 1_000), (500, &[], 1_000), (749, &[], 1_000), (750, &[0], 2_000)]);
    }

    #[test]
    fn a_delayed_source_falls_in_with_the_others() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let mut schedule = Schedule::new(start, [(seconds(60), seconds(0)), (seconds(60), seconds(5))]);
        assert_eq!(taken(&mut schedule, start, 0), [0]);
        assert_eq!(taken(&mut schedule, start, 5_000), [1]);
        assert_eq!(taken(&mut schedule, start, 60_000), [0, 1]);
    }

    #[test]
    fn an_interval_out_of_range_is_brought_within() {
        check(
            &[0, u64::MAX],
            &[(0, &[0, 1], 1_000), (86_399_000, &[0], 86_400_000), (86_400_000, &[0, 1], 86_401_000)],
        );
    }

    #[test]
    fn without_sources_nothing_is_ever_due() {
        assert_eq!(Schedule::new(Instant::now(), []).next(), None);
    }
}
