//! A reading as the daemon would tell it, where no daemon is asked: [`Sensors`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::super::announced::ledger_to_look_at;
use super::super::complain;
use crate::bridge::Presence;
use crate::client;
use crate::config::Config;
use crate::config::Feed;
use crate::daemon::roster::PRODUCERS;
use crate::daemon::roster::Roster;
use crate::daemon::roster::registered;
use crate::descriptor::is_descriptor;
use crate::entity::Entity;
use crate::model::Chain;
use crate::model::Health;
use crate::model::Message;
use crate::model::ObjectId;
use crate::protocol;
use crate::protocol::Code;
use crate::protocol::Failure;

/// The entities that the daemon would announce, and how.
pub(super) struct Sensors {
    presence: Presence,
    members: BTreeMap<ObjectId, Member>,
}

struct Member {
    owner: String,
    entity: Entity,
    /// Whether its values are other programs' to tell.
    is_fed_by_programs: bool,
    /// Whether Home Assistant has heard of it, as far as we know.
    is_announced: bool,
}

impl Sensors {
    /// Those that `config` has announced, with those that programs have registered for good. Reads the machine's small files.
    ///
    /// # Errors
    ///
    /// [`Code::Configuration`].
    pub(super) fn gather(config: &Config) -> Result<Sensors, Failure> {
        let wrong = |error: &dyn std::error::Error| Failure::new(Code::Configuration, Chain(error));
        let presence = client::presence(config).map_err(|it| wrong(&it))?;
        let mut roster =
            Roster::gather(config, &Health::default(), &presence.device).map_err(|it| wrong(&it))?;
        // One whose id is taken by now is told of by the daemon.
        roster.add_registered(registered(config, &presence.device));
        let announced = announced(config, &presence);
        let is_socket = |owner: &str| {
            let mut sections = config.declared.iter().filter(|it| it.section == owner);
            sections.any(|it| it.input.as_ref().is_some_and(|it| matches!(it.feed, Feed::Socket)))
        };
        let members = roster.members.into_iter().map(|(owner, entity)| {
            let is_fed_by_programs = owner == PRODUCERS || is_descriptor(&owner) || is_socket(&owner);
            let is_announced = announced.as_ref().is_none_or(|it| it.contains(entity.id()));
            (entity.id().clone(), Member { owner, entity, is_fed_by_programs, is_announced })
        });
        Ok(Sensors { members: members.collect(), presence })
    }

    /// How all of it is announced.
    pub(super) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The messages that tell this of `entity`. Of what Home Assistant does not know yet it is said that it does not, once.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownEntity`], [`Code::Taken`] and [`Code::Invalid`], as of the daemon.
    pub(super) fn telling(
        &mut self,
        entity: &ObjectId,
        value: Option<&Json>,
        attributes: Option<&Map<String, Json>>,
        available: Option<bool>,
    ) -> Result<Vec<Message>, Failure> {
        let Some(member) = self.members.get_mut(entity) else { return Err(self.unknown(entity)) };
        if !member.is_fed_by_programs {
            let reason = format!("\"{entity}\" is fed by [{}]", member.owner);
            return Err(Failure::new(Code::Taken, reason).expected("a section with SOURCE=socket"));
        }
        let (it, topics, qos) = (&member.entity, &self.presence.topics, self.presence.qos);
        let mut messages = Vec::new();
        if let Some(value) = value {
            let value = protocol::value(it, value)?;
            let payload = it.state_payload(&value).map_err(|error| Failure::new(Code::Invalid, error))?;
            messages.push(Message {
                topic: topics.state(entity),
                // What turns off by itself would be on again for whoever reads it later.
                retain: it.retained() && it.lapse(&payload).is_none(),
                payload: payload.into_bytes().into(),
                qos: it.qos().unwrap_or(qos),
            });
        }
        if let Some(attributes) = attributes {
            let payload = it.attributes_payload(attributes);
            let payload = payload.map_err(|error| Failure::new(Code::Invalid, error))?;
            messages.push(Message::retained(topics.attributes(entity), payload.into_bytes(), qos));
        }
        if let Some(available) = available {
            if !it.has_availability() {
                let reason = format!("{} \"{entity}\" has no availability of its own", it.platform());
                return Err(Failure::new(Code::Invalid, reason));
            }
            let payload: &[u8] = if available { b"online" } else { b"offline" };
            messages.push(Message::retained(topics.entity_availability(entity), payload, qos));
        }
        if !std::mem::replace(&mut member.is_announced, true) {
            complain(format_args!(
                "luigi-mqtt: \"{entity}\" is not announced yet: Home Assistant shows it once the daemon has run"
            ));
        }
        Ok(messages)
    }

    fn unknown(&self, entity: &ObjectId) -> Failure {
        let failure = Failure::new(Code::UnknownEntity, format!("no entity is called \"{entity}\""));
        let fed: Vec<&str> =
            self.members.iter().filter(|(_, it)| it.is_fed_by_programs).map(|(id, _)| id.as_str()).collect();
        match fed.as_slice() {
            [] => failure.expected("a section with SOURCE=socket, a descriptor or a registration for it"),
            some if some.len() <= SHOWN => failure.expected(format_args!("one of {}", some.join(", "))),
            some => failure.expected(format_args!(
                "one of {} and {} more",
                some[..SHOWN].join(", "),
                some.len() - SHOWN
            )),
        }
    }
}

/// What was announced so far; `None` where that cannot be read.
fn announced(config: &Config, presence: &Presence) -> Option<BTreeSet<ObjectId>> {
    let ledger = ledger_to_look_at(config, presence);
    let is_known = ledger.problem().is_none();
    is_known.then(|| ledger.records().map(|it| it.entity.clone()).collect())
}

/// How many of those that would have been right are named.
const SHOWN: usize = 8;
