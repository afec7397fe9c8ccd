//! Where readings come from: a [`Source`] is sampled by the [`Poller`], which tells what is worth telling.

mod chip;
mod declared;
pub mod exec;
mod extract;
mod file;
mod filter;
mod gpio;
pub mod host;
mod hwmon;
mod iio;
mod poll;
mod poller;
mod read;
mod schedule;
mod troubles;
mod w1;

pub use declared::{groups, sources};
pub use gpio::Gpio;
pub use poller::{Nudge, Poller};
pub use troubles::{Trouble, Troubles};
pub use w1::is_thermometer_of;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Filtering;
use crate::entity::Entity;
use crate::model::Delivery;
use crate::model::LinePlace;
use crate::model::Qos;
use crate::model::Value;
use crate::os::Halt;

/// Something that can be asked for the values of its entities.
pub trait Source: Send {
    /// The entities it has values for, in the same order for as long as the source lives. There may be more of them
    /// after a sample, behind those that there were; never fewer.
    fn entities(&self) -> &[Entity];

    /// Appends one sample for each entity that there is now, in their order and as their filters expect them;
    /// [`Value::Unknown`] where there is no value at the moment, an error where it cannot be had.
    ///
    /// Called on a thread of the poller. What is [quick](Pace::Quick) shares it with all that is, and may take a millisecond
    /// or two of reading kernel memory; what is slow may wait.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when none of the values can be had; what was appended until then is ignored.
    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError>;

    /// How long a sample may take by a limit of its own, as a program has one: until then it does not hang. Zero where it has
    /// none. Asked for once, before the first sample.
    fn limit(&self) -> Duration {
        Duration::ZERO
    }

    /// What ends a sample that is being taken, from another thread and for good; `None` where nothing does. Asked for once,
    /// before the first sample.
    fn halt(&self) -> Option<Halt> {
        None
    }
}

/// A value as its source has it, or why it has none.
pub type Sample = Result<Value, SourceError>;

/// A source and how it is polled.
pub struct Polled {
    /// Who has it asked, a name that no other has: the section `Sensor attic` (of those that share a program the first), or
    /// `Host load`.
    pub owner: String,
    /// Whom to ask.
    pub source: Box<dyn Source>,
    /// How long it may take to answer.
    pub pace: Pace,
    /// Pause between two samples, at least 1 s.
    pub interval: Duration,
    /// What becomes of the values of each entity, in their order; of those that have none here, as of the last.
    pub filters: Vec<Filtering>,
    /// How many samples of an entity in a row have to fail before it is [unavailable](Value::Unavailable); before that it
    /// keeps its value. 0 has it unknown at once.
    pub misses: u16,
    /// How long after the start the first sample is taken.
    pub delay: Duration,
    /// Which of its values are delivered after an outage; `None` as its entities have it.
    pub delivery: Option<Delivery>,
    /// Quality of service of its values; `None` as its entities have it.
    pub qos: Option<Qos>,
}

/// How long a source may take to answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// As long as reading the kernel's memory takes.
    Quick,
    /// It waits for a device, a program, a disk or a network.
    Slow,
}

impl Polled {
    /// Its entities, to be delivered as it says.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        self.source.entities().iter().map(|it| self.delivered(it))
    }

    /// `entity`, which is one of its own, to be delivered as it says.
    fn delivered(&self, entity: &Entity) -> Entity {
        match self.delivery {
            Some(delivery) => entity.clone().delivered(delivery, self.qos),
            None => entity.clone(),
        }
    }
}

/// Why a source has no values this time. The next poll tries again; after as many in a row as may be
/// [missed](Polled::misses) its entities are unavailable.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// A file could not be read: the device is gone, or we are not permitted.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file held something else than it should.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: Cow<'static, str>,
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
    /// A device or channel is not there: unplugged, its driver not loaded, its overlay not set up.
    NoDevice {
        /// What was looked for: `1-Wire device 28-00000a1b2c3d`.
        what: String,
    },
    /// A device answered with something that cannot be.
    Implausible {
        /// The device or the entity.
        what: String,
        /// What it said.
        found: String,
        /// What it may say, or why this is refused.
        expected: String,
    },
    /// A program did not do what it should.
    Program {
        /// Its path.
        program: String,
        /// What it did.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A GPIO line cannot be had.
    Line {
        /// Which.
        line: LinePlace,
        /// What the system said.
        cause: Box<dyn Error + Send + Sync>,
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
            SourceError::NoDevice { what } => write!(f, "{what} is not there"),
            SourceError::Implausible { what, found, expected } => {
                write!(f, "{what}: expected {expected}, found {found}")
            }
            SourceError::Program { program, .. } => write!(f, "cannot have a value from {program}"),
            SourceError::Line { line, .. } => write!(f, "cannot use GPIO line {line}"),
        }
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SourceError::Read { cause, .. } | SourceError::FileSystem { cause, .. } => Some(cause),
            SourceError::Program { cause, .. } | SourceError::Line { cause, .. } => Some(&**cause),
            SourceError::Malformed { .. }
            | SourceError::NoSize { .. }
            | SourceError::NoDevice { .. }
            | SourceError::Implausible { .. } => None,
        }
    }
}
