//! The part of the outbox that survives this process and the power: [`Spool`], a file on the card and the
//! thread that may wait for the card.
//!
//! The file is a queue of the crate queue-file, which appends and removes; what that crate cannot do, to
//! bring back all whole records of a damaged file, is done here.

mod census;
mod check;
mod error;
mod folder;
mod layout;
mod opening;
mod record;
mod salvage;
mod spooler;
mod store;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

pub(super) use census::MOST_TOPICS;
pub use error::SpoolError;
use folder::Folder;
pub use record::Record;
use spooler::{Request, Spooler};
use store::LEAST_BYTES;

use crate::model::Topic;
use crate::worker::Worker;

/// The thread "spool" and what may be asked of it. Nothing here waits for the card; dropping it does.
#[derive(Debug)]
pub struct Spool {
    // Before the thread: it ends when nobody can ask any more.
    requests: Sender<Request>,
    worker: Worker,
}

/// What the spool has to say. Sending it waits for the bridge.
#[derive(Debug)]
pub enum SpoolEvent {
    /// The file is open: the first event of all, and again after [`SpoolEvent::Failed`].
    Opened {
        /// The number of the oldest record in it.
        first: u64,
        /// The number that the next appended record will have.
        next: u64,
        /// Bytes in use.
        bytes: u64,
        /// How many records there are on each topic, of 4,096 topics at most.
        topics: Vec<(Topic, u64)>,
        /// How many records there are on further topics.
        others: u64,
        /// How many were damaged, or went with a file that was removed, and are gone.
        lost: u64,
    },
    /// Everything below the number `next` is on the card. The answer to [`Spool::append`].
    Stored {
        /// The number that the next appended record will have.
        next: u64,
    },
    /// Nothing of the group was stored. The other answer to [`Spool::append`].
    Refused {
        /// The group, as it was.
        records: Vec<Record>,
        /// Why.
        cause: SpoolError,
    },
    /// The oldest records gave way to newer ones.
    Dropped {
        /// All that are gone have numbers below this one.
        next: u64,
        /// How many gave way on each topic.
        topics: Vec<(Topic, u64)>,
    },
    /// The answer to [`Spool::load`].
    Loaded {
        /// The number of the first of them: what was asked for, or the oldest where that is gone already.
        first: u64,
        /// The records from there on; `None` for one that was damaged and is gone. Empty where there is none, and
        /// behind [`SpoolEvent::Failed`] where that was the reason.
        records: Vec<Option<Record>>,
    },
    /// The file cannot be used for now: nothing is on the card until [`SpoolEvent::Opened`].
    Failed {
        /// Why.
        cause: SpoolError,
    },
}

impl Spool {
    /// Starts the thread, which opens, checks and repairs the spool in `directory` (made where it is missing)
    /// and says so to `events`. Returns at once. The file gets no longer than `max_bytes`, at least 64 KiB.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread to give.
    pub fn start(directory: PathBuf, max_bytes: u64, events: Sender<SpoolEvent>) -> io::Result<Spool> {
        let (requests, receiver) = bounded(MOST_REQUESTS);
        let folder = Folder::new(directory);
        let spooler = Spooler::new(folder, max_bytes.max(LEAST_BYTES), events, RETRY_PAUSE);
        let worker = Worker::spawn("spool", move |_| spooler.run(&receiver))?;
        Ok(Spool { requests, worker })
    }

    /// Whether there is a spool in `directory`, in which an earlier process may have left something. Does not
    /// open it.
    pub fn exists(directory: &Path) -> bool {
        Folder::new(directory.to_owned()).spool().exists()
    }

    /// Stores `records` together. Never blocks. The answer is [`SpoolEvent::Stored`] or
    /// [`SpoolEvent::Refused`], which is to be waited for before the next group.
    pub fn append(&self, records: Vec<Record>) {
        self.ask(Request::Append(records));
    }

    /// Asks for the next records from the number `from` on, up to 256 records or 32 KiB, at least one. Never blocks. The answer is
    /// [`SpoolEvent::Loaded`], which is to be waited for before asking again.
    pub fn load(&self, from: u64) {
        self.ask(Request::Load(from));
    }

    /// Lets go of the records below the number `next`, which are delivered. Never blocks; may be skipped when
    /// the thread is behind, a later one covers it. After a crash they may be there again.
    pub fn release(&self, next: u64) {
        if self.requests.len() < MOST_RELEASES {
            self.ask(Request::Release(next));
        }
    }

    /// Has the thread do what was asked for, make it last, and end; waits at most `limit` for it. Returns
    /// whether it has ended. Somebody must still receive events meanwhile, or nobody be able to any more.
    pub fn stop(self, limit: Duration) -> bool {
        let Spool { requests, worker } = self;
        drop(requests);
        worker.stop_within(limit)
    }

    fn ask(&self, request: Request) {
        self.requests
            .try_send(request)
            .expect("releases leave room for the one append and the one load there may be");
    }
}

/// One append, one load, and releases.
const MOST_REQUESTS: usize = MOST_RELEASES + 2;
/// The thread takes the next one when the card lets it; more in a row tell it nothing.
const MOST_RELEASES: usize = 4;
/// How long after a failure the file is tried again without an append to try it: long enough to cost nothing,
/// short enough for whoever has just freed a disk.
const RETRY_PAUSE: Duration = Duration::from_secs(30);
