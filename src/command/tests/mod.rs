//! What becomes of commands, with lines that are played, and real files and programs.

mod files;
mod lines;
mod programs;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::line::Wire;
use super::{Actuators, Outcome, failure_entity};
use crate::config::Declared;
use crate::config::Initial;
use crate::config::Output;
use crate::config::Place;
use crate::config::Target;
use crate::entity::Entity;
use crate::entity::Switch;
use crate::model::Bias;
use crate::model::Chain;
use crate::model::Line;
use crate::model::LinePlace;
use crate::model::ObjectId;
use crate::model::Program;
use crate::model::Value;
use crate::os::gpio::GpioError;
use crate::store::Store;

/// A place for files, a store, lines that are played, and what is declared.
struct Bench {
    folder: TempDir,
    store: Store,
    board: Board,
    declared: Vec<Declared>,
}

impl Bench {
    fn new() -> Bench {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path());
        Bench { folder, store, board: Board::default(), declared: Vec::new() }
    }

    /// With `entity`, whose commands move `target`.
    fn with(mut self, entity: Entity, target: Target) -> Bench {
        self.declared.push(Declared {
            section: format!("Output {}", entity.id()),
            place: Place::File("test.ini".into()),
            entity,
            input: None,
            output: Some(Output { target, initial: Initial::Keep, safe: None }),
        });
        self
    }

    /// The last one is set so at the start.
    fn initially(mut self, initial: Initial) -> Bench {
        self.last().initial = initial;
        self
    }

    /// The last one is left so at the end.
    fn safe(mut self, value: impl Into<Value>) -> Bench {
        self.last().safe = Some(value.into());
        self
    }

    fn last(&mut self) -> &mut Output {
        self.declared.last_mut().and_then(|it| it.output.as_mut()).unwrap()
    }

    fn actuators(&self) -> Actuators {
        let board = self.board.clone();
        let open = move |line: &Line, level| board.open(line, level);
        Actuators::with_lines(&self.declared, &self.store, self.folder.path(), Box::new(open)).unwrap()
    }

    /// Those that have begun.
    fn begun(&self) -> Actuators {
        let actuators = self.actuators();
        actuators.begin(|_, _| ());
        actuators
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Makes the file `name`, with the folders to it.
    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Lines in memory.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<Levels>>);

#[derive(Default)]
struct Levels {
    now: BTreeMap<String, bool>,
    /// Each level that a line was driven to, in order.
    driven: Vec<(String, bool)>,
    held: BTreeSet<String>,
    missing: BTreeSet<String>,
}

impl Board {
    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.0.lock().unwrap()
    }

    fn driven(&self) -> Vec<bool> {
        self.levels().driven.iter().map(|(_, level)| *level).collect()
    }

    fn lose(&self, line: &str) {
        self.levels().missing.insert(line.to_owned());
    }

    fn find(&self, line: &str) {
        self.levels().missing.remove(line);
    }

    fn open(&self, line: &Line, level: Option<bool>) -> Result<Box<dyn Wire>, GpioError> {
        let name = line.place.to_string();
        let mut levels = self.levels();
        levels.check(&name)?;
        if !levels.held.insert(name.clone()) {
            return Err(GpioError::Busy { line: name, consumer: "us".to_owned() });
        }
        if let Some(level) = level {
            levels.drive(&name, level);
        }
        Ok(Box::new(Played { name, board: self.clone() }))
    }
}

impl Levels {
    fn check(&self, name: &str) -> Result<(), GpioError> {
        match self.missing.contains(name) {
            true => Err(GpioError::NoLine { name: name.to_owned(), near: None }),
            false => Ok(()),
        }
    }

    fn drive(&mut self, name: &str, level: bool) {
        self.now.insert(name.to_owned(), level);
        self.driven.push((name.to_owned(), level));
    }
}

/// A line that is held.
struct Played {
    name: String,
    board: Board,
}

impl Wire for Played {
    fn set(&mut self, active: bool) -> Result<(), GpioError> {
        let mut levels = self.board.levels();
        levels.check(&self.name)?;
        levels.drive(&self.name, active);
        Ok(())
    }

    fn is_active(&self) -> Result<bool, GpioError> {
        let levels = self.board.levels();
        levels.check(&self.name)?;
        Ok(levels.now.get(&self.name).copied().unwrap_or_default())
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.board.levels().held.remove(&self.name);
    }
}

fn switch(id: &str) -> Entity {
    Switch::new(id, id).availability(true).build().unwrap()
}

fn line(name: &str) -> Target {
    pulsed(name, None)
}

fn pulsed(name: &str, pulse: Option<Duration>) -> Target {
    let place = LinePlace::Named(name.to_owned());
    Target::Line { line: Line { place, active_low: false, bias: Bias::AsIs }, pulse }
}

fn file(path: &str) -> Target {
    Target::File { path: path.into(), on: "1".to_owned(), off: "0".to_owned(), full: 100.0 }
}

fn shell(text: &str) -> Target {
    Target::Program(Program::shell(text, LIMIT))
}

/// The shell line that adds `words` to the file `name`.
fn noting(bench: &Bench, words: &str, name: &str) -> Target {
    shell(&format!("echo {words} >> {}", bench.folder.path().join(name).display()))
}

/// Sends `payload` to `id`, as Home Assistant does.
fn send(actuators: &Actuators, id: &str, payload: &str) -> Outcome {
    let entity = actuators.entities().into_iter().find(|it| it.id().as_str() == id).unwrap();
    actuators.carry_out(entity.id(), &entity.command(payload.as_bytes()).unwrap())
}

/// What begins with which state.
fn beginnings(actuators: &Actuators) -> BTreeMap<ObjectId, Option<Value>> {
    let mut told = BTreeMap::new();
    actuators.begin(|entity, outcome| {
        told.insert(entity.id().clone(), outcome.state);
    });
    told
}

/// It was done, and the state is this.
#[track_caller]
fn done(outcome: Outcome, state: impl Into<Option<Value>>) {
    assert_eq!(outcome.failure.map(|it| Chain(&it).to_string()), None);
    assert_eq!(outcome.state, state.into());
}

/// It was not done for this reason, and the state is this.
#[track_caller]
fn failed(outcome: Outcome, reason: &str, state: impl Into<Option<Value>>) {
    assert_eq!(outcome.failure.map(|it| Chain(&it).to_string()).as_deref(), Some(reason));
    assert_eq!(outcome.state, state.into());
}

fn wait_until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "waited too long");
        thread::sleep(Duration::from_millis(2));
    }
}

fn there_is(bench: &Bench, name: &str) -> bool {
    Path::exists(&bench.folder.path().join(name))
}

#[test]
fn the_event_tells_which_command_of_which_entity_and_why() {
    let bench = Bench::new().with(switch("pump"), shell("echo no water >&2; exit 3"));
    let failure = send(&bench.begun(), "pump", "ON").failure.unwrap();
    let event = failure.event();
    assert_eq!(
        failure_entity().state_payload(&event).unwrap(),
        r#"{"command":"on","entity":"pump","event_type":"failed","reason":"/bin/sh ended with exit status: 3: no water"}"#
    );
    let refused = super::CommandFailure::retained(&switch("pump"), b"ON");
    assert_eq!(
        failure_entity().state_payload(&refused.event()).unwrap(),
        "{\"command\":\"\\\"ON\\\"\",\"entity\":\"pump\",\"event_type\":\"refused\",\
         \"reason\":\"the message is retained: an old command that the broker keeps\"}"
    );
}

/// More than any of this takes.
const LIMIT: Duration = Duration::from_secs(20);
