//! Whether the threads that have to live do: [`Pulses`].

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The threads that have to live, each with its promise when it will have turned again. Cheap to clone.
///
/// A promise takes the place of a question: a thread that knows when it wakes says so, and one that may sleep for ever wakes once
/// a round to say it again. All of them do so at the same time, so that the processor wakes once. Where nobody watches over
/// them, as by default, no thread is woken, and a promise costs nothing.
///
/// Time is the kernel's monotonic clock: a clock that is set, and a machine that sleeps, make no thread late.
#[derive(Clone, Debug, Default)]
pub struct Pulses(Option<Arc<Ward>>);

/// What a thread makes its promises with. Cheap to clone, for several threads that take turns: the newest promise counts.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Option<(Arc<Ward>, Arc<Beat>)>);

/// The owner's end of a [`Pulse`]. Dropping it: the thread need not live any more, and whatever becomes of it is no matter.
#[derive(Debug, Default)]
pub struct Watched(Option<(Arc<Ward>, Arc<Beat>)>);

impl Pulses {
    /// Those that are looked at once a `round`, the first of which begins at `start`.
    pub fn new(round: Duration, start: Instant) -> Pulses {
        Pulses(Some(Arc::new(Ward { start, round: round.max(SHORTEST), beats: Mutex::default() })))
    }

    /// Watches over a thread called `name` from its first promise on.
    pub fn watch(&self, name: &'static str) -> (Watched, Pulse) {
        let Some(ward) = &self.0 else { return Default::default() };
        let beat = Arc::new(Beat { name, promised: AtomicU64::new(NEVER) });
        ward.beats().push(Arc::clone(&beat));
        let both = (Arc::clone(ward), beat);
        (Watched(Some(both.clone())), Pulse(Some(both)))
    }

    /// The names of the threads that have not kept their promises at `now`.
    pub fn late(&self, now: Instant) -> Vec<&'static str> {
        let Some(ward) = &self.0 else { return Vec::new() };
        let now = ward.moment(now);
        ward.beats().iter().filter(|it| it.promised.load(Relaxed) < now).map(|it| it.name).collect()
    }

    /// When the round after `now` begins; `None` where nobody watches.
    pub fn next_round(&self, now: Instant) -> Option<Instant> {
        self.0.as_ref().map(|it| it.next_round(now))
    }
}

impl Pulse {
    /// Promises to have turned when `until` is over, which is for ever where it is `None`. Returns when to wake at the latest
    /// instead: at the next round.
    pub fn sleeps_until(&self, until: Option<Instant>) -> Option<Instant> {
        let Some((ward, beat)) = &self.0 else { return until };
        let round = ward.next_round(Instant::now());
        let wakes = until.map_or(round, |it| it.min(round));
        beat.promise(ward.moment(wakes + ward.grace()));
        Some(wakes)
    }

    /// Promises nothing any more: the thread ends because all is done.
    pub fn rests(&self) {
        if let Some((_, beat)) = &self.0 {
            beat.promise(NEVER);
        }
    }

    /// Promises to have turned within `limit` of now: what is to be done is bounded by that, or the wait is.
    pub fn turns_within(&self, limit: Duration) {
        if let Some((ward, beat)) = &self.0 {
            beat.promise(ward.moment(Instant::now() + limit + ward.grace()));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some((ward, beat)) = self.0.take() {
            ward.beats().retain(|it| !Arc::ptr_eq(it, &beat));
        }
    }
}

/// What all of them share.
#[derive(Debug)]
struct Ward {
    start: Instant,
    round: Duration,
    beats: Mutex<Vec<Arc<Beat>>>,
}

impl Ward {
    /// Nothing is done under it that could panic, or wait.
    fn beats(&self) -> MutexGuard<'_, Vec<Arc<Beat>>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_round(&self, now: Instant) -> Instant {
        let elapsed = now.saturating_duration_since(self.start).as_nanos();
        // Less than a round, and 64 bits have room for five centuries of nanoseconds.
        now + (self.round - Duration::from_nanos((elapsed % self.round.as_nanos()) as u64))
    }

    /// How late a thread may be that shares the processor with others.
    fn grace(&self) -> Duration {
        self.round / 4
    }

    /// In milliseconds since the start.
    fn moment(&self, time: Instant) -> u64 {
        time.saturating_duration_since(self.start).as_millis() as u64
    }
}

/// A thread that has to live.
#[derive(Debug)]
struct Beat {
    name: &'static str,
    /// When it will have turned: a moment of its ward, or `NEVER`.
    promised: AtomicU64,
}

impl Beat {
    fn promise(&self, moment: u64) {
        self.promised.store(moment, Relaxed);
    }
}

/// What nothing is later than.
const NEVER: u64 = u64::MAX;
/// No thread is woken more often, whatever the service manager asks for.
const SHORTEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(3600);

    /// Whether a thread that made the promise `make` is late this many rounds after it.
    #[track_caller]
    fn check(make: impl Fn(&Pulse, Instant), late: &[(f64, bool)]) {
        let start = Instant::now();
        let pulses = Pulses::new(ROUND, start);
        let (_watched, pulse) = pulses.watch("link");
        make(&pulse, start);
        for (rounds, expected) in late {
            let names = pulses.late(start + ROUND.mul_f64(*rounds));
            assert_eq!(names, ["link"][..usize::from(*expected)], "after {rounds} rounds");
        }
    }

    #[test]
    fn a_thread_that_sleeps_is_late_a_grace_after_it_was_to_wake() {
        check(|it, start| _ = it.sleeps_until(Some(start + ROUND / 2)), &[(0.74, false), (0.76, true)]);
    }

    #[test]
    fn one_that_may_sleep_for_ever_or_for_long_wakes_at_the_next_round() {
        check(|it, _| _ = it.sleeps_until(None), &[(1.24, false), (1.26, true)]);
        check(|it, start| _ = it.sleeps_until(Some(start + 9 * ROUND)), &[(1.24, false), (1.26, true)]);
    }

    #[test]
    fn one_that_is_at_work_is_late_a_grace_after_its_limit() {
        check(|it, _| it.turns_within(5 * ROUND), &[(5.24, false), (5.26, true)]);
    }

    #[test]
    fn the_newest_promise_counts_and_before_the_first_there_is_none() {
        check(|_, _| {}, &[(1000.0, false)]);
        let ended = |it: &Pulse, _| {
            it.sleeps_until(None);
            it.rests();
        };
        check(ended, &[(1000.0, false)]);
        let twice = |it: &Pulse, start| {
            it.sleeps_until(Some(start + ROUND / 2));
            it.turns_within(2 * ROUND);
        };
        check(twice, &[(2.2, false), (2.3, true)]);
    }

    #[test]
    fn all_wake_together_and_where_nobody_watches_nobody_does() {
        let start = Instant::now();
        let pulses = Pulses::new(ROUND, start);
        let (_watched, one) = pulses.watch("gpio");
        assert_eq!(one.sleeps_until(None), Some(start + ROUND));
        assert_eq!(pulses.next_round(start + ROUND.mul_f64(1.5)), Some(start + 2 * ROUND));
        let (_watched, unwatched) = Pulses::default().watch("gpio");
        assert_eq!(unwatched.sleeps_until(None), None);
        assert_eq!(unwatched.sleeps_until(Some(start)), Some(start));
        assert_eq!(Pulses::default().next_round(start), None);
    }

    #[test]
    fn what_becomes_of_a_thread_that_nobody_needs_is_no_matter() {
        let start = Instant::now();
        let pulses = Pulses::new(ROUND, start);
        let ((watched, left), (_other, stays)) = (pulses.watch("gpio"), pulses.watch("ingest"));
        for pulse in [&left, &stays] {
            pulse.sleeps_until(None);
        }
        let late = start + 2 * ROUND;
        assert_eq!(pulses.late(late), ["gpio", "ingest"]);
        drop(watched);
        assert_eq!(pulses.late(late), ["ingest"]);
        left.sleeps_until(None);
        assert_eq!(pulses.late(late), ["ingest"]);
    }
}
