//! Files cut, flipped, scribbled over, unreadable in places, or of somebody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::image::Image;
use super::{all, folder, open, records, spool_file};
use crate::outbox::spool::layout::{Reader, Slot};
use crate::outbox::spool::record::{GONE, encode};

#[test]
fn each_flipped_bit_costs_at_most_the_record_it_is_in() {
    let image = Image::wrapped();
    let mut losses = 0;
    for (at, owner) in image.owners().into_iter().enumerate() {
        // Most of the file is the gap behind each header: there, all bits of a byte at once will do.
        let is_gap = at % 4096 >= 56 && at < 8192;
        let flips: Vec<u8> = if is_gap { vec![0xff] } else { (0..8).map(|it| 1 << it).collect() };
        for flip in flips {
            let mut flipped = image.clone();
            flipped.bytes[at] ^= flip;
            let found = flipped.recovered().unwrap();
            let missing = (14..=22).filter(|it| !found.contains(it)).collect::<Vec<_>>();
            assert!(missing.is_empty() || missing == [owner], "{flip:08b} in byte {at}: {found:?}");
            losses += missing.len();
        }
    }
    assert!(losses > 1_000, "a damaged record is no record: {losses}");
}

#[test]
fn each_cut_costs_the_records_that_are_cut_off() {
    let image = Image::wrapped();
    let owners = image.owners();
    for length in 0..image.bytes.len() {
        let mut cut = image.clone();
        cut.bytes.truncate(length);
        let whole: Vec<u64> = (14..=22).filter(|it| !owners[length..].contains(it)).collect();
        // Without as much as a header and without a record it may be anybody's file.
        assert_eq!(cut.recovered(), (length >= 56).then_some(whole), "cut at {length}");
    }
}

#[test]
fn damage_in_many_places_never_makes_up_or_reorders_a_record() {
    let image = Image::wrapped();
    let mut random = fastrand::Rng::with_seed(32);
    let mut counts = [0; 10];
    for _ in 0..8_000 {
        let mut damaged = image.clone();
        for _ in 0..random.usize(1..8) {
            let at =
                if random.bool() { random.usize(8192..damaged.bytes.len()) } else { random.usize(..112) };
            let at = if (56..8192).contains(&at) { 4096 + at - 56 } else { at };
            let length = random.usize(1..64).min(damaged.bytes.len() - at);
            match random.u8(..3) {
                0 => damaged.bytes[at..at + length].fill(0),
                1 => damaged.bytes[at..at + length].fill_with(|| random.u8(..)),
                _ => {
                    let from = random.usize(8192..damaged.bytes.len() - length);
                    damaged.bytes.copy_within(from..from + length, at);
                }
            }
        }
        // `recovered` itself checks every record and their order.
        counts[damaged.recovered().map_or(0, |it| it.len().min(9))] += 1;
    }
    assert!(counts[3..].iter().all(|it| *it > 25), "{counts:?}");
}

#[test]
fn without_any_header_the_newest_records_in_a_row_come_back() {
    let mut image = Image::wrapped();
    image.bytes[..8192].fill(0xff);
    // What was delivered already and not yet written over comes along: better twice than never.
    let found = image.recovered().unwrap();
    assert!(found.ends_with(&[14, 15, 16, 17, 18, 19, 20, 21, 22]), "{found:?}");
}

#[test]
fn a_bad_block_costs_the_records_in_it() {
    let mut image = Image::wrapped();
    let owners = image.owners();
    image.bad = 8300..8301;
    // A sector is the least that can be read.
    let intact: Vec<u64> = (14..=22).filter(|it| !owners[8192..8704].contains(it)).collect();
    assert!((1..9).contains(&intact.len()));
    assert_eq!(image.recovered(), Some(intact));
}

#[test]
fn a_damaged_file_opens_says_what_is_lost_and_works_on() {
    let image = Image::wrapped();
    let mut random = fastrand::Rng::with_seed(33);
    for round in 0..60 {
        let (directory, folder) = folder();
        let mut damaged = image.bytes.clone();
        let mut expected_lost = 0;
        match round % 3 {
            0 => damaged.truncate(random.usize(8192..damaged.len())),
            1 => damaged[random.usize(..8192)] ^= 1,
            _ => {
                let at = random.usize(8192..damaged.len());
                expected_lost = 1;
                damaged[at] ^= 1;
            }
        }
        fs::write(spool_file(&directory), damaged).unwrap();
        let (mut store, lost) = open(&folder);
        let found = all(&mut store);
        assert_eq!(found.len() as u64 + lost, 9, "{found:?}");
        assert!(expected_lost == 0 || lost <= 1);
        store.append(&records(100..103, 30)).unwrap();
        drop(store);
        let (mut store, lost) = open(&folder);
        assert_eq!((all(&mut store), lost), ([found, vec![100, 101, 102]].concat(), 0));
    }
}

#[test]
fn a_record_damaged_while_the_file_is_open_leaves_its_place_empty() {
    let (_directory, folder) = folder();
    let (mut store, _) = open(&folder);
    store.append(&records(1..6, 100)).unwrap();
    let (second, numbers) = (100 + 44 + 12 + 3, store.numbers());
    let file = fs::File::options().write(true).open(folder.spool()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"XXXX", 8192 + second + 60).unwrap();
    store.load(1).unwrap_err();
    let mut store = store.reopen(numbers.clone()).unwrap();
    assert_eq!((all(&mut store), store.numbers()), (vec![1, 0, 3, 4, 5], numbers));
    drop(store);
    let (mut store, lost) = open(&folder);
    assert_eq!((all(&mut store), lost), (vec![1, 0, 3, 4, 5], 0), "it was told once");
}

#[test]
fn what_is_no_spool_is_kept_aside_and_one_such_file_only() {
    let (directory, folder) = folder();
    let mut newer = Image::wrapped().bytes;
    for at in [0, 4096] {
        newer[at + 4] = 3;
    }
    let mut newer_record = encode(&super::record(1, 10));
    newer_record[0] = 2;
    let mut queue = queue_file::QueueFile::open(directory.path().join("queue")).unwrap();
    queue.add_n([encode(&super::record(1, 10)), newer_record]).unwrap();
    let newer_record = fs::read(directory.path().join("queue")).unwrap();
    for strange in [b"#!/bin/sh\n".repeat(2000), newer, newer_record, vec![0; 70_000]] {
        fs::write(spool_file(&directory), &strange).unwrap();
        let (mut store, lost) = open(&folder);
        assert_eq!((all(&mut store), lost), (vec![], 0));
        store.append(&records(1..2, 10)).unwrap();
        assert_eq!(fs::read(directory.path().join("spool.damaged")).unwrap(), strange);
    }
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["queue", "spool", "spool.damaged", "spool.lock"]);
}

#[test]
fn an_empty_file_is_a_new_spool() {
    let (directory, folder) = folder();
    fs::write(spool_file(&directory), "").unwrap();
    assert_eq!(open(&folder).0.numbers(), 1..1);
    assert!(!directory.path().join("spool.damaged").exists());
}

#[test]
fn only_the_owner_may_read_the_files() {
    let (directory, _) = folder();
    let folder = crate::outbox::spool::folder::Folder::new(directory.path().join("a/b"));
    let _store = open(&folder);
    for (name, mode) in [("a", 0o700), ("a/b", 0o700), ("a/b/spool", 0o600), ("a/b/spool.lock", 0o600)] {
        let metadata = fs::metadata(directory.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn the_slots_are_read_as_the_crate_writes_them() {
    let image = Image::wrapped();
    let slot = Reader::new(&image, image.bytes.len() as u64).slots().newest.unwrap();
    assert_eq!((slot.first(), slot.next, slot.count, slot.end), (14, 23, 9, 9192));
    let at = if image.bytes[..56] == slot.encode() { 0 } else { 4096 };
    assert_eq!(image.bytes[at..at + 56], slot.encode(), "and written as it reads them");
    assert_eq!(Slot::empty(9192, 7).first(), 7);
    assert_eq!(GONE.len(), 0);
}
