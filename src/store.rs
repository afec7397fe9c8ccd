//! Small values that survive a restart: counters, and what outputs were set to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::os::file;
use crate::worker::Stop;
use crate::worker::Worker;

/// Texts by their keys, in memory and in the file `values.json` of a folder. Cheap to clone; all clones are one store.
///
/// A card wears, so it is written 10 s after a change, and at most once a minute however much changes. That is what a power cut
/// can cost: the changes of the last minute. [`write`](Store::write) at an orderly end leaves nothing to lose.
///
/// A card that does not take it is logged once and tried again a minute later, while something is to be written. The thread
/// `store` exists only from a change to its writing.
#[derive(Clone)]
pub struct Store(Arc<Owner>);

impl Store {
    /// The store in `directory`. What cannot be read is set aside as `values.json.damaged` and logged, and the store
    /// is empty then. Blocks for the card.
    pub fn open(directory: &Path) -> Store {
        Store::open_at(directory, Pace { soon: SOON, pause: PAUSE })
    }

    /// A store in memory alone, for a run that is to leave nothing behind.
    pub fn nowhere() -> Store {
        Store::of(None, Pace { soon: SOON, pause: PAUSE }, BTreeMap::new())
    }

    fn open_at(directory: &Path, pace: Pace) -> Store {
        let path = directory.join(NAME);
        let values = read(&path).unwrap_or_else(|error| {
            set_aside(&path, &error);
            BTreeMap::new()
        });
        Store::of(Some(path), pace, values)
    }

    fn of(path: Option<PathBuf>, pace: Pace, values: BTreeMap<String, String>) -> Store {
        // Where there is no card nobody needs to be woken for it.
        let content = Content { values, awake: path.is_none(), ..Content::default() };
        let shared = Shared { path, pace, content: Mutex::new(content), card: Mutex::default() };
        Store(Arc::new(Owner { worker: Mutex::default(), shared: Arc::new(shared) }))
    }

    /// What was kept last under `key`.
    pub fn value(&self, key: &str) -> Option<String> {
        self.0.shared.content().values.get(key).cloned()
    }

    /// Keeps `value` under `key`: in memory when it returns, on the card within a minute or so. Never waits for the card.
    ///
    /// All keys and values together may have 128 KiB. What exceeds that is not kept, which is logged once.
    pub fn keep(&self, key: &str, value: String) {
        let mut content = self.0.shared.content();
        if content.keep(key, value, Instant::now()) && !content.awake {
            content.awake = true;
            drop(content);
            self.0.wake();
        }
    }

    /// Writes what has changed since it was written last. Blocks for the card.
    pub fn write(&self) {
        self.0.shared.write();
    }
}

/// What all clones have together. Dropping the last ends the thread without waiting for a time to write.
struct Owner {
    shared: Arc<Shared>,
    worker: Mutex<Option<Worker>>,
}

impl Owner {
    /// Starts the thread. The one before has said that it ends, so that dropping it does not wait for long.
    fn wake(&self) {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = Arc::clone(&self.shared);
        match Worker::spawn("store", move |stop| shared.write_when_due(&stop)) {
            Ok(started) => *worker = Some(started),
            Err(error) => {
                log::warn!("values are kept in memory alone for now: no thread for them: {error}");
                // The next change tries again.
                self.shared.content().awake = false;
            }
        }
    }
}

/// What the thread works on.
struct Shared {
    /// `None` keeps everything in memory.
    path: Option<PathBuf>,
    pace: Pace,
    content: Mutex<Content>,
    /// Held while the card is written, so that an older content never follows a newer one. Taken before `content`.
    card: Mutex<()>,
}

impl Shared {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes whenever that is due, until nothing is left to write.
    fn write_when_due(&self, stop: &Stop) {
        loop {
            let due = {
                let mut content = self.content();
                let due = content.due(self.pace);
                content.awake = due.is_some();
                due
            };
            let Some(due) = due else { return };
            if !stop.sleep(due.saturating_duration_since(Instant::now())) {
                return;
            }
            self.write();
        }
    }

    fn write(&self) {
        let Some(path) = &self.path else { return };
        let card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
        let mut content = self.content();
        if content.changed.take().is_none() {
            return;
        }
        let json = serde_json::to_vec(&content.values).expect("a map of texts always serializes");
        drop(content);
        let written = file::replace(path, &json, MODE);
        self.content().written(path, written, Instant::now());
        drop(card);
    }
}

/// When the card is written.
#[derive(Clone, Copy)]
struct Pace {
    /// This long after a change.
    soon: Duration,
    /// And this long after it was tried last.
    pause: Duration,
}

#[derive(Default)]
struct Content {
    values: BTreeMap<String, String>,
    /// When the oldest change was made that the card does not have.
    changed: Option<Instant>,
    /// When the card was tried last.
    tried: Option<Instant>,
    /// Whether there is a thread that will look at `changed` again.
    awake: bool,
    /// Whether the card did not take it when it was tried last.
    failing: bool,
    /// Whether something was too much.
    full: bool,
}

impl Content {
    /// Keeps `value` under `key`. Returns whether there is something to write now.
    fn keep(&mut self, key: &str, value: String, now: Instant) -> bool {
        if self.values.get(key) == Some(&value) {
            return self.changed.is_some();
        }
        let others: usize =
            self.values.iter().filter(|it| it.0 != key).map(|it| it.0.len() + it.1.len()).sum();
        if others + key.len() + value.len() > MAX_CONTENT_BYTES {
            if !self.full {
                log::error!(
                    "{key} is not kept over restarts: {MAX_CONTENT_BYTES} bytes of values are kept at most"
                );
            }
            self.full = true;
            return self.changed.is_some();
        }
        self.values.insert(key.to_owned(), value);
        self.changed.get_or_insert(now);
        true
    }

    /// When it is to be written; `None` where the card has all.
    fn due(&self, pace: Pace) -> Option<Instant> {
        let soon = self.changed? + pace.soon;
        Some(self.tried.map_or(soon, |it| soon.max(it + pace.pause)))
    }

    /// The one place where the card begins or ceases to fail, hence the one that logs it.
    fn written(&mut self, path: &Path, outcome: io::Result<()>, now: Instant) {
        self.tried = Some(now);
        let failed_before = std::mem::replace(&mut self.failing, outcome.is_err());
        match outcome {
            Err(error) => {
                self.changed.get_or_insert(now);
                if !failed_before {
                    let path = path.display();
                    log::warn!("cannot write {path}, where values survive a restart: {error}: trying again");
                }
            }
            Ok(()) if failed_before => log::info!("{} is written again", path.display()),
            Ok(()) => {}
        }
    }
}

/// The values in the file `path`; none where there is no file.
fn read(path: &Path) -> io::Result<BTreeMap<String, String>> {
    match file::read(path, MAX_FILE_BYTES) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        json => Ok(serde_json::from_slice(&json?)?),
    }
}

/// Puts a file that cannot be read where a person may look at it, in place of an older one.
fn set_aside(path: &Path, error: &io::Error) {
    let aside = path.with_extension("json.damaged");
    let becomes = match fs::rename(path, &aside) {
        Ok(()) => format!("it is now {}", aside.display()),
        Err(cause) => format!("and it cannot be set aside: {cause}"),
    };
    let path = path.display();
    log::error!("cannot read {path}: {error}: {becomes}; counters begin at 0, outputs as they are found");
}

const NAME: &str = "values.json";
/// Nobody else needs to know how often a door was opened.
const MODE: u32 = 0o600;
/// Long enough for what changes together (the lights of a scene) to be one writing.
const SOON: Duration = Duration::from_secs(10);
/// A counter that never rests has the card written 1,440 times a day: some 40 MB of blocks with the journal's, of
/// the tens of terabytes that a card lasts.
const PAUSE: Duration = Duration::from_secs(60);
/// Thousands of values. As JSON it has six times as many bytes at worst, and those of quotes and commas.
const MAX_CONTENT_BYTES: usize = 128 * 1024;
/// More than we ever write.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Pace = Pace { soon: Duration::ZERO, pause: Duration::from_millis(1) };

    fn json(directory: &Path) -> String {
        fs::read_to_string(directory.join(NAME)).unwrap_or_default()
    }

    #[track_caller]
    fn wait_until(is_so: impl Fn() -> bool) {
        let limit = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < limit, "it did not come about within 10 s");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        store.keep("water", "17".to_owned());
        store.clone().keep("relay", "\"ON\"\n".to_owned());
        assert_eq!(store.value("water").as_deref(), Some("17"));
        assert_eq!(json(folder.path()), "");
        store.write();
        let again = Store::open(folder.path());
        assert_eq!(again.value("water").as_deref(), Some("17"));
        assert_eq!(again.value("relay").as_deref(), Some("\"ON\"\n"));
        assert_eq!(again.value("door"), None);
    }

    #[test]
    fn what_cannot_be_read_is_set_aside_and_the_store_begins_empty() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024));
        for damaged in ["", "{\"a\":", "{\"a\":1}", "[]", "\0\0\0\0", &long] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(NAME), damaged).unwrap();
            let store = Store::open(folder.path());
            assert_eq!(store.value("a"), None);
            assert_eq!(fs::read_to_string(folder.path().join("values.json.damaged")).unwrap(), damaged);
            store.keep("a", "1".to_owned());
            store.write();
            assert_eq!(json(folder.path()), "{\"a\":\"1\"}");
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_the_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&folder.path().join(NAME), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let store = Store::open(folder.path());
        store.keep("a", "1".to_owned());
        store.write();
        assert_eq!(json(folder.path()), "{\"a\":\"1\"}");
    }

    #[test]
    fn what_changes_is_written_by_itself_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_at(folder.path(), AT_ONCE);
        for count in 1..=3 {
            store.keep("water", count.to_string());
            wait_until(|| json(folder.path()) == format!("{{\"water\":\"{count}\"}}"));
            wait_until(|| !store.0.shared.content().awake);
        }
    }

    #[test]
    fn a_card_that_does_not_take_it_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("absent");
        let store = Store::open_at(&directory, AT_ONCE);
        store.keep("water", "1".to_owned());
        wait_until(|| store.0.shared.content().failing);
        fs::create_dir(&directory).unwrap();
        wait_until(|| json(&directory) == "{\"water\":\"1\"}");
        wait_until(|| !store.0.shared.content().failing);
    }

    #[test]
    fn dropping_the_last_clone_does_not_wait_for_a_time_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        store.keep("water", "1".to_owned());
        let shared = Arc::clone(&store.0.shared);
        drop(store);
        assert_eq!(Arc::strong_count(&shared), 1, "the thread has ended");
    }

    #[test]
    fn the_card_is_written_soon_and_then_at_most_once_a_minute() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let pace = Pace { soon: SOON, pause: PAUSE };
        for (changed, tried, due) in [
            (None, None, None),
            (None, Some(0), None),
            (Some(5), None, Some(15)),
            (Some(5), Some(0), Some(60)),
            (Some(55), Some(0), Some(65)),
        ] {
            let content = Content { changed: changed.map(at), tried: tried.map(at), ..Content::default() };
            assert_eq!(content.due(pace), due.map(at), "changed {changed:?}, tried {tried:?}");
        }
    }

    #[test]
    fn more_than_there_is_room_for_is_not_kept_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        store.keep("a", "\u{1}".repeat(100_000));
        store.keep("b", "x".repeat(100_000));
        store.keep("a", "\u{1}".repeat(MAX_CONTENT_BYTES - 1));
        store.keep("c", String::new());
        store.write();
        let again = Store::open(folder.path());
        assert_eq!(again.value("a").map(|it| it.len()), Some(MAX_CONTENT_BYTES - 1));
        assert_eq!((again.value("b"), again.value("c")), (None, None));
    }
}
