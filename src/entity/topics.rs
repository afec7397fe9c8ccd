//! Where an entity is announced, and where its state goes.

use crate::model::ObjectId;
use crate::model::Topic;
use crate::model::TopicError;

use super::Platform;

/// The topics of a device, laid out as Luigi's Python module `ha-mqtt-py` has them, so that
/// whoever moves over keeps entities and history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topics {
    // Invariant, from `new`: even the longest platform and id make legal topics.
    discovery_prefix: Topic,
    node: ObjectId,
    state: Topic,
    availability: Topic,
}

impl Topics {
    /// The topics of the device `node`: announced below `discovery_prefix`, its states below `state`.
    ///
    /// # Errors
    ///
    /// [`TopicError::TooLong`] when a prefix leaves no room for the levels that come after it.
    pub fn new(
        discovery_prefix: Topic,
        node: ObjectId,
        state: Topic,
        availability: Topic,
    ) -> Result<Topics, TopicError> {
        // An id is cut to the longest that it may be.
        let longest = ObjectId::sanitized(&"x".repeat(usize::from(u8::MAX)));
        discovery_prefix.join(&config_levels(Platform::BinarySensor, &node, &longest))?;
        state.join(longest.as_str())?;
        Ok(Topics { discovery_prefix, node, state, availability })
    }

    /// Where the entity `id` is announced: `<prefix>/<platform>/<node>/<id>/config`.
    pub fn config(&self, platform: Platform, id: &ObjectId) -> Topic {
        self.discovery_prefix.join(&config_levels(platform, &self.node, id)).expect(FITS)
    }

    /// Where its states go: `<state>/<id>`.
    pub fn state(&self, id: &ObjectId) -> Topic {
        self.state.join(id.as_str()).expect(FITS)
    }

    /// Where we say `online` or `offline`.
    pub fn availability(&self) -> &Topic {
        &self.availability
    }

    /// The level of the discovery topics that is the device's own.
    pub fn node(&self) -> &ObjectId {
        &self.node
    }
}

fn config_levels(platform: Platform, node: &ObjectId, id: &ObjectId) -> String {
    format!("{platform}/{node}/{id}/config")
}

const FITS: &str = "`new` tried the longest id, and an id holds nothing that a topic may not";

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(prefix: &str, state: &str) -> Result<Topics, TopicError> {
        let [prefix, state, availability] = [prefix, state, "a"].map(|text| Topic::new(text).unwrap());
        Topics::new(prefix, ObjectId::sanitized("luigi-pi.lan"), state, availability)
    }

    #[test]
    fn the_layout_is_that_of_the_python_module() {
        let topics = topics("homeassistant", "luigi/pi.lan").unwrap();
        let id = ObjectId::new("room_temperature").unwrap();
        for (topic, expected) in [
            (
                topics.config(Platform::Sensor, &id),
                "homeassistant/sensor/luigi-pi_lan/room_temperature/config",
            ),
            (
                topics.config(Platform::BinarySensor, &id),
                "homeassistant/binary_sensor/luigi-pi_lan/room_temperature/config",
            ),
            (topics.state(&id), "luigi/pi.lan/room_temperature"),
        ] {
            assert_eq!(topic.as_str(), expected);
        }
    }

    #[test]
    fn a_prefix_that_leaves_no_room_is_refused_at_once() {
        let longest = ObjectId::new(&"x".repeat(64)).unwrap();
        let (prefix, state) = ("p".repeat(65_436), "s".repeat(65_470));
        let fits = topics(&prefix, &state).unwrap();
        assert_eq!(fits.config(Platform::BinarySensor, &longest).as_str().len(), 65_535);
        assert_eq!(fits.state(&longest).as_str().len(), 65_535);
        assert_eq!(topics(&(prefix + "p"), "s"), Err(TopicError::TooLong));
        assert_eq!(topics("p", &(state + "s")), Err(TopicError::TooLong));
    }
}
