//! The builder of device trackers.

use super::check;
use super::draft::{Draft, common_setters};
use super::{Entity, EntityError, Kind, Platform};

/// Describes a device tracker: where something or somebody is. Its state is `home` or `not_home` (a switch that is on
/// or off), or the name of a place. Where Home Assistant is to find the place by itself, it has no state but
/// [attributes](DeviceTracker::attributes) `latitude` and `longitude` in degrees and `gps_accuracy` in metres.
/// Nothing is checked before [`DeviceTracker::build`].
///
/// ```
/// use luigi_mqtt::entity::DeviceTracker;
///
/// let cat = DeviceTracker::new("cat", "Cat").source_type("bluetooth_le").build()?;
/// assert_eq!(cat.state_payload(&true.into())?, "home");
/// assert_eq!(cat.state_payload(&"garden".into())?, "garden");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct DeviceTracker {
    draft: Draft,
    source_type: String,
}

impl DeviceTracker {
    /// A device tracker that knows where it is by `gps`.
    pub fn new(id: &str, name: &str) -> DeviceTracker {
        DeviceTracker { draft: Draft::new(id, name), source_type: "gps".to_owned() }
    }

    /// How it knows: `bluetooth`, `bluetooth_le`, `gps` or `router`.
    pub fn source_type(mut self, source_type: &str) -> DeviceTracker {
        self.source_type = source_type.to_owned();
        self
    }

    /// The device tracker, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let DeviceTracker { draft, source_type } = self;
        let mut problems = draft.problems(Platform::DeviceTracker);
        let source_type = check::one_of_known("source_type", Some(&source_type), SOURCE_TYPES, &mut problems)
            .unwrap_or_default();
        draft.into_entity(Kind::DeviceTracker { source_type }, problems)
    }
}

common_setters!(DeviceTracker, "device_tracker");

/// From `homeassistant/components/device_tracker/const.py`.
const SOURCE_TYPES: &[&str] = &["bluetooth", "bluetooth_le", "gps", "router"];
