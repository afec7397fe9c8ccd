//! A GPIO line, as the configuration names it.

use std::fmt;

/// A line of a GPIO chip and how it is wired (Linux, `Documentation/userspace-api/gpio/chardev.rst`).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Line {
    /// Which.
    pub place: LinePlace,
    /// Whether it is active when its level is low.
    pub active_low: bool,
    /// What holds it where nothing drives it.
    pub bias: Bias,
}

/// Which line it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum LinePlace {
    /// The one of this name, on whichever chip: `GPIO17`.
    Named(String),
    /// That of this number on this chip: `gpiochip0`, 17.
    Numbered {
        /// The chip's name below `/dev`.
        chip: String,
        /// The number on the chip, from 0.
        offset: u32,
    },
}

/// What holds an input line where nothing drives it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Bias {
    /// Whatever it is set to already.
    #[default]
    AsIs,
    /// Nothing.
    Disabled,
    /// A resistor to the supply.
    PullUp,
    /// A resistor to ground.
    PullDown,
}

impl fmt::Display for LinePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinePlace::Named(name) => f.write_str(name),
            LinePlace::Numbered { chip, offset } => write!(f, "{chip}:{offset}"),
        }
    }
}
