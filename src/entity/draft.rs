//! What every platform's builder collects, as the caller wrote it, and the setters that do.

use std::time::Duration;

use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;

use super::check;
use super::problem::Problems;
use super::{Entity, EntityError, Kind, Platform};

/// An entity that nobody has checked.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) device_class: Option<String>,
    pub(super) icon: Option<String>,
    pub(super) entity_category: Option<String>,
    pub(super) expire_after: Option<Duration>,
    pub(super) force_update: bool,
    pub(super) enabled_by_default: bool,
    pub(super) default_entity_id: Option<String>,
    pub(super) delivery: Delivery,
    pub(super) qos: Option<Qos>,
    pub(super) attributes: bool,
    pub(super) availability: bool,
}

impl Draft {
    pub(super) fn new(id: &str, name: &str) -> Draft {
        Draft {
            id: id.to_owned(),
            name: name.to_owned(),
            device_class: None,
            icon: None,
            entity_category: None,
            expire_after: None,
            force_update: false,
            enabled_by_default: true,
            default_entity_id: None,
            delivery: Delivery::Latest,
            qos: None,
            attributes: false,
            availability: false,
        }
    }

    /// The problems with what every platform has.
    pub(super) fn problems(&self, platform: Platform) -> Problems {
        let mut problems = Problems::default();
        check::id(&self.id, &mut problems);
        check::name(&self.name, &mut problems);
        check::icon(self.icon.as_deref(), &mut problems);
        check::entity_category(self.entity_category.as_deref(), platform, &mut problems);
        check::seconds("expire_after", self.expire_after, &mut problems);
        check::default_entity_id(self.default_entity_id.as_deref(), platform, &mut problems);
        problems
    }

    /// The entity of this `kind`, or all `problems` of it.
    pub(super) fn into_entity(self, kind: Kind, problems: Problems) -> Result<Entity, EntityError> {
        let platform = kind.platform();
        match ObjectId::new(&self.id) {
            Ok(id) if problems.is_empty() => Ok(Entity {
                id,
                name: self.name,
                icon: self.icon,
                category: self.entity_category,
                expire_after: self.expire_after,
                force_update: self.force_update,
                enabled_by_default: self.enabled_by_default,
                default_entity_id: self.default_entity_id,
                delivery: self.delivery,
                qos: self.qos,
                attributes: self.attributes,
                availability: self.availability,
                device: None,
                kind,
            }),
            _ => Err(problems.of(platform, &self.id)),
        }
    }
}

/// Gives the builder `$builder` of the platform `$platform` the setters that every platform has.
macro_rules! common_setters {
    ($builder:ident, $platform:literal) => {
        impl TryFrom<$builder> for $crate::entity::Entity {
            type Error = $crate::entity::EntityError;

            fn try_from(description: $builder) -> Result<Self, Self::Error> {
                description.build()
            }
        }

        #[cfg(feature = "daemon")]
        impl $crate::entity::Described for $builder {
            fn described(mut self, common: &$crate::entity::Common) -> $builder {
                common.describe(&mut self.draft);
                self
            }
        }

        impl $builder {
            /// Its icon, as `prefix:name`: `mdi:thermometer`. A device class has one of its own.
            pub fn icon(mut self, icon: &str) -> $builder {
                self.draft.icon = Some(icon.to_owned());
                self
            }

            /// Its category, `diagnostic` or `config`: something that tells of the device itself or sets it up. Home
            /// Assistant takes `config` only where there is something to be set: not for sensors and binary sensors.
            pub fn category(mut self, category: &str) -> $builder {
                self.draft.entity_category = Some(category.to_owned());
                self
            }

            /// Has it tell of the device itself rather than of what the device is for.
            pub fn category_diagnostic(self) -> $builder {
                self.category("diagnostic")
            }

            /// Whether it is enabled when Home Assistant sees it first. So it is unless told otherwise.
            pub fn enabled_by_default(mut self, enabled: bool) -> $builder {
                self.draft.enabled_by_default = enabled;
                self
            }

            #[doc = concat!(
                "The entity id that Home Assistant gives it at first sight, `", $platform, ".` and words of a-z 0-9 joined \
                 by `_`. Without one Home Assistant makes it of the device's and the entity's names."
            )]
            pub fn default_entity_id(mut self, id: &str) -> $builder {
                self.draft.default_entity_id = Some(id.to_owned());
                self
            }

            /// Which of its states are delivered after an outage. The latest, and every one of an event, unless told
            /// otherwise.
            pub fn delivery(mut self, delivery: $crate::model::Delivery) -> $builder {
                self.draft.delivery = delivery;
                self
            }

            /// Quality of service of its states, and of Home Assistant's subscription to them. The device's, unless
            /// told otherwise.
            pub fn qos(mut self, qos: $crate::model::Qos) -> $builder {
                self.draft.qos = Some(qos);
                self
            }

            /// Whether it has attributes beside its state: a JSON object on a topic of its own, see
            /// [`Entity::attributes_payload`](crate::entity::Entity::attributes_payload). Not unless told so.
            pub fn attributes(mut self, attributes: bool) -> $builder {
                self.draft.attributes = attributes;
                self
            }

            /// Whether it can be unavailable while the device is not, which it then has to say on a topic of its own:
            /// until it has said `online` there Home Assistant shows it as unavailable. Not unless told so.
            pub fn availability(mut self, availability: bool) -> $builder {
                self.draft.availability = availability;
                self
            }
        }
    };
}

/// Gives the builder `$builder` the setters of those platforms whose states may expire.
macro_rules! expiry_setters {
    ($builder:ident) => {
        impl $builder {
            /// How long after its last state Home Assistant shows it as unavailable: whole seconds, at least one.
            /// Its states are not retained then.
            pub fn expire_after(mut self, period: std::time::Duration) -> $builder {
                self.draft.expire_after = Some(period);
                self
            }

            /// Whether Home Assistant takes a state that equals the one before as news. Not unless told so.
            pub fn force_update(mut self, force: bool) -> $builder {
                self.draft.force_update = force;
                self
            }
        }
    };
}

pub(super) use {common_setters, expiry_setters};
