//! What the file keeps, and what is not taken for it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::entity::Form;

use super::super::{Ledger, Record, machine};
use super::{Way, id, open};

/// A ledger in `folder`, of the machine `1` called `pi`, that knows of the sensor x.
fn write(folder: &Path) {
    open(folder).intend(&id("pi"), &Way::USUAL.sensors(&["x"])).unwrap();
}

/// How many records the ledger in `folder` has for the machine `machine` called `node`, and which identity.
#[track_caller]
fn check(folder: &Path, machine: &str, node: &str, records: usize, identity: Option<&str>) {
    let ledger = Ledger::open(folder, machine, &id(node));
    assert_eq!(ledger.records().count(), records);
    assert_eq!(ledger.problem().is_some(), records == 0);
    assert_eq!(ledger.identity(), identity.map(id).as_ref());
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn what_was_announced_is_known_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("not/yet");
    let device = Way { form: Form::Device, ..Way::USUAL };
    let wanted = [Way::USUAL.record("sensor", "x"), device.record("switch", "y")];
    open(&state).intend(&id("pi"), &wanted).unwrap();
    let ledger = open(&state);
    let mut known: Vec<&Record> = ledger.records().collect();
    known.sort_by_key(|it| &it.entity);
    assert_eq!(known, wanted.iter().collect::<Vec<_>>());
    assert_eq!(fs::metadata(state.join("ledger.json")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_first_identity_lasts_and_so_does_the_first_time() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let mut again = Way::USUAL.sensors(&["x"]);
    again[0].since = "2030-01-01T00:00:00Z".to_owned();
    let mut ledger = Ledger::open(folder.path(), "1", &id("attic"));
    ledger.intend(&id("attic"), &again).unwrap();
    ledger.settle(&again, |_| false).unwrap();
    check(folder.path(), "1", "attic", 1, Some("pi"));
    assert_eq!(open(folder.path()).records().next().unwrap().since, "2026-01-01T00:00:00Z");
}

#[test]
fn where_nothing_changes_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let file = || fs::metadata(folder.path().join("ledger.json")).unwrap().ino();
    let before = file();
    let wanted = Way::USUAL.sensors(&["x"]);
    let mut ledger = open(folder.path());
    ledger.intend(&id("pi"), &wanted).unwrap();
    ledger.settle(&wanted, |_| false).unwrap();
    assert_eq!(file(), before);
    ledger.settle(&[], |_| false).unwrap();
    assert_ne!(file(), before);
}

#[test]
fn old_and_new_are_both_known_until_all_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let wanted = Way { state: "t", ..Way::USUAL }.sensors(&["x", "y"]);
    open(folder.path()).intend(&id("pi"), &wanted).unwrap();
    let emptied = |ledger: &Ledger| -> Vec<String> {
        ledger.plan(&[], |_| false).after.iter().map(|it| it.topic.to_string()).collect()
    };
    let mut ledger = open(folder.path());
    assert_eq!(emptied(&ledger), ["a", "s/x", "t/x", "t/y"]);
    ledger.settle(&wanted[..1], |_| false).unwrap();
    assert_eq!(emptied(&open(folder.path())), ["a", "t/x"]);
}

#[test]
fn of_a_copied_card_nothing_is_known_and_of_a_new_name_or_board_all() {
    for (machine, node, is_other) in
        [("2", "attic", true), ("2", "pi", false), ("1", "attic", false), ("", "attic", false)]
    {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let (records, identity) = if is_other { (0, None) } else { (1, Some("pi")) };
        check(folder.path(), machine, node, records, identity);
        assert_eq!(names(folder.path()), ["ledger.json"]);
        let mut ledger = Ledger::open(folder.path(), machine, &id(node));
        ledger.intend(&id(node), &[]).unwrap();
        let expected: &[&str] =
            if is_other { &["ledger.json", "ledger.json.foreign"] } else { &["ledger.json"] };
        assert_eq!(names(folder.path()), expected);
    }
}

#[test]
fn what_is_no_ledger_is_set_aside_and_what_is_newer_left_alone() {
    let too_long = " ".repeat((4 << 20) + 1);
    let entity = r#"{"config":"a/+","form":"entity","owner":"o","since":"","entity":"x","platform":"sensor","unique_id":"u","retained":[]}"#;
    let bad_topic = format!(r#"{{"version":1,"machine":"1","node":"pi","announced":[{entity}]}}"#);
    for text in ["", "{}", "[1]", r#"{"version":1}"#, &bad_topic, &bad_topic[..90], &too_long] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ledger.json"), text).unwrap();
        check(folder.path(), "1", "pi", 0, None);
        assert_eq!(names(folder.path()), ["ledger.json"]);
        write(folder.path());
        assert_eq!(names(folder.path()), ["ledger.json", "ledger.json.damaged"], "{text:.100}");
        check(folder.path(), "1", "pi", 1, Some("pi"));
    }
    let folder = tempfile::tempdir().unwrap();
    let newer = r#"{"version":2,"entities":{}}"#;
    fs::write(folder.path().join("ledger.json"), newer).unwrap();
    write(folder.path());
    assert_eq!(fs::read_to_string(folder.path().join("ledger.json")).unwrap(), newer);
}

#[test]
fn without_a_folder_to_write_to_it_knows_for_as_long_as_it_lives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut ledger = open(&file);
    assert!(ledger.intend(&id("pi"), &Way::USUAL.sensors(&["x"])).is_err());
    assert_eq!((ledger.records().count(), ledger.identity()), (1, Some(&id("pi"))));
}

#[test]
fn more_than_ten_thousand_records_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..=10_000).map(|it| format!("e{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut ledger = open(folder.path());
    let error = ledger.intend(&id("pi"), &Way::USUAL.sensors(&names)).unwrap_err();
    assert_eq!(error.to_string(), "expected at most 10000 entities");
}

#[test]
fn a_machine_is_told_by_its_serial_number_else_by_its_id() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(machine(root.path()), "");
    for (path, text, expected) in [
        ("etc/machine-id", "0123abcd\n", "0123abcd"),
        ("sys/firmware/devicetree/base/serial-number", "\0", "0123abcd"),
        ("proc/device-tree/serial-number", "00000000c0ffee00\0", "00000000c0ffee00"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        assert_eq!(machine(root.path()), expected);
    }
}

#[test]
fn one_that_another_has_in_use_is_read_and_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(&folder.path().join("new"));
    first.intend(&id("pi"), &Way::USUAL.sensors(&["x"])).unwrap();
    let mut second = open(&folder.path().join("new"));
    assert_eq!((first.is_in_use(), second.is_in_use(), second.records().count()), (false, true, 1));
    second.settle(&[], |_| false).unwrap();
    drop((first, second));
    let third = open(&folder.path().join("new"));
    assert_eq!((third.is_in_use(), third.records().count()), (false, 1));
}
