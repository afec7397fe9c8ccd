//! The ledger's file, `ledger.json`: versioned, replaced as a whole.

use std::error::Error;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::entity::Form;
use crate::model::ObjectId;
use crate::model::Topic;
use crate::os::file;

use super::{Entry, Known, Record};

/// Why a file is not read. The ledger is empty then.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It cannot be read.
    Read { path: PathBuf, cause: io::Error },
    /// It is of a newer version than ours.
    Newer { path: PathBuf, version: u64 },
    /// It is something else than a ledger.
    Damaged { path: PathBuf, found: String },
}

impl Refusal {
    /// Whether another user may well read it.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Refusal::Read { cause, .. } if cause.kind() == ErrorKind::PermissionDenied)
    }
}

/// The file as it is spelt.
#[derive(Deserialize, Serialize)]
struct Ledger {
    version: u64,
    machine: String,
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    announced: Vec<Announced>,
}

#[derive(Deserialize, Serialize)]
struct Announced {
    config: String,
    form: String,
    owner: String,
    since: String,
    entity: String,
    platform: String,
    unique_id: String,
    retained: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    adrift: bool,
}

/// Enough of any version to know which it is.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// What the file `path` says; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Known>, Refusal> {
    let damaged = |found: String| Refusal::Damaged { path: path.to_owned(), found };
    let text = match file::read(path, MOST_BYTES as u64) {
        Ok(text) => text,
        Err(cause) => {
            return match cause.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
                ErrorKind::FileTooLarge => Err(damaged(format!("more than {MOST_BYTES} bytes"))),
                _ => Err(Refusal::Read { path: path.to_owned(), cause }),
            };
        }
    };
    let Versioned { version } = serde_json::from_slice(&text).map_err(|it| damaged(it.to_string()))?;
    if version > VERSION {
        return Err(Refusal::Newer { path: path.to_owned(), version });
    }
    let ledger: Ledger = serde_json::from_slice(&text).map_err(|it| damaged(it.to_string()))?;
    Known::try_from(ledger).map(Some).map_err(damaged)
}

/// Puts `known` in place of the file `path`, whole or not at all. Blocks for the card.
pub(super) fn write(path: &Path, known: &Known) -> io::Result<()> {
    if known.entries.len() > MOST_RECORDS {
        return Err(io::Error::other(format!("expected at most {MOST_RECORDS} entities")));
    }
    let text = serde_json::to_vec_pretty(&Ledger::from(known))?;
    if text.len() > MOST_BYTES {
        return Err(io::Error::other(format!("expected at most {MOST_BYTES} bytes")));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    file::replace(path, &text, 0o600)?;
    // Where the owner of the machine does by hand what the daemon would, it is the daemon's all the same.
    let (folder, file) = (fs::metadata(folder)?, fs::metadata(path)?);
    match folder.uid() == file.uid() {
        true => Ok(()),
        false => chown(path, Some(folder.uid()), Some(folder.gid())),
    }
}

/// Puts the file `path` out of the way. One such file is kept, the last.
pub(super) fn set_aside(path: &Path, why: &str) -> io::Result<()> {
    fs::rename(path, path.with_extension(format!("json.{why}")))
}

impl From<&Known> for Ledger {
    fn from(known: &Known) -> Ledger {
        Ledger {
            version: VERSION,
            machine: known.machine.clone(),
            node: known.node.to_string(),
            identity: known.identity.as_ref().map(ObjectId::to_string),
            announced: known.entries.values().map(Announced::from).collect(),
        }
    }
}

impl TryFrom<Ledger> for Known {
    type Error = String;

    fn try_from(ledger: Ledger) -> Result<Known, String> {
        if ledger.announced.len() > MOST_RECORDS {
            return Err(format!("more than {MOST_RECORDS} entities"));
        }
        let entries = ledger.announced.into_iter().map(Entry::try_from);
        Ok(Known {
            machine: ledger.machine,
            node: id(&ledger.node)?,
            identity: ledger.identity.as_deref().map(id).transpose()?,
            entries: entries.map(|it| it.map(|it| (it.record.place(), it))).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Entry> for Announced {
    fn from(entry: &Entry) -> Announced {
        let Entry { record, adrift } = entry;
        Announced {
            config: record.config.to_string(),
            form: match record.form {
                Form::Entity => ENTITY.to_owned(),
                Form::Device => DEVICE.to_owned(),
            },
            owner: record.owner.clone(),
            since: record.since.clone(),
            entity: record.entity.to_string(),
            platform: record.platform.clone(),
            unique_id: record.unique_id.clone(),
            retained: record.retained.iter().map(Topic::to_string).collect(),
            adrift: *adrift,
        }
    }
}

impl TryFrom<Announced> for Entry {
    type Error = String;

    fn try_from(announced: Announced) -> Result<Entry, String> {
        let form = match announced.form.as_str() {
            ENTITY => Form::Entity,
            DEVICE => Form::Device,
            other => return Err(format!("the form {other:?}")),
        };
        let record = Record {
            config: topic(&announced.config)?,
            form,
            owner: announced.owner,
            since: announced.since,
            entity: id(&announced.entity)?,
            platform: announced.platform,
            unique_id: announced.unique_id,
            retained: announced.retained.iter().map(|it| topic(it)).collect::<Result<_, _>>()?,
        };
        Ok(Entry { record, adrift: announced.adrift })
    }
}

fn topic(text: &str) -> Result<Topic, String> {
    Topic::new(text).map_err(|it| format!("the topic {text:?}: {it}"))
}

fn id(text: &str) -> Result<ObjectId, String> {
    ObjectId::new(text).map_err(|it| format!("the id {text:?}: {it}"))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Read { path, cause } => write!(f, "cannot read {}: {cause}", path.display()),
            Refusal::Newer { path, version } => {
                let path = path.display();
                write!(f, "{path}: expected version {VERSION} or older, found {version}; it is left as it is")
            }
            Refusal::Damaged { path, found } => {
                write!(f, "{}: expected a ledger, found {found}", path.display())
            }
        }
    }
}

impl Error for Refusal {}

const VERSION: u64 = 1;
const ENTITY: &str = "entity";
const DEVICE: &str = "device";
/// Some hundred times what a Pi has; each is some 400 bytes long.
const MOST_RECORDS: usize = 10_000;
/// As long as the longest that is sensible.
const MOST_BYTES: usize = 4 << 20;
