//! Anything in any order, against the plainest spool there can be: a list.

use std::fs;

use super::{LEAST_BYTES, all, folder, open_with, records, spool_file};

#[test]
fn whatever_happens_the_spool_is_the_list_that_it_should_be() {
    for seed in 0..15 {
        println!("seed {seed}");
        run(seed);
    }
}

fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (directory, folder) = folder();
    let max_bytes = LEAST_BYTES * random.u64(2..9) / 2;
    let open = || open_with(&folder, max_bytes);
    let (mut store, _) = open();
    // What is to be in the spool, and the number of the first of it.
    let mut list: Vec<u64> = Vec::new();
    let mut made = 0;
    for step in 0..150 {
        let numbers = store.numbers();
        match random.u8(..100) {
            0..=54 => {
                let count = random.u64(1..20);
                let group = records(made + 1..made + 1 + count, random.usize(20..2000));
                store.append(&group).unwrap();
                list.extend(made + 1..=made + count);
                made += count;
                let dropped = store.take_dropped().values().sum::<u64>() as usize;
                assert_eq!(store.numbers().start, numbers.start + dropped as u64);
                list.drain(..dropped);
            }
            55..=84 => {
                let next = random.u64(numbers.start..=numbers.end);
                store.release(next).unwrap();
                list.drain(..(next - numbers.start) as usize);
            }
            85..=91 => {
                drop(store);
                let (opened, lost) = open();
                assert_eq!((lost, opened.numbers()), (0, numbers), "step {step}");
                store = opened;
            }
            92..=95 => {
                let from = random.u64(numbers.clone().start..=numbers.end);
                let (first, loaded) = store.load(from).unwrap();
                assert_eq!(first, from);
                let loaded: Vec<u64> = loaded.into_iter().map(|it| it.unwrap().accepted).collect();
                let at = (from - numbers.start) as usize;
                assert_eq!(loaded, list[at..at + loaded.len()], "step {step}");
            }
            _ => {
                drop(store);
                let mut bytes = fs::read(spool_file(&directory)).unwrap();
                let at = random.usize(8192..bytes.len());
                let end = (at + random.usize(1..5000)).min(bytes.len());
                bytes[at..end].fill_with(|| random.u8(..));
                fs::write(spool_file(&directory), bytes).unwrap();
                let (mut opened, lost) = open();
                let left = all(&mut opened);
                assert_eq!(left.len() + lost as usize, list.len(), "step {step}");
                assert!(left.iter().all(|it| list.contains(it)) && left.is_sorted(), "step {step}");
                // A place of 5000 bytes holds that many of the smallest.
                assert!(lost <= 50, "step {step}: {}", lost);
                (store, list) = (opened, left);
            }
        }
        assert_eq!(all(&mut store), list, "step {step}");
        assert!(fs::metadata(spool_file(&directory)).unwrap().len() <= max_bytes);
    }
}
