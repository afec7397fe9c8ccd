//! The right to write the ledger, for one process at a time.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The right to write the ledger. Given back when dropped.
///
/// It is the folder itself that is locked: a file for it would belong to whoever looked first.
#[derive(Debug)]
pub(super) struct Lock(Option<Flock<File>>);

impl Lock {
    /// Takes the right to write in `folder`; `None` where another process has it.
    ///
    /// # Errors
    ///
    /// The system's own, mostly that there is no such folder.
    pub(super) fn take(folder: &Path) -> io::Result<Option<Lock>> {
        match Flock::lock(File::open(folder)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Lock(Some(lock)))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Flock's own drop panics where the file system is gone; the end of the process ends this lock anyway.
        if let Some(Err((lock, _))) = self.0.take().map(Flock::unlock) {
            std::mem::forget(lock);
        }
    }
}
