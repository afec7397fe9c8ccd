//! The builder of buttons.

use super::check;
use super::draft::{Draft, common_setters};
use super::{Entity, EntityError, Kind, Platform};

/// Describes a button: something to be pressed, without a state. Nothing is checked before [`Button::build`].
///
/// ```
/// use luigi_mqtt::entity::{Button, Command};
///
/// let restart = Button::new("restart", "Restart").device_class("restart").category("config").build()?;
/// assert_eq!(restart.command(b"PRESS")?, Command::Press);
/// assert!(!restart.has_states());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Button {
    draft: Draft,
}

impl Button {
    /// A button without a class.
    pub fn new(id: &str, name: &str) -> Button {
        Button { draft: Draft::new(id, name) }
    }

    /// What it does, by Home Assistant's name for it: `identify`, `restart` or `update`.
    pub fn device_class(mut self, class: &str) -> Button {
        self.draft.device_class = Some(class.to_owned());
        self
    }

    /// The button, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Button { draft } = self;
        let mut problems = draft.problems(Platform::Button);
        let class =
            check::one_of_known("device_class", draft.device_class.as_deref(), CLASSES, &mut problems);
        draft.into_entity(Kind::Button { class }, problems)
    }
}

common_setters!(Button, "button");

/// From `homeassistant/components/button/const.py`.
pub(super) const CLASSES: &[&str] = &["identify", "restart", "update"];
