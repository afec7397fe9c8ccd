//! What Home Assistant asks an entity to do.

use std::error::Error;
use std::fmt;

use crate::model::ObjectId;

use super::light::{self, LightCommand};
use super::refusal::{Refusal, quoted};
use super::state::{OFF, ON, a_number_within, a_text_of, has_chars, within};
use super::{Entity, Kind, Platform};

/// What an entity is to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// A switch is to be on or off.
    Switch(bool),
    /// A button is pressed.
    Press,
    /// A number is to be this one, within its limits.
    Number(f64),
    /// A select is to have this of its options.
    Select(String),
    /// A text is to be this one.
    Text(String),
    /// A light is to be like this.
    Light(LightCommand),
    /// An update is to be installed.
    Install,
    /// Whatever the fields of [`Other`](super::Other) make of it.
    Raw(Vec<u8>),
}

/// Why a payload is no command to an entity. Nothing is done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandError {
    /// What kind of entity it was for.
    pub platform: Platform,
    /// Which one.
    pub entity: ObjectId,
    /// What it may be asked.
    pub expected: String,
    /// What it was asked, cut where it is long.
    pub found: String,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CommandError { platform, entity, expected, found } = self;
        write!(f, "{platform} \"{entity}\": expected {expected}, found {found}")
    }
}

impl Error for CommandError {}

impl Entity {
    /// What `payload`, which came on [`Topics::command`](super::Topics::command), asks the entity to do: as Home
    /// Assistant 2026.11 sends it.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when it asks for what the entity does not offer or is out of its limits, when it is not in Home
    /// Assistant's form, and always for what [takes no commands](Entity::takes_commands).
    pub fn command(&self, payload: &[u8]) -> Result<Command, CommandError> {
        if let Kind::Other { commands: true, .. } = self.kind {
            return Ok(Command::Raw(payload.to_vec()));
        }
        let read = match std::str::from_utf8(payload) {
            Ok(text) => self.read_command(text),
            Err(_) => Err(Refusal::new("a text in UTF-8", quoted(&String::from_utf8_lossy(payload)))),
        };
        read.map_err(|Refusal { expected, found }| CommandError {
            platform: self.platform(),
            entity: self.id.clone(),
            expected,
            found: if self.is_secret() { "another".to_owned() } else { found },
        })
    }

    fn read_command(&self, text: &str) -> Result<Command, Refusal> {
        let (command, expected) = match &self.kind {
            Kind::Light(abilities) => return light::command(abilities, text).map(Command::Light),
            Kind::Switch { .. } => match text {
                ON => return Ok(Command::Switch(true)),
                OFF => return Ok(Command::Switch(false)),
                _ => (None, format!("{ON} or {OFF}")),
            },
            Kind::Button { .. } => ((text == PRESS).then_some(Command::Press), PRESS.to_owned()),
            Kind::Update { installs: true, .. } => {
                ((text == INSTALL).then_some(Command::Install), INSTALL.to_owned())
            }
            Kind::Number { min, max, .. } => {
                (within(text, *min, *max).map(Command::Number), a_number_within(*min, *max))
            }
            Kind::Select { options } => {
                let known = options.iter().find(|option| *option == text);
                (known.cloned().map(Command::Select), format!("one of {}", options.join(", ")))
            }
            Kind::Text { min, max, pattern, .. } => {
                let fits = has_chars(text, *min, *max, pattern.as_ref());
                let command = fits.then(|| Command::Text(text.to_owned()));
                (command, a_text_of(*min, *max, pattern.as_ref()))
            }
            Kind::Update { .. }
            | Kind::Sensor { .. }
            | Kind::BinarySensor { .. }
            | Kind::Event { .. }
            | Kind::DeviceTracker { .. }
            | Kind::Other { .. } => (None, "no command, for it takes none".to_owned()),
        };
        command.ok_or_else(|| Refusal::new(expected, quoted(text)))
    }
}

/// `DEFAULT_PAYLOAD_PRESS` in `homeassistant/components/mqtt/const.py`.
const PRESS: &str = "PRESS";
/// What we announce for `payload_install`, which has no default.
pub(super) const INSTALL: &str = "INSTALL";
