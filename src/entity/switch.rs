//! The builder of switches.

use super::check;
use super::draft::{Draft, common_setters};
use super::{Entity, EntityError, Kind, Platform};

/// Describes a switch: something to be turned on and off. Nothing is checked before [`Switch::build`].
///
/// ```
/// use luigi_mqtt::entity::{Command, Switch};
///
/// let pump = Switch::new("pump", "Pump").device_class("outlet").build()?;
/// assert_eq!(pump.command(b"ON")?, Command::Switch(true));
/// assert_eq!(pump.state_payload(&true.into())?, "ON");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Switch {
    draft: Draft,
}

impl Switch {
    /// A switch without a class.
    pub fn new(id: &str, name: &str) -> Switch {
        Switch { draft: Draft::new(id, name) }
    }

    /// What it switches, by Home Assistant's name for it: `outlet` or `switch`.
    pub fn device_class(mut self, class: &str) -> Switch {
        self.draft.device_class = Some(class.to_owned());
        self
    }

    /// The switch, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Switch { draft } = self;
        let mut problems = draft.problems(Platform::Switch);
        let class =
            check::one_of_known("device_class", draft.device_class.as_deref(), CLASSES, &mut problems);
        draft.into_entity(Kind::Switch { class }, problems)
    }
}

common_setters!(Switch, "switch");

/// From `homeassistant/components/switch/const.py`.
pub(super) const CLASSES: &[&str] = &["outlet", "switch"];
