//! How threads are started, stopped, fed and watched over: [`Worker`], [`Stop`], [`Outlet`] and [`Pulses`].

mod pulse;
mod timeout;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

pub use pulse::{Pulse, Pulses, Watched};
pub use timeout::poll_timeout;

/// A named thread. Dropping it tells the thread to stop and waits until it has.
#[derive(Debug)]
pub struct Worker {
    stop: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
    /// Until it is told to stop.
    watched: Watched,
}

/// The thread's own end of a [`Worker`]: nothing is ever sent, the channel only closes.
#[derive(Clone, Debug)]
pub struct Stop(Receiver<Infallible>);

/// Where a source puts what it has, cheap to clone. Never blocks its owner: when the
/// reader is behind, the newest item is dropped and counted, for another follows soon.
#[derive(Debug)]
pub struct Outlet<T> {
    items: Sender<T>,
    dropped: Arc<AtomicU64>,
}

impl Worker {
    /// Starts `body` on a thread called `name` (at most 15 bytes of it show in `top -H`)
    /// with a stack of 256 KiB.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread to give.
    pub fn spawn(name: &str, body: impl FnOnce(Stop) + Send + 'static) -> io::Result<Worker> {
        let (stop, stopped) = bounded(0);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || body(Stop(stopped)))?;
        Ok(Worker { stop: Some(stop), thread: Some(thread), watched: Watched::default() })
    }

    /// As [`Worker::spawn`], for a thread that has to live until it is told to stop: `pulses` know of it, and it has to make
    /// its promises.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread to give.
    pub fn spawn_watched(
        name: &'static str,
        pulses: &Pulses,
        body: impl FnOnce(Stop, Pulse) + Send + 'static,
    ) -> io::Result<Worker> {
        let (watched, pulse) = pulses.watch(name);
        let mut worker = Worker::spawn(name, move |stop| body(stop, pulse))?;
        worker.watched = watched;
        Ok(worker)
    }

    /// Tells the thread to stop and does not wait, for an owner that must wake it in another way too.
    pub fn request_stop(&mut self) {
        self.watched = Watched::default();
        self.stop.take();
    }

    /// Whether the thread has ended, without waiting.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Tells the thread to stop, waits at most `limit` for it, and leaves it to end by itself
    /// after that. Returns whether it has ended.
    ///
    /// For the threads that can sit in a call nobody can interrupt: a name look-up, a file system whose server
    /// is gone.
    pub fn stop_within(mut self, limit: Duration) -> bool {
        self.request_stop();
        let deadline = Instant::now() + limit;
        let Some(thread) = self.thread.take() else { return true };
        // The standard library has no join with a limit; this runs once, at the very end.
        while !thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(JOIN_STEP);
        }
        let _ = thread.join();
        true
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.request_stop(); // Closes the channel: must come before the join.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Stop {
    /// Sleeps for `pause`. Returns false, early, once the worker is to stop.
    pub fn sleep(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
    }

    /// Whether the worker is to stop, without waiting.
    pub fn is_set(&self) -> bool {
        self.0.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)
    }

    /// The channel that closes when the worker is to stop, for use in `select!`.
    pub fn channel(&self) -> &Receiver<Infallible> {
        &self.0
    }
}

impl<T> Outlet<T> {
    /// An outlet into `items`.
    pub fn new(items: Sender<T>) -> Outlet<T> {
        Outlet { items, dropped: Arc::default() }
    }

    /// Hands over `item`, or counts it as dropped where there is no room. Never blocks. Returns
    /// whether it was handed over.
    pub fn offer(&self, item: T) -> bool {
        let taken = self.items.try_send(item).is_ok();
        if !taken {
            self.dropped.fetch_add(1, Relaxed);
        }
        taken
    }

    /// Whether there is room for an item now; where others offer too, it may be gone the next moment.
    pub fn has_room(&self) -> bool {
        !self.items.is_full()
    }

    /// How many items found no room since the outlet was made, over all its clones.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Outlet<T> {
        Outlet { items: self.items.clone(), dropped: Arc::clone(&self.dropped) }
    }
}

/// Stack of each thread: our deepest call (TLS handshake, JSON) uses under 100 kB; only touched pages count.
const STACK_BYTES: usize = 256 * 1024;
/// How often [`Worker::stop_within`] looks.
const JOIN_STEP: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_worker_wakes_its_sleep_and_joins() {
        let (ended, end) = bounded(1);
        let worker = Worker::spawn("test", move |stop| {
            while stop.sleep(Duration::from_secs(3600)) {}
            ended.send(stop.is_set()).unwrap();
        });
        drop(worker.unwrap());
        assert_eq!(end.try_recv(), Ok(true));
    }

    #[test]
    fn a_worker_that_cannot_stop_is_left_alone() {
        let (release, released) = bounded::<()>(0);
        let worker = Worker::spawn("stuck", move |_| {
            let _ = released.recv();
        });
        assert!(!worker.unwrap().stop_within(Duration::from_millis(5)));
        drop(release);
    }

    #[test]
    fn a_watched_thread_that_ends_by_itself_is_late_until_nobody_needs_it() {
        let (round, start) = (Duration::from_secs(3600), Instant::now());
        let pulses = Pulses::new(round, start);
        let worker = Worker::spawn_watched("gone", &pulses, |_, pulse| _ = pulse.sleeps_until(None)).unwrap();
        while !worker.has_ended() {
            thread::yield_now();
        }
        assert_eq!((pulses.late(start), pulses.late(start + 2 * round)), (vec![], vec!["gone"]));
        drop(worker);
        assert!(pulses.late(start + 2 * round).is_empty());
    }

    #[test]
    fn a_full_outlet_drops_the_newest_and_counts() {
        let (sender, receiver) = bounded(1);
        let outlet = Outlet::new(sender);
        assert!(outlet.offer(1));
        assert!(!outlet.clone().offer(2));
        assert_eq!((receiver.try_recv(), outlet.dropped()), (Ok(1), 1));
    }
}
