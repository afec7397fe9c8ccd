//! Where readings come from: a [`Source`] is sampled by the [`Poller`], which tells what is worth telling.

mod address;
mod boot;
mod disk;
mod figures;
mod filter;
pub mod host;
mod load;
mod memory;
mod poller;
mod read;
mod schedule;
mod thermal;
mod throttling;
mod wireless;

pub use poller::Poller;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::entity::Entity;
use crate::model::Delivery;
use crate::model::Qos;
use crate::model::Value;

/// Something that can be asked for the values of its entities.
pub trait Source: Send {
    /// The entities it has values for. The same, in the same order, for as long as the source lives.
    fn entities(&self) -> &[Entity];

    /// Appends one value for each entity, in their order and in their units; [`Value::Unknown`]
    /// where there is none at the moment.
    ///
    /// Called on the poller's thread, which all sources share: it may take a millisecond or two of
    /// reading kernel files, it must not wait for a device or a network.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when none of the values can be had; what was appended until then is ignored.
    fn sample(&mut self, values: &mut Vec<Value>) -> Result<(), SourceError>;
}

/// A source and how it is polled.
pub struct Polled {
    /// Whom to ask.
    pub source: Box<dyn Source>,
    /// Pause between two samples, at least 1 s.
    pub interval: Duration,
    /// A number is told when it has moved by more than this, in its unit, from what was told last.
    pub dead_band: f64,
    /// What has not changed is told again after this long.
    pub heartbeat: Duration,
    /// How long after the start the first sample is taken.
    pub delay: Duration,
    /// Which of its values are delivered after an outage.
    pub delivery: Delivery,
    /// Quality of service of its values; `None` is that of the device.
    pub qos: Option<Qos>,
}

impl Polled {
    /// Its entities, to be delivered as it says.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        self.source.entities().iter().map(|it| it.clone().delivered(self.delivery, self.qos))
    }
}

/// Why a source has no values this time. Its entities become unknown; the next poll tries again.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// A kernel file could not be read: the device is gone, or we are not permitted.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A kernel file held something else than it should.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
        /// How the file begins.
        found: String,
    },
    /// The system would not tell the size of a file system.
    FileSystem {
        /// A path in that file system.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file system has no size: `/proc` and its like.
    NoSize {
        /// A path in that file system.
        path: PathBuf,
    },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Read { path, .. } => write!(f, "cannot read {}", path.display()),
            SourceError::Malformed { path, expected, found } => {
                write!(f, "{}: expected {expected}, found {found:?}", path.display())
            }
            SourceError::FileSystem { path, .. } => {
                write!(f, "cannot ask for the size of the file system of {}", path.display())
            }
            SourceError::NoSize { path } => {
                write!(f, "the file system of {} has no size", path.display())
            }
        }
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SourceError::Read { cause, .. } | SourceError::FileSystem { cause, .. } => Some(cause),
            SourceError::Malformed { .. } | SourceError::NoSize { .. } => None,
        }
    }
}
