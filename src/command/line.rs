//! GPIO lines as what commands move.

use std::time::Duration;

use super::FailureCause;
use crate::model::Line;
use crate::os::Halt;
use crate::os::gpio::GpioError;
use crate::os::gpio::OutputLine;

/// A line that is driven by us.
pub(super) trait Wire: Send {
    fn set(&mut self, active: bool) -> Result<(), GpioError>;
    fn is_active(&self) -> Result<bool, GpioError>;
}

/// How a line is had, driven to a level at once, or kept at the one that it is found at.
pub(super) type Opener = dyn Fn(&Line, Option<bool>) -> Result<Box<dyn Wire>, GpioError> + Send + Sync;

/// A line and, while it can be had, our hold on it.
pub(super) struct Driven<'a> {
    pub(super) line: &'a Line,
    pub(super) wire: &'a mut Option<Box<dyn Wire>>,
    pub(super) open: &'a Opener,
}

impl Driven<'_> {
    /// Has the line, at `level` from the beginning where it was not had before.
    pub(super) fn hold(&mut self, level: Option<bool>) -> Result<(), FailureCause> {
        if self.wire.is_none() {
            *self.wire = Some((self.open)(self.line, level).map_err(FailureCause::Line)?);
        }
        Ok(())
    }

    /// Sets it. One that is lost, as an expander that was unplugged, is opened anew, once.
    pub(super) fn set(&mut self, active: bool) -> Result<(), FailureCause> {
        if let Some(wire) = self.wire {
            match wire.set(active) {
                Ok(()) => return Ok(()),
                Err(error) => log::debug!("GPIO line {} is opened anew: {error}", self.line.place),
            }
            *self.wire = None; // Before it is opened: nobody else may have it as long as we do.
        }
        self.hold(Some(active))
    }

    /// Sets it for as long as `pulse`, or until `ending` is set.
    pub(super) fn pulse(&mut self, pulse: Duration, ending: &Halt) -> Result<(), FailureCause> {
        self.set(true)?;
        ending.wait(pulse);
        self.set(false)
    }

    /// Whether it is active; `None` where it cannot be had.
    pub(super) fn is_active(&mut self) -> Option<bool> {
        let active = self.wire.as_ref()?.is_active();
        if active.is_err() {
            *self.wire = None;
        }
        active.ok()
    }
}

/// Has `line` of the kernel.
pub(super) fn open(line: &Line, level: Option<bool>) -> Result<Box<dyn Wire>, GpioError> {
    Ok(Box::new(OutputLine::open(line, level)?))
}

impl Wire for OutputLine {
    fn set(&mut self, active: bool) -> Result<(), GpioError> {
        OutputLine::set(self, active)
    }

    fn is_active(&self) -> Result<bool, GpioError> {
        OutputLine::is_active(self)
    }
}
