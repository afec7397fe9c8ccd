//! The threads that sample the sources when they are due: as few as will do.

mod state;

use std::fmt;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::poll::Listeners;
use super::{Pace, Polled, Sample, Troubles};
use crate::entity::Entity;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::os::Halt;
use crate::worker::Outlet;
use crate::worker::Pulse;
use crate::worker::Pulses;
use crate::worker::Watched;
use crate::worker::Worker;
use state::State;

/// Samples sources and offers what is worth telling.
///
/// One thread, the leader, waits until a source is due, and samples it; those that are due together share one waking.
/// Where there are slow sources it has a deputy, who looks a tenth of a second after one of them was due: a leader that is
/// still in that sample is left to it, and the deputy leads. So there is a thread for each sample that hangs and two
/// more, 16 in all, and nobody waits for long; those that are too many end when they have had nothing to do
/// for a while. With quick sources alone there is one thread.
///
/// Dropping it is stopping it with no time to wait.
pub struct Poller {
    nudge: Nudge,
    /// Whoever leads makes the promises.
    _watched: Watched,
}

/// Asks a [`Poller`] for a sample. Cheap to clone; what it asks of a poller that has ended is ignored.
#[derive(Clone)]
pub struct Nudge(Arc<Shared>);

impl Poller {
    /// Starts to sample each of `sources`, after its delay and then at its interval, on threads called `poll`: offers to
    /// `outlet` what passes their filters, tells `troubles` who fails, and calls `announce`, on one of the threads, with
    /// each entity that a source has found since, before its first value. While there is no room in the outlet no sample is
    /// taken; a reading that finds none all the same is offered again with the next sample. `pulses` watch over whoever leads:
    /// a sample that hangs leaves that to another thread, or takes 15 min at most.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread to give.
    pub fn start(
        sources: Vec<Polled>,
        outlet: Outlet<Reading>,
        troubles: Troubles,
        announce: impl Fn(&Entity) + Send + Sync + 'static,
        pulses: &Pulses,
    ) -> io::Result<Poller> {
        let listeners = Listeners { outlet, troubles, announce: Box::new(announce) };
        Poller::with(sources, listeners, PATIENCE, pulses)
    }

    fn with(
        sources: Vec<Polled>,
        listeners: Listeners,
        patience: Patience,
        pulses: &Pulses,
    ) -> io::Result<Poller> {
        let (_watched, pulse) = pulses.watch("poll");
        let state = Mutex::new(State::new(Instant::now()));
        let shared = Shared { state, changed: Condvar::new(), listeners, patience, pulse };
        let poller = Poller { nudge: Nudge(Arc::new(shared)), _watched };
        poller.add(sources)?;
        Ok(poller)
    }

    /// Samples `sources` too, each after its delay and then when the others of its interval are. Their entities are announced
    /// already.
    ///
    /// # Errors
    ///
    /// The system's own, when there is no thread yet and it has none to give. They are sampled as soon as it has.
    pub fn add(&self, sources: Vec<Polled>) -> io::Result<()> {
        let shared = &self.nudge.0;
        let now = Instant::now();
        let mut state = shared.lock();
        sources.into_iter().for_each(|it| state.add(it, now));
        if state.threads == 0 && !state.places.is_empty() {
            let term = state.term;
            shared.spawn(&mut state, Some(term))?;
        }
        drop(state);
        shared.changed.notify_all();
        Ok(())
    }

    /// Samples those sources no more of whose [owner](Polled::owner) `leaving` says so, and forgets their troubles. Waits for
    /// none that is being sampled: what it answers is not told.
    pub fn remove(&self, leaving: impl Fn(&str) -> bool) {
        let shared = &self.nudge.0;
        let (ids, gone) = shared.lock().remove(leaving);
        shared.listeners.troubles.forget(&ids);
        drop(gone); // Outside the lock: a file system may be slow in closing.
    }

    /// What asks it for samples, to be given away.
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// As [`Nudge::sample_now`].
    pub fn sample_now(&self, entity: &ObjectId) {
        self.nudge.sample_now(entity);
    }

    /// Ends it: no sample begins any more, and those that can be ended are. Waits at most `limit` for those that are being
    /// taken, leaves the others to end by themselves, and returns whether there were none.
    pub fn stop_within(self, limit: Duration) -> bool {
        self.end(limit)
    }

    fn end(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let shared = &self.nudge.0;
        let mut state = shared.lock();
        state.is_stopping = true;
        let workers = mem::take(&mut state.workers);
        let halts: Vec<Halt> = state.places.values().filter_map(|it| it.halt.clone()).collect();
        drop(state);
        shared.changed.notify_all();
        halts.iter().for_each(Halt::set);
        // All are told already, so that each needs what is left of the time only if it hangs.
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut all_ended = true;
        for worker in workers {
            all_ended &= worker.stop_within(left());
        }
        all_ended
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

impl Nudge {
    /// Has the source of `entity` sampled as soon as possible, once more where it is being sampled now, and the value told
    /// even where it has not changed. Waits for nothing; an entity of no source is ignored.
    pub fn sample_now(&self, entity: &ObjectId) {
        let mut state = self.0.lock();
        if state.ask(entity, Instant::now()) {
            self.0.changed.notify_all();
        }
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nudge.fmt(f)
    }
}

impl fmt::Debug for Nudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("sources", &self.0.lock().places.len()).finish_non_exhaustive()
    }
}

/// How patient the threads are.
#[derive(Clone, Copy)]
struct Patience {
    /// How long a sample may take before another thread leads.
    sample: Duration,
    /// How long a thread that is one too many waits before it ends.
    idle: Duration,
}

/// What the threads share. The lock is held for moments only, and never while a source is sampled.
struct Shared {
    state: Mutex<State>,
    /// Something is due earlier than it was, a post is free, or the threads are to end.
    changed: Condvar,
    listeners: Listeners,
    patience: Patience,
    /// Of whoever leads, who makes its promises under the lock.
    pulse: Pulse,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic half-way runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up the lock until something has changed or it is `until`.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Option<Instant>) -> MutexGuard<'a, State> {
        match until.map(|it| it.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => state,
            Some(pause) => self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0,
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Starts a thread, which leads if that is the term.
    fn spawn(self: &Arc<Shared>, state: &mut State, term: Option<u64>) -> io::Result<()> {
        state.workers.retain(|it| !it.has_ended());
        let shared = Arc::clone(self);
        state.workers.push(Worker::spawn("poll", move |_| shared.serve(term))?);
        state.threads += 1;
        Ok(())
    }

    /// The life of one thread. It leads for as long as `term` lasts.
    fn serve(self: &Arc<Shared>, mut term: Option<u64>) {
        let mut samples = Vec::new();
        let mut state = self.lock();
        while !state.is_stopping {
            if term == Some(state.term) {
                state = self.lead(state, &mut samples);
            } else {
                (state, term) = self.follow(state);
                if term.is_none() {
                    break;
                }
            }
        }
        state.threads -= 1;
    }

    /// Samples a source that is due, a quick one first, or waits for the next.
    fn lead<'a>(
        self: &'a Arc<Shared>,
        mut state: MutexGuard<'a, State>,
        samples: &mut Vec<Sample>,
    ) -> MutexGuard<'a, State> {
        let now = Instant::now();
        state.report_overdue(now, &self.listeners);
        if !self.listeners.outlet.has_room() {
            // The bridge is as far behind as it may be, and what it cannot take would not be told before the next sample.
            return self.wait(state, self.pulse.sleeps_until(Some(now + BREATH)));
        }
        let mut due = state.schedule.take_due(Pace::Quick, now);
        if due.is_none() && state.schedule.is_due(Pace::Slow, now) && self.may_hang(&mut state) {
            due = state.schedule.take_due(Pace::Slow, now);
            if state.deputy_looks.is_none_or(|it| it > now + self.patience.sample) {
                self.changed.notify_all();
            }
        }
        let Some(position) = due else {
            let next = self.pulse.sleeps_until(state.next());
            return self.wait(state, next);
        };

        let term = state.term;
        let mut poll = state.begin(position, now);
        self.pulse.turns_within(LONGEST_SAMPLE);
        drop(state);
        let outcome = poll.sample(samples);
        let mut state = self.lock();
        let was_reported = state.answered(position);
        if let (Some(was_reported), false) = (was_reported, state.is_stopping) {
            drop(state);
            if was_reported {
                poll.note_lost(now);
            }
            poll.tell(outcome, samples, now, &self.listeners);
            state = self.lock();
        }
        let (is_news, left) = state.end(position, poll, term, now);
        if is_news {
            self.changed.notify_all();
        }
        if left.is_some() {
            drop(state);
            drop(left);
            state = self.lock();
        }
        state
    }

    /// Whether there is another thread that can lead if this one hangs in a sample, or can be.
    fn may_hang(self: &Arc<Shared>, state: &mut State) -> bool {
        state.is_short = state.threads <= state.busy + 1;
        if state.is_short && state.threads < MOST_THREADS {
            state.is_short = false;
            // Without one, the source is sampled all the same: better late than never.
            match self.spawn(state, None) {
                Err(cause) if !mem::replace(&mut state.has_complained, true) => {
                    log::warn!("cannot start a thread for slow sources, they wait for one another: {cause}");
                }
                _ => {}
            }
        }
        if state.is_short && !mem::replace(&mut state.has_complained, true) {
            log::warn!("{} sources do not answer: other slow ones wait for them", state.busy);
        }
        !state.is_short
    }

    /// Waits until there is nobody to lead, and returns the term in which this thread does; `None` when it has waited in
    /// vain and is to end.
    fn follow<'a>(&self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, Option<u64>) {
        if state.is_short {
            self.changed.notify_all(); // The leader waits for somebody like this.
        }
        let idle = Instant::now() + self.patience.idle;
        while state.has_deputy && !state.is_stopping {
            if Instant::now() >= idle {
                state.has_complained = false;
                return (state, None);
            }
            state = self.wait(state, Some(idle));
        }
        state.has_deputy = true;
        while !state.is_stopping {
            let now = Instant::now();
            let looks = match state.sampling_since {
                Some(since) => Some(since + self.patience.sample),
                None => state.schedule.next(Pace::Slow).map(|it| it.max(now) + self.patience.sample),
            };
            if state.sampling_since.is_some() && looks.is_some_and(|it| it <= now) {
                break;
            }
            state.deputy_looks = looks;
            state = self.wait(state, looks);
        }
        (state.has_deputy, state.deputy_looks, state.sampling_since) = (false, None, None);
        state.term += 1;
        self.changed.notify_all(); // One of those that are too many may be the deputy.
        let term = state.term;
        (state, Some(term))
    }
}

/// As few as a small machine bears, and more than devices that hang at the same time.
const MOST_THREADS: usize = 16;
/// How long the bridge is left to itself when it is behind: it takes many readings in that time.
const BREATH: Duration = Duration::from_millis(20);
/// Longer than any sample takes that is to have a value, and than a worn card takes to note that a new entity is announced.
const LONGEST_SAMPLE: Duration = Duration::from_secs(15 * 60);
/// A sample of the kernel's memory or of a quick device is over by then, and a second's interval is kept by the others.
const PATIENCE: Patience = Patience { sample: Duration::from_millis(100), idle: Duration::from_secs(30) };

#[cfg(test)]
mod tests;
