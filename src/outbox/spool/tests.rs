//! The spool as a whole: numbers, room, restarts, and a disk that fails.

mod damage;
mod full;
mod image;
mod model;
mod power;
mod read_only;
mod room;
mod thread;

use std::ops::Range;
use std::path::PathBuf;

use tempfile::{TempDir, tempdir};

use super::folder::Folder;
use super::opening;
use super::record::Record;
use super::store::{LEAST_BYTES, Store};

use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;

/// A record that says that it is number `number`, with a payload of `bytes` bytes.
fn record(number: u64, bytes: usize) -> Record {
    let topic = Topic::new(format!("t/{}", number % 3)).unwrap();
    let mut payload = format!("{number:20}").into_bytes();
    payload.resize(bytes, b'.');
    let message = Message { topic, payload: payload.into(), qos: Qos::AtLeastOnce, retain: false };
    Record { accepted: number, message }
}

fn records(numbers: Range<u64>, bytes: usize) -> Vec<Record> {
    numbers.map(|it| record(it, bytes)).collect()
}

fn folder() -> (TempDir, Folder) {
    let directory = tempdir().unwrap();
    let folder = Folder::new(directory.path().to_owned());
    (directory, folder)
}

/// Opens the spool; returns it with the number of records that were lost.
#[track_caller]
fn open(folder: &Folder) -> (Store, u64) {
    open_with(folder, LEAST_BYTES * 4)
}

#[track_caller]
fn open_with(folder: &Folder, max_bytes: u64) -> (Store, u64) {
    let found = opening::open(folder, max_bytes, 1).unwrap();
    let (counted, lost) = (found.topics.total(), found.lost);
    let mut store = Store::new(folder.clone(), max_bytes, found);
    let gone = all(&mut store).iter().filter(|it| **it == 0).count() as u64;
    let numbers = store.numbers();
    assert_eq!(counted + gone, numbers.end - numbers.start, "each record is counted on its topic");
    (store, lost)
}

/// The `accepted` of everything in `store`, in order: 0 for what is gone. Every record is checked to be as it
/// was made.
#[track_caller]
fn all(store: &mut Store) -> Vec<u64> {
    let mut found = Vec::new();
    let mut next = store.numbers().start;
    loop {
        let (first, records) = store.load(next).unwrap();
        assert_eq!(first, next);
        if records.is_empty() {
            assert_eq!(next, store.numbers().end);
            return found;
        }
        next += records.len() as u64;
        found.extend(records.iter().map(|it| {
            let Some(it) = it else { return 0 };
            assert_eq!(it, &record(it.accepted, it.message.payload.len()));
            it.accepted
        }));
    }
}

/// The file itself.
fn spool_file(directory: &TempDir) -> PathBuf {
    directory.path().join("spool")
}
