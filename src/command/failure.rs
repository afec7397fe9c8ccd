//! Why a command was not carried out, and the event that tells it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use serde_json::json;

use super::setting::quoted;
use crate::entity::CommandError;
use crate::entity::Entity;
use crate::entity::Event;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::model::Value;
use crate::os::gpio::GpioError;
use crate::os::process::ProcessError;

/// Why an output was not set to what was asked. It is logged and told by the event [`failure_entity`]; the next command
/// tries again.
#[derive(Debug)]
pub struct CommandFailure {
    /// The entity that was asked.
    pub entity: ObjectId,
    /// What it was asked, for people: `on`, `press`, `21.5`, `"eco"`; cut where it is long.
    pub wanted: String,
    /// Why it was not done.
    pub cause: FailureCause,
}

/// Why a command was not carried out.
#[derive(Debug)]
#[non_exhaustive]
pub enum FailureCause {
    /// It is no command of the entity, is out of its limits, or does not fit what is to be moved.
    Unfit(CommandError),
    /// It is an old one, which somebody asked the broker to keep.
    Retained,
    /// The outputs are being left as they are to be at the end.
    Ending,
    /// The GPIO line cannot be had or set. The entity is unavailable.
    Line(GpioError),
    /// The file cannot be written.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The program did not run, or not to its end.
    Program(ProcessError),
    /// The program ended with another status than 0.
    Status {
        /// Its path.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The first line that it wrote to its standard error, 200 bytes at most.
        complaint: Option<String>,
    },
}

impl CommandFailure {
    /// `payload` for `entity` is refused, for the message was retained.
    pub fn retained(entity: &Entity, payload: &[u8]) -> CommandFailure {
        let wanted = quoted(entity, &String::from_utf8_lossy(payload));
        CommandFailure { entity: entity.id().clone(), wanted, cause: FailureCause::Retained }
    }

    /// The command was not even tried.
    pub fn is_refusal(&self) -> bool {
        matches!(self.cause, FailureCause::Unfit(_) | FailureCause::Retained | FailureCause::Ending)
    }

    /// What [`failure_entity`] tells of it: a JSON object of `event_type`, `entity`, `command` and `reason`.
    pub fn event(&self) -> Value {
        let event = json!({
            "event_type": if self.is_refusal() { REFUSED } else { FAILED },
            "entity": self.entity.as_str(),
            "command": self.wanted,
            "reason": Chain(&self.cause).to_string(),
        });
        Value::Text(event.to_string())
    }
}

/// What could not even be read is refused.
impl From<CommandError> for CommandFailure {
    fn from(error: CommandError) -> CommandFailure {
        let (entity, wanted) = (error.entity.clone(), error.found.clone());
        CommandFailure { entity, wanted, cause: FailureCause::Unfit(error) }
    }
}

/// The event `command_failed`, which there is beside outputs: a command that `failed`, or was `refused` without a try. Home
/// Assistant shows entity, command and reason as its attributes.
pub fn failure_entity() -> Entity {
    Event::new("command_failed", "Command failed", [FAILED, REFUSED])
        .category_diagnostic()
        .icon("mdi:alert-circle-outline")
        .build()
        .expect("what is written here is what Home Assistant takes")
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot carry out the command {} for {}", self.wanted, self.entity)
    }
}

impl Error for CommandFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureCause::Unfit(error) => error.fmt(f),
            FailureCause::Retained => {
                f.write_str("the message is retained: an old command that the broker keeps")
            }
            FailureCause::Ending => f.write_str("the service is stopping"),
            FailureCause::Line(error) => error.fmt(f),
            FailureCause::File { path, .. } => write!(f, "cannot write {}", path.display()),
            FailureCause::Program(error) => error.fmt(f),
            FailureCause::Status { program, status, complaint: None } => {
                write!(f, "{program} ended with {status}")
            }
            FailureCause::Status { program, status, complaint: Some(complaint) } => {
                write!(f, "{program} ended with {status}: {complaint}")
            }
        }
    }
}

impl Error for FailureCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            FailureCause::Line(error) => error.source(),
            FailureCause::Program(error) => error.source(),
            FailureCause::File { cause, .. } => Some(cause),
            FailureCause::Unfit(error) => error.source(),
            FailureCause::Retained | FailureCause::Ending | FailureCause::Status { .. } => None,
        }
    }
}

/// The types of the event.
const FAILED: &str = "failed";
const REFUSED: &str = "refused";
