//! Having entities announced and removed while we run, and remembered: [`Announcer`].

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, bounded, select};

use crate::bridge::Handle;
use crate::bridge::Presence;
use crate::config::Config;
use crate::descriptor::is_descriptor;
use crate::entity::Device;
use crate::entity::Entity;
use crate::ledger::Ledger;
use crate::ledger::Plan;
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
    config: Arc<Config>,
    state: Mutex<State>,
}

struct State {
    /// `None` where there is no card to keep it on.
    ledger: Option<Ledger>,
    /// What is announced now.
    wanted: BTreeMap<ObjectId, Record>,
    /// How often something was removed.
    removals: u64,
    /// What brings a message each when the broker has taken what was announced elsewhere before.
    departing: Vec<Receiver<()>>,
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
        config: Arc<Config>,
        ledger: Option<Ledger>,
        wanted: impl IntoIterator<Item = Record>,
    ) -> Announcer {
        let wanted = wanted.into_iter().map(|it| (it.entity.clone(), it)).collect();
        let state = Mutex::new(State {
            ledger,
            wanted,
            removals: 0,
            departing: Vec::new(),
            is_settling: false,
            settling: None,
        });
        Announcer(Arc::new(Shared { handle, presence, config, state }))
    }

    /// The device that all of it is announced on, or below.
    pub(super) fn device(&self) -> &Device {
        &self.0.presence.device
    }

    /// Announces `entity` for `owner`, in the place of what `owner`, or another descriptor where it is one, has announced
    /// under its id before: in this run, or in an earlier one elsewhere, of which leave is taken first. Blocks until the card
    /// has taken note of it, and never for the broker.
    pub(super) fn announce(&self, owner: &str, entity: &Entity) {
        let Shared { handle, presence, config, .. } = &*self.0;
        let mut state = self.state();
        // Descriptors settle among themselves whose an id is: a file may have got another name.
        let is_foreign =
            |it: &&Record| it.owner != owner && !(is_descriptor(owner) && is_descriptor(&it.owner));
        if let Some(other) = state.wanted.get(entity.id()).filter(is_foreign) {
            log::warn!("{owner}: \"{}\" is not announced: its id is that of [{}]", entity.id(), other.owner);
            return;
        }
        let record = record(owner, entity, presence);
        let is_new = state.wanted.insert(entity.id().clone(), record.clone()).is_none();
        let plan = if is_new { state.plan(&record, config) } else { Plan::default() };
        state.note(presence.topics.identity());
        drop(state);
        if !plan.is_empty() {
            plan.sentences.iter().for_each(|sentence| log::info!("{sentence}"));
            let (done, departed) = bounded(1);
            handle.depart(plan.before, plan.after, done);
            self.settle(Some(departed));
        }
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
        state.departing.extend(departed);
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
            let (departing, before) = (mem::take(&mut state.departing), state.removals);
            drop(state);
            let (tell, told) = bounded(1);
            if !departing.iter().all(|departed| has_come(departed, stop)) {
                return;
            }
            self.0.handle.when_announced(tell);
            if !has_come(&told, stop) {
                return;
            }
            let mut state = self.state();
            if state.removals == before && state.departing.is_empty() {
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
    /// What it takes to announce `record` where Home Assistant may know the same from elsewhere; mostly nothing.
    fn plan(&self, record: &Record, config: &Config) -> Plan {
        let Some(ledger) = &self.ledger else { return Plan::default() };
        if ledger.plan(slice::from_ref(record), |_| true).is_empty() {
            return Plan::default();
        }
        // With all that is announced now, which it may share a topic with.
        let wanted = Vec::from_iter(self.wanted.values().cloned());
        ledger.plan(&wanted, |record| Owners(config).may_have(record))
    }

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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::fs;
    use std::path::Path;
    use std::thread::{self, JoinHandle};
    use std::time::{Duration, Instant};

    use crossbeam_channel::Sender;
    use tempfile::TempDir;

    use super::*;
    use crate::client;
    use crate::client::Core;
    use crate::config::Environment;
    use crate::entity::Sensor;
    use crate::mock::Broker;
    use crate::mock::Faults;
    use crate::mock::Refusal;
    use crate::model::Health;
    use crate::model::Topic;

    /// An announcer with a ledger, and a bridge that runs on a thread until it is dropped.
    struct Rig {
        broker: Broker,
        announcer: Announcer,
        folder: TempDir,
        running: Option<(Sender<Infallible>, JoinHandle<()>)>,
    }

    impl Rig {
        fn start(faults: Faults) -> Rig {
            let (broker, folder) = (Broker::start(faults).unwrap(), tempfile::tempdir().unwrap());
            let text = format!("[Broker]\nHOST=127.0.0.1\nPORT={}\n", broker.address().port());
            let config =
                Config::parse(text.as_bytes(), &Environment::new("pi", Path::new("/nowhere"))).unwrap();
            let presence = client::presence(&config).unwrap();
            let (stop, stopped) = bounded(0);
            let mut core = Core::start(&config, presence.clone(), [], Health::default(), stopped).unwrap();
            let ledger = Ledger::open(folder.path(), "", presence.topics.node());
            let announcer = Announcer::new(core.handle(), presence, Arc::new(config), Some(ledger), []);
            let running = thread::spawn(move || core.run());
            Rig { broker, announcer, folder, running: Some((stop, running)) }
        }

        /// How many entities the ledger on the card knows.
        fn known(&self) -> usize {
            let text = fs::read_to_string(self.folder.path().join("ledger.json")).unwrap_or_default();
            text.matches("\"unique_id\"").count()
        }

        /// What the broker keeps of the announcement of the sensor `id`.
        fn announcement(&self, id: &str) -> String {
            let topic = Topic::new(format!("homeassistant/sensor/luigi-pi/{id}/config")).unwrap();
            self.broker
                .retained(&topic)
                .map(|it| String::from_utf8_lossy(&it).into_owned())
                .unwrap_or_default()
        }
    }

    impl Drop for Rig {
        fn drop(&mut self) {
            self.announcer.stop();
            if let Some((stop, running)) = self.running.take() {
                drop(stop);
                let _ = running.join();
            }
        }
    }

    fn sensor(id: &str, name: &str) -> Entity {
        Sensor::new(id, name).build().unwrap()
    }

    #[track_caller]
    fn wait_until(what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn an_id_belongs_to_whoever_has_announced_it_first_until_he_withdraws_it() {
        let rig = Rig::start(Faults::default());
        let (first, second) = ("Sensor attic", "descriptor attic.json");
        let id = ObjectId::new("attic").unwrap();
        rig.announcer.announce(first, &sensor("attic", "First"));
        rig.announcer.announce(second, &sensor("attic", "Second"));
        rig.announcer.withdraw(second, &id);
        rig.announcer.announce(second, &sensor("other", "Other"));
        wait_until("the other one", || rig.announcement("other").contains("Other"));
        assert!(rig.announcement("attic").contains("First"), "{}", rig.announcement("attic"));
        assert_eq!(rig.known(), 2);

        rig.announcer.withdraw(first, &id);
        rig.announcer.announce(second, &sensor("attic", "Second"));
        wait_until("the second", || rig.announcement("attic").contains("Second"));
    }

    #[test]
    fn what_is_withdrawn_is_forgotten_as_soon_as_the_broker_has_taken_that_and_no_earlier() {
        let refusing = Faults { refuse: Some(Refusal::Unavailable), ..Faults::default() };
        let rig = Rig::start(refusing);
        for id in ["a", "b", "c"] {
            rig.announcer.announce("Sensor", &sensor(id, "Name"));
        }
        for id in ["a", "b"] {
            rig.announcer.withdraw("Sensor", &ObjectId::new(id).unwrap());
            assert_eq!(rig.known(), 3);
        }
        wait_until("an attempt to connect", || rig.broker.connect_count() > 0);
        assert_eq!(rig.known(), 3);
        rig.broker.set_faults(Faults::default());
        wait_until("two to be forgotten", || rig.known() == 1);
        // One that is withdrawn after the thread for those has ended has it start again.
        rig.announcer.withdraw("Sensor", &ObjectId::new("c").unwrap());
        wait_until("the third to be forgotten", || rig.known() == 0);
        assert_eq!(rig.announcement("c"), "");
    }
}
