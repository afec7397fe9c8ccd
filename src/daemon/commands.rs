//! Brings the commands of Home Assistant to what they move, and tells what became of them: [`Commands`].

mod seeker;

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::client::Client;
use crate::client::EntityHandle;
use crate::client::SubscribeError;
use crate::command::Actuators;
use crate::command::CommandFailure;
use crate::command::Outcome;
use crate::command::failure_entity;
use crate::config::Config;
use crate::entity::Entity;
use crate::entity::Platform;
use crate::model::Chain;
use crate::model::ObjectId;
use crate::model::Reading;
use crate::model::Value;
use crate::store::Store;
use crate::worker::Stop;
use crate::worker::Worker;
use seeker::Seeker;

/// The outputs, at Home Assistant's command.
pub(super) struct Commands {
    actuators: Actuators,
    teller: Arc<Teller>,
    worker: Worker,
}

impl Commands {
    /// Has the outputs of `config` set to their initial states, and from then on to what Home Assistant asks for; `None`
    /// where there are none. Their entities, and [`failure_entity`], are registered with `client` already. Where only the
    /// input of an entity knows its state, `sample` has it asked for; it must not block.
    ///
    /// What has to wait, for the bridge or for a program, does so on a thread: `commands`, which ends when the initial
    /// states are reached. Commands are carried out on the client's own.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread or no descriptors to give.
    pub(super) fn start(
        client: Client,
        config: &Config,
        store: &Store,
        sample: impl Fn(&ObjectId) + Send + Sync + 'static,
    ) -> io::Result<Option<Commands>> {
        if !has_outputs(config) {
            return Ok(None);
        }
        let actuators = Actuators::open(&config.declared, store, &config.host.root)?;
        let failures = client.entity(failure_entity());
        let (sample, heard) = (Box::new(sample), Mutex::default());
        let teller = Arc::new(Teller { client, failures, sample, heard });
        let worker = begin_on_a_thread(&actuators, &teller)?;
        Ok(Some(Commands { actuators, teller, worker }))
    }

    /// Lets go of the outputs that `config` has no more, as [`Actuators::leave`].
    pub(super) fn leave(&self, config: &Config) {
        self.actuators.leave(&config.declared);
    }

    /// Takes over the outputs that are new in `config`, or another, as [`Actuators::join`]; their entities are registered
    /// already.
    ///
    /// # Errors
    ///
    /// As [`Commands::start`]: no commands are heard for those then.
    pub(super) fn join(&mut self, config: &Config) -> io::Result<()> {
        self.actuators.join(&config.declared);
        let worker = begin_on_a_thread(&self.actuators, &self.teller)?;
        // The one before has begun what there was then, or is at it.
        if !mem::replace(&mut self.worker, worker).stop_within(WORKER_END) {
            log::warn!("an output hangs on its way to its initial state");
        }
        Ok(())
    }

    /// Brings the outputs into their safe states. Blocks as [`Actuators::end`] does, and a second more at most.
    pub(super) fn stop(self) {
        let client = self.teller.client.clone();
        // The bridge takes it with what is left in its inbox.
        self.actuators.end(move |entity, state| {
            client.offer(Reading::new(entity.id().clone(), state));
        });
        if !self.worker.stop_within(WORKER_END) {
            log::warn!("an output hangs on its way to its initial state, and is left behind");
        }
    }
}

/// Whether `config` has anything that commands move.
pub(super) fn has_outputs(config: &Config) -> bool {
    config.declared.iter().any(|it| it.output.is_some())
}

/// Tells what became of commands.
struct Teller {
    client: Client,
    failures: EntityHandle,
    sample: Box<dyn Fn(&ObjectId) + Send + Sync>,
    /// Whose commands are heard: for as long as an entity stays on its platform.
    heard: Mutex<BTreeMap<ObjectId, Platform>>,
}

impl Teller {
    fn tell(&self, entity: &Entity, outcome: Outcome) {
        let id = entity.id();
        if let Some(failure) = &outcome.failure {
            self.tell_failure(failure);
        }
        let is_lost = outcome.state == Some(Value::Unavailable);
        match outcome.state {
            // A button: it has none that would say so.
            _ if !entity.has_states() => self.client.entity(entity.clone()).set_available(!is_lost),
            Some(state) => {
                if !self.client.offer(Reading::new(id.clone(), state)) {
                    log::debug!("the bridge is behind: the state of {id} is not told");
                }
            }
            None => (self.sample)(id),
        }
    }

    fn tell_failure(&self, failure: &CommandFailure) {
        log::warn!("{}", Chain(failure));
        if let Err(error) = self.failures.publish(failure.event()) {
            log::debug!("{}", Chain(&error));
        }
    }
}

/// Has [`begin`] done on a thread.
fn begin_on_a_thread(actuators: &Actuators, teller: &Arc<Teller>) -> io::Result<Worker> {
    let (actuators, teller) = (actuators.clone(), Arc::clone(teller));
    Worker::spawn("commands", move |stop| begin(&actuators, &teller, &stop))
}

/// Listens to commands, and sees to the initial states until all are reached, or it is to `stop`.
fn begin(actuators: &Actuators, teller: &Arc<Teller>, stop: &Stop) {
    listen_to_all(actuators, teller);
    let mut has_all = actuators.begin(|entity, outcome| teller.tell(entity, outcome));
    while !has_all && stop.sleep(RETRY) {
        // What fails still was told the first time.
        has_all = actuators.begin(|entity, outcome| match &outcome.failure {
            Some(failure) => log::debug!("{}", Chain(failure)),
            None => teller.tell(entity, outcome),
        });
    }
}

/// Listens to the commands of all outputs, to each once.
fn listen_to_all(actuators: &Actuators, teller: &Arc<Teller>) {
    let entities = actuators.entities();
    let mut heard = teller.heard.lock().unwrap_or_else(PoisonError::into_inner);
    // Those that are gone have ended their subscriptions.
    heard.retain(|id, platform| entities.iter().any(|it| it.id() == id && it.platform() == *platform));
    for entity in entities.iter().filter(|it| !heard.contains_key(it.id())).collect::<Vec<_>>() {
        match listen(entity, actuators, teller) {
            Ok(()) => drop(heard.insert(entity.id().clone(), entity.platform())),
            Err(error) => log::debug!("no commands are heard for {}: {error}", entity.id()),
        }
    }
}

/// Has the commands for `entity`, as it is when they come, carried out, one after the other.
fn listen(entity: &Entity, actuators: &Actuators, teller: &Arc<Teller>) -> Result<(), SubscribeError> {
    let (actuators, teller) = (actuators.clone(), Arc::clone(teller));
    // A retained command comes again with each connection; it is told once, until there is another.
    let mut knows_retained = false;
    let mut seeker = Seeker::default();
    teller.client.entity(entity.clone()).on_any_command(move |handle, _, message| {
        // Its limits may be others than they were.
        let Some(entity) = actuators.entity(handle.id()) else { return };
        if message.retained {
            if !mem::replace(&mut knows_retained, true) {
                teller.tell_failure(&CommandFailure::retained(&entity, &message.payload));
            }
            return;
        }
        knows_retained = false;
        // So a retained command is taken away: that is no command, but of a text, which may be empty.
        if message.payload.is_empty() && entity.platform() != Platform::Text {
            return;
        }
        match entity.command(&message.payload) {
            Ok(command) => {
                let outcome = actuators.carry_out(entity.id(), &command);
                if outcome.has_no_line() {
                    let (actuators, teller, id) =
                        (actuators.clone(), Arc::clone(&teller), entity.id().clone());
                    seeker.seek(RETRY, move || begins_anew(&actuators, &teller, &id));
                }
                teller.tell(&entity, outcome);
            }
            Err(error) => teller.tell_failure(&error.into()),
        }
    })?;
    Ok(())
}

/// Whether nothing is left to be done for the output `id`, whose line was lost: Home Assistant sends no commands to what is
/// unavailable, so none would find the line that is there again.
fn begins_anew(actuators: &Actuators, teller: &Teller, id: &ObjectId) -> bool {
    let Some(outcome) = actuators.begin_one(id) else { return true };
    let is_lost = outcome.has_no_line();
    // That was told when it was lost.
    if let (false, Some(entity)) = (is_lost, actuators.entity(id)) {
        teller.tell(&entity, outcome);
    }
    !is_lost
}

/// How long after a line could not be had it is tried again: for a driver that is loaded late, an expander that is plugged in.
const RETRY: Duration = Duration::from_secs(60);
/// Limit for the thread, whose programs are being killed by then.
const WORKER_END: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    use crossbeam_channel::Receiver;
    use serde_json::Value as Json;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::config::Declared;
    use crate::config::Extract;
    use crate::config::Feed;
    use crate::config::Filtering;
    use crate::config::Initial;
    use crate::config::Input;
    use crate::config::Output;
    use crate::config::Place;
    use crate::config::Target;
    use crate::entity::Button;
    use crate::entity::Switch;
    use crate::mock::Broker;
    use crate::mock::Faults;
    use crate::mock::Publish;
    use crate::model::Bias;
    use crate::model::Line;
    use crate::model::LinePlace;
    use crate::model::Program;
    use crate::model::Topic;

    /// A broker, a client of it, and outputs in a folder.
    struct Bench {
        broker: Broker,
        publishes: Receiver<Publish>,
        folder: TempDir,
        config: Config,
        client: Client,
    }

    impl Bench {
        fn new(declared: impl IntoIterator<Item = (Entity, Target)>) -> Bench {
            let broker = Broker::start(Faults::default()).unwrap();
            let publishes = broker.publishes(1024);
            let folder = TempDir::new().unwrap();
            let config = Config::builder("porch").broker("127.0.0.1", broker.address().port());
            let mut config = config.build().unwrap();
            config.host.root = folder.path().to_owned();
            config.declared = declared.into_iter().map(|(entity, target)| output(entity, target)).collect();
            let client = Client::connect(config.clone()).unwrap();
            Bench { broker, publishes, folder, config, client }
        }

        fn start(&self, sample: impl Fn(&ObjectId) + Send + Sync + 'static) -> Commands {
            for it in &self.config.declared {
                self.client.register(it.entity.clone()).unwrap();
            }
            self.client.register(failure_entity()).unwrap();
            let store = Store::open(self.folder.path());
            let commands = Commands::start(self.client.clone(), &self.config, &store, sample);
            let commands = commands.unwrap().unwrap();
            for it in &self.config.declared {
                self.wait_heard(it.entity.id().as_str());
            }
            commands
        }

        fn handle(&self, id: &str) -> EntityHandle {
            let declared = self.config.declared.iter().find(|it| it.entity.id().as_str() == id);
            self.client.entity(declared.unwrap().entity.clone())
        }

        /// Waits until the commands of `id` are heard.
        fn wait_heard(&self, id: &str) {
            let topic = self.handle(id).command_topic().unwrap();
            wait_until(|| self.broker.subscriptions().iter().any(|it| it.filter.as_str() == topic.as_str()));
        }

        fn send(&self, id: &str, payload: &str, retained: bool) {
            self.broker.publish(&self.handle(id).command_topic().unwrap(), payload, retained);
        }

        /// The next that is told of a command that failed.
        fn failure(&self) -> Json {
            loop {
                let publish = self.publishes.recv_timeout(LIMIT).unwrap();
                if publish.topic.as_str().ends_with("/command_failed") {
                    return serde_json::from_slice(&publish.payload).unwrap();
                }
            }
        }

        fn wait_for(&self, topic: &Topic, payload: &str) {
            wait_until(|| self.broker.retained(topic).as_deref() == Some(payload.as_bytes()));
        }
    }

    fn output(entity: Entity, target: Target) -> Declared {
        let output = Output { target, initial: Initial::Keep, safe: None };
        let (section, place) = (format!("Output {}", entity.id()), Place::File("test.ini".into()));
        Declared { section, place, entity, input: None, output: Some(output) }
    }

    fn switch(id: &str) -> Entity {
        Switch::new(id, id).availability(true).build().unwrap()
    }

    fn file(path: &str) -> Target {
        Target::File { path: path.into(), on: "1".to_owned(), off: "0".to_owned(), full: 1.0 }
    }

    fn shell(line: &str) -> Target {
        Target::Program(Program::shell(line, LIMIT))
    }

    fn read(folder: &TempDir, name: &str) -> String {
        fs::read_to_string(Path::join(folder.path(), name)).unwrap()
    }

    fn wait_until(condition: impl Fn() -> bool) {
        let began = Instant::now();
        while !condition() {
            assert!(began.elapsed() < LIMIT, "waited too long");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_command_moves_its_target_and_its_state_follows() {
        let mut bench = Bench::new([(switch("pump"), file("/value"))]);
        let declared = bench.config.declared[0].output.as_mut().unwrap();
        (declared.initial, declared.safe) = (Initial::Value(false.into()), Some(true.into()));
        let commands = bench.start(|_| ());
        let state = bench.handle("pump").state_topic();
        bench.wait_for(&state, "OFF");
        bench.send("pump", "ON", false);
        bench.wait_for(&state, "ON");
        assert_eq!(read(&bench.folder, "value"), "1\n");
        bench.send("pump", "OFF", false);
        bench.wait_for(&state, "OFF");
        commands.stop();
        assert_eq!(read(&bench.folder, "value"), "1\n", "its safe state");
    }

    #[test]
    fn what_is_not_carried_out_is_told_with_the_reason() {
        let bench = Bench::new([(switch("pump"), file("/value")), (switch("fan"), shell("exit 3"))]);
        bench.send("pump", "ON", true);
        let _commands = bench.start(|_| ());
        assert_eq!(
            bench.failure(),
            json!({"event_type": "refused", "entity": "pump", "command": "\"ON\"",
                   "reason": "the message is retained: an old command that the broker keeps"})
        );
        // It comes again with the next connection, and is not told again.
        bench.broker.cut();
        wait_until(|| bench.broker.connect_count() == 2);
        bench.wait_heard("pump");
        bench.send("pump", "on", false);
        let reason = r#"switch "pump": expected ON or OFF, found "on""#;
        assert_eq!(
            bench.failure(),
            json!({"event_type": "refused", "entity": "pump", "command": "\"on\"", "reason": reason})
        );
        bench.send("fan", "ON", false);
        let reason = "/bin/sh ended with exit status: 3";
        assert_eq!(
            bench.failure(),
            json!({"event_type": "failed", "entity": "fan", "command": "on", "reason": reason})
        );
        assert!(!bench.folder.path().join("value").exists());
    }

    #[test]
    fn an_entity_whose_line_cannot_be_had_is_unavailable() {
        let line = |pulse| {
            let place = LinePlace::Named("a line that no chip has".to_owned());
            Target::Line { line: Line { place, active_low: false, bias: Bias::AsIs }, pulse }
        };
        let bell = Button::new("bell", "Bell").availability(true).build().unwrap();
        let bench = Bench::new([(bell, line(Some(LIMIT))), (switch("pump"), line(None))]);
        let _commands = bench.start(|_| ());
        for id in ["bell", "pump"] {
            let state = bench.handle(id).state_topic();
            bench.wait_for(&Topic::new(format!("{state}/availability")).unwrap(), "offline");
            assert_eq!(bench.failure()["entity"], id);
        }
    }

    #[test]
    fn an_input_that_knows_the_state_is_asked_for_it() {
        let mut bench = Bench::new([(switch("pump"), file("/value"))]);
        let feed = Feed::File { path: "/other".into(), extract: Extract::Text };
        let filtering = Filtering::plain(0.0, LIMIT);
        bench.config.declared[0].input = Some(Input { feed, interval: LIMIT, misses: 1, filtering });
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let _commands = bench.start(move |id| {
            assert_eq!(id.as_str(), "pump");
            *count.lock().unwrap() += 1;
        });
        wait_until(|| *asked.lock().unwrap() == 1);
        bench.send("pump", "ON", false);
        wait_until(|| *asked.lock().unwrap() == 2);
        assert_eq!(bench.broker.retained(&bench.handle("pump").state_topic()), None);
    }

    /// More than any of this takes.
    const LIMIT: Duration = Duration::from_secs(20);
}
