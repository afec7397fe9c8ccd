//! Having entities announced and removed while we run, and remembered: [`Announcer`].

mod not_announced;
#[cfg(test)]
mod tests;

pub(super) use not_announced::NotAnnounced;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, bounded, select};

use crate::bridge::Handle;
use crate::bridge::Presence;
use crate::config::Config;
use crate::descriptor::is_descriptor;
use crate::entity::Device;
use crate::entity::Entity;
use crate::entity::EntityError;
use crate::ledger::Ledger;
use crate::ledger::Plan;
use crate::ledger::Record;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::worker::Stop;
use crate::worker::Worker;

use super::roster::{Owners, PRODUCERS, record};

/// Has entities announced by the bridge and noted in the ledger first, so that none is forgotten over a crash. Cheap to
/// clone, for any thread.
#[derive(Clone)]
pub(super) struct Announcer(Arc<Shared>);

struct Shared {
    handle: Handle,
    config: Mutex<Arc<Config>>,
    /// What is announced now. Held for moments only; changed by whoever has `state`.
    wanted: Mutex<BTreeMap<ObjectId, Wanted>>,
    /// Held while the card takes note. Taken before `wanted`.
    state: Mutex<State>,
}

struct State {
    /// `None` where there is no card to keep it on.
    ledger: Option<Ledger>,
    /// What producers had announced in an earlier run, and may come back for.
    awaited: BTreeSet<ObjectId>,
    /// How often something was removed.
    removals: u64,
    /// What brings a message when the broker has taken what was announced elsewhere before, or closes where more came to that.
    departing: Option<Receiver<()>>,
    /// Whether a thread waits for the broker to have taken what was removed.
    is_settling: bool,
    /// That thread, or the last one.
    settling: Option<Worker>,
}

/// Something that is announced.
struct Wanted {
    record: Record,
    entity: Arc<Entity>,
    /// Whether the bridge knows it.
    is_told: bool,
}

impl Announcer {
    /// For what `handle` leads to, where `members`, each with its owner, are announced already and stand in `ledger`.
    pub(super) fn new(
        handle: Handle,
        config: Arc<Config>,
        ledger: Option<Ledger>,
        members: impl IntoIterator<Item = (String, Entity)>,
    ) -> Announcer {
        let presence = handle.presence();
        let wanted = members.into_iter().map(|(owner, entity)| {
            let record = record(&owner, &entity, &presence);
            (entity.id().clone(), Wanted { record, entity: Arc::new(entity), is_told: true })
        });
        let wanted: BTreeMap<_, _> = wanted.collect();
        let known = ledger.iter().flat_map(Ledger::records).filter(|it| it.owner == PRODUCERS);
        let absent = known.map(|it| it.entity.clone()).filter(|it| !wanted.contains_key(it));
        let awaited = absent.collect();
        let state = Mutex::new(State {
            ledger,
            awaited,
            removals: 0,
            departing: None,
            is_settling: false,
            settling: None,
        });
        Announcer(Arc::new(Shared { handle, config: Mutex::new(config), wanted: Mutex::new(wanted), state }))
    }

    /// The device that all of it is announced on, or below.
    pub(super) fn device(&self) -> Device {
        self.presence().device.clone()
    }

    /// What is announced under `id`, and who has it announced. Never waits for the card.
    pub(super) fn find(&self, id: &ObjectId) -> Option<(String, Arc<Entity>)> {
        let wanted = self.wanted();
        let told = wanted.get(id).filter(|it| it.is_told)?;
        Some((told.record.owner.clone(), Arc::clone(&told.entity)))
    }

    /// Whose `id` is: of who has it announced, or of a section that may yet find it. Never waits for the card.
    pub(super) fn owner_of(&self, id: &ObjectId) -> Option<String> {
        let owner = self.wanted().get(id).map(|it| it.record.owner.clone());
        owner.or_else(|| Owners(&self.config()).of(id).map(str::to_owned))
    }

    /// Everything that is announced, each with its owner.
    pub(super) fn members(&self) -> Vec<(String, Entity)> {
        let wanted = self.wanted();
        wanted.values().map(|it| (it.record.owner.clone(), Entity::clone(&it.entity))).collect()
    }

    /// Takes `config` for what says whose sections there are, from now on: of those that are gone without being withdrawn,
    /// what they may have found is no longer waited for.
    pub(super) fn configured(&self, config: Arc<Config>) {
        *unpoisoned(&self.0.config) = config;
    }

    /// Whether `entity` goes with this device.
    ///
    /// # Errors
    ///
    /// [`EntityError`], where it does not.
    pub(super) fn check(&self, entity: &Entity) -> Result<(), EntityError> {
        self.presence().check(entity)
    }

    /// Says whether what `owner` has announced under `id` is available, apart from its device; nothing where it is somebody
    /// else's. Never waits for the card.
    pub(super) fn set_available(&self, owner: &str, id: &ObjectId, available: bool) {
        let is_owners = self.wanted().get(id).is_some_and(|it| it.record.owner == owner);
        if is_owners {
            self.0.handle.set_available(id.clone(), available);
        }
    }

    /// As [`Handle::when_announced`].
    #[cfg(test)]
    pub(super) fn when_announced(&self, done: crossbeam_channel::Sender<()>) {
        self.0.handle.when_announced(done);
    }

    /// Announces `entity` for `owner`, in the place of what `owner` has announced under its id before: in this run, or in an
    /// earlier one elsewhere, of which leave is taken first. A descriptor takes the place of another, and anybody that of a
    /// producer. Blocks until the card has taken note of it, and never for the broker.
    pub(super) fn announce(&self, owner: &str, entity: &Entity) {
        self.announce_all([(owner.to_owned(), entity.clone())]);
    }

    /// Announces `members`, each with its owner, as [`Announcer::announce`] does: the card takes note of all at once. What is
    /// not announced is logged.
    pub(super) fn announce_all(&self, members: impl IntoIterator<Item = (String, Entity)>) {
        let members: Vec<_> = members.into_iter().map(|(owner, it)| (owner, Arc::new(it))).collect();
        for ((owner, _), outcome) in members.iter().zip(self.try_announce_all(&members)) {
            if let Err(error) = outcome {
                log::warn!("{owner}: {}", Chain(&error));
            }
        }
    }

    /// As [`Announcer::announce_all`]; says what became of each.
    pub(super) fn try_announce_all(
        &self,
        members: &[(String, Arc<Entity>)],
    ) -> Vec<Result<(), NotAnnounced>> {
        let (handle, presence) = (&self.0.handle, self.presence());
        let mut state = self.state();
        let mut changes = Changes::default();
        for (_, entity) in members {
            state.awaited.remove(entity.id());
        }
        let outcomes: Vec<_> = members.iter().map(|(owner, it)| self.want(owner, it, &mut changes)).collect();
        let mut plan = Plan::default();
        if changes.is_news {
            let records = self.records();
            if changes.left.iter().any(|it| state.knows_elsewhere(it)) {
                plan = state.plan(&[], &records, &self.config());
            } else if !changes.came.is_empty() {
                plan = state.plan(&changes.came, &records, &self.config());
            }
            state.note(presence.topics.identity(), &records);
        }
        state.removals += u64::from(changes.is_moved);
        drop(state);
        self.depart(plan);
        for ((_, entity), _) in members.iter().zip(&outcomes).filter(|(_, it)| it.is_ok()) {
            let told = handle.register(Entity::clone(entity));
            debug_assert!(told.is_ok(), "it was checked");
            if changes.handed_over.contains(entity.id()) {
                // That its former owner is away says nothing of this one.
                handle.set_available(entity.id().clone(), true);
            }
            if let Some(it) = self.wanted().get_mut(entity.id()) {
                it.is_told = true;
            }
        }
        if changes.is_moved {
            self.settle(None);
        }
        outcomes
    }

    /// Takes note that `owner` wants `entity`, and in `changes` of what that changes.
    fn want(&self, owner: &str, entity: &Arc<Entity>, changes: &mut Changes) -> Result<(), NotAnnounced> {
        let presence = self.presence();
        presence.check(entity).map_err(NotAnnounced::Unfit)?;
        let mut record = record(owner, entity, &presence);
        let mut wanted = self.wanted();
        let former = wanted.get(entity.id());
        match former.map(|it| &it.record) {
            Some(former) if !may_replace(owner, &former.owner) => {
                return Err(NotAnnounced::Taken { id: entity.id().clone(), owner: former.owner.clone() });
            }
            Some(former) => {
                record.since.clone_from(&former.since);
                changes.is_news |= record != *former;
                changes.is_moved |= record.config != former.config || record.platform != former.platform;
                changes.left.extend((record.platform != former.platform).then(|| former.clone()));
                changes.handed_over.extend((former.owner != owner).then(|| entity.id().clone()));
            }
            None => {
                changes.is_news = true;
                changes.came.push(record.clone());
            }
        }
        let is_told = former.is_some_and(|it| it.is_told);
        wanted.insert(entity.id().clone(), Wanted { record, entity: Arc::clone(entity), is_told });
        Ok(())
    }

    /// Removes from Home Assistant what `owner` has announced under `id`, and forgets it once the broker has taken that.
    pub(super) fn withdraw(&self, owner: &str, id: &ObjectId) {
        let mut state = self.state();
        let mut wanted = self.wanted();
        if wanted.get(id).is_none_or(|it| it.record.owner != owner) {
            return;
        }
        let gone = wanted.remove(id);
        drop(wanted);
        state.removals += 1;
        let is_elsewhere = gone.is_some_and(|it| state.knows_elsewhere(&it.record));
        let plan = is_elsewhere.then(|| state.plan(&[], &self.records(), &self.config()));
        drop(state);
        self.depart(plan.unwrap_or_default());
        self.0.handle.unregister(id.clone());
        self.settle(None);
    }

    /// Takes note that the bridge announces all of it otherwise from its next connection on. Returns what it takes to have Home
    /// Assistant know all of it there, before and after that is announced: to be carried out before the bridge goes on.
    pub(super) fn moved(&self) -> Plan {
        let presence = self.presence();
        let mut state = self.state();
        state.ledger.iter_mut().for_each(|it| it.rename(presence.topics.node()));
        for Wanted { record: known, entity, .. } in self.wanted().values_mut() {
            *known = Record { since: mem::take(&mut known.since), ..record(&known.owner, entity, &presence) };
        }
        let records = self.records();
        let plan = match &state.ledger {
            Some(ledger) if ledger.is_in_use() => Plan::default(),
            _ => state.plan(&[], &records, &self.config()),
        };
        state.note(presence.topics.identity(), &records);
        state.removals += 1;
        plan
    }

    /// Whether producers had something announced in an earlier run that they may come back for.
    pub(super) fn awaits_producers(&self) -> bool {
        !self.state().awaited.is_empty()
    }

    /// Removes from Home Assistant what an earlier run has announced for producers that have not come back, and forgets it once
    /// the broker has taken that.
    pub(super) fn give_up_producers(&self) {
        let mut state = self.state();
        state.awaited.clear();
        let records = self.records();
        let plan = state.plan(&[], &records, &self.config());
        drop(state);
        self.depart(plan);
    }

    /// Has the bridge carry out `plan`, and what is no longer wanted forgotten after that.
    fn depart(&self, plan: Plan) {
        if plan.is_empty() {
            return;
        }
        plan.sentences.iter().for_each(|sentence| log::info!("{sentence}"));
        let (done, departed) = bounded(1);
        self.0.handle.depart(plan.before, plan.after, done);
        self.settle(Some(departed));
    }

    /// Forgets what is no longer wanted as soon as the broker has taken its removal, after `departed` brings a message
    /// where there is one.
    pub(super) fn settle(&self, departed: Option<Receiver<()>>) {
        let mut state = self.state();
        state.departing = departed.or(state.departing.take());
        if state.ledger.is_none() || state.is_settling {
            return; // It looks again before it ends.
        }
        let announcer = self.clone();
        match Worker::spawn("ledger", move |stop| announcer.wait(&stop)) {
            Ok(worker) => {
                state.is_settling = true;
                // The one before it needs the lock no more: this waits for its last instructions at most.
                state.settling = Some(worker);
            }
            Err(error) => log::warn!("what was removed is not forgotten before the next start: {error}"),
        }
    }

    /// Ends the waiting: what is still to be removed stays in the ledger, for the next start.
    pub(super) fn stop(&self) {
        let settling = self.state().settling.take();
        drop(settling); // Outside the lock, which the thread may be waiting for.
    }

    fn wait(&self, stop: &Stop) {
        loop {
            let mut state = self.state();
            let (departing, before) = (state.departing.take(), state.removals);
            drop(state);
            let (tell, told) = bounded(1);
            // Where it is closed, the bridge knows of the next already, or is told nothing any more.
            if let Some(departed) = departing {
                has_come(&departed, stop);
            }
            self.0.handle.when_announced(tell);
            if !has_come(&told, stop) {
                return;
            }
            let mut state = self.state();
            if state.removals == before && state.departing.is_none() {
                state.forget(&self.records(), &self.config());
                state.is_settling = false;
                return;
            }
        }
    }

    fn records(&self) -> Vec<Record> {
        self.wanted().values().map(|it| it.record.clone()).collect()
    }

    fn presence(&self) -> Arc<Presence> {
        self.0.handle.presence()
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&unpoisoned(&self.0.config))
    }

    fn wanted(&self) -> MutexGuard<'_, BTreeMap<ObjectId, Wanted>> {
        unpoisoned(&self.0.wanted)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        unpoisoned(&self.0.state)
    }
}

impl State {
    /// What it takes to announce `came`, of all that is `wanted`, where Home Assistant may know the same from elsewhere; mostly
    /// nothing.
    fn plan(&self, came: &[Record], wanted: &[Record], config: &Config) -> Plan {
        let Some(ledger) = &self.ledger else { return Plan::default() };
        // Alone first, which is quick; then with all that is announced, which it may share a topic with.
        if !came.is_empty() && ledger.plan(came, |_| true).is_empty() {
            return Plan::default();
        }
        ledger.plan(wanted, |it| may_have(it, config, &self.awaited))
    }

    /// As [`Ledger::knows_elsewhere`].
    fn knows_elsewhere(&self, record: &Record) -> bool {
        self.ledger.as_ref().is_some_and(|it| it.knows_elsewhere(record))
    }

    /// Has the ledger know of all that is wanted.
    fn note(&mut self, identity: &ObjectId, wanted: &[Record]) {
        let Some(ledger) = &mut self.ledger else { return };
        warn_unless_written(ledger.intend(identity, wanted));
    }

    /// Has the ledger know of nothing that `config` has no use for.
    fn forget(&mut self, wanted: &[Record], config: &Config) {
        let Some(ledger) = &mut self.ledger else { return };
        warn_unless_written(ledger.settle(wanted, |it| may_have(it, config, &self.awaited)));
    }
}

/// What a change of what is announced amounts to.
#[derive(Default)]
struct Changes {
    /// What was not announced before.
    came: Vec<Record>,
    /// What has become something else.
    left: Vec<Record>,
    /// What was somebody else's before.
    handed_over: BTreeSet<ObjectId>,
    /// Whether the ledger has to be told.
    is_news: bool,
    /// Whether something is elsewhere now: the bridge removes it where it was.
    is_moved: bool,
}

/// Whether the owner of `record` may have it again, as of [`Owners::may_have`]; a producer only what is `awaited`.
fn may_have(record: &Record, config: &Config, awaited: &BTreeSet<ObjectId>) -> bool {
    (record.owner != PRODUCERS || awaited.contains(&record.entity)) && Owners(config).may_have(record)
}

/// Whether `owner` may have an id announced that `other` has announced. Descriptors settle among themselves whose it is, for a
/// file may have got another name; and what the owner of the machine has set down goes before what a program says.
fn may_replace(owner: &str, other: &str) -> bool {
    owner == other || other == PRODUCERS || is_descriptor(owner) && is_descriptor(other)
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks until `told` brings a message. False where `stop` or the end of the bridge comes first.
fn has_come(told: &Receiver<()>, stop: &Stop) -> bool {
    select! {
        recv(told) -> it => it.is_ok(),
        recv(stop.channel()) -> _ => false,
    }
}

pub(super) fn warn_unless_written(written: io::Result<()>) {
    if let Err(error) = written {
        log::warn!(
            "what was announced is not on the card, and is not removed from Home Assistant by a later start: {error}"
        );
    }
}
