//! The thread that serves all clients: [`Server`].

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::Desk;
use super::listener::Listener;
use super::service::{Limits, Service};
use crate::config::Socket;
use crate::os::Bell;
use crate::os::Halt;
use crate::worker::Pulses;
use crate::worker::Worker;

/// The socket and the thread `ingest` that serves its clients, and sleeps while there is nothing to do for them. Dropping it
/// ends both.
///
/// What is bounded, and what happens there:
///
/// | | limit | beyond it |
/// | --- | --- | --- |
/// | a line | [`LINE_BYTES`](crate::protocol::LINE_BYTES) | is answered `line_too_long` and skipped; the client stays |
/// | clients | `MAX_CLIENTS` | the one that has been silent longest, of the user who has most, is cut |
/// | answers that a client waits for | 1,024 | it is not read from until some have come |
/// | bytes of answers that it has not read | 64 KiB and one answer | it is not read from until it reads |
/// | and how long it may leave them | 30 s | it is cut |
/// | memory that all hold together | 8 MiB | the one that holds most, of the user who does, is cut |
/// | requests of a client in a turn | 64, or 8 KiB | the others have their turn |
///
/// Whoever is cut is told `too_many` where there is room for it.
#[derive(Debug)]
pub struct Server {
    // Dropped first: the worker waits for the thread.
    halt: Halting,
    /// Until when clients may take what is ready for them, once the thread is to end.
    deadline: Arc<OnceLock<Instant>>,
    worker: Worker,
}

impl Server {
    /// Opens the socket of `config`, or takes the one that systemd hands to us, and has `desk` answer. `bell` wakes the thread, and
    /// `pulses` watch over it.
    ///
    /// A socket that systemd hands over is inherited by all programs that this process starts before it is taken here, or by
    /// [`take_over`](super::take_over).
    ///
    /// # Errors
    ///
    /// The system's own, when the socket cannot be made, or another daemon has it.
    pub fn start(config: &Socket, desk: impl Desk, bell: Bell, pulses: &Pulses) -> io::Result<Server> {
        let listener = Listener::open(config)?;
        let halt = Halt::new()?;
        let limits = Limits { clients: config.max_clients.into(), ..Limits::default() };
        let service = Service::new(listener, desk, bell, halt.clone(), limits);
        let deadline = Arc::new(OnceLock::new());
        let until = Arc::clone(&deadline);
        let worker = Worker::spawn_watched("ingest", pulses, move |stop, pulse| {
            service.run(&stop, pulse, || until.get().copied());
        })?;
        Ok(Server { halt: Halting(halt), deadline, worker })
    }

    /// Ends it: nobody is let in or read from any more, and clients get what is ready for them, for `limit` at most. Returns
    /// whether the thread has ended.
    pub fn stop_within(self, limit: Duration) -> bool {
        // Nobody else has set it.
        let _ = self.deadline.set(Instant::now() + limit);
        drop(self.halt);
        self.worker.stop_within(limit + GRACE)
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

/// The desk may be in the middle of a request.
const GRACE: Duration = Duration::from_millis(100);
