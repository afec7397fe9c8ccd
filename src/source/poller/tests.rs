//! Who samples when: with sources that answer and sources that hang.

use super::*;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::super::{Source, SourceError};
use crate::config::Filtering;
use crate::entity::Sensor;
use crate::model::Value;

/// Counts its samples as its value. Where it has a gate, each sample waits until that lets one through, or is closed.
struct Probe {
    entities: Vec<Entity>,
    count: u32,
    gate: Option<Receiver<()>>,
    witness: Arc<Witness>,
    halt: Option<Halt>,
    limit: Duration,
}

/// What all probes of a test have seen.
#[derive(Default)]
struct Witness {
    /// Samples that are waiting at a gate now, and the most at once.
    now: AtomicUsize,
    most: AtomicUsize,
    /// Threads that have taken a sample.
    threads: Mutex<BTreeSet<String>>,
}

impl Source for Probe {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let waits = usize::from(self.gate.is_some());
        let now = self.witness.now.fetch_add(waits, SeqCst) + waits;
        self.witness.most.fetch_max(now, SeqCst);
        self.witness.threads.lock().unwrap().insert(format!("{:?}", thread::current().id()));
        while let Some(gate) = &self.gate {
            let halted = self.halt.as_ref().is_some_and(Halt::is_set);
            if halted || gate.recv_timeout(Duration::from_millis(1)) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        self.witness.now.fetch_sub(waits, SeqCst);
        if self.halt.as_ref().is_some_and(Halt::is_set) {
            return Err(SourceError::NoSize { path: PathBuf::from("/halted") });
        }
        self.count += 1;
        samples.push(Ok(Value::from(self.count)));
        Ok(())
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn halt(&self) -> Option<Halt> {
        self.halt.clone()
    }
}

/// A poller to be, and what it tells.
struct Stage {
    sources: Vec<Polled>,
    witness: Arc<Witness>,
    troubles: Troubles,
    patience: Patience,
    /// That of the samples of sources that are added.
    limit: Duration,
    sender: Sender<Reading>,
    readings: Receiver<Reading>,
}

impl Stage {
    fn new() -> Stage {
        let (sender, readings) = unbounded();
        let patience = Patience { sample: Duration::from_millis(5), idle: Duration::from_secs(60) };
        let (sources, witness, troubles, limit) = Default::default();
        Stage { sources, witness, troubles, patience, limit, sender, readings }
    }

    /// Adds a source that answers at once, sampled each second.
    fn quick(&mut self, id: &str) -> &mut Polled {
        self.add(id, Pace::Quick, None, None)
    }

    /// Adds a slow source, sampled each second, and returns its gate.
    fn slow(&mut self, id: &str) -> Sender<()> {
        let (gate, opens) = bounded(0);
        self.add(id, Pace::Slow, Some(opens), None);
        gate
    }

    fn add(&mut self, id: &str, pace: Pace, gate: Option<Receiver<()>>, halt: Option<Halt>) -> &mut Polled {
        let entities = vec![Sensor::new(id, id).build().unwrap()];
        let witness = Arc::clone(&self.witness);
        let limit = self.limit;
        self.sources.push(Polled {
            owner: format!("Sensor {id}"),
            source: Box::new(Probe { entities, count: 0, gate, witness, halt, limit }),
            pace,
            interval: Duration::from_secs(1),
            filters: vec![Filtering::plain(0.0, Duration::from_secs(3600))],
            misses: 1,
            delay: Duration::ZERO,
            delivery: None,
            qos: None,
        });
        self.sources.last_mut().unwrap()
    }

    fn start(&mut self) -> Poller {
        let listeners = Listeners {
            outlet: Outlet::new(self.sender.clone()),
            troubles: self.troubles.clone(),
            announce: Box::new(|_| ()),
        };
        Poller::with(mem::take(&mut self.sources), listeners, self.patience, &Pulses::default()).unwrap()
    }

    /// Waits until all of `expected` were told, as `id value`, in whatever order and among others.
    #[track_caller]
    fn wait_for(&self, expected: &[&str]) {
        let mut missing: BTreeSet<&str> = expected.iter().copied().collect();
        while !missing.is_empty() {
            let reading = self.readings.recv_timeout(LIMIT);
            let reading = reading.unwrap_or_else(|_| panic!("not told: {missing:?}"));
            let value = match reading.value {
                Value::Number(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            missing.remove(format!("{} {value}", reading.entity).as_str());
        }
    }
}

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "waited too long");
        thread::sleep(Duration::from_millis(1));
    }
}

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn sources_are_sampled_at_the_start_and_at_their_intervals() {
    let mut stage = Stage::new();
    stage.quick("a");
    stage.quick("b").interval = Duration::from_secs(2);
    stage.quick("c").delay = Duration::from_secs(1);
    let poller = stage.start();
    stage.wait_for(&["a 1", "a 2", "a 3", "b 1", "b 2", "c 1", "c 2"]);
    assert!(poller.stop_within(LIMIT));
}

#[test]
fn quick_sources_have_one_thread() {
    let mut stage = Stage::new();
    for number in 0..100 {
        stage.quick(&format!("s{number}"));
    }
    let poller = stage.start();
    stage.wait_for(&["s0 2", "s99 2"]);
    assert_eq!(stage.witness.threads.lock().unwrap().len(), 1);
    assert_eq!(poller.nudge.0.lock().threads, 1);
}

#[test]
fn all_are_told_however_little_room_there_is() {
    let mut stage = Stage::new();
    (stage.sender, stage.readings) = bounded(10);
    let ids: Vec<String> = (0..100).map(|it| format!("s{it}")).collect();
    for id in &ids {
        stage.quick(id).interval = Duration::from_secs(3600);
    }
    let poller = stage.start();
    wait_until(|| stage.readings.is_full());
    let all: Vec<String> = ids.iter().map(|it| format!("{it} 1")).collect();
    stage.wait_for(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(poller.stop_within(LIMIT));
}

#[test]
fn no_source_needs_no_thread() {
    let mut stage = Stage::new();
    let poller = stage.start();
    assert_eq!(poller.nudge.0.lock().threads, 0);
    poller.sample_now(&id("a"));
    assert!(poller.stop_within(Duration::ZERO));
}

#[test]
fn slow_sources_that_answer_at_once_share_a_thread_while_another_looks_after_it() {
    let mut stage = Stage::new();
    stage.patience.sample = LIMIT;
    (0..100).for_each(|it| drop(stage.slow(&format!("s{it}"))));
    let poller = stage.start();
    stage.wait_for(&["s0 2", "s99 2"]);
    assert_eq!(stage.witness.threads.lock().unwrap().len(), 1);
    assert_eq!(poller.nudge.0.lock().threads, 2);
}

#[test]
fn a_source_that_hangs_delays_neither_quick_nor_slow_ones_and_goes_on_when_it_answers() {
    let mut stage = Stage::new();
    let gates = [stage.slow("hangs"), stage.slow("hangs_too")];
    drop(stage.slow("slow"));
    stage.quick("quick");
    let poller = stage.start();
    stage.wait_for(&["quick 3", "slow 3"]);
    assert_eq!(stage.witness.now.load(SeqCst), 2);
    gates[0].send_timeout((), LIMIT).unwrap();
    stage.wait_for(&["hangs 1"]);
    drop(gates);
    stage.wait_for(&["hangs 3", "hangs_too 3", "slow 5", "quick 5"]);
    assert!(poller.stop_within(LIMIT));
}

#[test]
fn when_as_many_hang_as_there_may_be_threads_the_quick_ones_go_on_and_the_others_have_their_turn_later() {
    let mut stage = Stage::new();
    let gates: Vec<Sender<()>> = (0..40).map(|it| stage.slow(&format!("s{it}"))).collect();
    stage.quick("quick");
    let poller = stage.start();
    wait_until(|| stage.witness.now.load(SeqCst) == MOST_THREADS - 1);
    stage.wait_for(&["quick 3"]);
    assert_eq!(stage.witness.most.load(SeqCst), MOST_THREADS - 1);
    assert_eq!(poller.nudge.0.lock().threads, MOST_THREADS);
    assert!(poller.nudge.0.lock().has_complained);
    drop(gates);
    let all: Vec<String> = (0..40).map(|it| format!("s{it} 1")).collect();
    stage.wait_for(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(poller.stop_within(LIMIT));
}

#[test]
fn threads_that_are_too_many_end_when_they_have_had_nothing_to_do() {
    let mut stage = Stage::new();
    stage.patience.idle = Duration::from_millis(5);
    let gates: Vec<Sender<()>> = (0..5).map(|it| stage.slow(&format!("s{it}"))).collect();
    let poller = stage.start();
    wait_until(|| poller.nudge.0.lock().threads == 6);
    drop(gates);
    wait_until(|| poller.nudge.0.lock().threads == 2);
    stage.wait_for(&["s0 3", "s4 3"]);
}

#[test]
fn what_hangs_for_too_long_is_unavailable_and_in_trouble_until_it_answers() {
    let mut stage = Stage::new();
    let gate = stage.slow("hangs");
    stage.quick("quick");
    let began = Instant::now();
    let poller = stage.start();
    wait_until(|| stage.witness.now.load(SeqCst) == 1);
    {
        let mut state = poller.nudge.0.lock();
        let overdue = state.places[&0].overdue.unwrap();
        assert!(overdue >= began + Duration::from_secs(10));
        state.places.get_mut(&0).unwrap().overdue = Some(Instant::now()); // Time flies.
    }
    stage.wait_for(&["hangs Unavailable"]);
    let troubles: Vec<String> =
        stage.troubles.list().iter().map(|it| format!("{} {}", it.entity, it.error)).collect();
    assert_eq!(troubles, ["hangs no answer for 10s"]);
    drop(gate);
    stage.wait_for(&["hangs 1"]);
    wait_until(|| stage.troubles.list().is_empty());
}

#[test]
fn what_has_a_limit_of_its_own_does_not_hang_before() {
    let mut stage = Stage::new();
    stage.limit = Duration::from_secs(600);
    let _gate = stage.slow("program");
    let poller = stage.start();
    wait_until(|| stage.witness.now.load(SeqCst) == 1);
    let overdue = poller.nudge.0.lock().places[&0].overdue.unwrap();
    assert!(overdue > Instant::now() + Duration::from_secs(500));
}

#[test]
fn what_is_asked_for_is_sampled_at_once_and_once_more_where_that_is_going_on() {
    let mut stage = Stage::new();
    for name in ["a", "b"] {
        stage.quick(name).interval = Duration::from_secs(3600);
    }
    let gate = stage.slow("slow");
    stage.sources[2].interval = Duration::from_secs(3600);
    let poller = stage.start();
    stage.wait_for(&["a 1", "b 1"]);
    let nudge = poller.nudge();
    for (ask, told) in [("a", "a 2"), ("b", "b 2"), ("a", "a 3")] {
        nudge.sample_now(&id(ask));
        stage.wait_for(&[told]);
    }
    wait_until(|| stage.witness.now.load(SeqCst) == 1);
    for _ in 0..3 {
        nudge.sample_now(&id("slow"));
    }
    drop(gate);
    stage.wait_for(&["slow 2"]);
    assert!(poller.stop_within(LIMIT));
    nudge.sample_now(&id("a"));
    assert!(stage.readings.is_empty());
}

#[test]
fn stopping_ends_what_can_be_ended_and_tells_nothing_of_it() {
    let mut stage = Stage::new();
    let (_never, opens) = bounded(0);
    stage.add("program", Pace::Slow, Some(opens), Some(Halt::new().unwrap()));
    let poller = stage.start();
    wait_until(|| stage.witness.now.load(SeqCst) == 1);
    assert!(poller.stop_within(LIMIT));
    assert!(stage.readings.is_empty());
    assert_eq!(stage.troubles.list(), []);
}

#[test]
fn stopping_leaves_what_hangs_behind_and_says_so() {
    let mut stage = Stage::new();
    let gate = stage.slow("hangs");
    stage.quick("quick");
    let poller = stage.start();
    wait_until(|| stage.witness.now.load(SeqCst) == 1);
    stage.wait_for(&["quick 1"]);
    assert!(!poller.stop_within(Duration::from_millis(5)));
    drop(gate);
    wait_until(|| stage.witness.now.load(SeqCst) == 0);
    let Stage { sender, readings, .. } = stage;
    drop(sender);
    // All threads have ended: nobody holds the outlet.
    while readings.recv_timeout(LIMIT) != Err(RecvTimeoutError::Disconnected) {}
}

#[test]
fn a_source_comes_and_goes_and_the_others_are_left_as_they_are() {
    let mut stage = Stage::new();
    stage.quick("stays").interval = Duration::from_secs(3600);
    stage.quick("goes");
    let poller = stage.start();
    stage.wait_for(&["stays 1", "goes 1"]);
    stage.quick("comes");
    poller.add(mem::take(&mut stage.sources)).unwrap();
    poller.remove(|owner| owner == "Sensor goes");
    assert_eq!(poller.nudge.0.lock().places.len(), 2);
    stage.wait_for(&["comes 2"]);
    poller.sample_now(&id("goes"));
    poller.sample_now(&id("stays"));
    // That it was sampled a second time, and not a third, says that it was not touched.
    stage.wait_for(&["stays 2", "comes 3"]);
    assert!(stage.readings.try_iter().all(|it| it.entity != id("goes")));
}

#[test]
fn a_source_that_hangs_is_taken_out_all_the_same_and_what_it_answers_is_not_told() {
    let mut stage = Stage::new();
    let gate = stage.slow("stuck");
    let poller = stage.start();
    wait_until(|| stage.witness.now.load(SeqCst) == 1);
    stage.troubles.failed(&id("stuck"), &io::Error::other("no answer"), Instant::now());
    poller.remove(|owner| owner == "Sensor stuck");
    assert_eq!(stage.troubles.list(), []);
    // One of the same name has a place of its own.
    stage.quick("stuck");
    poller.add(mem::take(&mut stage.sources)).unwrap();
    stage.wait_for(&["stuck 1"]);
    gate.send(()).unwrap();
    wait_until(|| poller.nudge.0.lock().places.len() == 1);
    let again = |it: &Reading| it.value == Value::from(1);
    assert!(!stage.readings.try_iter().any(|it| again(&it)), "what it answered was told");
}

#[test]
fn a_poller_without_sources_has_no_thread_before_the_first_comes() {
    let mut stage = Stage::new();
    let poller = stage.start();
    assert_eq!(poller.nudge.0.lock().threads, 0);
    stage.quick("comes");
    poller.add(mem::take(&mut stage.sources)).unwrap();
    stage.wait_for(&["comes 1"]);
}
