//! A card that is mounted read-only.
//!
//! The mount is made in a namespace of its own, in which the test runs itself again. Where the system does not allow
//! that, the test says so.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{folder, open, records};
use crate::model::Chain;
use crate::outbox::spool::folder::Folder;
use crate::outbox::spool::{SpoolError, opening};

#[test]
fn a_read_only_card_says_what_is_on_it_and_what_to_do() {
    if let Some(card) = env::var_os(CARD).map(PathBuf::from) {
        let error = opening::open(&Folder::new(card), 1 << 20, 1).unwrap_err();
        assert!(matches!(error, SpoolError::ReadOnly { waiting: 3, .. }), "{error:?}");
        return;
    }
    let (directory, folder) = folder();
    let (mut store, _) = open(&folder);
    store.append(&records(1..6, 20)).unwrap();
    store.release(3).unwrap();
    drop(store);
    let name = "outbox::spool::tests::read_only::a_read_only_card_says_what_is_on_it_and_what_to_do";
    let mount =
        format!("mount --bind \"${CARD}\" \"${CARD}\" && mount -o remount,ro,bind \"${CARD}\" || exit 77");
    let inside = Command::new("unshare")
        .args(["-rm", "sh", "-c", &format!("{mount}; exec \"$0\" --exact {name}")])
        .arg(env::current_exe().unwrap())
        .env(CARD, directory.path())
        .output();
    match inside {
        Ok(inside) if inside.status.success() => {
            assert!(String::from_utf8_lossy(&inside.stdout).contains("1 passed"), "{inside:?}");
        }
        Ok(inside) if inside.status.code() == Some(101) => panic!("{inside:?}"),
        cannot => println!("this system does not let a test mount: {cannot:?}"),
    }
}

#[test]
fn what_a_person_reads_of_a_read_only_card_is_complete() {
    let cause = io::Error::from_raw_os_error(nix::errno::Errno::EROFS as i32);
    assert_eq!(
        Chain(&SpoolError::ReadOnly { path: "/s".into(), waiting: 3, cause }).to_string(),
        "/s is read-only, and the 3 messages in it are not sent until it is writable (see dmesg for why, then mount \
         it again: mount -o remount,rw): Read-only file system (os error 30)"
    );
}

const CARD: &str = "LUIGI_MQTT_TEST_READ_ONLY";
