//! Whatever the ledger's file says, it is refused with a reason, or all that it knows can be taken back and is written as it
//! was read.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use luigi_mqtt::ledger::{Ledger, Record};
use luigi_mqtt::model::ObjectId;

fuzz_target!(|input: &[u8]| {
    let node = ObjectId::new("pi").expect("it has nothing but letters");
    fs::write(FOLDER.join("ledger.json"), input).expect("there is room");
    let mut ledger = Ledger::open(&FOLDER, "serial", &node);
    let known: Vec<Record> = ledger.records().cloned().collect();
    if let Some(problem) = ledger.problem() {
        assert!(!problem.is_empty() && known.is_empty());
        return;
    }
    let plan = ledger.plan(&[], |_| false);
    assert_eq!(plan.is_empty(), known.is_empty());
    assert!(ledger.plan(&[], |_| true).is_empty());
    ledger.intend(&node, &known).expect("what was read is not too much to be written");
    drop(ledger);
    let again = Ledger::open(&FOLDER, "serial", &node);
    assert!(again.records().eq(&known), "{known:?} became {:?}", again.records().collect::<Vec<_>>());
});

/// In memory where there is such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = folder.join("luigi-mqtt-fuzz-ledger");
    fs::create_dir_all(&folder).expect("a folder for temporary files can be written");
    folder
});
