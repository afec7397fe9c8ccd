//! What we announce to Home Assistant: entities that it is known to accept before anything is sent.
//!
//! There is a builder for each platform, from [`Sensor`] to [`DeviceTracker`], and [`Other`] for the rest. A builder
//! describes an entity; its `build` checks it against Home Assistant's rules and lists everything that it would
//! refuse or complain of. [`discovery_payload`] says how the entity is announced, [`Entity::state_payload`] how its
//! state is told, [`Entity::command`] what it is asked to do, [`Topics`] where.

mod attributes;
mod binary_sensor;
mod button;
mod check;
mod class;
mod command;
#[cfg(feature = "daemon")]
mod common;
mod device;
mod device_tracker;
mod draft;
mod event;
mod form;
mod kind;
mod light;
mod number;
mod other;
mod payload;
mod platform;
mod problem;
mod refusal;
mod select;
mod sensor;
mod state;
mod switch;
#[cfg(test)]
mod tests;
mod text;
mod topics;
mod update;

pub use binary_sensor::BinarySensor;
pub use button::Button;
pub use class::StateClass;
pub use command::{Command, CommandError};
#[cfg(feature = "daemon")]
pub(crate) use common::{Common, Described};
pub use device::{Device, Origin};
pub use device_tracker::DeviceTracker;
pub use event::Event;
pub use form::Form;
pub use light::{Color, Light, LightCommand, LightState};
pub use number::Number;
pub use other::Other;
pub use payload::{device_payload, discovery_payload};
pub use platform::Platform;
pub use problem::{EntityError, Problem};
pub use select::Select;
pub use sensor::Sensor;
pub use state::ValueError;
pub use switch::Switch;
pub use text::Text;
pub use topics::Topics;
pub use update::{Update, UpdateState};

use std::sync::Arc;
use std::time::Duration;

use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;

use kind::Kind;

/// Something that Home Assistant shows, checked: made by the builders' `build` only, such as [`Sensor::build`].
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    id: ObjectId,
    name: String,
    icon: Option<String>,
    category: Option<String>,
    expire_after: Option<Duration>,
    force_update: bool,
    enabled_by_default: bool,
    default_entity_id: Option<String>,
    delivery: Delivery,
    qos: Option<Qos>,
    attributes: bool,
    availability: bool,
    /// `None` is our own.
    device: Option<Arc<Device>>,
    kind: Kind,
}

impl Entity {
    /// The payload that says that its state is not known, where [`Entity::unknown_payload`] has no other.
    pub const UNKNOWN: &str = state::UNKNOWN;

    /// What identifies it on its device.
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// Its name in Home Assistant, without that of its device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of entity it is.
    pub fn platform(&self) -> Platform {
        self.kind.platform()
    }

    /// Its device class, as it stands in the discovery payload. That of [`Other`] stands in its fields.
    pub fn device_class(&self) -> Option<&'static str> {
        self.kind.device_class()
    }

    /// The unit that its numbers are in.
    pub fn unit(&self) -> Option<&str> {
        match &self.kind {
            Kind::Sensor { unit, .. } | Kind::Number { unit, .. } => unit.as_deref(),
            _ => None,
        }
    }

    /// How long after its last state Home Assistant shows it as unavailable; whole seconds.
    pub fn expire_after(&self) -> Option<Duration> {
        self.expire_after
    }

    /// What Home Assistant shows by itself after its state was `payload`, and how much later: off, when a
    /// binary sensor with an off delay was on.
    pub fn lapse(&self, payload: &str) -> Option<(Duration, &str)> {
        match &self.kind {
            Kind::BinarySensor { payload_on, payload_off, off_delay: Some(delay), .. }
                if payload == payload_on =>
            {
                Some((*delay, payload_off))
            }
            _ => None,
        }
    }

    /// Whether a state means the same to `other`: same platform, class, unit, payloads, and as long a life. How many decimals
    /// of a number are shown, and what it means over time, changes nothing of the number.
    pub fn shares_states_with(&self, other: &Entity) -> bool {
        self.expire_after == other.expire_after && self.kind.shares_states_with(&other.kind)
    }

    /// Whether it tells states, on [`Topics::state`]. A button has none, nor has [`Other`] unless built so.
    pub fn has_states(&self) -> bool {
        self.kind.has_states()
    }

    /// Whether its states are numbers: it is a number, or a sensor of a class, unit, state class or precision that says so.
    pub fn has_numbers(&self) -> bool {
        self.kind.has_numbers() || matches!(self.kind, Kind::Number { .. })
    }

    /// Whether Home Assistant asks things of it, on [`Topics::command`].
    pub fn takes_commands(&self) -> bool {
        self.kind.takes_commands()
    }

    /// Whether what it is set to is for nobody else's eyes: a text in the mode `password`.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Text { mode: text::PASSWORD, .. })
    }

    /// Whether it has attributes beside its state, on [`Topics::attributes`].
    pub fn has_attributes(&self) -> bool {
        self.attributes
    }

    /// Whether it says `online` and `offline` for itself, on [`Topics::entity_availability`].
    pub fn has_availability(&self) -> bool {
        self.availability
    }

    /// Whether its states are things that happen rather than last: each is told once, and is never retained nor told
    /// again to a Home Assistant that starts later.
    pub fn is_momentary(&self) -> bool {
        matches!(self.kind, Kind::Event { .. })
    }

    /// Whether its states are retained: unless they expire, for a retained state would look fresh
    /// again to a Home Assistant that restarts, or are [momentary](Entity::is_momentary). One that
    /// [lapses](Entity::lapse) never is.
    pub fn retained(&self) -> bool {
        self.expire_after.is_none() && !self.is_momentary()
    }

    /// Which of its states are delivered after an outage: the latest, of an event every one, unless it was built
    /// otherwise.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Quality of service of its states; `None` is that of the device.
    pub fn qos(&self) -> Option<Qos> {
        self.qos
    }

    /// The same entity under another id and name.
    ///
    /// # Errors
    ///
    /// [`EntityError`] when Home Assistant would refuse the name.
    pub fn renamed(self, id: ObjectId, name: &str) -> Result<Entity, EntityError> {
        let mut problems = problem::Problems::default();
        check::name(name, &mut problems);
        match problems.is_empty() {
            true => Ok(Entity { id, name: name.to_owned(), ..self }),
            false => Err(problems.of(self.platform(), id.as_str())),
        }
    }

    /// The same entity with states to be delivered in this way.
    pub fn delivered(mut self, delivery: Delivery, qos: Option<Qos>) -> Entity {
        self.delivery = delivery;
        self.qos = qos;
        self
    }

    /// The same entity as part of `device`, which is connected by our own: all else stays, and it is available no longer than
    /// our own is.
    pub fn on_device(self, device: Arc<Device>) -> Entity {
        Entity { device: Some(device), ..self }
    }

    /// The device that it belongs to, where that is not our own.
    pub fn own_device(&self) -> Option<&Arc<Device>> {
        self.device.as_ref()
    }

    /// Whether Home Assistant 2023.12, the oldest we look after, takes it without complaint. An entity
    /// for which this is false is fine in newer ones. What is in the fields of [`Other`] is not looked at.
    pub fn known_in_2023_12(&self) -> bool {
        match &self.kind {
            Kind::Sensor { class, unit, state_class, .. } => {
                class::sensor_known_in_2023_12(class.map(|class| class.name), unit.as_deref(), *state_class)
            }
            Kind::Number { class, unit, .. } => {
                class::sensor_known_in_2023_12(class.map(|class| class.name), unit.as_deref(), None)
            }
            Kind::BinarySensor { class, .. } => class::binary_sensor_known_in_2023_12(*class),
            // It takes colour modes only with a key that newer ones do not know.
            Kind::Light(abilities) => !abilities.has_colors(),
            Kind::Other { platform, .. } => {
                !["date", "datetime", "infrared", "notify", "time", "valve"].contains(&platform.as_str())
            }
            _ => true,
        }
    }

    /// Checks what depends on where the entity is announced: by `device`, our own.
    ///
    /// # Errors
    ///
    /// [`EntityError`] when its name begins with that of its device, which older versions of Home Assistant cut
    /// off with a complaint and newer ones show twice; or when something of it would go to the availability topic.
    pub fn check_with(&self, device: &Device, topics: &Topics) -> Result<(), EntityError> {
        check::on_device(self, self.device.as_deref().unwrap_or(device), topics)
    }
}
