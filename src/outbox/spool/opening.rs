//! From a folder in any state to a sound spool, open.

use std::fs::File;
use std::ops::Range;

use queue_file::QueueFile;

use super::SpoolError;
use super::census::Census;
use super::check::{Contents, Verdict, check};
use super::folder::{Folder, Lock, of_queue, open_queue};
use super::layout::{DATA_START, Reader};
use super::record::{self, GONE, Undecodable};
use super::salvage::Salvage;
use super::store::{LOAD_BYTES, LOAD_RECORDS};

/// A sound spool, and what is in it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) queue: QueueFile,
    /// The same file once more.
    pub(super) file: File,
    pub(super) lock: Lock,
    /// The number of the oldest record.
    pub(super) first: u64,
    /// How many records there are on each topic.
    pub(super) topics: Census,
    /// How many were lost to damage.
    pub(super) lost: u64,
}

/// Opens the spool in `folder`, makes it where it is missing, and salvages it where it is damaged. It may
/// become `max_bytes` long; the first record of a new one has the number `next`.
pub(super) fn open(folder: &Folder, max_bytes: u64, next: u64) -> Result<Found, SpoolError> {
    folder.make()?;
    let lock = folder.lock()?;
    find(folder, max_bytes, next, None, lock)
}

/// Opens the spool in `folder` again, when there are to be the records `numbers` in it.
pub(super) fn open_again(
    folder: &Folder,
    max_bytes: u64,
    numbers: Range<u64>,
    lock: Lock,
) -> Result<Found, SpoolError> {
    find(folder, max_bytes, numbers.start, Some(numbers), lock)
}

/// Improves what is in `folder`, one thing after the other, until it can be used as it is.
fn find(
    folder: &Folder,
    max_bytes: u64,
    next: u64,
    known: Option<Range<u64>>,
    lock: Lock,
) -> Result<Found, SpoolError> {
    let path = folder.spool();
    let mut lost = 0;
    for _ in 0..MOST_STEPS {
        let Some(file) = folder.open()? else {
            folder.replace(max_bytes, next, |_| Ok(()))?;
            continue;
        };
        let length = file.metadata().map_err(|cause| SpoolError::Read { path: path.clone(), cause })?.len();
        let mut reader = Reader::new(&file, length);
        // What was in it has room in as much again.
        let roomy = length.max(max_bytes);
        let Contents { slot, bytes, topics } = match check(&mut reader) {
            Verdict::Sound(contents) => contents,
            Verdict::Damaged => {
                lost += rewrite(folder, roomy, &mut reader, known.clone())?;
                continue;
            }
            Verdict::Newer => {
                folder.set_aside()?;
                continue;
            }
        };
        let numbers = slot.first()..slot.next;
        if let Some(known) = known.as_ref().filter(|it| it.start < numbers.start || it.end != numbers.end) {
            rewrite(folder, roomy, &mut reader, Some(known.clone()))?;
            continue;
        }
        // Another limit than last time. What has no room in it stays, until it is delivered.
        let resizable = slot.end != max_bytes && DATA_START + bytes <= max_bytes;
        if resizable && rewrite(folder, max_bytes, &mut reader, Some(numbers)).is_ok() {
            continue;
        }
        let queue = open_queue(&path, slot.end).map_err(|it| of_queue(it, path))?;
        return Ok(Found { queue, file, lock, first: slot.first(), topics, lost });
    }
    Err(SpoolError::Damaged { path })
}

/// Replaces the spool by one of `length` bytes with all its whole records, and returns how many were lost.
/// What is no spool is set aside.
///
/// Where the numbers in it are `known`, each keeps its own, and a lost one leaves a gap. Otherwise nobody
/// knows them yet.
fn rewrite(
    folder: &Folder,
    length: u64,
    reader: &mut Reader<'_>,
    known: Option<Range<u64>>,
) -> Result<u64, SpoolError> {
    let keeps_gaps = known.is_some();
    let Some(salvage) = Salvage::search(reader, known) else {
        folder.set_aside()?;
        return Ok(0);
    };
    let (mut lost, mut found, mut newer) = (0, 0, false);
    let replaced = folder.replace(length, salvage.range().start, |queue| {
        let mut batch: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        salvage.contents(reader, |content| {
            let content = match content.map(|it| (it, record::decode(it))) {
                Some((content, Ok(_) | Err(Undecodable::Gone))) => Some(content),
                Some((_, Err(Undecodable::Newer))) => {
                    newer = true;
                    return Err(queue_file::Error::InvalidValue { msg: "newer".to_owned() });
                }
                Some((_, Err(Undecodable::Nonsense))) | None => None,
            };
            let is_over = found == 0 && salvage.start_may_be_over();
            lost += u64::from(content.is_none() && !is_over);
            found += u64::from(content.is_some());
            if let Some(content) = content.or(keeps_gaps.then_some(GONE)) {
                bytes += content.len();
                batch.push(content.to_owned());
            }
            if batch.len() >= LOAD_RECORDS || bytes >= LOAD_BYTES {
                bytes = 0;
                return queue.add_n(batch.drain(..));
            }
            Ok(())
        })?;
        queue.add_n(batch)
    });
    if newer {
        folder.set_aside()?;
        return Ok(0);
    }
    replaced.map(|()| lost)
}

/// To salvage, to give it another length or set it aside and make a new one, and to use that: one more helps
/// nothing.
const MOST_STEPS: usize = 4;
