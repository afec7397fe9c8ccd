//! The thread: what it answers, and that it comes back from every failure.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use tempfile::tempdir;

use super::{LEAST_BYTES, record, records};
use crate::outbox::spool::folder::Folder;
use crate::outbox::spool::spooler::{Request, Spooler};
use crate::outbox::spool::{Record, Spool, SpoolError, SpoolEvent};

/// A spool and the end of its events.
struct Subject {
    // Goes first where a test fails: the thread must not wait for somebody to listen.
    events: Receiver<SpoolEvent>,
    spool: Spool,
}

impl Subject {
    fn start(directory: impl Into<PathBuf>) -> Subject {
        let (sender, events) = bounded(0);
        let spool = Spool::start(directory.into(), LEAST_BYTES, sender).unwrap();
        Subject { spool, events }
    }

    /// The next event, in short.
    #[track_caller]
    fn event(&self) -> String {
        let event = self.events.recv_timeout(LIMIT).unwrap();
        match event {
            SpoolEvent::Opened { first, next, lost, topics, .. } => {
                let topics: Vec<_> =
                    topics.iter().map(|(topic, count)| format!(" {topic}={count}")).collect();
                format!("opened {first}..{next} lost {lost}{}", topics.concat())
            }
            SpoolEvent::Stored { next } => format!("stored {next}"),
            SpoolEvent::Refused { records, cause } => format!("refused {} {}", records.len(), kind(&cause)),
            SpoolEvent::Dropped { next, topics } => format!("dropped {next} {}", topics.len()),
            SpoolEvent::Loaded { first, records } => format!("loaded {first} {}", shown(&records)),
            SpoolEvent::Failed { cause } => format!("failed {}", kind(&cause)),
        }
    }
}

fn kind(cause: &SpoolError) -> String {
    format!("{cause:?}").split([' ', '{']).next().unwrap().to_owned()
}

fn shown(records: &[Option<Record>]) -> String {
    let shown = |it: &Option<Record>| it.as_ref().map_or("-".to_owned(), |it| it.accepted.to_string());
    records.iter().map(shown).collect::<Vec<_>>().join(",")
}

#[test]
fn records_come_back_in_order_after_a_restart() {
    let directory = tempdir().unwrap();
    let subject = Subject::start(directory.path());
    assert_eq!(subject.event(), "opened 1..1 lost 0");
    subject.spool.append(records(1..6, 20));
    assert_eq!(subject.event(), "stored 6");
    subject.spool.release(3);
    subject.spool.load(3);
    assert_eq!(subject.event(), "loaded 3 3,4,5");
    assert!(subject.spool.stop(LIMIT));

    let subject = Subject::start(directory.path());
    assert_eq!(subject.event(), "opened 3..6 lost 0 t/0=1 t/1=1 t/2=1");
    subject.spool.load(6);
    assert_eq!(subject.event(), "loaded 6 ");
}

#[test]
fn what_was_asked_for_before_the_stop_is_done() {
    let directory = tempdir().unwrap();
    let Subject { spool, events } = Subject::start(directory.path());
    spool.append(records(1..6, 20));
    spool.release(3);
    drop(events);
    assert!(spool.stop(LIMIT), "nobody needs to listen any more");
    assert_eq!(Subject::start(directory.path()).event(), "opened 3..6 lost 0 t/0=1 t/1=1 t/2=1");
}

#[test]
fn the_oldest_give_way_before_the_group_is_stored() {
    let directory = tempdir().unwrap();
    let subject = Subject::start(directory.path());
    subject.event();
    subject.spool.append(records(1..3, 25_000));
    assert_eq!(subject.event(), "stored 3");
    subject.spool.append(records(3..4, 25_000));
    assert_eq!((subject.event(), subject.event()), ("dropped 2 1".into(), "stored 4".into()));
    subject.spool.append(vec![record(4, 20), record(5, 100_000)]);
    assert_eq!(subject.event(), "refused 2 TooLarge");
    subject.spool.load(1);
    assert_eq!(subject.event(), "loaded 2 2,3");
}

#[test]
fn two_processes_never_share_a_spool() {
    let directory = tempdir().unwrap();
    let first = Subject::start(directory.path());
    assert_eq!(first.event(), "opened 1..1 lost 0");
    let second = Subject::start(directory.path());
    assert_eq!(second.event(), "failed Locked");
    second.spool.append(records(1..3, 20));
    assert_eq!(second.event(), "refused 2 Locked");
    second.spool.load(1);
    assert_eq!((second.event(), second.event()), ("failed Locked".into(), "loaded 1 ".into()));
    assert!(first.spool.stop(LIMIT));
    second.spool.append(records(1..3, 20));
    assert_eq!((second.event(), second.event()), ("opened 1..1 lost 0".into(), "stored 3".into()));
}

#[test]
fn a_failure_passes_by_itself_when_its_cause_does() {
    let directory = tempdir().unwrap();
    let in_the_way = directory.path().join("in/the/way");
    fs::write(directory.path().join("in"), "").unwrap();
    let (sender, events) = bounded(0);
    let (requests, receiver) = bounded::<Request>(1);
    let spooler = Spooler::new(Folder::new(in_the_way), LEAST_BYTES, sender, Duration::from_millis(1));
    let thread = std::thread::spawn(move || spooler.run(&receiver));
    assert!(matches!(
        events.recv_timeout(LIMIT).unwrap(),
        SpoolEvent::Failed { cause: SpoolError::Folder { .. } }
    ));
    fs::remove_file(directory.path().join("in")).unwrap();
    assert!(matches!(events.recv_timeout(LIMIT).unwrap(), SpoolEvent::Opened { first: 1, next: 1, .. }));
    drop(requests);
    thread.join().unwrap();
}

#[test]
fn a_folder_that_vanishes_costs_what_was_in_it_and_no_more() {
    let directory = tempdir().unwrap();
    let folder = directory.path().join("card");
    let subject = Subject::start(&folder);
    subject.event();
    subject.spool.append(records(1..4, 20));
    assert_eq!(subject.event(), "stored 4");
    fs::rename(&folder, directory.path().join("away")).unwrap();
    fs::write(&folder, "in the way").unwrap();
    subject.spool.append(records(4..6, 20));
    assert_eq!((subject.event(), subject.event()), ("failed Vanished".into(), "refused 2 Folder".into()));
    subject.spool.release(2); // Nothing is there to be released.
    fs::remove_file(&folder).unwrap();
    subject.spool.append(records(4..6, 20));
    assert_eq!((subject.event(), subject.event()), ("opened 4..4 lost 3".into(), "stored 6".into()));
    // Somebody takes that one away too, and the first comes back, as a card that was pulled out for a moment.
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(directory.path().join("away"), &folder).unwrap();
    subject.spool.append(records(4..6, 20));
    let events = [subject.event(), subject.event(), subject.event()];
    assert_eq!(events, ["failed Vanished", "opened 1..4 lost 0 t/0=1 t/1=1 t/2=1", "stored 6"]);
}

#[test]
fn damage_found_while_reading_leaves_a_gap_and_is_no_failure() {
    let directory = tempdir().unwrap();
    let subject = Subject::start(directory.path());
    subject.event();
    subject.spool.append(records(1..6, 100));
    subject.event();
    let path = directory.path().join("spool");
    let mut bytes = fs::read(&path).unwrap();
    let at = 8192 + 2 * record(1, 100).spool_bytes() as usize + 60;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    subject.spool.load(1);
    assert_eq!(subject.event(), "loaded 1 1,2,-,4,5");
    subject.spool.append(records(6..8, 100));
    assert_eq!(subject.event(), "stored 8");
    subject.spool.release(3);
    subject.spool.load(1);
    assert_eq!(subject.event(), "loaded 3 -,4,5,6,7");
}

#[test]
fn a_folder_in_place_of_the_file_is_an_error_and_no_reason_to_end() {
    let directory = tempdir().unwrap();
    fs::create_dir(directory.path().join("spool")).unwrap();
    let subject = Subject::start(directory.path());
    assert_eq!(subject.event(), "failed NotAFile");
    fs::remove_dir(directory.path().join("spool")).unwrap();
    subject.spool.append(records(1..2, 20));
    assert_eq!((subject.event(), subject.event()), ("opened 1..1 lost 0".into(), "stored 2".into()));
}

const LIMIT: Duration = Duration::from_secs(10);
