//! What is registered for good, on the card: [`Kept`].

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::entity::Device;
use crate::entity::Entity;
use crate::model::ObjectId;
use crate::os::file;
use crate::protocol;

/// The descriptions of what is registered for good, by id, in the file `registered.json` of a folder. Nothing of it is held in
/// memory: it is read when it is to be changed.
#[derive(Debug)]
pub(in super::super) struct Kept {
    /// `None` keeps nothing.
    path: Option<PathBuf>,
}

/// A change of what is kept: a description as JSON, or nothing any more.
pub(super) type Change<'a> = (&'a ObjectId, Option<&'a str>);

/// The file as it is spelt.
#[derive(Deserialize, Serialize)]
struct Spelt {
    version: u64,
    registered: Descriptions,
}

type Descriptions = BTreeMap<String, Box<RawValue>>;

/// Enough of any version to know which it is.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Kept {
    /// What is kept in `directory`.
    pub(in super::super) fn open(directory: &Path) -> Kept {
        Kept { path: Some(directory.join(NAME)) }
    }

    /// Keeps nothing, for a run that is to leave nothing behind.
    pub(in super::super) fn nowhere() -> Kept {
        Kept { path: None }
    }

    /// The entities that are described, on `device` or below it. What is nothing that Home Assistant would take any more is
    /// logged and stays, and so does a file that cannot be read; a damaged one is set aside (`registered.json.damaged`) and
    /// logged. Blocks for the card.
    pub(in super::super) fn entities(&self, device: &Device) -> Vec<Entity> {
        let Some(path) = &self.path else { return Vec::new() };
        let descriptions = read(path).unwrap_or_else(|cause| {
            log::error!(
                "what is registered for good is not announced: cannot read {}: {cause}",
                path.display()
            );
            Descriptions::new()
        });
        let mut entities = Vec::new();
        for (id, description) in descriptions.iter().take(super::MOST_ENTITIES) {
            let described = serde_json::from_str(description.get()).map_err(|it| it.to_string());
            match described.and_then(|it| protocol::entity(&it, device).map_err(|it| it.to_string())) {
                Ok(entity) if entity.id().as_str() == id => entities.push(entity),
                Ok(entity) => log::warn!("{}: {id:?} describes {:?}", path.display(), entity.id().as_str()),
                Err(problem) => log::warn!("{}: {id:?} is not announced: {problem}", path.display()),
            }
        }
        entities
    }

    /// Makes `changes`, in order. Blocks for the card where that is news.
    ///
    /// # Errors
    ///
    /// Where it cannot be written, or would be too large, or is of a newer version: nothing is changed then.
    pub(super) fn change<'a>(&self, changes: impl IntoIterator<Item = Change<'a>>) -> io::Result<()> {
        let mut changes = changes.into_iter().peekable();
        let (Some(path), Some(_)) = (&self.path, changes.peek()) else { return Ok(()) };
        let mut descriptions = read(path)?;
        let mut is_news = false;
        for (id, description) in changes {
            let former = match description {
                Some(text) => {
                    let description = RawValue::from_string(text.to_owned())?;
                    descriptions.insert(id.to_string(), description)
                }
                None => descriptions.remove(id.as_str()),
            };
            is_news |= former.as_ref().map(|it| it.get()) != description;
        }
        if !is_news {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&Spelt { version: VERSION, registered: descriptions })?;
        if text.len() as u64 > MOST_BYTES {
            return Err(io::Error::other(format!("expected at most {MOST_BYTES} bytes")));
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        file::replace(path, &text, MODE)
    }
}

/// What the file `path` says. One that is damaged is set aside and logged, and says nothing.
///
/// # Errors
///
/// The system's own; or that it is of a newer version.
fn read(path: &Path) -> io::Result<Descriptions> {
    let text = match file::read(path, MOST_BYTES) {
        Ok(text) => text,
        Err(cause) => {
            return match cause.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(Descriptions::new()),
                ErrorKind::FileTooLarge => set_aside(path, &cause),
                _ => Err(cause),
            };
        }
    };
    match serde_json::from_slice(&text) {
        Ok(Versioned { version }) if version > VERSION => {
            Err(io::Error::other(format!("expected version {VERSION}, found version {version}")))
        }
        _ => match serde_json::from_slice::<Spelt>(&text) {
            Ok(spelt) => Ok(spelt.registered),
            Err(cause) => set_aside(path, &cause.into()),
        },
    }
}

/// Puts a file that is none of ours where a person may look at it, in place of an older one.
fn set_aside(path: &Path, problem: &io::Error) -> io::Result<Descriptions> {
    let aside = path.with_extension("json.damaged");
    fs::rename(path, &aside)?;
    let (path, aside) = (path.display(), aside.display());
    log::error!(
        "{path} is damaged: {problem}: it is now {aside}; what was registered for good has to be again"
    );
    Ok(Descriptions::new())
}

const NAME: &str = "registered.json";
const VERSION: u64 = 1;
/// Nobody else needs to know what is in the house.
const MODE: u32 = 0o600;
/// Three thousand usual descriptions.
const MOST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::client;
    use crate::config::Config;

    fn device() -> Device {
        let config = Config::builder("pi").build().unwrap();
        client::presence(&config).unwrap().device
    }

    fn id(id: &str) -> ObjectId {
        ObjectId::new(id).unwrap()
    }

    fn described(id: &str) -> String {
        format!(r#"{{"platform":"sensor","id":"{id}","name":"Name"}}"#)
    }

    fn ids(kept: &Kept) -> Vec<String> {
        kept.entities(&device()).iter().map(|it| it.id().to_string()).collect()
    }

    fn folder() -> (TempDir, PathBuf, Kept) {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let kept = Kept::open(&state);
        (folder, state.join(NAME), kept)
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart_until_it_is_taken_out() {
        let (_folder, path, kept) = folder();
        assert_eq!(ids(&kept), [""; 0]);
        kept.change([(&id("b"), None)]).unwrap();
        assert!(!path.exists(), "nothing was to be written");
        let [a, b] = ["a", "b"].map(described);
        kept.change([(&id("a"), Some(&*a)), (&id("b"), Some(&*b))]).unwrap();
        let again = Kept::open(path.parent().unwrap());
        assert_eq!(ids(&again), ["a", "b"]);
        again.change([(&id("a"), None)]).unwrap();
        assert_eq!(ids(&kept), ["b"]);
    }

    #[test]
    fn what_is_kept_already_is_not_written_again() {
        let (_folder, path, kept) = folder();
        let a = described("a");
        kept.change([(&id("a"), Some(&*a))]).unwrap();
        let written = || fs::metadata(&path).unwrap().modified().unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        kept.change([(&id("a"), Some(&*a)), (&id("b"), None)]).unwrap();
        assert_eq!(written(), std::time::UNIX_EPOCH);
        kept.change([(&id("a"), None)]).unwrap();
        assert_ne!(written(), std::time::UNIX_EPOCH);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_the_next_is_written() {
        for damaged in ["", "{\"version\":1,", "[]", "\0\0\0", &"x".repeat(1 << 21)] {
            let (_folder, path, kept) = folder();
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(&path, damaged).unwrap();
            assert_eq!(ids(&kept), [""; 0]);
            assert_eq!(fs::read_to_string(path.with_extension("json.damaged")).unwrap(), damaged);
            kept.change([(&id("a"), Some(&*described("a")))]).unwrap();
            assert_eq!(ids(&kept), ["a"]);
        }
    }

    #[test]
    fn a_newer_file_is_left_alone() {
        let (_folder, path, kept) = folder();
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, r#"{"version":2,"registered":[]}"#).unwrap();
        assert_eq!(ids(&kept), [""; 0]);
        let error = kept.change([(&id("a"), Some(&*described("a")))]).unwrap_err();
        assert_eq!(error.to_string(), "expected version 1, found version 2");
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"version":2,"registered":[]}"#);
    }

    #[test]
    fn a_description_that_is_wrong_by_now_keeps_no_other_out() {
        let (_folder, path, kept) = folder();
        let wrong = [r#"{"platform":"nothing","id":"a","name":"Name"}"#, "7", &described("z")];
        for wrong in wrong {
            kept.change([(&id("a"), Some(wrong)), (&id("b"), Some(&*described("b")))]).unwrap();
            assert_eq!(ids(&kept), ["b"], "{wrong}");
        }
        assert!(fs::read_to_string(path).unwrap().contains("\"a\""));
    }

    #[test]
    fn more_than_there_is_room_for_is_refused_and_the_rest_stays() {
        let (_folder, _, kept) = folder();
        kept.change([(&id("a"), Some(&*described("a")))]).unwrap();
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        assert!(kept.change([(&id("b"), Some(&*long))]).is_err());
        assert_eq!(ids(&kept), ["a"]);
    }

    #[test]
    fn a_rehearsal_keeps_nothing() {
        let kept = Kept::nowhere();
        kept.change([(&id("a"), Some(&*described("a")))]).unwrap();
        assert_eq!(ids(&kept), [""; 0]);
    }
}
