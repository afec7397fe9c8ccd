//! The bytes of a spool in memory, so that every one of them can be damaged.

use std::io;
use std::os::unix::fs::FileExt;

use queue_file::QueueFile;
use tempfile::tempdir;

use crate::outbox::spool::check::{Verdict, check};
use crate::outbox::spool::layout::Reader;
use crate::outbox::spool::record::{decode, encode};
use crate::outbox::spool::salvage::Salvage;

use super::record;

/// A file in memory, some of which may be unreadable.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    /// Reading any of this fails.
    pub(super) bad: std::ops::Range<u64>,
}

impl FileExt for Image {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if at < self.bad.end && at + buffer.len() as u64 > self.bad.start {
            return Err(io::Error::from_raw_os_error(nix::errno::Errno::EIO as i32));
        }
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Image {
    pub(super) fn new(bytes: Vec<u8>) -> Image {
        Image { bytes, bad: 0..0 }
    }

    /// A small spool whose ring goes around, its last change an append: the records 14 to 22.
    pub(super) fn wrapped() -> Image {
        let directory = tempdir().unwrap();
        let path = directory.path().join("small");
        let mut queue = QueueFile::with_capacity(&path, 8192 + 1000).unwrap();
        queue.set_sync_writes(false);
        queue.set_overwrite_on_remove(false);
        for number in 1..=22 {
            if number > 9 {
                queue.remove().unwrap();
            }
            queue.add(&encode(&record(number, 10 + number as usize))).unwrap();
        }
        assert_eq!((queue.size(), queue.file_len()), (9, 8192 + 1000));
        let image = Image::new(std::fs::read(&path).unwrap());
        assert_eq!(image.recovered(), Some((14..=22).collect()));
        image
    }

    /// The numbers of the records that an opening finds, in order; `None` where it finds no spool.
    #[track_caller]
    pub(super) fn recovered(&self) -> Option<Vec<u64>> {
        let mut reader = Reader::new(self, self.bytes.len() as u64);
        let known = match check(&mut reader) {
            Verdict::Sound(contents) => Some(contents.slot.first()..contents.slot.next),
            Verdict::Damaged => None,
            Verdict::Newer => return None,
        };
        let mut found = Vec::new();
        let salvage = Salvage::search(&mut reader, known)?;
        let shown = salvage.contents(&mut reader, |content| {
            if let Some(record) = content.and_then(|it| decode(it).ok()) {
                assert_eq!(record, super::record(record.accepted, record.message.payload.len()));
                found.push(record.accepted);
            }
            Ok::<(), ()>(())
        });
        shown.unwrap();
        assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
        Some(found)
    }

    /// For each byte of the file, the number of the record that it belongs to; 0 for none.
    pub(super) fn owners(&self) -> Vec<u64> {
        let mut owners = vec![0; self.bytes.len()];
        let mut reader = Reader::new(self, self.bytes.len() as u64);
        let slot = reader.slots().newest.unwrap();
        let mut at = slot.first_at;
        for number in slot.first()..slot.next {
            let element = reader.element(at, slot.end).unwrap();
            for offset in 0..element.span() {
                let place = at + offset;
                let place = if place >= slot.end { place - slot.end + 8192 } else { place };
                owners[place as usize] = number;
            }
            at = element.end();
        }
        owners
    }
}
