//! One thing that was announced.

use crate::entity::Form;
use crate::model::ObjectId;
use crate::model::Topic;

/// An entity that was announced, and all that of it may be retained at the broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Where it was announced: alone, or with its device.
    pub config: Topic,
    /// Whether alone or with its device.
    pub form: Form,
    /// Who had it announced: `Host cpu_temperature`, `Sensor attic`, `descriptor attic.json`.
    pub owner: String,
    /// Since when, RFC 3339; for people.
    pub since: String,
    /// Its id: of its component, where it was announced with its device.
    pub entity: ObjectId,
    /// Its platform, as Home Assistant calls it.
    pub platform: String,
    /// By which Home Assistant knows it again, within its platform.
    pub unique_id: String,
    /// Where it, or its device, may have retained messages: state, attributes, availability.
    pub retained: Vec<Topic>,
}

/// One announcement: what is told on one topic of one entity of Home Assistant.
pub(super) type Place = (Topic, ObjectId, String, String);

impl Record {
    /// What it announces where. Two records of one place are of one announcement.
    pub(super) fn place(&self) -> Place {
        (self.config.clone(), self.entity.clone(), self.platform.clone(), self.unique_id.clone())
    }

    /// What it is to Home Assistant's registry of entities, wherever it is announced.
    pub(super) fn registered(&self) -> (&str, &str) {
        (&self.platform, &self.unique_id)
    }

    /// Whether it is announced with its device.
    pub(super) fn is_component(&self) -> bool {
        self.form == Form::Device
    }
}
