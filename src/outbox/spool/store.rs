//! The file of the spool, open: a queue of records with numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;

use queue_file::QueueFile;

use super::SpoolError;
use super::folder::{Folder, Lock, of_queue};
use super::layout::{self, DATA_START, Reader};
use super::opening::{self, Found};
use super::record::{self, Record};

use crate::model::Topic;

/// The spool, open and sound.
///
/// The file has its greatest length from the start, as a hole that takes no room on the disk until it is
/// written. It never grows, for queue-file 2.0.0 then writes in the wrong place where the ring goes around
/// and little has to be moved: it moves that with `pwrite` and believes that the file's cursor has followed.
///
/// A record's number is that of its element in the file; they go on over restarts.
///
/// One `fdatasync` makes a group last: its content and its header reach the card before that in any order, so
/// a cut of the power may leave any part of them. It takes no earlier group with it, for a group is written
/// into free space, and a header without its group is damage like any other: what is whole is salvaged. Space
/// is free once its records are delivered, even where the header that says so did not reach the card: then
/// they are found written over, and are not missed.
#[derive(Debug)]
pub(super) struct Store {
    folder: Folder,
    queue: QueueFile,
    /// The same file once more: the crate has no `fdatasync`, and its `fsync` writes the time of the change
    /// each time.
    file: File,
    /// The number of the oldest record.
    first: u64,
    max_bytes: u64,
    /// Bytes written, at most, since the ring was last empty and began again at its start.
    written: u64,
    /// The number and the place of the record after those that were loaded last.
    reached: Option<(u64, u64)>,
    /// What gave way since it was last asked for.
    dropped: BTreeMap<Topic, u64>,
    lock: Lock,
}

impl Store {
    /// The spool in `folder`, which may become `max_bytes` long, with what was found there.
    pub(super) fn new(folder: Folder, max_bytes: u64, found: Found) -> Store {
        let Found { queue, file, lock, first, .. } = found;
        // What was written before is not known: the whole ring, at worst.
        let (written, reached, dropped) = (u64::MAX, None, BTreeMap::new());
        Store { folder, queue, file, first, max_bytes, written, reached, dropped, lock }
    }

    /// Opens the spool again after it failed with the records `numbers` in it. Neither more nor fewer will be
    /// in it: those that are damaged have left a gap, and those of a group that was refused half-way are
    /// gone.
    pub(super) fn reopen(self, numbers: Range<u64>) -> Result<Store, SpoolError> {
        if !self.is_in_place() {
            return Err(SpoolError::Vanished { path: self.folder.spool() });
        }
        let Store { folder, max_bytes, lock, .. } = self;
        let first = numbers.start;
        let found = opening::open_again(&folder, max_bytes, numbers, lock)?;
        let mut store = Store::new(folder, max_bytes, found);
        store.release(first)?;
        Ok(store)
    }

    /// The numbers of the records in it.
    pub(super) fn numbers(&self) -> Range<u64> {
        self.first..self.first + self.queue.size() as u64
    }

    /// Bytes that the records take, with the file's own structure.
    pub(super) fn used_bytes(&self) -> u64 {
        self.queue.used_bytes()
    }

    /// Whether the file is still where it was opened.
    pub(super) fn is_in_place(&self) -> bool {
        self.folder.has(&self.file)
    }

    /// Stores `records` and waits until they would survive a cut of the power. The oldest records give way
    /// where there is no room. After an error other than [`SpoolError::TooLarge`] the store is to be
    /// reopened.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), SpoolError> {
        let limit = self.queue.file_len() - DATA_START;
        if let Some(bytes) = records.iter().map(Record::spool_bytes).find(|it| *it > limit) {
            return Err(SpoolError::TooLarge { bytes, limit });
        }
        let mut rest = records;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|it| {
                bytes += it.spool_bytes();
                bytes <= limit
            });
            let (part, more) = rest.split_at(fitting.count());
            let bytes = part.iter().map(Record::spool_bytes).sum();
            self.make_room(bytes)?;
            self.written = self.written.saturating_add(bytes);
            self.queue.add_n(part.iter().map(record::encode)).map_err(|it| self.failed(it))?;
            rest = more;
        }
        self.sync()
    }

    /// What has given way to newer records since this was last asked.
    pub(super) fn take_dropped(&mut self) -> BTreeMap<Topic, u64> {
        std::mem::take(&mut self.dropped)
    }

    /// The records from the number `from` on, some of them, and the number of the first: later than `from`
    /// where that is gone. `None` stands for one that was damaged.
    ///
    /// Not by the crate, which would read its way from the oldest record each time.
    pub(super) fn load(&mut self, from: u64) -> Result<(u64, Vec<Option<Record>>), SpoolError> {
        let numbers = self.numbers();
        let first = from.max(numbers.start);
        let (mut records, mut content, mut bytes) = (Vec::new(), Vec::new(), 0);
        if first >= numbers.end {
            return Ok((first, records));
        }
        let ring_end = self.queue.file_len();
        let mut reader = Reader::new(&self.file, ring_end);
        let (mut number, mut at) = match self.reached {
            Some((number, at)) if (numbers.start..=first).contains(&number) => (number, at),
            _ => {
                let slot = reader.slots().newest.filter(|it| it.first() == numbers.start);
                slot.map(|it| (numbers.start, it.first_at)).ok_or_else(|| self.damaged())?
            }
        };
        while number < numbers.end && records.len() < LOAD_RECORDS && bytes < LOAD_BYTES {
            let element = reader.element(at, ring_end).filter(|it| it.number == number);
            let element = element.ok_or_else(|| self.damaged())?;
            if number >= first {
                reader.content(&element, &mut content);
                records.push(record::decode(&content).ok());
                bytes += content.len();
            }
            (number, at) = (number + 1, element.end());
        }
        self.reached = Some((number, at));
        Ok((first, records))
    }

    /// Lets go of the records below `next`. Written, but not made to last. After an error the store is to be
    /// reopened.
    pub(super) fn release(&mut self, next: u64) -> Result<(), SpoolError> {
        let count = next.clamp(self.first, self.numbers().end) - self.first;
        self.queue.remove_n(count as usize).map_err(|it| self.failed(it))?;
        self.first += count;
        if self.queue.is_empty() {
            self.reached = None; // It begins again at the start of the ring.
        }
        if self.queue.is_empty() && self.written > KEPT_BYTES {
            self.give_space_back().map_err(|cause| SpoolError::Write { path: self.folder.spool(), cause })?;
        }
        Ok(())
    }

    /// Waits until all that was done would survive a cut of the power.
    pub(super) fn sync(&self) -> Result<(), SpoolError> {
        self.file.sync_data().map_err(|cause| SpoolError::Write { path: self.folder.spool(), cause })
    }

    /// Lets the oldest records give way until `bytes` find room in a file of `max_bytes`.
    fn make_room(&mut self, bytes: u64) -> Result<(), SpoolError> {
        let mut used = self.queue.used_bytes();
        let mut topics = BTreeMap::<Topic, u64>::new();
        let mut count = 0;
        let mut queue = self.queue.iter();
        while used + bytes > self.queue.file_len() {
            let content = queue.borrowed_next().ok_or_else(|| self.damaged())?;
            if let Ok(record) = record::decode(content) {
                *topics.entry(record.message.topic).or_default() += 1;
            }
            used -= layout::span(content.len());
            count += 1;
        }
        self.release(self.first + count)?;
        for (topic, count) in topics {
            *self.dropped.entry(topic).or_default() += count;
        }
        Ok(())
    }

    /// Has the file system take back the blocks of a large backlog that is delivered.
    fn give_space_back(&mut self) -> io::Result<()> {
        self.file.sync_data()?; // First the header that says it: else a cut of the power would look like damage.
        self.file.set_len(KEPT_BYTES.min(self.queue.file_len()))?;
        self.file.set_len(self.queue.file_len())?;
        self.written = 0;
        Ok(())
    }

    fn failed(&self, error: queue_file::Error) -> SpoolError {
        of_queue(error, self.folder.spool())
    }

    fn damaged(&self) -> SpoolError {
        SpoolError::Damaged { path: self.folder.spool() }
    }
}

/// The least `max_bytes`.
pub(super) const LEAST_BYTES: u64 = 64 * 1024;
/// What an empty spool keeps of the disk: so much is mostly written again soon, and is cheaper to write the
/// second time.
const KEPT_BYTES: u64 = 64 * 1024;
/// The most records that are read at once.
pub(super) const LOAD_RECORDS: usize = 256;
/// Once this many bytes are read, no further record is.
pub(super) const LOAD_BYTES: usize = 32 * 1024;
