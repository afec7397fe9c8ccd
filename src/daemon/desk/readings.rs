//! What programs publish: readings of entities, and messages of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use super::pending::{Pending, Place, Until, accepted};
use super::{Done, Office};
use crate::bridge::Accepted;
use crate::bridge::RefusedBecause;
use crate::bridge::Telling;
use crate::config::Feed;
use crate::daemon::roster::PRODUCERS;
use crate::descriptor::is_descriptor;
use crate::entity::Entity;
use crate::ingest::Peer;
use crate::model::Chain;
use crate::model::Delivery;
use crate::model::Message;
use crate::model::ObjectId;
use crate::model::Qos;
use crate::model::Reading;
use crate::model::SpoolMode;
use crate::protocol;
use crate::protocol::Code;
use crate::protocol::Failure;

/// A reading as a program tells it.
pub(super) struct Told {
    pub(super) entity: ObjectId,
    pub(super) value: Option<Json>,
    pub(super) attributes: Option<Map<String, Json>>,
    pub(super) available: Option<bool>,
    pub(super) wait: Option<Duration>,
}

/// Takes a reading from `peer`.
///
/// # Errors
///
/// Nobody feeds such an entity, or Home Assistant would refuse it.
pub(super) fn read(
    office: &Office,
    pending: &mut Pending,
    peer: &Peer,
    told: Told,
    tag: Option<&Json>,
    now: Instant,
) -> Result<Done, Failure> {
    let Told { entity: id, value, attributes, available, wait } = told;
    let entity = fed_entity(office, &id)?;
    let value = value.map(|it| protocol::value(&entity, &it)).transpose()?;
    let attributes = attributes.map(|it| entity.attributes_payload(&it)).transpose();
    let attributes = attributes.map_err(|error| Failure::new(Code::Invalid, Chain(&error)))?;
    if available.is_some() && !entity.has_availability() {
        let reason = format!("\"{id}\" has no availability of its own");
        return Err(Failure::new(Code::Invalid, reason));
    }
    // The value goes last: where there is no room for it all is asked again, and what is told twice does no harm.
    let beside = attributes.map(|it| Telling::Attributes(id.clone(), it));
    let beside = beside.into_iter().chain(available.map(|it| Telling::Available(id.clone(), it)));
    for telling in beside {
        if let Err((_, cause)) = office.handle.tell(telling, None) {
            return held_back(cause);
        }
    }
    let Some(value) = value else { return Ok(Done::Answer(accepted(office.health.link_up(), "memory"))) };
    let (delivery, qos) = (entity.delivery(), entity.qos().unwrap_or(office.config.client.qos));
    let (notice, place) = needs_notice(office, delivery, qos, wait).then(|| pending.notice()).unzip();
    // Of what it is told the bridge knows at once whether the card has to have it first.
    let reading = Reading { delivery: Some(delivery), qos: Some(qos), ..Reading::new(id, value) };
    match office.handle.tell(reading, notice) {
        Ok(how) => Ok(taken(office, pending, peer, (how, place), wait, tag, now)),
        Err((_, cause)) => held_back(cause),
    }
}

/// Takes a message of `peer`'s own.
///
/// # Errors
///
/// It is too large.
pub(super) fn publish(
    office: &Office,
    pending: &mut Pending,
    peer: &Peer,
    (message, delivery): (Message, Delivery),
    wait: Option<Duration>,
    tag: Option<&Json>,
    now: Instant,
) -> Result<Done, Failure> {
    let needs_notice = needs_notice(office, delivery, message.qos, wait);
    let (notice, place) = needs_notice.then(|| pending.notice()).unzip();
    match office.handle.submit(message, delivery, notice) {
        Ok(how) => Ok(taken(office, pending, peer, (how, place), wait, tag, now)),
        Err(refused) => held_back(refused.cause),
    }
}

/// Whether the answer may have to come later.
fn needs_notice(office: &Office, delivery: Delivery, qos: Qos, wait: Option<Duration>) -> bool {
    let is_kept = delivery == Delivery::Every && qos > Qos::AtMostOnce;
    wait.is_some() || office.config.spool.mode == SpoolMode::Always && is_kept
}

/// The answer to what was accepted, or that it comes later.
fn taken(
    office: &Office,
    pending: &mut Pending,
    peer: &Peer,
    (how, place): (Accepted, Option<Place>),
    wait: Option<Duration>,
    tag: Option<&Json>,
    now: Instant,
) -> Done {
    let (until, place) = match (wait, how, place) {
        (Some(_), _, Some(place)) => (Until::Delivered, place),
        (None, Accepted::WhenStored, Some(place)) => (Until::Stored, place),
        _ => return Done::Answer(accepted(office.health.link_up(), "memory")),
    };
    Done::Later(pending.add(place, peer.client, tag.cloned(), until, wait.map(|it| now + it)))
}

/// The entity `id`, where programs may feed it.
fn fed_entity(office: &Office, id: &ObjectId) -> Result<Arc<Entity>, Failure> {
    let Some((owner, entity)) = office.announcer.find(id) else {
        let reason = format!("no entity \"{id}\" is announced here");
        return Err(Failure::new(Code::UnknownEntity, reason).expected(KNOWN));
    };
    let is_fed = || {
        let section = office.config.declared.iter().find(|it| it.section == owner);
        section.and_then(|it| it.input.as_ref()).is_some_and(|it| matches!(it.feed, Feed::Socket))
    };
    match owner == PRODUCERS || is_descriptor(&owner) || is_fed() {
        true => Ok(entity),
        false => {
            let reason = format!("\"{id}\" has its values from [{owner}]");
            Err(Failure::new(Code::Taken, reason).expected("an entity that programs feed: SOURCE=socket"))
        }
    }
}

/// What becomes of a request that was not taken: it has to wait for room, or for another bridge, or is wrong.
fn held_back(cause: RefusedBecause) -> Result<Done, Failure> {
    match cause {
        RefusedBecause::Full | RefusedBecause::Stopped => Ok(Done::Busy),
        cause => Err(Failure::new(Code::Invalid, cause)),
    }
}

/// What makes an entity known.
const KNOWN: &str = "a section with SOURCE=socket, a descriptor, or an entity that was registered";
