//! What every platform's builder collects, as the caller wrote it.

use std::time::Duration;

use crate::model::Delivery;
use crate::model::ObjectId;
use crate::model::Qos;

use super::check;
use super::check::Problems;
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
        }
    }

    /// The problems with what every platform has.
    pub(super) fn problems(&self, platform: Platform) -> Problems {
        let mut problems = Problems::default();
        check::id(&self.id, &mut problems);
        check::name(&self.name, &mut problems);
        check::icon(self.icon.as_deref(), &mut problems);
        check::entity_category(self.entity_category.as_deref(), &mut problems);
        check::seconds("expire_after", self.expire_after, &mut problems);
        check::default_entity_id(self.default_entity_id.as_deref(), platform, &mut problems);
        problems
    }

    /// The entity of this `kind`, or all `problems` of it.
    pub(super) fn into_entity(
        self,
        kind: Kind,
        platform: Platform,
        problems: Problems,
    ) -> Result<Entity, EntityError> {
        match ObjectId::new(&self.id) {
            Ok(id) if problems.is_empty() => Ok(Entity {
                id,
                name: self.name,
                icon: self.icon,
                diagnostic: self.entity_category.is_some(),
                expire_after: self.expire_after,
                force_update: self.force_update,
                enabled_by_default: self.enabled_by_default,
                default_entity_id: self.default_entity_id,
                delivery: self.delivery,
                qos: self.qos,
                kind,
            }),
            _ => Err(problems.of(platform, &self.id)),
        }
    }
}
