//! When each source is due.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use super::Pace;

/// The times at which sources are due: each after its delay, then at whole multiples of its interval
/// after it. So sources whose intervals share multiples are due together, in one waking of the processor, and
/// late samples add up to no drift. A source that has been taken is not due before it is put back. Reads no clock.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    slots: BTreeMap<usize, Slot>,
    // Invariant: each source is once in the one of its pace, or it has been taken.
    quick: Queue,
    slow: Queue,
}

/// When which of them is due, the next one first.
type Queue = BinaryHeap<Reverse<(Instant, usize)>>;

#[derive(Clone, Copy, Debug)]
struct Slot {
    // Invariant: within `SHORTEST` and `LONGEST`.
    interval: Duration,
    pace: Pace,
}

impl Schedule {
    /// Sources of these paces, with these intervals, each brought within [`SHORTEST`] and [`LONGEST`], and first due this
    /// long after `start`.
    pub(super) fn new(
        start: Instant,
        sources: impl IntoIterator<Item = (Pace, Duration, Duration)>,
    ) -> Schedule {
        let (quick, slow) = Default::default();
        let mut schedule = Schedule { start, slots: BTreeMap::new(), quick, slow };
        for (position, (pace, interval, delay)) in sources.into_iter().enumerate() {
            schedule.add(position, pace, interval, start + delay);
        }
        schedule
    }

    /// Adds a source at a `position` that is free, first due at `due`, and then when all of its interval are.
    pub(super) fn add(&mut self, position: usize, pace: Pace, interval: Duration, due: Instant) {
        self.slots.insert(position, Slot { interval: interval.clamp(SHORTEST, LONGEST), pace });
        self.queue(pace).push(Reverse((due, position)));
    }

    /// Has the source at `position` due no more, whether it has been taken or not.
    pub(super) fn remove(&mut self, position: usize) {
        let Some(slot) = self.slots.remove(&position) else { return };
        self.queue(slot.pace).retain(|Reverse((_, it))| *it != position);
    }

    /// When the next source of this pace is due; `None` when there is none that waits.
    pub(super) fn next(&self, pace: Pace) -> Option<Instant> {
        let queue = match pace {
            Pace::Quick => &self.quick,
            Pace::Slow => &self.slow,
        };
        queue.peek().map(|Reverse((due, _))| *due)
    }

    /// Whether a source of this pace is due at `now` or within [`TOGETHER`] of it.
    pub(super) fn is_due(&self, pace: Pace, now: Instant) -> bool {
        self.next(pace).is_some_and(|it| it <= now + TOGETHER)
    }

    /// Takes the position of a source of this pace that is due at `now`.
    pub(super) fn take_due(&mut self, pace: Pace, now: Instant) -> Option<usize> {
        if !self.is_due(pace, now) {
            return None;
        }
        self.queue(pace).pop().map(|Reverse((_, position))| position)
    }

    /// Puts back the source at `position`, which was `taken` for a sample that has `ended`. Its next time is after both:
    /// whatever was missed, by a slow sample or a machine held up, is skipped and not made up for. One that was removed
    /// stays away.
    pub(super) fn put_back(&mut self, position: usize, taken: Instant, ended: Instant) {
        let Some(&Slot { interval, pace }) = self.slots.get(&position) else { return };
        let mut due = self.multiple_after(taken + TOGETHER, interval);
        if due < ended {
            due = self.multiple_after(ended, interval);
        }
        self.queue(pace).push(Reverse((due, position)));
    }

    /// Has the source at `position` due at `now`, unless it has been taken.
    pub(super) fn hasten(&mut self, position: usize, now: Instant) {
        let Some(&Slot { pace, .. }) = self.slots.get(&position) else { return };
        let queue = self.queue(pace);
        let waiting = queue.len();
        queue.retain(|Reverse((_, it))| *it != position);
        if queue.len() < waiting {
            queue.push(Reverse((now, position)));
        }
    }

    fn multiple_after(&self, time: Instant, interval: Duration) -> Instant {
        let elapsed = time.duration_since(self.start).as_nanos();
        // Less than an interval, and a day of nanoseconds fits in 64 bits many times over.
        let into_interval = Duration::from_nanos((elapsed % interval.as_nanos()) as u64);
        time + (interval - into_interval)
    }

    fn queue(&mut self, pace: Pace) -> &mut Queue {
        match pace {
            Pace::Quick => &mut self.quick,
            Pace::Slow => &mut self.slow,
        }
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

    fn quick(interval: Duration, delay: Duration) -> (Pace, Duration, Duration) {
        (Pace::Quick, interval, delay)
    }

    /// Which sources are taken at `now_ms` for samples that take no time, in their order.
    fn taken(schedule: &mut Schedule, start: Instant, now_ms: u64) -> Vec<usize> {
        let now = start + Duration::from_millis(now_ms);
        let mut taken: Vec<usize> = std::iter::from_fn(|| schedule.take_due(Pace::Quick, now)).collect();
        taken.iter().for_each(|position| schedule.put_back(*position, now, now));
        taken.sort_unstable();
        taken
    }

    /// Takes what is due at each time of `expected`, and checks that the schedule is due next as stated.
    #[track_caller]
    fn check(intervals_ms: &[u64], expected: &[(u64, &[usize], u64)]) {
        let start = Instant::now();
        let sources = intervals_ms.iter().map(|it| quick(Duration::from_millis(*it), Duration::ZERO));
        let mut schedule = Schedule::new(start, sources);
        for (now_ms, sources, next_ms) in expected {
            assert_eq!(taken(&mut schedule, start, *now_ms), *sources, "at {now_ms} ms");
            assert_eq!(
                schedule.next(Pace::Quick),
                Some(start + Duration::from_millis(*next_ms)),
                "after {now_ms} ms"
            );
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
        let mut schedule =
            Schedule::new(start, [quick(seconds(60), seconds(0)), quick(seconds(60), seconds(5))]);
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
        assert_eq!(Schedule::new(Instant::now(), []).next(Pace::Quick), None);
    }

    #[test]
    fn a_source_that_was_taken_is_due_when_it_was_put_back_and_at_its_time() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for (taken, ended, next) in
            [(0, 0, 1_000), (0, 990, 1_000), (0, 1_000, 1_000), (0, 1_001, 2_000), (800, 7_300, 8_000)]
        {
            let mut schedule = Schedule::new(start, [quick(Duration::from_secs(1), Duration::ZERO)]);
            assert_eq!(schedule.take_due(Pace::Quick, at(taken)), Some(0));
            assert_eq!(schedule.next(Pace::Quick), None);
            schedule.put_back(0, at(taken), at(ended));
            assert_eq!(schedule.next(Pace::Quick), Some(at(next)), "{taken} to {ended}");
        }
    }

    #[test]
    fn each_pace_has_its_own_order() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let slow = |delay| (Pace::Slow, second, delay);
        let mut schedule =
            Schedule::new(start, [slow(second), quick(second, second * 2), slow(Duration::ZERO)]);
        assert_eq!(schedule.next(Pace::Quick), Some(start + second * 2));
        assert_eq!(schedule.next(Pace::Slow), Some(start));
        assert_eq!(schedule.take_due(Pace::Quick, start), None);
        assert_eq!(schedule.take_due(Pace::Slow, start + second), Some(2));
        assert_eq!(schedule.take_due(Pace::Slow, start + second), Some(0));
    }

    #[test]
    fn what_is_hastened_is_due_at_once_and_then_at_its_time() {
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::new(start, [quick(minute, minute), quick(minute, minute)]);
        schedule.hasten(1, at(7));
        schedule.hasten(1, at(7));
        assert_eq!(schedule.next(Pace::Quick), Some(at(7)));
        assert_eq!(schedule.take_due(Pace::Quick, at(7)), Some(1));
        assert_eq!(schedule.take_due(Pace::Quick, at(7)), None);
        schedule.hasten(1, at(8)); // It has been taken.
        assert_eq!(schedule.next(Pace::Quick), Some(at(60)));
        schedule.put_back(1, at(7), at(8));
        assert_eq!(taken(&mut schedule, start, 60_000), [0, 1]);
    }

    #[test]
    fn what_is_added_falls_in_with_the_others_and_what_is_removed_is_due_no_more() {
        let start = Instant::now();
        let (second, at) = (Duration::from_secs(1), |seconds| start + Duration::from_secs(seconds));
        let mut schedule = Schedule::new(start, [quick(60 * second, Duration::ZERO); 2]);
        assert_eq!(taken(&mut schedule, start, 0), [0, 1]);
        schedule.add(2, Pace::Quick, 30 * second, at(7));
        assert_eq!(taken(&mut schedule, start, 7_000), [2]);
        assert_eq!(taken(&mut schedule, start, 30_000), [2]);
        schedule.remove(0);
        assert_eq!(schedule.take_due(Pace::Quick, at(60)), Some(1));
        schedule.remove(1); // It has been taken.
        schedule.put_back(1, at(60), at(60));
        schedule.hasten(1, at(60));
        assert_eq!(taken(&mut schedule, start, 60_000), [2]);
        schedule.remove(2);
        assert_eq!(schedule.next(Pace::Quick), None);
    }
}
