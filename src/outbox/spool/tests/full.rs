//! A disk that is full.
//!
//! The kernel's limit for the length of files stands in for it: it stops a write where it is reached,
//! half-way, as a full disk does, and needs no rights. It holds for a whole process, so the test runs itself
//! in one of its own.

use std::env;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{LEAST_BYTES, all, folder, open, record, records};
use crate::outbox::spool::SpoolError;

#[test]
fn a_full_disk_refuses_a_group_whole_and_stores_it_when_there_is_room() {
    if env::var_os(INSIDE).is_none() {
        // The signal that comes with that limit would end the process; a shell can have it ignored.
        let own = env::current_exe().unwrap();
        let name =
            "outbox::spool::tests::full::a_full_disk_refuses_a_group_whole_and_stores_it_when_there_is_room";
        let inside = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture"])
            .arg(own)
            .arg(name)
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&inside.stdout);
        assert!(inside.status.success() && said.contains("1 passed"), "{inside:?}");
        return;
    }
    let (_directory, folder) = folder();
    let (mut store, _) = open(&folder);
    let mut next = 1;
    // Another limit in each round: at first the file cannot grow, later the write of a group stops at any
    // byte of it.
    for limit in (9_000..LEAST_BYTES * 4).step_by(1777) {
        let group = records(next..next + 20, 3000);
        let mut expected: Vec<u64> = store.numbers().chain(next..next + 20).collect();
        expected.retain(|it| *it >= next.saturating_sub(10));
        store.release(next.saturating_sub(10)).unwrap();
        let held: Vec<u64> = store.numbers().collect();
        limit_files(Some(limit));
        let refused = store.append(&group);
        limit_files(None);
        if let Err(cause) = refused {
            assert!(matches!(cause, SpoolError::Write { .. }), "{cause:?}");
            let first = store.numbers().start;
            store = store.reopen(first..next).unwrap();
            assert_eq!(all(&mut store), held, "limit {limit}: all or nothing");
            store.append(&group).unwrap();
        }
        assert_eq!(all(&mut store), expected, "limit {limit}");
        next += 20;
        // Around the ring, not always from its start.
        store.append(&[record(next, limit as usize % 5000)]).unwrap();
        next += 1;
    }
}

fn limit_files(bytes: Option<u64>) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, bytes.unwrap_or(hard), hard).unwrap();
}

const INSIDE: &str = "LUIGI_MQTT_TEST_FULL_DISK";
