//! Why a line cannot be had.

use std::error::Error;
use std::fmt;

/// Why a GPIO line cannot be had, read or set. The line is tried again now and then.
#[derive(Debug)]
#[non_exhaustive]
pub enum GpioError {
    /// There is no chip at all.
    NoChips,
    /// There is no such chip.
    NoChip {
        /// What was asked for.
        chip: String,
        /// Those that there are.
        known: Vec<String>,
        /// What the system said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The chip has fewer lines.
    NoOffset {
        /// Which chip.
        chip: String,
        /// What was asked for.
        offset: u32,
        /// How many it has.
        lines: u32,
    },
    /// No line has the name.
    NoLine {
        /// What was asked for.
        name: String,
        /// The line that is probably meant.
        near: Option<String>,
    },
    /// Several lines have the name.
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The first two.
        places: [String; 2],
    },
    /// We may not use the chip.
    Denied {
        /// Which.
        chip: String,
    },
    /// Somebody else has the line: a program, or a driver that an overlay has brought.
    Busy {
        /// Which.
        line: String,
        /// Who, as they call themselves; may be empty.
        consumer: String,
    },
    /// The kernel refuses what is asked of the line.
    Refused {
        /// Which.
        line: String,
        /// What it cannot do.
        purpose: &'static str,
        /// What the system said.
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for GpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GpioError::NoChips => f.write_str("this machine has no GPIO chip"),
            GpioError::NoChip { chip, known, .. } if known.is_empty() => {
                write!(f, "there is no GPIO chip {chip}, nor any other")
            }
            GpioError::NoChip { chip, known, .. } => {
                write!(f, "there is no GPIO chip {chip}, but {}", known.join(", "))
            }
            GpioError::NoOffset { chip, offset, lines } => {
                write!(
                    f,
                    "GPIO chip {chip}: expected a line of 0 to {}, found {offset}",
                    lines.saturating_sub(1)
                )
            }
            GpioError::NoLine { name, near: Some(near) } => {
                write!(f, "no GPIO line is called {name}: is {near} meant? The command gpioinfo lists them")
            }
            GpioError::NoLine { name, near: None } => {
                write!(f, "no GPIO line is called {name}: the command gpioinfo lists them")
            }
            GpioError::Ambiguous { name, places: [first, second] } => {
                write!(
                    f,
                    "GPIO lines {first} and {second} are both called {name}: say which by chip and number"
                )
            }
            GpioError::Denied { chip } => {
                write!(
                    f,
                    "not permitted to use /dev/{chip}: the user of luigi-mqtt must be in the group gpio"
                )
            }
            GpioError::Busy { line, consumer } if consumer.is_empty() => {
                write!(f, "GPIO line {line} is in use by somebody else, and has one user at a time")
            }
            GpioError::Busy { line, consumer } => {
                write!(f, "GPIO line {line} is in use by {consumer}, and has one user at a time")
            }
            GpioError::Refused { line, purpose, .. } => write!(f, "GPIO line {line} cannot {purpose}"),
        }
    }
}

impl Error for GpioError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            GpioError::NoChip { cause, .. } | GpioError::Refused { cause, .. } => Some(&**cause),
            _ => None,
        }
    }
}
