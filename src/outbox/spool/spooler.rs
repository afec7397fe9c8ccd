//! What the thread "spool" does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::folder::Folder;
use super::opening;
use super::store::Store;
use super::{Record, SpoolError, SpoolEvent};

use crate::model::Chain;
use crate::model::Topic;

/// What is asked of the thread.
#[derive(Debug)]
pub(super) enum Request {
    Append(Vec<Record>),
    Load(u64),
    Release(u64),
}

/// The thread's state.
pub(super) struct Spooler {
    folder: Folder,
    max_bytes: u64,
    events: Sender<SpoolEvent>,
    /// `None` while the file cannot be used.
    store: Option<Store>,
    /// The records that were there when the file could last be used.
    last: Range<u64>,
    /// The pause before another attempt to open.
    retry: Duration,
}

impl Spooler {
    /// A spooler that has not opened anything yet.
    pub(super) fn new(
        folder: Folder,
        max_bytes: u64,
        events: Sender<SpoolEvent>,
        retry: Duration,
    ) -> Spooler {
        Spooler { folder, max_bytes, events, store: None, last: 1..1, retry }
    }

    /// Does what is asked until nobody can ask any more.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        if let Err(cause) = self.open() {
            self.tell(SpoolEvent::Failed { cause });
        }
        loop {
            match self.next(requests) {
                Ok(Request::Append(records)) => self.append(records),
                Ok(Request::Load(from)) => self.load(from),
                Ok(Request::Release(next)) => self.release(next),
                // The backlog is not to wait for the next message that happens to be stored.
                Err(RecvTimeoutError::Timeout) => drop(self.open()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Some(Err(cause)) = self.store.as_ref().map(Store::sync) {
            self.tell(SpoolEvent::Failed { cause });
        }
    }

    fn next(&self, requests: &Receiver<Request>) -> Result<Request, RecvTimeoutError> {
        match self.store {
            Some(_) => requests.recv().map_err(RecvTimeoutError::from),
            None => requests.recv_timeout(self.retry),
        }
    }

    fn append(&mut self, records: Vec<Record>) {
        if self.store.as_ref().is_some_and(|it| !it.is_in_place()) {
            self.close(SpoolError::Vanished { path: self.folder.spool() });
        }
        match self.store(&records) {
            Ok(next) => self.tell(SpoolEvent::Stored { next }),
            Err(cause) => self.tell(SpoolEvent::Refused { records, cause }),
        }
    }

    fn store(&mut self, records: &[Record]) -> Result<u64, SpoolError> {
        let end = self.open()?.numbers().end;
        self.mend_and_retry(|store| match store.append(records) {
            Ok(()) => Ok(store.numbers().end),
            // Part of the group may be in the file already.
            Err(cause) => Err((cause, store.numbers().start.min(end)..end)),
        })
    }

    fn load(&mut self, from: u64) {
        if let Err(cause) = self.open() {
            self.tell(SpoolEvent::Failed { cause });
        }
        let loaded = match self.store {
            Some(_) => {
                self.mend_and_retry(|store| store.load(from).map_err(|cause| (cause, store.numbers())))
            }
            None => Ok((from, Vec::new())),
        };
        let (first, records) = loaded.unwrap_or_else(|cause| {
            // Otherwise mending it failed, and was told.
            if self.store.is_some() {
                self.close(cause);
            }
            (from, Vec::new())
        });
        self.tell(SpoolEvent::Loaded { first, records });
    }

    fn release(&mut self, next: u64) {
        if self.store.is_none() {
            return;
        }
        let released = self.mend_and_retry(|store| {
            store.release(next).map_err(|cause| {
                let Range { start, end } = store.numbers();
                (cause, next.clamp(start, end)..end)
            })
        });
        if let Err(cause) = released {
            log::debug!("nothing is lost, but delivered messages stay in the spool: {}", Chain(&cause));
        }
    }

    /// Does `work`. Where it fails it says which records are to be in the file then: the file is opened anew,
    /// which mends it, and where damage was the cause, `work` is done once more.
    fn mend_and_retry<T>(
        &mut self,
        mut work: impl FnMut(&mut Store) -> Result<T, (SpoolError, Range<u64>)>,
    ) -> Result<T, SpoolError> {
        let mut mended = false;
        loop {
            let store = self.open()?;
            let done = work(store);
            let (dropped, next) = (store.take_dropped(), store.numbers().start);
            self.tell_dropped(dropped, next);
            let (cause, numbers) = match done {
                Ok(done) => return Ok(done),
                Err((cause @ SpoolError::TooLarge { .. }, _)) => return Err(cause),
                Err(failed) => failed,
            };
            self.last = numbers.clone();
            let store = self.store.take();
            match store.map(|it| it.reopen(numbers)) {
                Some(Ok(store)) => self.store = Some(store),
                Some(Err(cause)) => self.close(cause),
                None => {}
            }
            if mended || !matches!(cause, SpoolError::Damaged { .. }) {
                return Err(cause);
            }
            mended = true;
        }
    }

    /// The store, opened where it is not.
    fn open(&mut self) -> Result<&mut Store, SpoolError> {
        if self.store.is_none() {
            let mut found = opening::open(&self.folder, self.max_bytes, self.last.end)?;
            let (topics, others) = std::mem::take(&mut found.topics).into_parts();
            let lost = found.lost;
            let store = Store::new(self.folder.clone(), self.max_bytes, found);
            let Range { start: first, end: next } = store.numbers();
            // A file that was removed has no damage, and yet its records are gone.
            let lost = lost.max((self.last.end - self.last.start).saturating_sub(next - first));
            let bytes = store.used_bytes();
            self.tell(SpoolEvent::Opened { first, next, bytes, topics, others, lost });
            self.store = Some(store);
        }
        Ok(self.store.as_mut().expect("it was opened above"))
    }

    /// Gives the file up for now.
    fn close(&mut self, cause: SpoolError) {
        if let Some(store) = self.store.take() {
            self.last = store.numbers();
        }
        self.tell(SpoolEvent::Failed { cause });
    }

    fn tell_dropped(&self, topics: BTreeMap<Topic, u64>, next: u64) {
        if !topics.is_empty() {
            self.tell(SpoolEvent::Dropped { next, topics: Vec::from_iter(topics) });
        }
    }

    /// Waits until the bridge has room for `event`. At the very end nobody listens any more.
    fn tell(&self, event: SpoolEvent) {
        let _ = self.events.send(event);
    }
}
