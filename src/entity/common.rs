//! What an entity of any platform may have, as somebody describes it: [`Common`].

use super::draft::Draft;
use crate::model::Delivery;
use crate::model::Qos;

/// What is said of an entity, whatever its platform; what is not said is as its builder has it. Nothing is checked yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common {
    /// Of those that have one.
    pub(crate) device_class: Option<String>,
    pub(crate) icon: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) entity_id: Option<String>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) qos: Option<Qos>,
    pub(crate) attributes: Option<bool>,
    pub(crate) availability: Option<bool>,
}

/// A builder, which can be given what is common to all.
pub(crate) trait Described {
    /// The same as `common` describes it.
    fn described(self, common: &Common) -> Self;
}

impl Common {
    /// Has `draft` as this describes it.
    pub(super) fn describe(&self, draft: &mut Draft) {
        let Common { device_class, icon, category, entity_id, .. } = self.clone();
        draft.device_class = device_class.or(draft.device_class.take());
        draft.icon = icon.or(draft.icon.take());
        draft.entity_category = category.or(draft.entity_category.take());
        draft.default_entity_id = entity_id.or(draft.default_entity_id.take());
        draft.enabled_by_default = self.enabled.unwrap_or(draft.enabled_by_default);
        draft.delivery = self.delivery.unwrap_or(draft.delivery);
        draft.qos = self.qos.or(draft.qos);
        draft.attributes = self.attributes.unwrap_or(draft.attributes);
        draft.availability = self.availability.unwrap_or(draft.availability);
    }
}
