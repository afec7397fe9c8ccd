//! The folder of the spool and the files in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use queue_file::QueueFile;

use super::SpoolError;
use super::layout::{Reader, SLOTS_AT, Slot};

/// Where the spool is.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// The right to use the spool, for one process at a time. Given back when dropped.
#[derive(Debug)]
pub(super) struct Lock(Option<Flock<File>>);

impl Folder {
    /// The folder `path`, which need not be there yet.
    pub(super) fn new(path: PathBuf) -> Folder {
        Folder(path)
    }

    /// The spool itself.
    pub(super) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    /// Makes the folder where it is missing, for its owner alone.
    pub(super) fn make(&self) -> Result<(), SpoolError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|cause| SpoolError::Folder { path: self.0.clone(), cause })
    }

    /// Takes the right to use the spool. The file for it stays: to remove it would give two processes a lock
    /// each.
    pub(super) fn lock(&self) -> Result<Lock, SpoolError> {
        let path = self.0.join("spool.lock");
        let file = options().create(true).truncate(false).open(&path);
        let file = file.map_err(|cause| match cause.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                SpoolError::ReadOnly { path: self.0.clone(), waiting: self.waiting(), cause }
            }
            _ => SpoolError::Open { path: path.clone(), cause },
        })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Lock(Some(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Err(SpoolError::Locked { path: self.spool() }),
            Err((_, errno)) => Err(SpoolError::Open { path, cause: errno.into() }),
        }
    }

    /// Opens the spool; `None` where there is nothing that could hold a record.
    pub(super) fn open(&self) -> Result<Option<File>, SpoolError> {
        let path = self.spool();
        let failed = |cause: io::Error| SpoolError::Open { path: path.clone(), cause };
        let file = match options().open(&path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) if cause.kind() == io::ErrorKind::IsADirectory => {
                return Err(SpoolError::NotAFile { path });
            }
            Err(cause) => return Err(failed(cause)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(SpoolError::NotAFile { path });
        }
        Ok((metadata.len() > 0).then_some(file))
    }

    /// How many records the spool says it has. Does not write.
    fn waiting(&self) -> u64 {
        let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(self.spool());
        let length = |file: &File| file.metadata().map_or(0, |it| it.len());
        let newest = file.ok().and_then(|file| Reader::new(&file, length(&file)).slots().newest);
        newest.map_or(0, |it| it.next - it.first())
    }

    /// Whether the spool is still the very file that `file` is.
    pub(super) fn has(&self, file: &File) -> bool {
        let identity = |it: fs::Metadata| (it.dev(), it.ino());
        let there = fs::metadata(self.spool()).map(identity).ok();
        there.is_some() && there == file.metadata().map(identity).ok()
    }

    /// Puts a new spool in place, whole or not at all: of `length` bytes, its first record numbered `first`,
    /// with what `fill` puts into it.
    pub(super) fn replace(
        &self,
        length: u64,
        first: u64,
        fill: impl FnOnce(&mut QueueFile) -> Result<(), queue_file::Error>,
    ) -> Result<(), SpoolError> {
        let path = self.0.join("spool.new");
        let replaced = write_new(&path, length, first, fill)
            .and_then(|()| Ok(fs::rename(&path, self.spool())?))
            // Only now would the new name survive a cut of the power.
            .and_then(|()| Ok(File::open(&self.0)?.sync_all()?));
        replaced.map_err(|error| {
            let _ = fs::remove_file(&path); // It is in the way of nobody; the space may be needed.
            of_queue(error, path)
        })
    }

    /// Puts what is no spool of ours out of the way. One such file is kept, the last.
    pub(super) fn set_aside(&self) -> Result<(), SpoolError> {
        let (spool, aside) = (self.spool(), self.0.join("spool.damaged"));
        fs::rename(&spool, &aside).map_err(|cause| SpoolError::Write { path: aside.clone(), cause })?;
        log::warn!("{} is no spool of this version: kept as {}", spool.display(), aside.display());
        Ok(())
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

/// The error in our words, where it came up with the file `path`.
pub(super) fn of_queue(error: queue_file::Error, path: PathBuf) -> SpoolError {
    match error {
        queue_file::Error::Io { source: cause } => SpoolError::Write { path, cause },
        _ => SpoolError::Damaged { path },
    }
}

fn write_new(
    path: &Path,
    length: u64,
    first: u64,
    fill: impl FnOnce(&mut QueueFile) -> Result<(), queue_file::Error>,
) -> Result<(), queue_file::Error> {
    if let Err(cause) = fs::remove_file(path) {
        if cause.kind() != io::ErrorKind::NotFound {
            return Err(cause.into());
        }
    }
    // The crate would make a file that everybody can read, count from 1, and let it grow.
    let file = options().create_new(true).open(path)?;
    file.set_len(length)?;
    for at in SLOTS_AT {
        file.write_all_at(&Slot::empty(length, first).encode(), at)?;
    }
    let mut queue = open_queue(path, length)?;
    fill(&mut queue)?;
    queue.sync_all()
}

/// The queue in the file `path`, which was checked and has a ring that ends at `ring_end`.
pub(super) fn open_queue(path: &Path, ring_end: u64) -> Result<QueueFile, queue_file::Error> {
    let mut queue = QueueFile::with_capacity(path, ring_end)?;
    queue.set_sync_writes(false); // It would wait for the card twice for each group.
    queue.set_overwrite_on_remove(false); // Zeros would be written where nobody looks.
    Ok(queue)
}

/// How our files are opened: for their owner alone, and never waiting, which a pipe in their place would make
/// us.
fn options() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600).custom_flags(OFlag::O_NONBLOCK.bits());
    options
}
