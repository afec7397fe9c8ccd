//! Where an entity is announced, where its state goes, and where it is told what to do.

use crate::model::ObjectId;
use crate::model::Topic;
use crate::model::TopicError;

use super::{Device, Entity, Platform};

/// The topics of a device, laid out as Luigi's Python module `ha-mqtt-py` has them, so that
/// whoever moves over keeps entities and history.
///
/// Entities never share a topic, for an id has no `/`: what one tells is at `<state>/<id>` and one level below.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topics {
    // Invariant, from `new`: even the longest platform and id make legal topics.
    discovery_prefix: Topic,
    node: ObjectId,
    /// What the unique ids begin with, and the identifier of our own device.
    identity: ObjectId,
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
        discovery_prefix.join(&config_levels(LONGEST_PLATFORM, &node, &longest))?;
        state.join(&format!("{longest}/{AVAILABILITY}"))?;
        let identity = node.clone();
        Ok(Topics { discovery_prefix, node, identity, state, availability })
    }

    /// The same topics, for entities that Home Assistant knows by `identity`: what [`Topics::node`] was when it saw them first.
    pub fn with_identity(self, identity: ObjectId) -> Topics {
        Topics { identity, ..self }
    }

    /// Where the entity `id` is announced: `<prefix>/<platform>/<node>/<id>/config`.
    pub fn config(&self, platform: Platform, id: &ObjectId) -> Topic {
        self.discovery_prefix.join(&config_levels(platform, &self.node, id)).expect(FITS)
    }

    /// Where all entities of `device` are announced in one message: `<prefix>/device/<node>/config` for our own device, for
    /// another one with its identifier in the place of the node.
    pub fn device_config(&self, device: &Device) -> Topic {
        let is_ours = device.identifier == self.identity;
        let node = if is_ours { &self.node } else { &device.identifier };
        self.discovery_prefix.join(&format!("device/{node}/config")).expect(FITS)
    }

    /// By this Home Assistant knows the entity `id` again for ever, whatever its name, its topics and its device: the Python
    /// module's rule, `<identity>_<id>`.
    pub fn unique_id(&self, id: &ObjectId) -> String {
        format!("{}_{id}", self.identity)
    }

    /// Where its states go: `<state>/<id>`.
    pub fn state(&self, id: &ObjectId) -> Topic {
        self.state.join(id.as_str()).expect(FITS)
    }

    /// Where Home Assistant says what it is to do: `<state>/<id>/set`.
    pub fn command(&self, id: &ObjectId) -> Topic {
        self.below(id, COMMAND)
    }

    /// Where its attributes go: `<state>/<id>/attributes`.
    pub fn attributes(&self, id: &ObjectId) -> Topic {
        self.below(id, ATTRIBUTES)
    }

    /// Where it says `online` or `offline` for itself: `<state>/<id>/availability`.
    pub fn entity_availability(&self, id: &ObjectId) -> Topic {
        self.below(id, AVAILABILITY)
    }

    /// Where we say `online` or `offline`.
    pub fn availability(&self) -> &Topic {
        &self.availability
    }

    /// Below which entities are announced.
    pub fn discovery_prefix(&self) -> &Topic {
        &self.discovery_prefix
    }

    /// The level of the discovery topics that is the device's own.
    pub fn node(&self) -> &ObjectId {
        &self.node
    }

    /// What identifies our own device to Home Assistant, and begins the unique ids: the node, unless told otherwise.
    pub fn identity(&self) -> &ObjectId {
        &self.identity
    }

    /// What of `entity` would go to the device's own availability topic, if anything.
    pub(super) fn told_where_availability_is(&self, entity: &Entity) -> Option<&'static str> {
        let id = entity.id();
        [
            ("states", self.state(id)),
            ("commands", self.command(id)),
            ("attributes", self.attributes(id)),
            ("availability", self.entity_availability(id)),
        ]
        .into_iter()
        .find_map(|(told, topic)| (topic == self.availability).then_some(told))
    }

    fn below(&self, id: &ObjectId, level: &str) -> Topic {
        self.state.join(&format!("{id}/{level}")).expect(FITS)
    }
}

fn config_levels(platform: Platform, node: &ObjectId, id: &ObjectId) -> String {
    format!("{platform}/{node}/{id}/config")
}

const COMMAND: &str = "set";
const ATTRIBUTES: &str = "attributes";
/// The longest of the levels below an id.
const AVAILABILITY: &str = "availability";
const LONGEST_PLATFORM: Platform = Platform::Other("alarm_control_panel");
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
            (
                topics.config(Platform::Other("cover"), &id),
                "homeassistant/cover/luigi-pi_lan/room_temperature/config",
            ),
            (topics.state(&id), "luigi/pi.lan/room_temperature"),
            (topics.command(&id), "luigi/pi.lan/room_temperature/set"),
            (topics.attributes(&id), "luigi/pi.lan/room_temperature/attributes"),
            (topics.entity_availability(&id), "luigi/pi.lan/room_temperature/availability"),
        ] {
            assert_eq!(topic.as_str(), expected);
        }
    }

    #[test]
    fn a_prefix_that_leaves_no_room_is_refused_at_once() {
        let longest = ObjectId::new(&"x".repeat(64)).unwrap();
        let platforms = Platform::OTHERS.into_iter().chain(["binary_sensor", "device_tracker"]);
        let platform = Platform::named(platforms.max_by_key(|name| name.len()).unwrap()).unwrap();
        let (prefix, state) = ("p".repeat(65_430), "s".repeat(65_457));
        let fits = topics(&prefix, &state).unwrap();
        assert_eq!(fits.config(platform, &longest).as_str().len(), 65_535);
        assert_eq!(fits.entity_availability(&longest).as_str().len(), 65_535);
        for topic in [fits.command(&longest), fits.attributes(&longest)] {
            assert!(topic.as_str().len() < 65_535);
        }
        assert_eq!(topics(&(prefix + "p"), "s"), Err(TopicError::TooLong));
        assert_eq!(topics("p", &(state + "s")), Err(TopicError::TooLong));
    }
}
