//! What the bridge says of itself.

use super::super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Health;
use crate::model::Value;

/// The bridge's own figures since it was started: messages delivered, waiting and dropped, and reconnects.
pub(super) struct Figures {
    entities: [Entity; 4],
    health: Health,
}

impl Figures {
    /// The figures that `health` holds.
    pub(super) fn new(health: Health) -> Figures {
        let entity = |id, name, state_class, icon| {
            Sensor::new(id, name)
                .state_class(state_class)
                .precision(0)
                .icon(icon)
                .category_diagnostic()
                .build()
                .expect("a test builds every entity of the host")
        };
        let entities = [
            entity("messages_delivered", "Messages delivered", "total_increasing", "mdi:message-check"),
            entity("messages_waiting", "Messages waiting", "measurement", "mdi:tray-full"),
            entity("messages_dropped", "Messages dropped", "total_increasing", "mdi:message-alert"),
            entity("reconnects", "Reconnects", "total_increasing", "mdi:connection"),
        ];
        Figures { entities, health }
    }
}

impl Source for Figures {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let health = &self.health;
        let figures = [health.delivered(), health.waiting(), health.dropped(), health.reconnects()];
        samples.extend(figures.map(|figure| Ok(Value::Number(figure as f64))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::read::values_of;
    use super::*;
    use crate::model;

    #[test]
    fn each_figure_is_told_under_its_own_name() {
        let health = Health::default();
        health.set_messages(&model::Figures { delivered: 1, ..Default::default() }, 2);
        health.add_refused(3);
        (0..5).for_each(|_| health.set_link_up(&"pi:1883"));

        let mut source = Figures::new(health);
        let values = values_of(&mut source);
        let ids: Vec<&str> = source.entities().iter().map(|it| it.id().as_str()).collect();
        assert_eq!(ids, ["messages_delivered", "messages_waiting", "messages_dropped", "reconnects"]);
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0].map(Value::Number));
    }
}
