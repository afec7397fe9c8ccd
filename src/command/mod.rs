//! What Home Assistant asks of us, carried out on GPIO lines, files and programs: [`Actuators`].

mod actuator;
mod actuators;
mod failure;
mod file;
mod line;
mod program;
mod setting;
#[cfg(test)]
mod tests;

pub use actuators::Actuators;
pub use failure::{CommandFailure, FailureCause, failure_entity};

use crate::model::Value;

/// What became of a command.
#[derive(Debug)]
pub struct Outcome {
    /// The entity's state as it truly is now, to be published; `None` where it has none, where only its input knows, or
    /// where nobody does.
    pub state: Option<Value>,
    /// Why it was not carried out; `None` where it was.
    pub failure: Option<CommandFailure>,
}

impl Outcome {
    /// There is no GPIO line for it, or no longer; there may be one later.
    pub fn has_no_line(&self) -> bool {
        let is_failure = matches!(self.failure, Some(CommandFailure { cause: FailureCause::Line(_), .. }));
        is_failure || self.state == Some(Value::Unavailable)
    }
}
