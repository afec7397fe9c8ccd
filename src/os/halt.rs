//! A signal that ends what waits for a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};

use crate::worker::poll_timeout;

/// Set once and for good, from any thread; whoever polls its descriptor is woken. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Halt(Arc<Ends>);

#[derive(Debug)]
struct Ends {
    /// Closed to set it: there is nothing to be read, and nothing that could be read away from another.
    ours: Mutex<Option<UnixStream>>,
    theirs: UnixStream,
}

impl Halt {
    /// One that is not set.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no descriptors to give.
    pub fn new() -> io::Result<Halt> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Halt(Arc::new(Ends { ours: Mutex::new(Some(ours)), theirs })))
    }

    /// Sets it.
    pub fn set(&self) {
        self.0.ours.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits until it is set, for `limit` at most. Returns whether it is.
    pub fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.is_set() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // What a signal wakes looks again.
            let _ = poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], poll_timeout(Some(left)));
        }
        true
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.ours.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// A descriptor that is readable once it is set.
impl AsFd for Halt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.theirs.as_fd()
    }
}
