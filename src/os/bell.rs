//! A bell that wakes what waits for descriptors.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rung from any thread, any number of times; whoever polls its descriptor is woken, once until it is silenced. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// Whether it rings already: one byte is enough.
    rings: AtomicBool,
    ours: UnixStream,
    theirs: UnixStream,
}

impl Bell {
    /// One that does not ring.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no descriptors to give.
    pub fn new() -> io::Result<Bell> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        Ok(Bell(Arc::new(Parts { rings: AtomicBool::new(false), ours, theirs })))
    }

    /// Rings it. Never blocks.
    pub fn ring(&self) {
        if !self.0.rings.swap(true, Ordering::AcqRel) {
            // There is room: the last byte was taken before it could ring again.
            let _ = (&self.0.ours).write(&[1]);
        }
    }

    /// Silences it, before whoever was woken looks for the cause: what comes after that rings again. Never blocks.
    pub fn silence(&self) {
        let _ = (&self.0.theirs).read(&mut [0; 8]);
        self.0.rings.swap(false, Ordering::AcqRel);
    }
}

/// A descriptor that is readable while it rings.
impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.theirs.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn rings(bell: &Bell, limit: PollTimeout) -> bool {
        poll(&mut [PollFd::new(bell.as_fd(), PollFlags::POLLIN)], limit) == Ok(1)
    }

    #[test]
    fn it_rings_until_it_is_silenced_and_then_again() {
        let bell = Bell::new().unwrap();
        assert!(!rings(&bell, PollTimeout::ZERO));
        for _ in 0..3 {
            (0..100).for_each(|_| bell.clone().ring());
            assert!(rings(&bell, PollTimeout::ZERO));
            bell.silence();
            assert!(!rings(&bell, PollTimeout::ZERO));
        }
    }

    #[test]
    fn silencing_one_that_does_not_ring_is_nothing() {
        let bell = Bell::new().unwrap();
        bell.silence();
        bell.ring();
        assert!(rings(&bell, PollTimeout::ZERO));
    }

    #[test]
    fn nothing_is_missed_of_what_is_told_while_it_is_silenced() {
        let bell = Bell::new().unwrap();
        let told = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (ringing, telling) = (bell.clone(), Arc::clone(&told));
        let teller = thread::spawn(move || {
            for _ in 0..20_000 {
                telling.fetch_add(1, Ordering::Relaxed);
                ringing.ring();
            }
        });
        let mut heard = 0;
        while heard < 20_000 {
            assert!(rings(&bell, PollTimeout::from(60_000_u16)));
            bell.silence();
            heard = told.load(Ordering::Relaxed);
        }
        teller.join().unwrap();
    }
}
