//! Ghosts: what is announced to Home Assistant and has no living owner.
//!
//! Nothing here has a connection or a clock: what the broker keeps goes in, message by message, and ghosts come out. Of
//! our own announcements it is certain that nobody wants them; of others' never, for what is silent may be asleep.

mod ours;
mod stamp;
#[cfg(test)]
mod tests;

pub use ours::{Ours, Remembered};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::model::Incoming;
use crate::model::Topic;
use crate::model::TopicFilter;
use crate::registry::Announcement;
use crate::registry::Change;
use crate::registry::Limits;
use crate::registry::Registry;
use crate::registry::Trace;

/// An announcement that seems to have no living owner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ghost {
    /// Where it is announced, and kept.
    pub topic: Topic,
    /// The name of its device, and of the entity where it is one; what of it is known.
    pub name: String,
    /// The program that announced it.
    pub origin: Option<String>,
    /// How many entities there are in it; 0 where it makes no sense to Home Assistant.
    pub entities: usize,
    /// Why it seems to be one.
    pub reason: Reason,
    /// Since when it was announced, where it is ours and that was written down; else the newest date in its states.
    pub last_sign: Option<OffsetDateTime>,
    /// What else the broker keeps of it alone: its states, attributes and availability. Of others' it is left alone.
    pub residue: Vec<Topic>,
}

/// Why something seems to be a ghost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It is ours, and nothing that is configured announces it.
    NotConfigured,
    /// It has our name, and nothing shows that we announced it.
    Stray,
    /// It says that it is offline.
    Offline,
    /// It has somewhere to say that it is available, and nothing was heard there, nor any state.
    Silent,
    /// Nothing says that it is unavailable; but the newest date in what it has told is long past.
    Outdated,
}

/// What a broker keeps of announcements, states and availability, heard message by message. As bounded as a
/// [`Registry`]: with the same limits.
#[derive(Debug)]
pub struct Hearing {
    registry: Registry,
    filters: Vec<TopicFilter>,
    /// Discovery topics on which something is kept.
    kept: BTreeSet<Topic>,
    /// What was heard elsewhere.
    heard: BTreeMap<Topic, Sign>,
    /// Discovery topics on which somebody speaks, now.
    spoken: BTreeSet<Topic>,
    limits: Limits,
    /// Whether something was left out or not heard: then silence proves nothing.
    is_partial: bool,
}

/// What was heard on a topic.
#[derive(Clone, Copy, Debug, Default)]
struct Sign {
    /// Something that the broker keeps.
    is_kept: bool,
    /// Something that was said while we listened.
    is_news: bool,
    /// The newest date in it.
    date: Option<OffsetDateTime>,
}

impl Hearing {
    /// Nothing heard yet. Announcements are below `discovery_prefix`.
    pub fn new(discovery_prefix: &Topic) -> Hearing {
        let limits = Limits::default();
        let registry = Registry::new(discovery_prefix, None, limits);
        Hearing {
            filters: registry.filters(),
            registry,
            kept: BTreeSet::new(),
            heard: BTreeMap::new(),
            spoken: BTreeSet::new(),
            limits,
            is_partial: false,
        }
    }

    /// What to subscribe to first.
    pub fn filters(&self) -> &[TopicFilter] {
        &self.filters
    }

    /// Takes a message, heard at `now`, and returns what to subscribe to besides. Any topic and any bytes will do.
    pub fn receive(&mut self, incoming: &Incoming, now: Instant) -> Vec<TopicFilter> {
        let topic = &incoming.topic;
        if self.filters.iter().any(|it| it.matches(topic.as_str())) {
            self.receive_announcement(incoming);
        } else if self.heard.contains_key(topic) || self.heard.len() < MOST_TOPICS * self.limits.entities {
            let sign = self.heard.entry(topic.clone()).or_default();
            sign.is_kept |= incoming.retained && !incoming.payload.is_empty();
            sign.is_news |= !incoming.retained;
            sign.date = sign.date.max(stamp::newest(&incoming.payload));
        } else {
            self.is_partial = true;
        }
        let changes = self.registry.receive(incoming, now);
        let listen = |it| match it {
            Change::Listen(filter, _) => Some(filter),
            _ => None,
        };
        changes.into_iter().filter_map(listen).collect()
    }

    /// Notes that something cannot be heard, for the broker refuses it: silence proves nothing then.
    pub fn miss(&mut self) {
        self.is_partial = true;
    }

    /// The announcements without a living owner, in the order of their topics, by what was heard until `now`, which the
    /// clock calls `date`.
    pub fn ghosts(&self, ours: &Ours, now: Instant, date: OffsetDateTime) -> Vec<Ghost> {
        let announcements = self.registry.announcements(now);
        let known: BTreeSet<&Topic> = announcements.iter().map(|it| &it.topic).collect();
        let suspects: BTreeSet<&Topic> = self.kept.difference(&ours.present).collect();
        let suspicious = announcements.iter().filter(|it| suspects.contains(&it.topic));
        let mut ghosts: Vec<Ghost> = suspicious.filter_map(|it| self.ghost(it, ours, date)).collect();
        // What Home Assistant refuses is nobody's entity; but it is ours to take back.
        let refused = suspects.into_iter().filter(|it| !known.contains(it));
        ghosts.extend(refused.filter_map(|topic| {
            Some(Ghost {
                topic: topic.clone(),
                name: String::new(),
                origin: None,
                entities: 0,
                reason: ours.reason(topic, None)?,
                last_sign: ours.since(topic),
                residue: ours.retained(topic),
            })
        }));
        ghosts.sort_by(|a, b| a.topic.cmp(&b.topic));
        keep_shared(&announcements, ours, &mut ghosts);
        ghosts
    }

    fn receive_announcement(&mut self, incoming: &Incoming) {
        let topic = &incoming.topic;
        if incoming.payload.is_empty() {
            self.kept.remove(topic);
            return;
        }
        let topics = if incoming.retained { &mut self.kept } else { &mut self.spoken };
        match topics.len() < self.limits.entities {
            true => _ = topics.insert(topic.clone()),
            false => self.is_partial |= !topics.contains(topic),
        }
    }

    /// What `announcement` is the ghost of, if it is one.
    fn ghost(&self, announcement: &Announcement, ours: &Ours, date: OffsetDateTime) -> Option<Ghost> {
        let topic = &announcement.topic;
        let told = self.date_of(announcement);
        let of_ours = ours.reason(topic, Some(announcement));
        let reason = of_ours.or_else(|| self.reason(announcement, told, date))?;
        let residue = if of_ours.is_some() { self.residue(announcement, ours) } else { Vec::new() };
        let device = announcement.device.as_ref().and_then(|it| it.name.as_deref());
        let name = match (device, announcement.entities.len()) {
            (Some(device), 1) if device != announcement.name => format!("{device}: {}", announcement.name),
            (Some(device), _) => device.to_owned(),
            (None, _) => announcement.name.clone(),
        };
        Some(Ghost {
            topic: topic.clone(),
            name,
            origin: announcement.origin.as_ref().map(|it| it.name.clone()),
            entities: announcement.entities.len(),
            reason,
            last_sign: ours.since(topic).or(told),
            residue,
        })
    }

    /// Why an announcement of somebody else seems to have no living owner; none where it seems to have one.
    fn reason(
        &self,
        announcement: &Announcement,
        told: Option<OffsetDateTime>,
        date: OffsetDateTime,
    ) -> Option<Reason> {
        let entities = &announcement.entities;
        let is_alive = self.spoken.contains(&announcement.topic)
            || entities.iter().any(|it| self.signs(it).any(|sign| sign.is_news));
        if is_alive || self.is_partial {
            return None;
        }
        let said = || entities.iter().flat_map(|it| &it.availability).map(|(_, said)| *said);
        if entities.iter().all(|it| !it.is_available) {
            return match said().any(|it| it == Some(false)) {
                true => Some(Reason::Offline),
                false if entities.iter().all(|it| self.signs(it).next().is_none()) => Some(Reason::Silent),
                false => None,
            };
        }
        told.filter(|told| date - *told > LONG_AGO).map(|_| Reason::Outdated)
    }

    /// What was heard of an entity.
    fn signs<'a>(&'a self, entity: &'a Trace) -> impl Iterator<Item = &'a Sign> {
        entity.topics().flat_map(move |filter| {
            let exact = Topic::new(filter.as_str()).ok().and_then(|it| self.heard.get(&it));
            let matching = move || self.heard.iter().filter(move |(topic, _)| filter.matches(topic.as_str()));
            let wild = filter.has_wildcards().then(matching).into_iter().flatten();
            exact.into_iter().chain(wild.map(|(_, sign)| sign))
        })
    }

    /// The newest date in what the entities have told.
    fn date_of(&self, announcement: &Announcement) -> Option<OffsetDateTime> {
        announcement.entities.iter().flat_map(|it| self.signs(it)).filter_map(|it| it.date).max()
    }

    /// What the broker keeps of an announcement of ours, as far as its own words go and the ledger's.
    fn residue(&self, announcement: &Announcement, ours: &Ours) -> Vec<Topic> {
        let named = announcement.entities.iter().flat_map(Trace::topics);
        let named = named.filter_map(|it| Topic::new(it.as_str()).ok());
        // To what only the ledger names, nobody has listened.
        let noted = ours.retained(&announcement.topic).into_iter().filter(|it| !self.heard.contains_key(it));
        let kept = named.filter(|it| self.heard.get(it).is_some_and(|sign| sign.is_kept));
        kept.chain(noted).collect::<BTreeSet<Topic>>().into_iter().collect()
    }
}

impl Ghost {
    /// Whether nothing that sleeps, or comes back, can look like it.
    pub fn is_certain(&self) -> bool {
        self.reason == Reason::NotConfigured
    }
}

impl Reason {
    /// A word for it, for programs: `offline`.
    pub fn word(self) -> &'static str {
        match self {
            Reason::NotConfigured => "not_configured",
            Reason::Stray => "stray",
            Reason::Offline => "offline",
            Reason::Silent => "silent",
            Reason::Outdated => "outdated",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NotConfigured => "ours, and no longer configured",
            Reason::Stray => "under our name, but perhaps another program's",
            Reason::Offline => "says that it is offline: switched off, asleep or gone",
            Reason::Silent => "has not been heard: asleep or gone",
            Reason::Outdated => "has told nothing for long: stuck or gone",
        })
    }
}

/// Takes out of what `ghosts` leave behind whatever belongs to somebody else too.
fn keep_shared(announcements: &[Announcement], ours: &Ours, ghosts: &mut [Ghost]) {
    let gone: BTreeSet<Topic> =
        ghosts.iter().filter(|it| it.is_certain()).map(|it| it.topic.clone()).collect();
    let others = announcements.iter().filter(|it| !gone.contains(&it.topic));
    let read: BTreeSet<(&Topic, &str)> = others
        .flat_map(|it| it.entities.iter().flat_map(Trace::topics).map(|topic| (&it.topic, topic.as_str())))
        .collect();
    let read_by_others =
        |ghost: &Topic, topic: &str| read.iter().any(|(by, it)| *by != ghost && *it == topic);
    for Ghost { topic, residue, .. } in ghosts {
        residue.retain(|it| *it != ours.availability && !read_by_others(topic, it.as_str()));
    }
}

/// Of each entity that there may be: state, attributes, two of availability.
const MOST_TOPICS: usize = 4;
/// Whoever sleeps for a month is a rare one.
const LONG_AGO: Duration = Duration::from_secs(30 * 24 * 60 * 60);
