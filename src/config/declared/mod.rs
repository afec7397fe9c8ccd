//! The sections that describe an entity each: `[Sensor attic]` and its kind.

#[cfg(feature = "daemon")]
mod defaults;
#[cfg(feature = "daemon")]
mod description;
#[cfg(feature = "daemon")]
mod feed;
#[cfg(feature = "daemon")]
mod input;
#[cfg(any(test, feature = "daemon"))]
pub(super) mod keys;
pub(super) mod kind;
#[cfg(feature = "daemon")]
mod lines;
#[cfg(feature = "daemon")]
mod output;
#[cfg(feature = "daemon")]
mod read;
#[cfg(feature = "daemon")]
mod section;
#[cfg(feature = "daemon")]
mod template;
#[cfg(feature = "daemon")]
mod values;

#[cfg(feature = "daemon")]
pub use template::{Template, templates};

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::Place;
use crate::entity::Entity;
use crate::model::Line;
use crate::model::Program;
use crate::model::Value;

/// An entity that a section describes, checked: with where its values come from and what its commands move.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The section as it is spelt here, `Sensor attic`: who has the entity announced, in the ledger too.
    pub section: String,
    /// Where it stands.
    pub place: Place,
    /// What is announced. Where [`Feed::W1`] has no device, the pattern of those that are found: see
    /// [`Entity::renamed`].
    pub entity: Entity,
    /// Where its values come from; `None` where only its commands change them.
    pub input: Option<Input>,
    /// What its commands move; `None` where it takes none, or where they move nothing of ours (`TARGET=none`).
    pub output: Option<Output>,
}

/// Where values come from, and what becomes of them on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where from.
    pub feed: Feed,
    /// Pause between two samples, 1 s to 24 h. Of a line that is counted, between two readings.
    pub interval: Duration,
    /// How many samples in a row have to fail before the entity is unavailable, 1 to 1,000.
    pub misses: u16,
    /// What becomes of them.
    pub filtering: Filtering,
}

/// What values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed {
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// What of it.
        extract: Extract,
    },
    /// 1-Wire thermometers (Linux, `Documentation/w1/slaves/w1_therm.rst`), °C.
    W1 {
        /// Which, as `28-00000a1b2c3d`; `None` for all that are found, now and later.
        device: Option<String>,
    },
    /// A channel of the kernel's hardware monitoring (Linux, `Documentation/hwmon/sysfs-interface.rst`).
    Hwmon(Channel),
    /// A channel of the kernel's industrial input/output (Linux, `Documentation/ABI/testing/sysfs-bus-iio`).
    Iio(Channel),
    /// What a program prints. Inputs with the same program, interval and misses share its runs.
    Exec {
        /// Which.
        program: Program,
        /// What of its output.
        extract: Extract,
    },
    /// A GPIO line.
    Gpio {
        /// Which.
        line: Line,
        /// How long its level must last to count; 0 takes every edge.
        debounce: Duration,
        /// What of it.
        sense: Sense,
    },
    /// Other processes, through our socket.
    Socket,
}

/// A channel of a kernel device.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Channel {
    /// The name that the driver has given the device (its file `name`), `bme280`; or the name of its folder, `hwmon1`.
    pub chip: String,
    /// The channel: `temp1` or its label (hwmon), `temp` or `voltage0-voltage1` (IIO).
    pub channel: String,
}

/// What of a text is the value.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Extract {
    /// The number that it begins with, blanks aside.
    Number,
    /// All of it, blanks at the ends aside.
    Text,
    /// The first group of this regular expression (regex-lite), or all that it matches where it has none.
    Regex(String),
    /// The value at this JSON pointer (RFC 6901); the empty one is the document.
    Pointer(String),
    /// Of a program: on where it ends with status 0, off with another.
    ExitStatus,
}

/// What of a line is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Sense {
    /// Whether it is active.
    Level,
    /// How many times it became active, ever: kept over restarts. The scale makes a unit of it.
    Total,
    /// How many times it became active, an hour, over the last interval.
    Rate,
    /// What happens when it becomes active and inactive: types of an event.
    Event {
        /// On becoming active.
        active: Option<String>,
        /// On becoming inactive.
        inactive: Option<String>,
    },
}

/// What becomes of a value between source and entity, in this order: texts become on and off, a number is scaled, checked
/// and smoothed, rounded; then it is told where it has changed enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtering {
    /// What means on and what off; what is neither is a failed sample. `None` for what is no on and off.
    pub on_off: Option<OnOff>,
    /// A number is multiplied by this.
    pub scale: f64,
    /// And then this is added.
    pub offset: f64,
    /// Of a light that can be dimmed the number that is full brightness: a number is how bright it is then, and 0 off.
    pub full: Option<f64>,
    /// What is outside is a failed sample.
    pub valid: Option<RangeInclusive<f64>>,
    /// The median of the last so many samples is taken, 1 to 100.
    pub smoothing: u16,
    /// Decimals that are kept; `None` keeps all.
    pub decimals: Option<u8>,
    /// A change up to this much is not told, in the entity's unit.
    pub dead_band: f64,
    /// What has not changed is told again after this long, 1 s to 24 h.
    pub heartbeat: Duration,
    /// On and off must last this long to be told, where the source is sampled. (A line has its own.)
    pub debounce: Duration,
}

impl Filtering {
    /// Nothing is done to a value; a number that has moved by no more than `dead_band` is told after `heartbeat` only.
    pub fn plain(dead_band: f64, heartbeat: Duration) -> Filtering {
        Filtering {
            on_off: None,
            scale: 1.0,
            offset: 0.0,
            full: None,
            valid: None,
            smoothing: 1,
            decimals: None,
            dead_band,
            heartbeat,
            debounce: Duration::ZERO,
        }
    }
}

/// What means on and what off.
#[derive(Clone, Debug, PartialEq)]
pub struct OnOff {
    /// Texts that mean on, in lower case: `1`, `on`, `true`… A number that is not 0 means on where `1` does.
    pub on: Vec<String>,
    /// Texts that mean off.
    pub off: Vec<String>,
    /// Whether on is told as off, and off as on.
    pub invert: bool,
}

/// What commands move.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// What is moved.
    pub target: Target,
    /// What it is set to at the start.
    pub initial: Initial,
    /// What it is set to at the end; `None` leaves it as it is.
    pub safe: Option<Value>,
}

/// What a command moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A GPIO line.
    Line {
        /// Which.
        line: Line,
        /// Active for this long at each press, 1 ms to 1 min, rather than for good.
        pulse: Option<Duration>,
    },
    /// A file, into which the value is written.
    File {
        /// Which.
        path: PathBuf,
        /// What is written for on, and for a press.
        on: String,
        /// What is written for off.
        off: String,
        /// What is written for a light's full brightness, where it has one.
        full: f64,
    },
    /// A program, which gets the value as its last argument and in its environment.
    Program(Program),
}

/// What an output is set to at the start.
#[derive(Clone, Debug, PartialEq)]
pub enum Initial {
    /// Nothing: it stays as it is found.
    Keep,
    /// What it was set to last, before the restart; as it is found where nobody knows.
    Restore,
    /// This.
    Value(Value),
}
