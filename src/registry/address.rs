//! What a topic is about: an announcement, a device in the layout that needs none, or neither.

use crate::model::Topic;

use super::platform::platform;

/// Whom a discovery topic announces (`homeassistant/components/mqtt/discovery.py`, `TOPIC_MATCHER`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Address<'a> {
    /// `<prefix>/<platform>/[<node>/]<object_id>/config`: one entity.
    Entity { platform: &'static str, node: Option<&'a str>, object_id: &'a str },
    /// `<prefix>/device/[<node>/]<object_id>/config`: a device with its entities.
    Device { node: Option<&'a str>, object_id: &'a str },
    /// A discovery topic with a character that Home Assistant allows in no identifier.
    Illegal,
    /// A discovery topic of a platform that Home Assistant does not know.
    Foreign,
}

/// A topic of the layout, `<prefix>/<device_type>/<device_id>/<leaf>`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place<'a> {
    pub(super) device_type: &'a str,
    pub(super) device_id: &'a str,
    pub(super) leaf: &'a str,
}

impl<'a> Address<'a> {
    /// The address that `topic` is; none where it is no discovery topic below `prefix`.
    pub(super) fn of(prefix: &Topic, topic: &'a str) -> Option<Address<'a>> {
        let levels = below(prefix, topic)?.strip_suffix("/config")?;
        let mut levels = levels.split('/');
        let component = levels.next()?;
        let (node, object_id) = match (levels.next(), levels.next(), levels.next()) {
            (Some(object_id), None, None) => (None, object_id),
            (Some(node), Some(object_id), None) => (Some(node), object_id),
            _ => return None,
        };
        if !node.is_none_or(is_legal) || !is_legal(object_id) {
            return Some(Address::Illegal);
        }
        Some(match (component, platform(component)) {
            ("device", _) => Address::Device { node, object_id },
            (_, Some(platform)) => Address::Entity { platform, node, object_id },
            (_, None) => Address::Foreign,
        })
    }
}

impl<'a> Place<'a> {
    /// The place that `topic` is; none where it is not of the layout below `prefix`.
    pub(super) fn of(prefix: &Topic, topic: &'a str) -> Option<Place<'a>> {
        let mut levels = below(prefix, topic)?.split('/');
        let place = Place { device_type: levels.next()?, device_id: levels.next()?, leaf: levels.next()? };
        let fits = levels.next().is_none() && !place.device_type.is_empty() && !place.device_id.is_empty();
        fits.then_some(place)
    }
}

/// What of `topic` follows `prefix` and its slash.
fn below<'a>(prefix: &Topic, topic: &'a str) -> Option<&'a str> {
    topic.strip_prefix(prefix.as_str())?.strip_prefix('/')
}

fn is_legal(level: &str) -> bool {
    !level.is_empty() && level.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(topic: &str, expected: Option<Address<'_>>) {
        assert_eq!(Address::of(&Topic::new("homeassistant").unwrap(), topic), expected, "{topic}");
    }

    #[test]
    fn discovery_topics_are_taken_apart_as_home_assistant_does() {
        let sensor = |node, object_id| Some(Address::Entity { platform: "sensor", node, object_id });
        check("homeassistant/sensor/attic/config", sensor(None, "attic"));
        check("homeassistant/sensor/0x00-1/t_1/config", sensor(Some("0x00-1"), "t_1"));
        check("homeassistant/device/attic/config", Some(Address::Device { node: None, object_id: "attic" }));
        check(
            "homeassistant/device/n/attic/config",
            Some(Address::Device { node: Some("n"), object_id: "attic" }),
        );
        check("homeassistant/sensor/my.host/config", Some(Address::Illegal));
        check("homeassistant/sensor/my host/t/config", Some(Address::Illegal));
        check("homeassistant/sensor//config", Some(Address::Illegal));
        check("homeassistant/toaster/attic/config", Some(Address::Foreign));
        for topic in [
            "homeassistant/sensor/config",
            "homeassistant/sensor/a/b/c/config",
            "homeassistant/sensor/attic/state",
            "homeassistant/status",
            "homeassistants/sensor/attic/config",
            "other/sensor/attic/config",
        ] {
            check(topic, None);
        }
    }

    #[test]
    fn the_layout_has_exactly_three_levels_below_its_prefix() {
        let prefix = Topic::new("smart/home").unwrap();
        let place = Place { device_type: "light", device_id: "kitchen", leaf: "state" };
        assert_eq!(Place::of(&prefix, "smart/home/light/kitchen/state"), Some(place));
        for topic in
            ["smart/home/light/kitchen", "smart/home/light/kitchen/state/x", "smart/home/light//state"]
        {
            assert_eq!(Place::of(&prefix, topic), None, "{topic}");
        }
    }
}
