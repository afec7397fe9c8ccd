//! Numbers, restarts, and what happens when there is no more room.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{LEAST_BYTES, all, folder, open, open_with, record, records, spool_file};
use crate::outbox::spool::SpoolError;
use crate::outbox::spool::store::{LOAD_BYTES, LOAD_RECORDS};

#[test]
fn numbers_go_on_over_restarts_and_an_emptied_spool() {
    let (_directory, folder) = folder();
    let (mut store, _) = open(&folder);
    assert_eq!(store.numbers(), 1..1);
    store.append(&records(1..4, 20)).unwrap();
    store.release(3).unwrap();
    drop(store);
    let (mut store, _) = open(&folder);
    assert_eq!((store.numbers(), all(&mut store)), (3..4, vec![3]));
    store.release(4).unwrap();
    drop(store);
    let (mut store, _) = open(&folder);
    assert_eq!(store.numbers(), 4..4);
    store.append(&records(4..6, 20)).unwrap();
    assert_eq!((store.numbers(), all(&mut store)), (4..6, vec![4, 5]));
}

#[test]
fn a_release_beyond_the_end_or_twice_is_what_is_there() {
    let (_directory, folder) = folder();
    let (mut store, _) = open(&folder);
    store.append(&records(1..6, 20)).unwrap();
    store.release(3).unwrap();
    store.release(2).unwrap();
    assert_eq!(all(&mut store), [3, 4, 5]);
    store.release(100).unwrap();
    assert_eq!(store.numbers(), 6..6);
}

#[test]
fn loads_are_bounded_and_begin_at_what_is_there() {
    let (_directory, folder) = folder();
    let mut store = open_with(&folder, 1 << 20).0;
    store.append(&records(1..501, 20)).unwrap();
    store.append(&records(501..520, 10_000)).unwrap();
    store.release(5).unwrap();
    assert_eq!(store.load(1).unwrap().0, 5);
    assert_eq!(store.load(5).unwrap().1.len(), LOAD_RECORDS);
    let (first, large) = store.load(510).unwrap();
    assert_eq!((first, large.len()), (510, LOAD_BYTES.div_ceil(10_000)));
    assert_eq!(large[0], Some(record(510, 10_000)));
    assert_eq!(store.load(520).unwrap(), (520, vec![]));
    assert_eq!(store.load(900).unwrap(), (900, vec![]));
}

#[test]
fn what_is_stored_behind_all_that_was_loaded_is_loaded_next() {
    let (_directory, folder) = folder();
    let mut store = open_with(&folder, LEAST_BYTES).0;
    for number in 1..500 {
        store.append(&[record(number, 20 + number as usize % 900)]).unwrap();
        assert_eq!(
            store.load(number).unwrap(),
            (number, vec![Some(record(number, 20 + number as usize % 900))])
        );
        if number % 3 == 0 {
            store.release(number + 1).unwrap();
        }
    }
}

#[test]
fn the_oldest_give_way_and_are_counted_on_their_topics() {
    let (directory, folder) = folder();
    let mut store = open_with(&folder, LEAST_BYTES).0;
    let mut dropped = BTreeMap::new();
    for number in 1..=600 {
        store.append(&[record(number, 300)]).unwrap();
        for (topic, count) in store.take_dropped() {
            *dropped.entry(topic.to_string()).or_insert(0) += count;
        }
        assert!(fs::metadata(spool_file(&directory)).unwrap().len() <= LEAST_BYTES);
    }
    let first = store.numbers().start;
    assert_eq!(all(&mut store), (first..=600).collect::<Vec<_>>());
    let fitting = (LEAST_BYTES - 8192) / record(600, 300).spool_bytes();
    assert_eq!(601 - first, fitting, "as many as find room");
    for rest in 0..3 {
        let gone = (1..first).filter(|it| it % 3 == rest).count() as u64;
        assert_eq!(dropped[&format!("t/{rest}")], gone);
    }
}

#[test]
fn a_group_larger_than_the_spool_leaves_its_newest() {
    let (_directory, folder) = folder();
    let mut store = open_with(&folder, LEAST_BYTES).0;
    store.append(&records(1..101, 2000)).unwrap();
    let numbers = store.numbers();
    assert_eq!(numbers.end, 101);
    assert_eq!(all(&mut store), numbers.clone().collect::<Vec<_>>());
    assert_eq!(store.take_dropped().values().sum::<u64>(), numbers.start - 1);
}

#[test]
fn a_record_that_never_fits_is_refused_and_costs_nobody_a_place() {
    let (_directory, folder) = folder();
    let mut store = open_with(&folder, LEAST_BYTES * 2).0;
    store.append(&records(1..5, 100)).unwrap();
    let mut group = records(5..7, 100);
    group.push(record(7, LEAST_BYTES as usize * 2));
    let refused = store.append(&group).unwrap_err();
    assert!(
        matches!(refused, SpoolError::TooLarge { bytes, limit } if bytes > limit && limit == 131_072 - 8192),
        "{refused:?}"
    );
    assert_eq!(all(&mut store), [1, 2, 3, 4]);
    let largest = record(5, (131_072 - 8192 - record(5, 20).spool_bytes() + 20) as usize);
    store.append(&[largest]).unwrap();
    assert_eq!(store.numbers(), 5..6, "it has all the room");
}

#[test]
fn the_file_takes_room_for_what_is_in_it_and_never_more_than_its_limit() {
    let (directory, folder) = folder();
    let metadata = || fs::metadata(spool_file(&directory)).unwrap();
    let mut store = open_with(&folder, 1_000_000).0;
    assert!(metadata().blocks() * 512 < LEAST_BYTES);
    for number in 1..1500 {
        store.append(&[record(number, 1000)]).unwrap();
        assert_eq!(metadata().len(), 1_000_000);
    }
    assert!(store.used_bytes() > 1_000_000 - record(1, 1000).spool_bytes());
    assert!(metadata().blocks() * 512 > 900_000);
    store.release(1500).unwrap();
    assert!(metadata().blocks() * 512 <= LEAST_BYTES, "it is given back when all is delivered");
    store.append(&records(1500..1510, 1000)).unwrap();
    drop(store);
    assert_eq!(all(&mut open_with(&folder, 1_000_000).0), (1500..1510).collect::<Vec<_>>());
}

#[test]
fn another_limit_takes_effect_without_costing_a_record() {
    let (directory, folder) = folder();
    let length = || fs::metadata(spool_file(&directory)).unwrap().len();
    // The ring goes around.
    let mut store = open_with(&folder, LEAST_BYTES).0;
    for number in 1..=100 {
        store.append(&[record(number, 1000)]).unwrap();
    }
    let first = store.numbers().start;
    drop(store);
    let mut store = open_with(&folder, LEAST_BYTES * 8).0;
    assert_eq!((length(), store.numbers()), (LEAST_BYTES * 8, first..101));
    for number in 101..300 {
        store.append(&[record(number, 1000)]).unwrap();
    }
    assert_eq!(all(&mut store), (first..300).collect::<Vec<_>>());
    drop(store);
    // What has no room within the new limit stays until it is delivered.
    let mut store = open_with(&folder, LEAST_BYTES).0;
    assert_eq!((length(), all(&mut store)), (LEAST_BYTES * 8, (first..300).collect()));
    store.release(290).unwrap();
    drop(store);
    let mut store = open_with(&folder, LEAST_BYTES).0;
    assert_eq!((length(), all(&mut store)), (LEAST_BYTES, (290..300).collect()));
}

#[test]
fn a_group_that_was_refused_after_it_was_written_is_gone() {
    let (_directory, folder) = folder();
    let mut store = open(&folder).0;
    store.append(&records(1..4, 20)).unwrap();
    store.append(&records(50..53, 20)).unwrap(); // As if making it last had failed.
    let mut store = store.reopen(2..4).unwrap();
    assert_eq!((store.numbers(), all(&mut store)), (2..4, vec![2, 3]));
    store.append(&records(4..6, 20)).unwrap();
    assert_eq!(all(&mut store), [2, 3, 4, 5]);
}

#[test]
fn a_release_that_was_not_made_to_last_brings_delivered_records_again() {
    let (directory, folder) = folder();
    let (mut store, _) = open(&folder);
    store.append(&records(1..6, 20)).unwrap();
    let on_the_card = fs::read(spool_file(&directory)).unwrap();
    store.release(4).unwrap();
    drop(store);
    fs::write(spool_file(&directory), on_the_card).unwrap();
    let (mut store, lost) = open(&folder);
    assert_eq!((all(&mut store), lost), (vec![1, 2, 3, 4, 5], 0));
}
