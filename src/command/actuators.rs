//! All that commands move: [`Actuators`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::Outcome;
use super::actuator::{Actuator, Surroundings, Turn};
use super::line::{self, Opener};
use crate::config::Declared;
use crate::config::Target;
use crate::entity::Command;
use crate::entity::Entity;
use crate::model::Line;
use crate::model::ObjectId;
use crate::model::Value;
use crate::os::Halt;
use crate::store::Store;
use crate::worker::Worker;

/// All that commands move: for any thread, cheap to clone.
///
/// A target is moved by one at a time. Two entities with the same line, file or program wait for each other; all others
/// move at once, on the threads of those who ask. A line takes microseconds, and as long as its pulse; a program as long as it
/// may run. A file of the kernel takes microseconds; one on a file system whose server is gone holds up whoever writes it,
/// and who waits for it, until the server is back, and nobody else.
///
/// When this process ends, killed or in order, the kernel takes its lines back, and the chip's driver decides what becomes of
/// their levels. On Raspberry Pi OS a Pi's line stays as it was driven last, unless `dtparam=strict_gpiod` in `config.txt`
/// makes an input of it; on other kernels it becomes one (parameter `persist_gpio_outputs` of `pinctrl-bcm2835`). An input is
/// where its pull resistors hold it: what must be off when nobody minds it needs that, for only an end in order brings
/// [safe states](Actuators::end). Files stay as they were written; programs that run are left behind.
#[derive(Clone)]
pub struct Actuators(Arc<Inner>);

struct Inner {
    all: RwLock<All>,
    /// Those that were let go of, for as long as a command or a safe state is under way. Locked after `all`.
    leaving: Mutex<Vec<Weak<Actuator>>>,
    root: PathBuf,
    around: Surroundings,
}

type All = BTreeMap<ObjectId, Arc<Actuator>>;

impl Actuators {
    /// What the outputs of `declared` move. Files are below `root`: `/`, but for tests. `store` knows what is to be restored,
    /// and is told what was set. Touches nothing yet: see [`Actuators::begin`].
    ///
    /// # Errors
    ///
    /// The system's own, when it has no descriptors to give.
    pub fn open(declared: &[Declared], store: &Store, root: &Path) -> io::Result<Actuators> {
        Actuators::with_lines(declared, store, root, Box::new(line::open))
    }

    /// As [`Actuators::open`], with lines that `open` opens.
    pub(super) fn with_lines(
        declared: &[Declared],
        store: &Store,
        root: &Path,
        open: Box<Opener>,
    ) -> io::Result<Actuators> {
        let around = Surroundings { store: store.clone(), open, ending: Halt::new()? };
        let (all, leaving) = Default::default();
        let inner = Inner { all, leaving, root: root.to_owned(), around };
        let actuators = Actuators(Arc::new(inner));
        actuators.join(declared);
        Ok(actuators)
    }

    /// The entities that take commands.
    pub fn entities(&self) -> Vec<Entity> {
        self.list().iter().map(|it| it.entity().clone()).collect()
    }

    /// The entity `id`, as it is now, where it takes commands.
    pub fn entity(&self, id: &ObjectId) -> Option<Entity> {
        self.actuator(id).map(|it| it.entity().clone())
    }

    /// Lets go of what `declared` has no more: that is left in its `SAFE_STATE`, if it has one and nothing else of `declared`
    /// moves the same, and its line is given back. An output that is another now, but of the same kind and moves the same, is
    /// left alone, to be taken over by [`Actuators::join`]: no line is given back for a new name or limit. All others are not
    /// touched at all. Blocks for 3 s at most, as [`Actuators::end`]; a safe state that has to wait longer, for a command that is
    /// carried out still, is seen to then, unless [`Actuators::join`] has another move the same by then.
    pub fn leave(&self, declared: &[Declared]) {
        let outputs = || declared.iter().filter_map(|it| Some((it, it.output.as_ref()?)));
        let stays = |actuator: &Actuator| {
            outputs().any(|(it, output)| {
                let (entity, known) = (&it.entity, actuator.entity());
                entity.id() == known.id()
                    && entity.platform() == known.platform()
                    && Key::of(&output.target) == Key::of(actuator.target())
            })
        };
        let mut all = self.0.all.write().unwrap_or_else(PoisonError::into_inner);
        let leaving: Vec<ObjectId> =
            all.iter().filter(|(_, it)| !stays(it)).map(|(id, _)| id.clone()).collect();
        let leaving: Vec<Arc<Actuator>> = leaving.iter().filter_map(|id| all.remove(id)).collect();
        let moved: HashSet<Key> = all.values().map(|it| Key::of(it.target())).collect();
        let mut known = self.0.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|it| it.strong_count() > 0);
        known.extend(leaving.iter().map(Arc::downgrade));
        drop((known, all));
        let mut safe: Vec<Arc<Actuator>> = leaving
            .into_iter()
            .filter(|it| it.is_left_safe() && !moved.contains(&Key::of(it.target())))
            .collect();
        safe.sort_by_key(|it| !it.is_line());
        // On threads, the lines too: a pulse may go on for a minute.
        let tell: Arc<Tell> = Arc::new(|_, _| ());
        self.leave_safe(safe, Instant::now() + END, &tell);
    }

    /// Adds the outputs of `declared` that are new, or another than they were: to be brought into their initial states by
    /// [`Actuators::begin`], unless they take over what they move from the one before. Touches nothing yet.
    pub fn join(&self, declared: &[Declared]) {
        let mut all = self.0.all.write().unwrap_or_else(PoisonError::into_inner);
        let leaving = self.0.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let leaving: Vec<Arc<Actuator>> = leaving.iter().filter_map(Weak::upgrade).collect();
        let mut turns: HashMap<Key, Arc<Turn>> = leaving
            .iter()
            .chain(all.values())
            .map(|it| (Key::of(it.target()), Arc::clone(it.turn())))
            .collect();
        for it in declared {
            let Some(output) = &it.output else { continue };
            let (id, has_feed) = (it.entity.id(), it.input.is_some());
            let known = all.get(id);
            if known.is_some_and(|known| known.is_of(&it.entity, has_feed, output)) {
                continue;
            }
            let key = Key::of(&output.target);
            leaving.iter().filter(|it| Key::of(it.target()) == key).for_each(|it| it.give_way());
            let turn = Arc::clone(turns.entry(key).or_default());
            let mut actuator = Actuator::new(&it.entity, has_feed, output, turn, &self.0.root);
            known.into_iter().for_each(|known| actuator.inherit(known));
            all.insert(id.clone(), Arc::new(actuator));
        }
    }

    /// Has the lines, sets what has an initial state, and has the state of everything told as it is then. Blocks for as
    /// long as that takes: lines come first, then files, then programs, 16 at a time. What a command was faster with is
    /// left out.
    ///
    /// Returns whether all lines could be had. Where not, their entities are unavailable; another call tries those again,
    /// and so do [`Actuators::begin_one`] and the next command.
    pub fn begin(&self, tell: impl FnMut(&Entity, Outcome) + Send) -> bool {
        let told = Mutex::new((true, tell));
        let begin = |actuator: &Arc<Actuator>| {
            let Some(outcome) = actuator.begin(&self.0.around) else { return };
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let (has_all, tell) = &mut *told;
            *has_all &= !outcome.has_no_line();
            tell(actuator.entity(), outcome);
        };
        let (programs, mut others): (Vec<_>, Vec<_>) =
            self.list().into_iter().partition(|it| it.is_program());
        others.sort_by_key(|it| !it.is_line());
        others.iter().for_each(begin);
        let more = programs.len().min(AT_ONCE).saturating_sub(1);
        let programs = Mutex::new(programs.into_iter());
        let next = || programs.lock().unwrap_or_else(PoisonError::into_inner).next();
        let begin_all = || iter::from_fn(next).for_each(|it| begin(&it));
        thread::scope(|scope| {
            for _ in 0..more {
                // Where there is no thread to be had, those that there are see to all.
                let _ = thread::Builder::new().name("commands".to_owned()).spawn_scoped(scope, begin_all);
            }
            begin_all();
        });
        told.into_inner().unwrap_or_else(PoisonError::into_inner).0
    }

    /// As [`Actuators::begin`], for `entity` alone: once its line was lost, as that of an expander that was unplugged. `None` where
    /// there is nothing to do.
    pub fn begin_one(&self, entity: &ObjectId) -> Option<Outcome> {
        self.actuator(entity)?.begin(&self.0.around)
    }

    /// Carries out `command`, which [`Entity::command`] has read for `entity`. Blocks while another moves the same target, and
    /// then as long as that takes: see [`Actuators`].
    pub fn carry_out(&self, entity: &ObjectId, command: &Command) -> Outcome {
        match self.actuator(entity) {
            Some(actuator) => actuator.carry_out(command, &self.0.around),
            None => Outcome { state: None, failure: None },
        }
    }

    /// Leaves everything that has a `SAFE_STATE` in it, and all else alone. Commands are refused from here on, a pulse is
    /// over, and programs that run are killed. Blocks for 3 s at most: lines come first, then files and programs, 16 at a
    /// time, and each has its state told as it is then. What fails, or would take longer, is logged.
    pub fn end(&self, tell: impl Fn(&Entity, Value) + Send + Sync + 'static) {
        let tell: Arc<Tell> = Arc::new(tell);
        let deadline = Instant::now() + END;
        self.0.around.ending.set();
        let safe = self.list().into_iter().filter(|it| it.is_left_safe());
        let (lines, others): (Vec<_>, Vec<_>) = safe.partition(|it| it.is_line());
        for line in lines {
            line.end(END, &self.0.around).into_iter().for_each(|state| tell(line.entity(), state));
        }
        self.leave_safe(others, deadline, &tell);
    }

    /// Leaves each of `safe` in its safe state, as far as there is time until `deadline`.
    fn leave_safe(&self, safe: Vec<Arc<Actuator>>, deadline: Instant, tell: &Arc<Tell>) {
        let (queue, waiting) = bounded(safe.len());
        for it in safe {
            // There is room for all.
            let _ = queue.send(it);
        }
        drop(queue);
        let workers: Vec<_> =
            (0..waiting.len().min(AT_ONCE)).map(|_| self.end_on_a_thread(&waiting, deadline, tell)).collect();
        for worker in workers.into_iter().flatten() {
            if !worker.stop_within(deadline.saturating_duration_since(Instant::now())) {
                log::warn!("an output hangs on its way to its safe state, and is left behind");
            }
        }
    }

    fn actuator(&self, id: &ObjectId) -> Option<Arc<Actuator>> {
        let all = self.0.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(id).cloned()
    }

    fn list(&self) -> Vec<Arc<Actuator>> {
        let all = self.0.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    /// Starts a thread that leaves those who wait in their safe state, one after the other, as long as there is time.
    fn end_on_a_thread(
        &self,
        waiting: &Receiver<Arc<Actuator>>,
        deadline: Instant,
        tell: &Arc<Tell>,
    ) -> Option<Worker> {
        let (inner, waiting, tell) = (Arc::clone(&self.0), waiting.clone(), Arc::clone(tell));
        let body = move |_| {
            for actuator in waiting {
                let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(KILL);
                if left.is_zero() && actuator.is_program() {
                    // Better as it is than half-way.
                    log::warn!("{} is not left in its safe state: no time is left", actuator.entity().id());
                    continue;
                }
                let state = actuator.end(left, &inner.around);
                state.into_iter().for_each(|state| tell(actuator.entity(), state));
            }
        };
        let failed = |error: &io::Error| log::warn!("outputs are not left in their safe state: {error}");
        Worker::spawn("safe state", body).inspect_err(failed).ok()
    }
}

/// Who is told what state an entity has.
type Tell = dyn Fn(&Entity, Value) + Send + Sync;

/// What is moved by one at a time.
#[derive(Eq, Hash, PartialEq)]
enum Key {
    Line(Line),
    File(PathBuf),
    Program(String, Vec<String>),
}

impl Key {
    fn of(target: &Target) -> Key {
        match target {
            Target::Line { line, .. } => Key::Line(line.clone()),
            Target::File { path, .. } => Key::File(path.clone()),
            Target::Program(program) => Key::Program(program.path.clone(), program.arguments.clone()),
        }
    }
}

/// Limit for all safe states together: systemd waits 90 s for the whole of the end, a person at a terminal does not.
const END: Duration = Duration::from_secs(3);
/// What of it is kept for ending a program: it has half a second to end by itself.
const KILL: Duration = Duration::from_millis(600);
/// How many programs are at their initial state, and files and programs at their safe one, at once: those that hang do not
/// hold up the others, unless they are as many.
const AT_ONCE: usize = 16;
