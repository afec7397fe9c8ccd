//! What an output is set to: [`Setting`].

use crate::entity::Command;
use crate::entity::CommandError;
use crate::entity::Entity;
use crate::entity::LightState;
use crate::entity::Platform;
use crate::model::Value;

/// What an output is set to, or is to be set to: the whole of it, where a command to a light says only what changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Setting {
    /// A button is pressed: over as soon as it is done.
    Press,
    /// A switch, or a light without a brightness.
    On(bool),
    /// A light with a brightness, 1 to [`FULL`], which it keeps while it is off.
    Light { on: bool, brightness: u32 },
    /// A number, and as it is written.
    Number(f64, String),
    /// An option of a select, or a text.
    Text(String),
}

impl Setting {
    /// What `command` asks of `entity`, which was set to `before`. A light that is turned on without a word of its
    /// brightness has the one that it had, else all.
    ///
    /// # Errors
    ///
    /// [`CommandError`] where the entity takes no such command, or it is out of its limits.
    pub(super) fn asked(
        entity: &Entity,
        command: &Command,
        before: Option<&Setting>,
    ) -> Result<Setting, CommandError> {
        let setting = match (entity.platform(), command) {
            (Platform::Button, Command::Press) => return Ok(Setting::Press),
            (Platform::Switch, Command::Switch(on)) => Setting::On(*on),
            (Platform::Light, Command::Light(light)) if has_brightness(entity) => {
                let brightness = light.brightness.or(before.and_then(Setting::brightness));
                Setting::Light { on: light.on, brightness: brightness.unwrap_or(FULL) }
            }
            (Platform::Light, Command::Light(light)) => Setting::On(light.on),
            (Platform::Number, Command::Number(number)) => {
                Setting::Number(*number, entity.state_payload(&Value::Number(*number)).unwrap_or_default())
            }
            (Platform::Select, Command::Select(text)) | (Platform::Text, Command::Text(text)) => {
                Setting::Text(text.clone())
            }
            _ => {
                return Err(CommandError {
                    platform: entity.platform(),
                    entity: entity.id().clone(),
                    expected: "a command of its own".to_owned(),
                    found: "that of another platform".to_owned(),
                });
            }
        };
        match setting.payload(entity) {
            Some(_) => Ok(setting),
            None => Err(unfit(entity, "what is within its limits", &setting)),
        }
    }

    /// What `payload`, a state or a command of `entity`, says; `None` where it is none.
    pub(super) fn told(entity: &Entity, payload: &str, before: Option<&Setting>) -> Option<Setting> {
        let command = entity.command(payload.as_bytes()).ok()?;
        Setting::asked(entity, &command, before).ok()
    }

    /// What `value`, a state of `entity`, says; `None` where it is none.
    pub(super) fn of_state(entity: &Entity, value: &Value) -> Option<Setting> {
        Setting::told(entity, &entity.state_payload(value).ok()?, None)
    }

    /// The entity's state once it is set to this; `None` where it has none.
    pub(super) fn state(&self) -> Option<Value> {
        match self {
            Setting::Press => None,
            Setting::On(on) => Some(Value::Switch(*on)),
            Setting::Light { on, brightness } => {
                let state = if *on { LightState::on() } else { LightState::off() };
                Some(state.brightness(*brightness).into())
            }
            Setting::Number(number, _) => Some(Value::Number(*number)),
            Setting::Text(text) => Some(Value::Text(text.clone())),
        }
    }

    /// As it is told to Home Assistant, and by it.
    pub(super) fn payload(&self, entity: &Entity) -> Option<String> {
        entity.state_payload(&self.state()?).ok()
    }

    /// Whether it is to be on; a press is.
    pub(super) fn is_on(&self) -> Option<bool> {
        match self {
            Setting::Press => Some(true),
            Setting::On(on) | Setting::Light { on, .. } => Some(*on),
            Setting::Number(..) | Setting::Text(_) => None,
        }
    }

    /// How bright it is while it is on, where it has a brightness.
    pub(super) fn brightness(&self) -> Option<u32> {
        match self {
            Setting::Light { brightness, .. } => Some(*brightness),
            _ => None,
        }
    }

    /// For people: `on`, `press`, `21.5`, `"eco"`.
    pub(super) fn shown(&self, entity: &Entity) -> String {
        match self {
            Setting::Text(text) => quoted(entity, text),
            Setting::Light { on: true, brightness } => format!("on at {brightness} of {FULL}"),
            _ => self.word().to_owned(),
        }
    }

    /// In a word: `on`, `off`, `press`; or the number or text.
    pub(super) fn word(&self) -> &str {
        match self {
            Setting::Press => "press",
            Setting::On(true) | Setting::Light { on: true, .. } => "on",
            Setting::On(false) | Setting::Light { on: false, .. } => "off",
            Setting::Number(_, text) | Setting::Text(text) => text,
        }
    }
}

/// Why `entity` cannot be set to `setting`.
pub(super) fn unfit(entity: &Entity, expected: &str, setting: &Setting) -> CommandError {
    CommandError {
        platform: entity.platform(),
        entity: entity.id().clone(),
        expected: expected.to_owned(),
        found: setting.shown(entity),
    }
}

/// `text`, a command for `entity`, for people: in quotes, cut where it is long, and not at all where it is secret.
pub(super) fn quoted(entity: &Entity, text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        _ if entity.is_secret() => "another text".to_owned(),
        Some((end, _)) => format!("{:?} and more", &text[..end]),
        None => format!("{text:?}"),
    }
}
/// Whether `entity` is a light with a brightness.
pub(super) fn has_brightness(entity: &Entity) -> bool {
    entity.state_payload(&LightState::on().brightness(1).into()).is_ok()
}

/// A light's full brightness in Home Assistant, where none is announced: 255.
pub(super) const FULL: u32 = 255;
/// How much of a text a failure shows.
const SHOWN_CHARS: usize = 80;
