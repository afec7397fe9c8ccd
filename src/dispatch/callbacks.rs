//! The threads that call callbacks: as few as will do.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Incoming;
use crate::model::TopicFilter;
use crate::worker::Worker;

use super::mailbox::{Callback, Load, Pushed, bytes_of};

/// Whether the caller runs on a thread that calls callbacks, hence should not wait for what ends only after them.
fn in_callback() -> bool {
    IS_CALLING.get()
}

/// The callbacks, their mailboxes, and the threads that bring them together.
pub(super) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    /// When it was last seen that there is nothing to be done about those that wait.
    looked: Option<Instant>,
    /// The system had no thread to give, which has been logged.
    is_refused: bool,
    pace: Pace,
}

/// One callback's place in the pool.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Slot(u64);

impl Pool {
    pub(super) fn new() -> Pool {
        Pool::with(Pace { patience: PATIENCE, idle: IDLE })
    }

    fn with(pace: Pace) -> Pool {
        Pool { shared: Arc::default(), workers: Vec::new(), looked: None, is_refused: false, pace }
    }

    /// A new place, for `callback`.
    pub(super) fn add(&self, filter: TopicFilter, callback: Callback) -> Slot {
        let mut state = self.shared.lock();
        let slot = Slot(state.next);
        state.next += 1;
        let callee = Callee { callback, filter, has_panicked: false };
        let (inbox, load) = Default::default();
        state.places.insert(slot, Place { callee: Some(callee), inbox, load, is_retired: false });
        slot
    }

    /// Has no call of `slot` begin any more, and its callback dropped by one of the threads.
    pub(super) fn remove(&mut self, slot: Slot) {
        let mut state = self.shared.lock();
        state.retire(slot);
        let first = self.shared.wake(state);
        self.start_first(first);
    }

    /// Puts `incoming` into the mailbox of `slot`, and says what it cost.
    pub(super) fn push(&mut self, slot: Slot, incoming: &Incoming) -> Pushed {
        let mut state = self.shared.lock();
        let pushed = state.push(slot, incoming);
        let first = self.shared.wake(state);
        self.start_first(first);
        pushed
    }

    /// When one that is ready now will have waited too long.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.workers.is_empty() && !self.is_refused {
            return None; // There has been no message for a callback: nothing to look at, at each event.
        }
        let since = self.shared.lock().ready.front()?.since;
        Some(self.looked.map_or(since, |it| it.max(since)) + self.pace.patience)
    }

    /// Starts a thread if one that is ready has waited too long, with all threads in calls.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.due().is_none_or(|it| it > now) {
            return;
        }
        self.looked = Some(now);
        let state = self.shared.lock();
        // Those that are removed but in a call yet count as places: they occupy a thread.
        let is_short = state.idle == 0 && state.threads < state.places.len();
        drop(state);
        if is_short {
            self.start();
        }
    }

    /// Has all callbacks dropped and the threads end, as far as they do within `limit`: see [`super::Dispatch::stop`].
    pub(super) fn stop(mut self, limit: Duration) -> bool {
        self.end(limit)
    }

    fn end(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + if in_callback() { Duration::ZERO } else { limit };
        let mut state = self.shared.lock();
        let slots: Vec<Slot> = state.places.keys().copied().collect();
        slots.into_iter().for_each(|slot| state.retire(slot));
        let first = self.shared.wake(state);
        self.start_first(first);
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
        let mut all_ended = true;
        for worker in self.workers.drain(..) {
            all_ended &= worker.stop_within(deadline.saturating_duration_since(Instant::now()));
        }
        all_ended
    }

    /// Starts the first thread where it is `needed`. Where the system has refused one, that is left to `tick`.
    fn start_first(&mut self, needed: bool) {
        if needed && !self.is_refused {
            self.start();
        }
    }

    fn start(&mut self) {
        self.workers.retain(|it| !it.has_ended());
        self.shared.lock().threads += 1;
        let (shared, idle) = (Arc::clone(&self.shared), self.pace.idle);
        match Worker::spawn("callback", move |_| shared.serve(idle)) {
            Ok(worker) => {
                self.workers.push(worker);
                self.is_refused = false;
            }
            Err(cause) => {
                self.shared.lock().threads -= 1;
                // With messages waiting we are due, and try again.
                if !mem::replace(&mut self.is_refused, true) {
                    log::warn!("cannot start a thread for callbacks, they wait: {cause}");
                }
            }
        }
    }
}

/// A pool that was not stopped waits for nobody.
impl Drop for Pool {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// How patient the pool is.
#[derive(Clone, Copy)]
struct Pace {
    /// How long a ready one waits before it gets a thread of its own.
    patience: Duration,
    /// How long a thread waits for something to do before it ends.
    idle: Duration,
}

/// What the threads share. The lock is held for moments only, and never while foreign code runs: no callback, no
/// drop of one, no logger.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Somebody is ready, or the threads are to end.
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic half-way runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a thread that has nothing to do serve what is ready. Returns whether there is no thread at all for it.
    fn wake(&self, state: MutexGuard<'_, State>) -> bool {
        let is_any_ready = !state.ready.is_empty();
        if is_any_ready && state.idle > 0 {
            self.changed.notify_one();
        }
        is_any_ready && state.threads == 0
    }

    /// The life of one thread.
    fn serve(&self, idle: Duration) {
        IS_CALLING.set(true);
        let mut state = self.lock();
        loop {
            if let Some((slot, mut callee, incoming)) = state.begin() {
                drop(state);
                let callee = match incoming {
                    Some(incoming) => {
                        callee.call(incoming);
                        Some(callee)
                    }
                    None => {
                        callee.end();
                        None
                    }
                };
                state = self.lock();
                state.end(slot, callee);
                continue;
            }
            if state.is_stopping {
                break;
            }
            state.idle += 1;
            // The last one stays, and need not wake up for that.
            let is_last = state.threads == 1;
            let idle = if is_last { Duration::MAX } else { idle };
            let (woken, waited) =
                self.changed.wait_timeout(state, idle).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.ready.is_empty() && state.threads > 1 {
                break;
            }
        }
        state.threads -= 1;
    }
}

/// All that is known of the callbacks.
#[derive(Default)]
struct State {
    places: BTreeMap<Slot, Place>,
    next: u64,
    // Invariant: a place is in here once if its callback is not in a call and it has messages or is retired, else not.
    /// Those that are ready to be called, the longest first: each gets one call and goes to the end, so that one with
    /// many messages does not keep the others waiting.
    ready: VecDeque<Ready>,
    threads: usize,
    /// Threads that wait for something to do.
    idle: usize,
    is_stopping: bool,
}

impl State {
    fn push(&mut self, slot: Slot, incoming: &Incoming) -> Pushed {
        let Some(place) = self.places.get_mut(&slot) else { return Pushed { dropped: 0, was_empty: true } };
        let pushed = place.push(incoming);
        if pushed.was_empty && place.callee.is_some() {
            self.ready.push_back(Ready::now(slot));
        }
        pushed
    }

    fn retire(&mut self, slot: Slot) {
        let Some(place) = self.places.get_mut(&slot) else { return };
        let joins = place.callee.is_some() && !place.is_ready();
        place.is_retired = true;
        (place.inbox, place.load) = Default::default();
        if joins {
            self.ready.push_back(Ready::now(slot));
        }
    }

    /// Who is next in turn, and with what; with nothing, it is to be dropped.
    fn begin(&mut self) -> Option<(Slot, Callee, Option<Incoming>)> {
        let slot = self.ready.pop_front()?.slot;
        let place = self.places.get_mut(&slot)?;
        Some((slot, place.callee.take()?, place.pop()))
    }

    /// Takes back who was called, or notes that it was dropped.
    fn end(&mut self, slot: Slot, callee: Option<Callee>) {
        let Some(place) = self.places.get_mut(&slot) else { return };
        if callee.is_none() {
            self.places.remove(&slot);
            return;
        }
        place.callee = callee;
        if place.is_ready() {
            self.ready.push_back(Ready::now(slot));
        }
    }
}

/// Who is ready, and since when.
struct Ready {
    slot: Slot,
    since: Instant,
}

impl Ready {
    fn now(slot: Slot) -> Ready {
        Ready { slot, since: Instant::now() }
    }
}

/// One callback and its mailbox.
struct Place {
    /// None while it is in a call.
    callee: Option<Callee>,
    inbox: VecDeque<Incoming>,
    load: Load,
    /// It is to be dropped instead of called. Nothing comes in any more.
    is_retired: bool,
}

impl Place {
    /// Whether there is something to do for it, once it is in no call.
    fn is_ready(&self) -> bool {
        self.is_retired || !self.inbox.is_empty()
    }

    fn push(&mut self, incoming: &Incoming) -> Pushed {
        let bytes = bytes_of(incoming);
        let was_empty = self.inbox.is_empty();
        let mut dropped = 0;
        while !self.load.has_room_for(bytes) {
            self.pop();
            dropped += 1;
        }
        self.load.add(bytes);
        self.inbox.push_back(incoming.clone());
        Pushed { dropped, was_empty }
    }

    fn pop(&mut self) -> Option<Incoming> {
        let incoming = self.inbox.pop_front()?;
        self.load.subtract(bytes_of(&incoming));
        Some(incoming)
    }
}

/// A callback and what is said of it.
struct Callee {
    callback: Callback,
    filter: TopicFilter,
    has_panicked: bool,
}

impl Callee {
    /// Calls it. A panic ends there, where the program unwinds.
    fn call(&mut self, incoming: Incoming) {
        // Sound: what a panic may leave half-done is the callback's own, and only its next call sees it. Nothing of
        // ours is lent to it, and no lock is held.
        let panicked = catch_unwind(AssertUnwindSafe(|| (self.callback)(incoming))).is_err();
        if panicked && !mem::replace(&mut self.has_panicked, true) {
            log::error!("{}: the callback panicked; further messages go to it all the same", self.filter);
        }
    }

    /// Drops it. What it owns may panic then.
    fn end(self) {
        if catch_unwind(AssertUnwindSafe(|| drop(self.callback))).is_err() {
            log::error!("{}: the callback panicked when it was dropped", self.filter);
        }
    }
}

thread_local! {
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
}

/// Longer than a callback that publishes takes, and not yet noticed by whoever presses a button.
const PATIENCE: Duration = Duration::from_millis(100);
/// Outlasts a burst of messages, so that not each brings a thread of its own.
const IDLE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
