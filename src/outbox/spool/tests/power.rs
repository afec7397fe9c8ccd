//! A cut of the power: of what was written since the last `fdatasync`, any pages may be on the card.

use std::collections::BTreeSet;
use std::fs;

use super::image::Image;
use super::{all, folder, open, records, spool_file};

/// Each mixture of the pages of two states of a file, some of them where there are too many.
fn mixtures(before: &[u8], after: &[u8], page: usize, random: &mut fastrand::Rng) -> Vec<Image> {
    let at = |bytes: &[u8], page_at: usize| {
        let start = (page_at * page).min(bytes.len());
        let mut found = bytes[start..(start + page).min(bytes.len())].to_vec();
        found.resize(page, 0);
        found
    };
    let pages = before.len().max(after.len()).div_ceil(page);
    let changed: Vec<usize> = (0..pages).filter(|it| at(before, *it) != at(after, *it)).collect();
    let subsets: BTreeSet<u64> = match changed.len() {
        0..=4 => (0..1 << changed.len()).collect(),
        many => (0..20).map(|_| random.u64(..1 << many.min(63))).collect(),
    };
    let mix = |subset: u64| {
        let mut bytes = before.to_vec();
        bytes.resize(before.len().max(after.len()), 0);
        for (bit, page_at) in changed.iter().enumerate() {
            if subset & 1 << bit.min(63) != 0 {
                let content = at(after, *page_at);
                let start = page_at * page;
                let end = (start + page).min(bytes.len());
                bytes[start..end].copy_from_slice(&content[..end - start]);
            }
        }
        Image::new(bytes)
    };
    subsets.into_iter().map(mix).collect()
}

#[test]
fn a_cut_of_the_power_costs_nothing_that_was_stored() {
    let mut random = fastrand::Rng::with_seed(34);
    let (directory, folder) = folder();
    let path = spool_file(&directory);
    let (mut store, _) = open(&folder);
    let mut next = 1;
    let (mut checked, mut most) = (0, 0);
    for round in 0..60 {
        // What is on the card for sure.
        store.sync().unwrap();
        let before = fs::read(&path).unwrap();
        // The backlog grows for a while, then shrinks to nothing.
        let delivered = match round % 30 {
            0 => next,
            ..20 => store.numbers().start + random.u64(..2).min(next - store.numbers().start),
            _ => random.u64(store.numbers().start..=next),
        };
        store.release(delivered).unwrap();
        let group = records(next..next + random.u64(1..12), random.usize(10..3000));
        store.append(&group).unwrap();
        let after = fs::read(&path).unwrap();
        let promised: Vec<u64> = (delivered.max(store.numbers().start)..next).collect();
        let size = if round % 2 == 0 { 4096 } else { 512 };
        for (index, image) in mixtures(&before, &after, size, &mut random).iter().enumerate() {
            let found = image.recovered().expect("a spool");
            assert!(
                promised.iter().all(|it| found.contains(it)),
                "round {round}: {promised:?} are promised, {found:?} came back"
            );
            checked += 1;
            if index == 1 && round % 5 == 0 {
                let (other, other_folder) = super::folder();
                fs::write(spool_file(&other), &image.bytes).unwrap();
                let (mut other, _) = open(&other_folder);
                assert_eq!(all(&mut other), found);
            }
        }
        next = store.numbers().end;
        most = most.max(store.used_bytes());
    }
    assert!(checked > 600, "{checked}");
    assert!(most > 100_000, "the backlog was never more than {most} bytes");
}

#[test]
fn a_delivered_message_written_over_by_one_that_the_power_cut_is_not_missed() {
    let (directory, folder) = folder();
    let path = spool_file(&directory);
    let (mut store, _) = open(&folder);
    store.append(&records(1..2, 50)).unwrap();
    let mut image = fs::read(&path).unwrap();
    store.release(2).unwrap();
    store.append(&records(2..3, 50)).unwrap();
    // The message reached the card, its header did not.
    image[8192..].copy_from_slice(&fs::read(&path).unwrap()[8192..]);
    drop(store);
    fs::write(&path, image).unwrap();
    let (mut store, lost) = open(&folder);
    assert_eq!((all(&mut store), lost), (vec![], 0));
}
