//! What has to be told so that Home Assistant has what is wanted, and nothing else of ours.
//!
//! Home Assistant 2026.11, `homeassistant/components/mqtt/discovery.py` and `entity.py`, has these rules:
//!
//! - It knows an announcement by platform, node and id, and the topic that it came on. Another topic's message for the same
//!   three is refused ("conflicting", `_async_discovery_callback`), an empty one too. So an old topic can be
//!   emptied as soon as the entity is loaded from the new one, and not before.
//! - It knows an entity by platform and unique id. While one is loaded another announcement of the same is refused.
//! - `{"migrate_discovery": true}` unloads what came on that topic, and leaves it in the registry with its history. Of a device's
//!   topic that is all (`_generate_device_config`): whatever is to be removed has to be so before.
//! - An empty message removes what came on that topic, where it is loaded. Otherwise it does nothing.
//! - A component that a device's message leaves out stays. One with nothing but its platform is removed.
//! - A device's message is read up to the first component that is still busy (`discovery_pending_discovered`), and the rest of it
//!   is lost; entities unload in tasks of their own. Nobody tells us when they have: hence [`Plan::PAUSE`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Topic;

use super::fate::{Fate, Wishes};
use super::{Entry, Record, payload};

/// What has to be told, in order. All of it may be told twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Before anything is announced: removals, then what tells Home Assistant that an entity will be announced elsewhere.
    /// Each group is acknowledged before the next goes, and [`Plan::PAUSE`] passes after each, the last one too.
    pub before: Vec<Vec<Message>>,
    /// When all is announced, acknowledged, and read by Home Assistant: topics that nobody uses any more are emptied.
    pub after: Vec<Message>,
    /// The same for people, a sentence each.
    pub sentences: Vec<String>,
}

/// What becomes of what is known and not wanted as it is.
#[derive(Default)]
struct Changes<'a> {
    /// Removed for good.
    gone: Vec<&'a Entry>,
    /// Announced elsewhere from now on, and where.
    moved: Vec<(&'a Entry, &'a Record)>,
    /// Not there now, and it stays.
    kept: Vec<&'a Entry>,
}

impl Plan {
    /// How long Home Assistant gets for what a group says.
    pub const PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn new<'a>(
        known: impl Iterator<Item = &'a Entry> + Clone,
        wanted: &'a [Record],
        owners: impl Fn(&Record) -> bool,
    ) -> Plan {
        let changes = Changes::new(known.clone(), wanted, owners);
        let mut before = changes.removals(wanted);
        before.push(changes.migrations());
        before.retain(|group| !group.is_empty());
        let after = changes.emptied(known, wanted);
        let sentences = changes.sentences(&after);
        Plan { before, after, sentences }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

impl<'a> Changes<'a> {
    fn new(
        known: impl Iterator<Item = &'a Entry>,
        wanted: &'a [Record],
        owners: impl Fn(&Record) -> bool,
    ) -> Changes<'a> {
        let wishes = Wishes::new(wanted, owners);
        let mut changes = Changes::default();
        for entry in known {
            match wishes.fate(&entry.record) {
                Fate::Same(_) => {}
                Fate::Moves(to) => changes.moved.push((entry, to)),
                Fate::Stays => changes.kept.push(entry),
                Fate::Goes => changes.gone.push(entry),
            }
        }
        changes
    }

    /// Removes all that is gone. What may be in Home Assistant's registry alone is loaded for that and removed once more, after
    /// all others, who may have its place.
    fn removals(&self, wanted: &[Record]) -> Vec<Vec<Message>> {
        let others = self.moved.iter().map(|(it, _)| *it).chain(self.kept.iter().copied());
        let others = others.map(|it| &it.record).chain(wanted).map(|it| &it.config);
        let shared: BTreeSet<&Topic> = others.collect();
        // From its device's message while there is somebody else in it, otherwise with its topic. Retained, for else the old
        // message would bring it back after a restart of Home Assistant.
        let removal = |topic: &Topic, gone: &[&Record]| match gone.iter().any(|it| it.is_component()) {
            true if shared.contains(topic) => retained(topic, &payload::without(gone)),
            _ => retained(topic, ""),
        };
        let mut groups = vec![Vec::new()];
        for round in rounds(self.gone.iter().map(|it| &it.record)) {
            groups[0].extend(round.iter().map(|(topic, gone)| removal(topic, gone)));
        }
        let mut once = BTreeSet::new();
        let adrift = self.gone.iter().filter(|it| it.adrift).map(|it| &it.record);
        for round in rounds(adrift.filter(|it| once.insert(it.registered()))) {
            groups.push(round.iter().map(|(topic, gone)| retained(topic, &payload::revival(gone))).collect());
            groups.push(round.iter().map(|(topic, gone)| removal(topic, gone)).collect());
        }
        groups
    }

    /// Has Home Assistant unload what is to be announced elsewhere. Retained, for else the old message would bring it back after
    /// a restart of Home Assistant, and it would refuse the new one.
    fn migrations(&self) -> Vec<Message> {
        let topics: BTreeSet<&Topic> = self.moved.iter().map(|(it, _)| &it.record.config).collect();
        topics.into_iter().map(|topic| retained(topic, payload::MIGRATE)).collect()
    }

    /// Empties the topics that were ours, and are nobody's of those who are wanted or stay.
    fn emptied(&self, known: impl Iterator<Item = &'a Entry>, wanted: &[Record]) -> Vec<Message> {
        let staying = self.kept.iter().map(|it| &it.record).chain(wanted);
        let used: BTreeSet<&Topic> = staying.flat_map(|it| &it.retained).collect();
        let announced: BTreeSet<&Topic> = wanted.iter().map(|it| &it.config).collect();
        let old = self.moved.iter().map(|(it, _)| &it.record.config).filter(|it| !announced.contains(it));
        let told = known.flat_map(|it| &it.record.retained).filter(|it| !used.contains(it));
        let topics: BTreeSet<&Topic> = old.chain(told).collect();
        topics.into_iter().map(|topic| retained(topic, "")).collect()
    }

    fn sentences(&self, emptied: &[Message]) -> Vec<String> {
        let gone = self.gone.iter().map(|Entry { record, .. }| {
            let Record { platform, entity, owner, config, .. } = record;
            format!("to remove: {platform} {entity} of [{owner}], announced on {config}")
        });
        let moved = self.moved.iter().map(|(Entry { record, .. }, to)| {
            let Record { platform, entity, config, .. } = record;
            format!("to move: {platform} {entity} from {config} to {}, with its history", to.config)
        });
        let emptied = emptied.iter().map(|it| format!("to empty: {}", it.topic));
        gone.chain(moved).chain(emptied).collect()
    }
}

/// `records` by topic, in as many rounds as it takes for each to have an id of its own there: one, unless an entity had several
/// platforms one after the other.
fn rounds<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<BTreeMap<&'a Topic, Vec<&'a Record>>> {
    let mut rounds: Vec<BTreeMap<&Topic, Vec<&Record>>> = Vec::new();
    let mut used: BTreeMap<(&Topic, &ObjectId), usize> = BTreeMap::new();
    for it in records {
        let round = used.entry((&it.config, &it.entity)).or_insert(0);
        if *round == rounds.len() {
            rounds.push(BTreeMap::new());
        }
        rounds[*round].entry(&it.config).or_default().push(it);
        *round += 1;
    }
    rounds
}

/// Whoever reads this is not in a hurry, and must not miss it.
fn retained(topic: &Topic, payload: &str) -> Message {
    Message::retained(topic.clone(), payload.as_bytes(), Qos::AtLeastOnce)
}
