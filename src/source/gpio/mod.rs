//! The edges of GPIO lines become readings.

mod listener;
mod telling;
mod watch;

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::poll::{PollFd, PollFlags, poll};

use super::Troubles;
use crate::config::Declared;
use crate::config::Feed;
use crate::config::Input;
use crate::config::Sense;
use crate::model::Line;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::os::Bell;
use crate::os::Halt;
use crate::os::gpio::GpioError;
use crate::os::gpio::InputLine;
use crate::store::Store;
use crate::worker::Outlet;
use crate::worker::Pulse;
use crate::worker::Pulses;
use crate::worker::Stop;
use crate::worker::Worker;
use crate::worker::poll_timeout;
use listener::Listener;
use telling::Telling;
use watch::Watch;

/// Tells what happens on GPIO lines: the thread `gpio`, which the kernel wakes for an edge, and which sleeps until then or
/// until something is to be told by the clock.
///
/// A line that cannot be had makes its entities unavailable at once, and is tried again every 30 s. While the bridge has no
/// room, edges wait in the kernel, 256 of a line; of those that it had no room for, counts and levels are right
/// nevertheless, and events are lost.
#[derive(Debug)]
pub struct Gpio {
    // Dropped first: the worker waits for the thread.
    halt: Halting,
    worker: Worker,
    changes: Sender<Change>,
    bell: Bell,
}

impl Gpio {
    /// Starts the thread for those of `declared` that are fed by a line, `None` where none is. Readings go to `outlet`,
    /// what fails to `troubles`; what is counted over restarts is in `store`. `pulses` watch over the thread.
    ///
    /// Lines are asked for on the thread: nothing that is wrong with one is an error here.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread or no descriptors to give.
    pub fn start(
        declared: &[Declared],
        outlet: Outlet<Reading>,
        store: &Store,
        troubles: Troubles,
        pulses: &Pulses,
    ) -> io::Result<Option<Gpio>> {
        let taps = taps(declared, store, Instant::now());
        if taps.is_empty() {
            return Ok(None);
        }
        let (halt, bell) = (Halt::new()?, Bell::new()?);
        let (changes, changed) = bounded(1);
        let lines = Lines {
            taps,
            telling: Telling::new(outlet),
            store: store.clone(),
            troubles,
            changes: changed,
            bell: bell.clone(),
            halt: halt.clone(),
        };
        let worker = Worker::spawn_watched("gpio", pulses, move |stop, pulse| lines.run(&stop, &pulse))?;
        Ok(Some(Gpio { halt: Halting(halt), worker, changes, bell }))
    }

    /// Gives back the lines of which `declared` has another use now, or none: what they told until then is told, and what was
    /// counted is kept. Those whose sections are as they were are not touched, and lose no edge. Waits at most `limit` for
    /// that, as it is a millisecond but for a driver that hangs, and returns whether it is done.
    pub fn leave(&self, declared: &[Declared], limit: Duration) -> bool {
        self.change(Change::Leave, declared, limit)
    }

    /// Has the lines too that are new in `declared`: as [`Gpio::leave`], after it and when whoever had them has given them back.
    pub fn join(&self, declared: &[Declared], limit: Duration) -> bool {
        self.change(Change::Join, declared, limit)
    }

    fn change(
        &self,
        change: fn(Vec<Declared>, Sender<()>) -> Change,
        declared: &[Declared],
        limit: Duration,
    ) -> bool {
        let (done, is_done) = bounded(1);
        let of_lines = declared.iter().filter(|it| of_line(it).is_some()).cloned().collect();
        let sent = self.changes.send_timeout(change(of_lines, done), limit);
        self.bell.ring();
        sent.is_ok() && is_done.recv_timeout(limit).is_ok()
    }

    /// Stops: what was counted is kept, and the lines are given back. Waits at most `limit`, and returns whether the thread
    /// has ended; that takes a millisecond, but for ever where a driver hangs.
    pub fn stop_within(self, limit: Duration) -> bool {
        drop(self.halt);
        self.worker.stop_within(limit)
    }
}

/// Has the thread stop once it is dropped.
#[derive(Debug)]
struct Halting(Halt);

impl Drop for Halting {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// What else the sections about lines are now. Hears when that is done.
#[derive(Debug)]
enum Change {
    Leave(Vec<Declared>, Sender<()>),
    Join(Vec<Declared>, Sender<()>),
}

/// What the thread owns.
struct Lines {
    taps: Vec<Tap>,
    telling: Telling,
    store: Store,
    troubles: Troubles,
    changes: Receiver<Change>,
    /// Rings when there is a change.
    bell: Bell,
    halt: Halt,
}

/// A line and what its edges mean.
struct Tap {
    watch: Watch,
    /// Whose line it is, and what they make of it.
    inputs: Vec<(ObjectId, Input)>,
    state: TapState,
}

/// Whether we have the line.
enum TapState {
    Had(InputLine),
    Wanted { again_at: Instant, was_told: bool },
}

impl Lines {
    fn run(mut self, stop: &Stop, pulse: &Pulse) {
        let mut ready = Vec::with_capacity(self.taps.len() + 1);
        loop {
            let now = Instant::now();
            let is_behind = !self.telling.hand_over();
            if !is_behind {
                self.taps.iter_mut().for_each(|it| it.keep_up(now, &mut self.telling, &self.troubles));
            }
            let is_behind = !self.telling.hand_over();
            let wake_at =
                if is_behind { Some(now + PATIENCE) } else { self.taps.iter().filter_map(Tap::due).min() };
            match self.wait(pulse.sleeps_until(wake_at), is_behind, &mut ready) {
                Ok(()) => {}
                Err(error) => {
                    log::warn!("cannot wait for edges of GPIO lines: {error}: trying again");
                    pulse.turns_within(RETRY);
                    if !stop.sleep(RETRY) {
                        break;
                    }
                }
            }
            if self.halt.is_set() {
                break;
            }
            let now = Instant::now();
            if ready.last() == Some(&true) && self.change(now) {
                continue; // The lines are in another order now.
            }
            for (tap, ready) in self.taps.iter_mut().zip(&ready) {
                if *ready {
                    tap.read(now, &mut self.telling, &self.troubles);
                }
            }
        }
        let now = Instant::now();
        for it in &mut self.taps {
            it.end(now, &mut self.telling, &self.troubles);
        }
    }

    /// Makes the change that is asked for, if one is. Returns whether it did.
    fn change(&mut self, now: Instant) -> bool {
        self.bell.silence();
        let Ok(change) = self.changes.try_recv() else { return false };
        let (declared, done, joins) = match change {
            Change::Leave(declared, done) => (declared, done, false),
            Change::Join(declared, done) => (declared, done, true),
        };
        let wanted = taps(&declared, &self.store, now);
        let has = |taps: &[Tap], it: &Tap| taps.iter().any(|tap| tap.inputs == it.inputs);
        if joins {
            let new: Vec<Tap> = wanted.into_iter().filter(|it| !has(&self.taps, it)).collect();
            self.taps.extend(new);
        } else {
            let (stay, leave) = std::mem::take(&mut self.taps).into_iter().partition(|it| has(&wanted, it));
            self.taps = stay;
            let leave: Vec<Tap> = leave;
            for mut tap in leave {
                tap.end(now, &mut self.telling, &self.troubles);
                self.troubles.forget(tap.inputs.iter().map(|(entity, _)| entity));
            }
        }
        let _ = done.try_send(());
        true
    }

    /// Waits for an edge, the end of a chip, the stop or `wake_at`. Says in `ready` which of the lines are to be read, and
    /// behind them whether the stop has come, and whether there is a change.
    fn wait(&self, wake_at: Option<Instant>, is_behind: bool, ready: &mut Vec<bool>) -> io::Result<()> {
        let mut waited: Vec<PollFd> = Vec::with_capacity(self.taps.len() + 2);
        // That a chip has gone is told whether asked for or not.
        waited.extend(self.taps.iter().map(|it| match &it.state {
            TapState::Had(line) if it.watch.is_prompt() && !is_behind => {
                PollFd::new(line.as_fd(), PollFlags::POLLIN)
            }
            TapState::Had(line) => PollFd::new(line.as_fd(), PollFlags::empty()),
            TapState::Wanted { .. } => PollFd::new(self.halt.as_fd(), PollFlags::empty()),
        }));
        waited.push(PollFd::new(self.halt.as_fd(), PollFlags::POLLIN));
        waited.push(PollFd::new(self.bell.as_fd(), PollFlags::POLLIN));
        let left = wake_at.map(|it| it.saturating_duration_since(Instant::now()));
        let outcome = poll(&mut waited, poll_timeout(left));
        ready.clear();
        ready.extend(waited.iter().map(|it| it.any().unwrap_or(true)));
        match outcome {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Tap {
    /// Does what is due at `now`: asks for the line, or tells what is told by the clock.
    fn keep_up(&mut self, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        if self.due().is_none_or(|it| it > now) {
            return;
        }
        if let TapState::Wanted { .. } = self.state {
            self.open(now, telling, troubles);
        } else {
            self.read(now, telling, troubles);
        }
        self.watch.tell_due(now, telling, troubles);
    }

    fn due(&self) -> Option<Instant> {
        match &self.state {
            TapState::Had(_) => self.watch.due(),
            TapState::Wanted { again_at, .. } => Some(*again_at),
        }
    }

    fn open(&mut self, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        let line = InputLine::open(self.watch.line(), self.watch.edges(), self.watch.debounce());
        match line.and_then(|it| Ok((it.is_active()?, it))) {
            Ok((active, line)) => {
                self.state = TapState::Had(line);
                self.watch.begins(active, now, telling, troubles);
            }
            Err(error) => self.fails(&error, now, telling, troubles),
        }
    }

    /// Takes the edges that wait.
    fn read(&mut self, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        let TapState::Had(line) = &self.state else { return };
        let watch = &mut self.watch;
        if let Err(error) = line.read(|edge| watch.take(edge, now, telling)) {
            self.fails(&error, now, telling, troubles);
        }
    }

    /// Tells what is left to be told, and keeps what was counted.
    fn end(&mut self, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        self.read(now, telling, troubles);
        self.watch.keep();
    }

    fn fails(&mut self, error: &GpioError, now: Instant, telling: &mut Telling, troubles: &Troubles) {
        let is_news = !matches!(self.state, TapState::Wanted { was_told: true, .. });
        self.state = TapState::Wanted { again_at: now + RETRY, was_told: true };
        self.watch.fails(error, is_news, now, telling, troubles);
    }
}

/// The lines that feed some of `declared`, each once.
fn taps(declared: &[Declared], store: &Store, now: Instant) -> Vec<Tap> {
    let mut taps: Vec<Tap> = Vec::new();
    for it in declared {
        let Some((input, line, debounce, sense)) = of_line(it) else { continue };
        let listener = Listener::new(it.entity.id().clone(), input, sense, store, now);
        let its = (it.entity.id().clone(), input.clone());
        match taps.iter_mut().find(|it| it.watch.line() == line) {
            Some(tap) => {
                tap.watch.add(debounce, listener);
                tap.inputs.push(its);
            }
            None => taps.push(Tap {
                watch: Watch::new(line.clone(), debounce, listener),
                inputs: vec![its],
                state: TapState::Wanted { again_at: now, was_told: false },
            }),
        }
    }
    // In whatever order the sections are.
    taps.iter_mut().for_each(|it| it.inputs.sort_by(|(one, _), (other, _)| one.cmp(other)));
    taps
}

/// The line that feeds `declared`, if one does, and what of it is told.
fn of_line(declared: &Declared) -> Option<(&Input, &Line, Duration, &Sense)> {
    let input = declared.input.as_ref()?;
    let Feed::Gpio { line, debounce, sense } = &input.feed else { return None };
    Some((input, line, *debounce, sense))
}

/// How soon a reading that the bridge had no room for is offered again.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often a line that cannot be had is asked for: an expander may be plugged in, a program may give it back.
const RETRY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
