//! Having entities announced and removed while we run, and remembered: [`Announcer`].

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, bounded, select};

use crate::bridge::Handle;
use crate::bridge::Presence;
use crate::config::Config;
use crate::descriptor::is_descriptor;
use crate::entity::Entity;
use crate::ledger::Ledger;
use crate::ledger::Record;
use crate::model::ObjectId;
use crate::worker::Stop;
use crate::worker::Worker;

use super::roster::{Owners, record};

/// Has entities announced by the bridge and noted in the ledger first, so that none is forgotten over a crash. Cheap to
/// clone, for any thread.
#[derive(Clone)]
pub(super) struct Announcer(Arc<Shared>);

struct Shared {
    handle: Handle,
    presence: Presence,
    config: Config,
    state: Mutex<State>,
}

struct State {
    /// `None` where there is no card to keep it on.
    ledger: Option<Ledger>,
    /// What is announced now.
    wanted: BTreeMap<ObjectId, Record>,
    /// How often something was removed.
    removals: u64,
    /// Whether a thread waits for the broker to have taken what was removed.
    is_settling: bool,
    /// That thread, or the last one.
    settling: Option<Worker>,
}

impl Announcer {
    /// For what `handle` leads to, where `wanted` is announced already and stands in `ledger`.
    pub(super) fn new(
        handle: Handle,
        presence: Presence,
        config: Config,
        ledger: Option<Ledger>,
        wanted: impl IntoIterator<Item = Record>,
    ) -> Announcer {
        let wanted = wanted.into_iter().map(|it| (it.entity.clone(), it)).collect();
        let state = Mutex::new(State { ledger, wanted, removals: 0, is_settling: false, settling: None });
        Announcer(Arc::new(Shared { handle, presence, config, state }))
    }

    /// Announces `entity` for `owner`, in the place of what `owner`, or another descriptor where it is one, has announced
    /// under its id before. Blocks until the card has taken note of it.
    pub(super) fn announce(&self, owner: &str, entity: &Entity) {
        let Shared { handle, presence, .. } = &*self.0;
        let mut state = self.state();
        // Descriptors settle among themselves whose an id is: a file may have got another name.
        let is_foreign =
            |it: &&Record| it.owner != owner && !(is_descriptor(owner) && is_descriptor(&it.owner));
        if let Some(other) = state.wanted.get(entity.id()).filter(is_foreign) {
            log::warn!("{owner}: \"{}\" is not announced: its id is that of [{}]", entity.id(), other.owner);
            return;
        }
        state.wanted.insert(entity.id().clone(), record(owner, entity, presence));
        state.note(presence.topics.identity());
        drop(state);
        if let Err(error) = handle.register(entity.clone()) {
            log::warn!("{owner}: not announced: {error}");
        }
    }

    /// Removes from Home Assistant what `owner` has announced under `id`, and forgets it once the broker has taken that.
    pub(super) fn withdraw(&self, owner: &str, id: &ObjectId) {
        let mut state = self.state();
        if state.wanted.get(id).is_none_or(|it| it.owner != owner) {
            return;
        }
        state.wanted.remove(id);
        state.removals += 1;
        drop(state);
        self.0.handle.unregister(id.clone());
        self.settle(None);
    }

    /// Forgets what is no longer wanted as soon as the broker has taken its removal, after `departed` brings a message
    /// where there is one.
    pub(super) fn settle(&self, departed: Option<Receiver<()>>) {
        let mut state = self.state();
        if state.ledger.is_none() || state.is_settling {
            return; // It looks again before it ends.
        }
        let announcer = self.clone();
        match Worker::spawn("ledger", move |stop| announcer.wait(&stop, departed)) {
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

    fn wait(&self, stop: &Stop, departed: Option<Receiver<()>>) {
        if departed.is_some_and(|it| !has_come(&it, stop)) {
            return;
        }
        loop {
            let before = self.state().removals;
            let (tell, told) = bounded(1);
            self.0.handle.when_announced(tell);
            if !has_come(&told, stop) {
                return;
            }
            let mut state = self.state();
            if state.removals == before {
                state.forget(&self.0.config);
                state.is_settling = false;
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Has the ledger know of all that is wanted.
    fn note(&mut self, identity: &ObjectId) {
        let Some(ledger) = &mut self.ledger else { return };
        let wanted = Vec::from_iter(self.wanted.values().cloned());
        warn_unless_written(ledger.intend(identity, &wanted));
    }

    /// Has the ledger know of nothing that `config` has no use for.
    fn forget(&mut self, config: &Config) {
        let Some(ledger) = &mut self.ledger else { return };
        let wanted = Vec::from_iter(self.wanted.values().cloned());
        warn_unless_written(ledger.settle(&wanted, |it| Owners(config).may_have(it)));
    }
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
