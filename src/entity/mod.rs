//! What we announce to Home Assistant: entities that it is known to accept before anything is sent.
//!
//! [`Sensor`] and [`BinarySensor`] describe an entity; their `build` checks it against Home Assistant's
//! rules and lists everything that it would refuse or complain of. [`discovery_payload`] says how the
//! entity is announced, [`Entity::state_payload`] how its state is told, [`Topics`] where.

mod binary_sensor;
mod check;
mod class;
mod device;
mod draft;
mod payload;
mod sensor;
mod state;
mod topics;

pub use binary_sensor::BinarySensor;
pub use check::{EntityError, Problem};
pub use class::StateClass;
pub use device::{Device, Origin};
pub use payload::discovery_payload;
pub use sensor::Sensor;
pub use state::ValueError;
pub use topics::Topics;

use std::fmt;
use std::time::Duration;

use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;

use class::SensorClass;

/// Something that Home Assistant shows, checked: made by [`Sensor::build`] and [`BinarySensor::build`] only.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    id: ObjectId,
    name: String,
    icon: Option<String>,
    diagnostic: bool,
    expire_after: Option<Duration>,
    force_update: bool,
    enabled_by_default: bool,
    default_entity_id: Option<String>,
    delivery: Delivery,
    qos: Option<Qos>,
    kind: Kind,
}

/// The kinds of entity that we announce.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Platform {
    /// Something with a number, a text or a time for its state.
    Sensor,
    /// Something that is on or off.
    BinarySensor,
}

impl Entity {
    /// The payload that says that its state is not known.
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
        match self.kind {
            Kind::Sensor { .. } => Platform::Sensor,
            Kind::BinarySensor { .. } => Platform::BinarySensor,
        }
    }

    /// Its device class, as it stands in the discovery payload.
    pub fn device_class(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Sensor { class, .. } => class.map(|class| class.name),
            Kind::BinarySensor { class, .. } => class,
        }
    }

    /// The unit that its numbers are in.
    pub fn unit(&self) -> Option<&str> {
        match &self.kind {
            Kind::Sensor { unit, .. } => unit.as_deref(),
            Kind::BinarySensor { .. } => None,
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

    /// Whether a state means the same to `other`: same platform, class, unit, payloads, and as long a life.
    pub fn shares_states_with(&self, other: &Entity) -> bool {
        self.kind == other.kind && self.expire_after == other.expire_after
    }

    /// Whether its states are retained: unless they expire, for a retained state would look fresh
    /// again to a Home Assistant that restarts. One that [lapses](Entity::lapse) never is.
    pub fn retained(&self) -> bool {
        self.expire_after.is_none()
    }

    /// Which of its states are delivered after an outage: the latest, unless it was built otherwise.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Quality of service of its states; `None` is that of the device.
    pub fn qos(&self) -> Option<Qos> {
        self.qos
    }

    /// The same entity with states to be delivered in this way.
    pub fn delivered(mut self, delivery: Delivery, qos: Option<Qos>) -> Entity {
        self.delivery = delivery;
        self.qos = qos;
        self
    }

    /// Whether Home Assistant 2023.12, the oldest we look after, takes it without complaint. An entity
    /// for which this is false is fine in newer ones.
    pub fn known_in_2023_12(&self) -> bool {
        match &self.kind {
            Kind::Sensor { class, unit, state_class, .. } => {
                class::sensor_known_in_2023_12(class.map(|class| class.name), unit.as_deref(), *state_class)
            }
            Kind::BinarySensor { class, .. } => class::binary_sensor_known_in_2023_12(*class),
        }
    }

    /// Checks what depends on where the entity is announced.
    ///
    /// # Errors
    ///
    /// [`EntityError`] when its name begins with the device's, which older versions of Home Assistant cut
    /// off with a complaint and newer ones show twice; or when its states would go to the availability topic.
    pub fn check_with(&self, device: &Device, topics: &Topics) -> Result<(), EntityError> {
        check::on_device(self, device, topics)
    }
}

impl Platform {
    /// As it stands in a discovery topic.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::Sensor => "sensor",
            Platform::BinarySensor => "binary_sensor",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What only one platform has.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Sensor {
        class: Option<&'static SensorClass>,
        unit: Option<String>,
        state_class: Option<StateClass>,
        precision: Option<u8>,
        // Empty unless the class is `enum`.
        options: Vec<String>,
    },
    BinarySensor {
        class: Option<&'static str>,
        payload_on: String,
        payload_off: String,
        off_delay: Option<Duration>,
    },
}
