//! One output: what is asked of it, and how it is done: [`Actuator`].

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::file::Written;
use super::line::{Driven, Opener, Wire};
use super::setting::{Setting, unfit};
use super::{CommandFailure, FailureCause, Outcome, program};
use crate::config::Initial;
use crate::config::Output;
use crate::config::Target;
use crate::entity::Command;
use crate::entity::Entity;
use crate::entity::Platform;
use crate::model::Chain;
use crate::model::Line;
use crate::model::Program;
use crate::model::Value;
use crate::os::Halt;
use crate::store::Store;

/// An entity that takes commands, and what they move.
pub(super) struct Actuator {
    entity: Entity,
    output: Output,
    moved: Moved,
    safe: Option<Setting>,
    /// Its state comes from an input of its own.
    has_feed: bool,
    turn: Arc<Turn>,
    // Locked by whoever has the turn only, hence at once. Shared with a predecessor.
    memory: Arc<Mutex<Memory>>,
    /// It has taken over from another, and its state was not told since.
    is_untold: AtomicBool,
    /// It was let go of, and another moves the same.
    has_successor: AtomicBool,
}

/// The turn at a target, whoever shares it; with the line, where it is one and can be had.
pub(super) type Turn = Mutex<Option<Box<dyn Wire>>>;

/// What all outputs have in common.
pub(super) struct Surroundings {
    pub(super) store: Store,
    pub(super) open: Box<Opener>,
    /// Set when the outputs are being left as they are to be: nothing else is begun then.
    pub(super) ending: Halt,
}

/// What commands move.
enum Moved {
    Line { line: Line, pulse: Option<Duration> },
    File(Written),
    Program(Program),
}

/// What is known of an output.
#[derive(Default)]
struct Memory {
    /// Its initial state was seen to, or overtaken by a command; and its line was not lost since.
    has_begun: bool,
    /// What it is set to, as far as anybody knows.
    setting: Option<Setting>,
}

impl Actuator {
    /// The output of `entity`, whose target has this `turn`; files are below `root`.
    pub(super) fn new(
        entity: &Entity,
        has_feed: bool,
        output: &Output,
        turn: Arc<Turn>,
        root: &Path,
    ) -> Actuator {
        let moved = match &output.target {
            Target::Line { line, pulse } => Moved::Line { line: line.clone(), pulse: *pulse },
            Target::File { path, on, off, full } => Moved::File(Written::new(path, root, on, off, *full)),
            Target::Program(program) => Moved::Program(program.clone()),
        };
        Actuator {
            safe: output.safe.as_ref().and_then(|it| Setting::of_state(entity, it)),
            entity: entity.clone(),
            output: output.clone(),
            moved,
            has_feed,
            turn,
            memory: Arc::default(),
            is_untold: AtomicBool::new(false),
            has_successor: AtomicBool::new(false),
        }
    }

    /// Takes over from `predecessor`, which moves the same: what that was set to it is set to.
    pub(super) fn inherit(&mut self, predecessor: &Actuator) {
        self.memory = Arc::clone(&predecessor.memory);
        self.is_untold = AtomicBool::new(true);
    }

    /// Another moves the same from here on: it is not left in its safe state any more.
    pub(super) fn give_way(&self) {
        self.has_successor.store(true, Relaxed);
    }

    /// Whether it is the output of `entity` as it is described there.
    pub(super) fn is_of(&self, entity: &Entity, has_feed: bool, output: &Output) -> bool {
        self.entity == *entity && self.has_feed == has_feed && self.output == *output
    }

    /// What it moves.
    pub(super) fn target(&self) -> &Target {
        &self.output.target
    }

    /// The turn at that.
    pub(super) fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }

    pub(super) fn entity(&self) -> &Entity {
        &self.entity
    }

    /// Whether it has a state to be left in.
    pub(super) fn is_left_safe(&self) -> bool {
        self.safe.is_some()
    }

    pub(super) fn is_line(&self) -> bool {
        matches!(self.moved, Moved::Line { .. })
    }

    pub(super) fn is_program(&self) -> bool {
        matches!(self.moved, Moved::Program(_))
    }

    /// Sees to its initial state, unless that was done or a command came first. `None` where there is nothing to do.
    pub(super) fn begin(&self, around: &Surroundings) -> Option<Outcome> {
        let (mut turn, mut memory) = self.locked();
        if around.ending.is_set() {
            return None;
        }
        if memory.has_begun {
            return self.is_untold.swap(false, Relaxed).then(|| {
                memory.setting = self.observed(&mut turn, around, memory.setting.clone());
                let outcome = self.outcome(&turn, &memory, None);
                memory.has_begun = !outcome.has_no_line();
                outcome
            });
        }
        let initial = match &self.output.initial {
            Initial::Keep => None,
            Initial::Restore => {
                let kept = around.store.value(&self.key());
                kept.and_then(|it| Setting::told(&self.entity, &it, None))
            }
            Initial::Value(value) => Setting::of_state(&self.entity, value),
        };
        if let Moved::Line { line, .. } = &self.moved {
            let resting = (self.entity.platform() == Platform::Button).then_some(false);
            let level = initial.as_ref().and_then(Setting::is_on).or(resting);
            let held = Driven { line, wire: &mut turn, open: &*around.open }.hold(level);
            if let Err(cause) = held {
                let wanted = initial.map_or("keep".to_owned(), |it| it.shown(&self.entity));
                return Some(self.outcome(&turn, &memory, Some(self.failure(wanted, cause))));
            }
        }
        let outcome = match initial {
            Some(setting) => self.apply(setting, None, &mut turn, &mut memory, around),
            None => {
                memory.setting = self.observed(&mut turn, around, None);
                self.outcome(&turn, &memory, None)
            }
        };
        memory.has_begun = !outcome.has_no_line();
        Some(outcome)
    }

    /// Carries out `command`, once the target is free.
    pub(super) fn carry_out(&self, command: &Command, around: &Surroundings) -> Outcome {
        let (mut turn, mut memory) = self.locked();
        match Setting::asked(&self.entity, command, memory.setting.as_ref()) {
            Ok(setting) if around.ending.is_set() => {
                let failure = self.failure(setting.shown(&self.entity), FailureCause::Ending);
                self.outcome(&turn, &memory, Some(failure))
            }
            Ok(setting) => {
                let to_restore = if self.output.initial == Initial::Restore {
                    setting.payload(&self.entity)
                } else {
                    None
                };
                let outcome = self.apply(setting, None, &mut turn, &mut memory, around);
                // A line that is lost begins anew: what it is connected to has lost its level too.
                memory.has_begun = !outcome.has_no_line();
                if let (None, Some(payload)) = (&outcome.failure, to_restore) {
                    around.store.keep(&self.key(), payload);
                }
                outcome
            }
            Err(error) => {
                let failure = self.failure(error.found.clone(), FailureCause::Unfit(error));
                self.outcome(&turn, &memory, Some(failure))
            }
        }
    }

    /// Leaves it in its safe state, if it has one, once the target is free; `limit` is for a program. Returns the state as it
    /// is then, where that can be known. What fails is logged.
    pub(super) fn end(&self, limit: Duration, around: &Surroundings) -> Option<Value> {
        let safe = self.safe.clone()?;
        let (mut turn, mut memory) = self.locked();
        if self.has_successor.load(Relaxed) {
            return None;
        }
        let outcome = self.apply(safe, Some(limit), &mut turn, &mut memory, around);
        if let Some(failure) = outcome.failure {
            log::warn!("{}", Chain(&failure));
        }
        outcome.state
    }

    /// Does what [`Actuator::set`] does, and remembers it.
    fn apply(
        &self,
        setting: Setting,
        limit: Option<Duration>,
        turn: &mut Option<Box<dyn Wire>>,
        memory: &mut Memory,
        around: &Surroundings,
    ) -> Outcome {
        let set = self.set(&setting, limit, turn, around);
        let failure = set.err().map(|cause| self.failure(setting.shown(&self.entity), cause));
        let assumed = if failure.is_none() { Some(setting) } else { memory.setting.take() };
        memory.setting = self.observed(turn, around, assumed);
        self.outcome(turn, memory, failure)
    }

    /// Sets it to `setting`. A program may take its own limit, or until we end; or `limit`, where there is one.
    fn set(
        &self,
        setting: &Setting,
        limit: Option<Duration>,
        turn: &mut Option<Box<dyn Wire>>,
        around: &Surroundings,
    ) -> Result<(), FailureCause> {
        match &self.moved {
            Moved::Line { line, pulse } => {
                let mut driven = Driven { line, wire: turn, open: &*around.open };
                match (setting, setting.is_on(), pulse) {
                    (Setting::Press, _, Some(pulse)) => driven.pulse(*pulse, &around.ending),
                    (_, Some(on), _) => driven.set(on),
                    (_, None, _) => {
                        let expected = "on or off, for it is a GPIO line";
                        Err(FailureCause::Unfit(unfit(&self.entity, expected, setting)))
                    }
                }
            }
            Moved::File(file) => {
                let text = file.text(&self.entity, setting).map_err(FailureCause::Unfit)?;
                let failed = |cause| FailureCause::File { path: file.path().to_owned(), cause };
                file.write(&text).map_err(failed)
            }
            Moved::Program(program) => {
                let ending = limit.is_none().then_some(&around.ending);
                let limit = limit.map_or(program.limit, |it| it.min(program.limit));
                program::run(&Program { limit, ..program.clone() }, ending, &self.entity, setting)
            }
        }
    }

    /// What it is set to as it can be seen, else what is `assumed`.
    fn observed(
        &self,
        turn: &mut Option<Box<dyn Wire>>,
        around: &Surroundings,
        assumed: Option<Setting>,
    ) -> Option<Setting> {
        if !self.entity.has_states() {
            return None;
        }
        match &self.moved {
            Moved::Line { line, .. } => {
                let on = Driven { line, wire: turn, open: &*around.open }.is_active()?;
                Some(Setting::On(on))
            }
            Moved::File(file) => file.read(&self.entity, assumed.as_ref()).or(assumed),
            Moved::Program(_) => assumed,
        }
    }

    fn outcome(
        &self,
        turn: &Option<Box<dyn Wire>>,
        memory: &Memory,
        failure: Option<CommandFailure>,
    ) -> Outcome {
        let state = match &memory.setting {
            _ if self.has_feed => None,
            _ if self.is_line() && turn.is_none() => Some(Value::Unavailable),
            setting => {
                // What nobody can know must not stand as what it was before this process.
                let unknown = || self.entity.unknown_payload().map(|_| Value::Unknown);
                setting.as_ref().and_then(Setting::state).or_else(unknown)
            }
        };
        Outcome { state, failure }
    }

    fn failure(&self, wanted: String, cause: FailureCause) -> CommandFailure {
        CommandFailure { entity: self.entity.id().clone(), wanted, cause }
    }

    /// Waits for the turn at the target.
    fn locked(&self) -> (MutexGuard<'_, Option<Box<dyn Wire>>>, MutexGuard<'_, Memory>) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        (turn, self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Under what the store has what it was set to last.
    fn key(&self) -> String {
        format!("output {}", self.entity.id())
    }
}
