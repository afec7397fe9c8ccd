//! What other programs have registered through the socket: [`Registrar`].

mod allowance;
mod entry;
mod kept;
mod orders;
mod refusal;
mod standing;
#[cfg(test)]
mod tests;
mod workshop;

pub(super) use kept::Kept;
pub(crate) use standing::{keep, keep_no_longer};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use crate::client::Client;
use crate::ingest::ClientId;
use crate::ingest::Peer;
use crate::ingest::Ticket;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::protocol;
use crate::protocol::Code;
use crate::protocol::Failure;

use super::announcer::Announcer;
use super::roster::PRODUCERS;
use allowance::Allowances;
use entry::Entry;
use orders::Orders;
use refusal::{busy, taken, taken_by_another, too_large, too_many, too_often};
use workshop::{Done, Job, Task, What, Workshop};

/// The entities of producers: announced for as long as one that has registered them is connected, and 60 s beyond, or for good.
/// Belongs to the thread of the desk, which it never has wait for the card or the broker: what takes long is done on a thread
/// `registrar`, which is there only while there is something to do.
///
/// Its entities are those of the owner [`PRODUCERS`]. Sections and descriptors go before them: where one of those wants the same
/// id, whenever it comes, the entity is that one's from then on, and a program that asks for it is told so.
pub(super) struct Registrar {
    announcer: Announcer,
    workshop: Workshop,
    orders: Orders,
    entries: BTreeMap<ObjectId, Entry>,
    allowances: Allowances,
    /// How many jobs the workshop has.
    under_way: usize,
    client: Client,
    /// Until when programs that were there in an earlier run may come back, if the broker is there then.
    awaited_until: Option<Instant>,
    /// When something is to be done next by itself.
    due: Option<Instant>,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// It is done: nothing had to be announced or written.
    Done,
    /// It is begun; what becomes of it comes out of [`Registrar::answers`] under the ticket that was given.
    Begun,
}

/// A command of Home Assistant to an entity that producers have registered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Commanded {
    /// Which.
    pub(super) entity: ObjectId,
    /// What it is to be: of a switch `true` or `false`, a number, a text; of a button `true`; of a light Home Assistant's own
    /// object.
    pub(super) value: Json,
    /// Those to be told: all that have registered it and are connected.
    pub(super) clients: Vec<ClientId>,
}

impl Registrar {
    /// One that has entities announced by `announcer`, where those of `kept` are announced already, and hears commands
    /// through `client`. `ring` is called from other threads whenever there are answers or commands; it must not block.
    pub(super) fn open(
        announcer: Announcer,
        client: Client,
        kept: Kept,
        ring: impl Fn() + Send + Sync + 'static,
        now: Instant,
    ) -> Registrar {
        let ring: Arc<dyn Fn() + Send + Sync> = Arc::new(ring);
        let orders = Orders::new(Arc::clone(&ring));
        let workshop = Workshop::new(announcer.clone(), client.clone(), kept, orders.clone(), ring);
        let awaited_until = announcer.awaits_producers().then(|| now + GRACE);
        let mut registrar = Registrar {
            announcer,
            workshop,
            orders,
            entries: BTreeMap::new(),
            allowances: Allowances::default(),
            under_way: 0,
            client,
            awaited_until,
            due: awaited_until,
        };
        for (owner, entity) in registrar.announcer.members() {
            if owner == PRODUCERS {
                let entry = Entry { for_good: true, ..Entry::new(Arc::new(entity)) };
                if entry.entity.takes_commands() {
                    registrar.give(None, Task::Hear(Arc::clone(&entry.entity)));
                }
                registrar.entries.insert(entry.entity.id().clone(), entry);
            }
        }
        registrar
    }

    /// Has the entity of `description` announced for `peer`, for good where it is `permanent`. Where it is so already, this
    /// costs nothing. Registered for good, it stays so until it is unregistered, whatever its description becomes.
    ///
    /// # Errors
    ///
    /// `invalid`, `field`: it is nothing that Home Assistant would take. `taken`: its id is somebody else's. `too_many`: of
    /// entities, or of changes in a short time. `full`: more is under way than there is room for.
    pub(super) fn register(
        &mut self,
        peer: &Peer,
        description: &Map<String, Json>,
        permanent: bool,
        ticket: Ticket,
        now: Instant,
    ) -> Result<Progress, Failure> {
        let device = self.announcer.device();
        let entity = Arc::new(protocol::entity(description, &device)?);
        let id = entity.id().clone();
        self.look_after(&id)?;
        self.announcer.check(&entity).map_err(|it| Failure::new(Code::Invalid, Chain(&it)))?;
        let (client, former) = (peer.client, self.entries.get(&id));
        let is_same = former.is_some_and(|it| it.is(&entity));
        let is_held = former.is_some_and(|it| it.is_held_by(client));
        if !is_same && former.is_some_and(|it| it.is_held_beside(client)) {
            return Err(taken_by_another(&id).expected("the same description, or another id"));
        }
        self.check_room(client, former.is_some(), is_held)?;
        let was_for_good = former.is_some_and(|it| it.for_good);
        let for_good = permanent || was_for_good;
        let is_known = is_same && for_good == was_for_good;
        let is_done = is_known && former.is_some_and(|it| it.under_way == 0);
        if !is_done && self.under_way >= MOST_UNDER_WAY {
            return Err(busy());
        }
        let mut keep = None;
        if !is_known {
            let text = Json::Object(description.clone()).to_string();
            if text.len() > MOST_BYTES {
                return Err(too_large(&id, text.len(), MOST_BYTES));
            }
            keep = for_good.then_some(text);
            self.take_turn(peer, now)?;
        }
        let entry = self.entries.entry(id.clone()).or_insert_with(|| Entry::new(Arc::clone(&entity)));
        let is_back = entry.hold(client);
        if is_done {
            if is_back {
                self.announcer.set_available(PRODUCERS, &id, true);
                self.reckon();
            }
            return Ok(Progress::Done);
        }
        (entry.entity, entry.for_good, entry.is_going) = (Arc::clone(&entity), for_good, false);
        entry.under_way += 1;
        self.give(Some(ticket), Task::Announce { entity, keep, was_for_good, is_back });
        self.reckon();
        Ok(Progress::Begun)
    }

    /// Takes back what `peer`, or nobody who is connected, has registered under `id`: it is removed from Home Assistant, unless
    /// others have registered the same.
    ///
    /// # Errors
    ///
    /// `unknown_entity`, `taken`, `too_many` and `full`, as of [`Registrar::register`].
    pub(super) fn unregister(
        &mut self,
        peer: &Peer,
        id: &ObjectId,
        ticket: Ticket,
        now: Instant,
    ) -> Result<Progress, Failure> {
        self.look_after(id)?;
        let Some(entry) = self.entries.get(id).filter(|it| !it.is_going) else {
            return Err(Failure::new(Code::UnknownEntity, format!("no program has registered \"{id}\"")));
        };
        let (client, was_for_good) = (peer.client, entry.for_good);
        let (is_held, is_shared) = (entry.is_held_by(client), entry.is_held_beside(client));
        if is_shared && !is_held {
            return Err(taken_by_another(id));
        }
        if is_shared && !was_for_good {
            self.entries.entry(id.clone()).and_modify(|it| it.release(client));
            return Ok(Progress::Done);
        }
        if self.under_way >= MOST_UNDER_WAY {
            return Err(busy());
        }
        self.take_turn(peer, now)?;
        let Some(entry) = self.entries.get_mut(id) else { return Ok(Progress::Done) };
        entry.release(client);
        (entry.for_good, entry.is_going, entry.leaves) = (false, !is_shared, None);
        entry.under_way += 1;
        let id = id.clone();
        let task = match is_shared {
            true => Task::Release(id),
            false => Task::Withdraw { id, was_for_good },
        };
        self.give(Some(ticket), task);
        self.reckon();
        Ok(Progress::Begun)
    }

    /// `client` is gone: what nobody else has registered is unavailable from now on, and removed in 60 s, unless it is there
    /// for good.
    pub(super) fn left(&mut self, client: ClientId, now: Instant) {
        for (id, entry) in self.entries.iter_mut().filter(|(_, it)| it.is_held_by(client)) {
            entry.release(client);
            if entry.is_abandoned() {
                entry.leaves = Some(now + GRACE);
                // Else once it is announced.
                if entry.under_way == 0 {
                    self.announcer.set_available(PRODUCERS, id, false);
                }
            }
        }
        self.reckon();
    }

    /// Whether a request about `id` is under way: a reading of it has to wait for its answer.
    pub(super) fn is_pending(&self, id: &ObjectId) -> bool {
        self.entries.get(id).is_some_and(|it| it.under_way > 0)
    }

    /// What has become of requests since it was asked last.
    pub(super) fn answers(&mut self) -> Vec<(Ticket, Result<(), Failure>)> {
        let done = self.workshop.done();
        self.under_way -= done.len();
        let mut answers = Vec::new();
        for Done { ticket, what, outcome } in done {
            match what {
                What::Entity { id, was_for_good } => {
                    self.conclude(id, outcome.is_err().then_some(was_for_good))
                }
                What::Restored(entities) => {
                    for entity in entities {
                        let entry = Entry { for_good: true, ..Entry::new(entity) };
                        self.entries.entry(entry.entity.id().clone()).or_insert(entry);
                    }
                }
                What::Else => {}
            }
            answers.extend(ticket.map(|it| (it, outcome)));
        }
        self.reckon();
        answers
    }

    /// The commands that have come since it was asked last. Where 256 wait, the oldest goes; and so does what no program that
    /// is connected has registered.
    pub(super) fn commands(&mut self) -> Vec<Commanded> {
        let heard = self.orders.take().into_iter().map(|(entity, value)| {
            let clients = self.entries.get(&entity).map(|it| it.holders.clone()).unwrap_or_default();
            Commanded { entity, value, clients }
        });
        let (told, lost): (Vec<_>, Vec<_>) = heard.partition(|it| !it.clients.is_empty());
        lost.iter().for_each(|it| log::debug!("a command for {} finds no program", it.entity));
        told
    }

    /// When [`Registrar::tick`] is to be called at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Removes what nobody has come back for.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.awaited_until.is_some_and(|at| at <= now) {
            // Where the power was gone, a broker may start later than we do: nobody has missed them yet.
            let is_missed = self.client.is_connected();
            self.awaited_until = (!is_missed).then(|| now + GRACE);
            if is_missed {
                self.give(None, Task::GiveUp);
            }
        }
        let has_left = |it: &Entry| it.under_way == 0 && it.leaves.is_some_and(|at| at <= now);
        let gone: Vec<ObjectId> =
            self.entries.iter().filter(|(_, it)| has_left(it)).map(|(id, _)| id.clone()).collect();
        gone.into_iter().for_each(|id| self.remove(id));
        self.reckon();
    }

    /// The configuration has changed: lets go of what is now somebody else's, and announces what is there for good and is nobody
    /// else's any more.
    pub(super) fn configured(&mut self) {
        let ids: Vec<ObjectId> = self.entries.keys().cloned().collect();
        for id in ids {
            let _ = self.look_after(&id);
        }
        self.give(None, Task::Restore);
    }

    /// Lets go of `id` where it is not ours any more.
    ///
    /// # Errors
    ///
    /// `taken`, where it is somebody else's.
    fn look_after(&mut self, id: &ObjectId) -> Result<(), Failure> {
        let owner = self.announcer.owner_of(id);
        let is_ours = owner.as_deref() == Some(PRODUCERS);
        if !is_ours && self.entries.get(id).is_some_and(|it| it.under_way == 0) {
            self.entries.remove(id);
            self.give(None, Task::Forget(id.clone()));
        }
        match owner {
            Some(owner) if !is_ours => Err(taken(id, &owner)),
            _ => Ok(()),
        }
    }

    /// # Errors
    ///
    /// `too_many`, where `client` may not have one more.
    fn check_room(&self, client: ClientId, is_known: bool, is_held: bool) -> Result<(), Failure> {
        let of_client = self.entries.values().filter(|it| it.is_held_by(client)).count();
        let (most, whose) = match () {
            () if !is_held && of_client >= MOST_OF_ONE => (MOST_OF_ONE, "of one program"),
            () if !is_known && self.entries.len() >= MOST_ENTITIES => (MOST_ENTITIES, "of all programs"),
            () => return Ok(()),
        };
        Err(too_many(most, whose))
    }

    /// Takes one change of those that the user of `peer` may make.
    ///
    /// # Errors
    ///
    /// `too_many`, where there is none left for now.
    fn take_turn(&mut self, peer: &Peer, now: Instant) -> Result<(), Failure> {
        self.allowances.take(peer.uid, now).map_err(|wait| too_often(peer, wait))
    }

    fn give(&mut self, ticket: Option<Ticket>, task: Task) {
        self.under_way += 1;
        self.workshop.give(Job { ticket, task });
    }

    /// A job about `id` is done; where it has failed, with whether `id` was there for good before.
    fn conclude(&mut self, id: ObjectId, failed: Option<bool>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.under_way = entry.under_way.saturating_sub(1);
        if let Some(was_for_good) = failed {
            (entry.for_good, entry.is_going) = (was_for_good, false);
        }
        if entry.under_way > 0 {
            return;
        }
        match self.announcer.find(&id).filter(|(owner, _)| owner == PRODUCERS) {
            Some((_, entity)) if !entry.is_going => {
                entry.entity = entity;
                if entry.leaves.is_some() {
                    self.announcer.set_available(PRODUCERS, &id, false);
                } else if entry.is_abandoned() {
                    // Its program has left before we knew that it does not stay.
                    self.remove(id);
                }
            }
            _ => drop(self.entries.remove(&id)),
        }
    }

    fn remove(&mut self, id: ObjectId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            (entry.is_going, entry.leaves) = (true, None);
            entry.under_way += 1;
            self.give(None, Task::Withdraw { id, was_for_good: false });
        }
    }

    fn reckon(&mut self) {
        let leaving = self.entries.values().filter(|it| it.under_way == 0).filter_map(|it| it.leaves);
        self.due = leaving.chain(self.awaited_until).min();
    }
}

/// Ends. Nothing is withdrawn; what is not answered by now never is. Blocks for the card, a second at most.
impl Drop for Registrar {
    fn drop(&mut self) {
        if !self.workshop.stop_within(END) {
            log::warn!("the card hangs: what programs registered last is left behind");
        }
    }
}

/// What a program takes to be started anew, on a slow machine, after an update, with all that it waits for.
const GRACE: Duration = Duration::from_secs(60);
/// The largest gateways that are one program have some dozens.
const MOST_OF_ONE: usize = 64;
/// Several of them. All are in the ledger, and in each snapshot of what is announced.
const MOST_ENTITIES: usize = 512;
/// What the workshop may have to do at once: all entities, half a megabyte.
const MOST_UNDER_WAY: usize = MOST_ENTITIES;
/// Ten times a usual description; a light with a hundred effects fits.
const MOST_BYTES: usize = 8 << 10;
/// Limit for the writing that is under way at the end.
const END: Duration = Duration::from_secs(1);
