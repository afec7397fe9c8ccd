//! Which announcements are ours.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Reason;
use crate::entity::Origin;
use crate::model::ObjectId;
use crate::model::Topic;
use crate::registry::Announcement;

/// What is known of our own announcements.
#[derive(Clone, Debug)]
pub struct Ours {
    /// The identifier of our device.
    pub identity: ObjectId,
    /// The level of our discovery topics.
    pub node: ObjectId,
    /// Our availability topic, which is never taken away.
    pub availability: Topic,
    /// The discovery topics of all that is configured now, also of what is merely absent: never ghosts.
    pub present: BTreeSet<Topic>,
    /// What the ledger knows, by discovery topic.
    pub remembered: BTreeMap<Topic, Remembered>,
}

/// What the ledger knows of an announcement.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// Since when it was announced, RFC 3339.
    pub since: String,
    /// Where the broker may keep something of it.
    pub retained: Vec<Topic>,
}

impl Ours {
    /// Why what is kept on `topic` and not configured, the `announcement` where it makes sense, is a ghost of ours; none
    /// where it is not ours. It is ours where the ledger knows it, or it says that we made it and has our node in its
    /// topic. Where it has only our node or our device, an older module may have made it, or another program.
    pub(super) fn reason(&self, topic: &Topic, announcement: Option<&Announcement>) -> Option<Reason> {
        let node = node_of(topic);
        let has_our_node = [&self.node, &self.identity].into_iter().any(|it| node == Some(it.as_str()));
        let by_us =
            announcement.and_then(|it| it.origin.as_ref()).is_some_and(|it| it.name == Origin::OURS.name);
        let device = announcement.and_then(|it| it.device.as_ref());
        let has_our_device =
            || device.is_some_and(|it| it.identifiers.iter().any(|it| it == self.identity.as_str()));
        if self.remembered.contains_key(topic) || by_us && has_our_node {
            Some(Reason::NotConfigured)
        } else {
            (has_our_node || has_our_device()).then_some(Reason::Stray)
        }
    }

    /// Since when the announcement on `topic` was made, where the ledger knows.
    pub(super) fn since(&self, topic: &Topic) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(&self.remembered.get(topic)?.since, &Rfc3339).ok()
    }

    /// Where the broker may keep something of the announcement on `topic`, where the ledger knows.
    pub(super) fn retained(&self, topic: &Topic) -> Vec<Topic> {
        self.remembered.get(topic).map_or_else(Vec::new, |it| it.retained.clone())
    }
}

/// The node in a discovery topic: the last level but two; a device that is announced whole may be the last but one.
fn node_of(topic: &Topic) -> Option<&str> {
    let mut levels = topic.as_str().rsplit('/').skip(1);
    let (object, above, platform) = (levels.next()?, levels.next()?, levels.next());
    match (above, platform) {
        ("device", _) => Some(object),
        (node, Some(_)) => Some(node),
        _ => None,
    }
}
