//! What is told of a source, sample by sample.

use super::*;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, bounded};

use super::super::{Pace, Source};
use crate::entity::Number;
use crate::entity::Sensor;
use crate::model::Delivery;

/// Tells one sample after the other, for as many entities as the longest until then has values; `None` fails as a whole.
struct Script {
    entities: Vec<Entity>,
    samples: std::vec::IntoIter<Option<Vec<Option<f64>>>>,
}

impl Source for Script {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let Some(values) = self.samples.next().expect("the script is long enough") else {
            samples.push(Ok(Value::Number(666.0)));
            return Err(failure());
        };
        for position in self.entities.len()..values.len() {
            self.entities.push(entity(position));
        }
        samples.extend(values.into_iter().map(|it| it.map(Value::Number).ok_or_else(failure)));
        Ok(())
    }
}

fn failure() -> SourceError {
    SourceError::NoSize { path: PathBuf::from("/x") }
}

/// `a`, `b`, …
fn entity(position: usize) -> Entity {
    let id = char::from(b'a' + position as u8).to_string();
    Sensor::new(&id, &id).build().unwrap()
}

/// A source of two entities at the start, and those who listen to it.
struct Stage {
    poll: Poll,
    listeners: Listeners,
    readings: Receiver<Reading>,
    announced: Arc<Mutex<Vec<String>>>,
    samples: Vec<Sample>,
    start: Instant,
}

impl Stage {
    fn new<const N: usize>(misses: u16, room: usize, script: [Option<&[Option<f64>]>; N]) -> Stage {
        let script: Vec<_> = script.into_iter().map(|it| it.map(<[_]>::to_vec)).collect();
        let source = Script { entities: vec![entity(0), entity(1)], samples: script.into_iter() };
        let poll = Poll::new(Polled {
            owner: "Sensor attic".to_owned(),
            source: Box::new(source),
            pace: Pace::Quick,
            interval: Duration::from_secs(1),
            filters: vec![
                Filtering::plain(0.5, Duration::from_secs(60)),
                Filtering::plain(5.0, Duration::from_secs(60)),
            ],
            misses,
            delay: Duration::ZERO,
            delivery: Some(Delivery::Every),
            qos: None,
        });
        let (sender, readings) = bounded(room);
        let announced: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&announced);
        let announce =
            move |it: &Entity| heard.lock().unwrap().push(format!("{} {:?}", it.id(), it.delivery()));
        let listeners = Listeners {
            outlet: Outlet::new(sender),
            troubles: Troubles::default(),
            announce: Box::new(announce),
        };
        Stage { poll, listeners, readings, announced, samples: Vec::new(), start: Instant::now() }
    }

    /// Takes a sample at this second, and returns what is told, as `id value`.
    fn sample(&mut self, second: u64) -> Vec<String> {
        let now = self.start + Duration::from_secs(second);
        let outcome = self.poll.sample(&mut self.samples);
        self.poll.tell(outcome, &mut self.samples, now, &self.listeners);
        assert!(self.samples.is_empty());
        self.told()
    }

    fn told(&self) -> Vec<String> {
        let text = |reading: Reading| match reading.value {
            Value::Number(number) => format!("{} {number}", reading.entity),
            other => format!("{} {other:?}", reading.entity),
        };
        self.readings.try_iter().map(text).collect()
    }

    fn troubled(&self) -> String {
        let ids: Vec<String> =
            self.listeners.troubles.list().iter().map(|it| it.entity.to_string()).collect();
        ids.join(" ")
    }

    /// Takes a sample each second, and compares what is told and who is in trouble after it.
    #[track_caller]
    fn check(&mut self, expected: &[(&[&str], &str)]) {
        for (second, (told, troubled)) in (0..).zip(expected) {
            assert_eq!(self.sample(second), *told, "at {second} s");
            assert_eq!(self.troubled(), *troubled, "after {second} s");
        }
    }
}

#[test]
fn what_passes_the_filter_of_its_entity_is_told() {
    let mut stage = Stage::new(
        0,
        8,
        [Some(&[Some(1.0), Some(2.0)]), Some(&[Some(2.0), Some(7.0)]), Some(&[Some(2.4), Some(7.1)])],
    );
    stage.check(&[(&["a 1", "b 2"], ""), (&["a 2"], ""), (&["b 7.1"], "")]);
}

#[test]
fn a_source_that_may_miss_nothing_has_its_entities_unknown_at_once_and_recovers() {
    let values: Option<&[_]> = Some(&[Some(1.0), Some(2.0)]);
    let mut stage = Stage::new(0, 8, [values, None, None, values]);
    stage.check(&[
        (&["a 1", "b 2"], ""),
        (&["a Unknown", "b Unknown"], "a b"),
        (&[], "a b"),
        (&["a 1", "b 2"], ""),
    ]);
}

#[test]
fn an_entity_is_unavailable_when_it_has_missed_as_many_in_a_row_as_it_may() {
    let a_fails: Option<&[_]> = Some(&[None, Some(2.0)]);
    let mut stage = Stage::new(
        3,
        8,
        [
            Some(&[Some(1.0), Some(2.0)]),
            a_fails,
            None,
            Some(&[Some(1.0), None]),
            a_fails,
            a_fails,
            None,
            a_fails,
            Some(&[Some(1.0), Some(2.0)]),
        ],
    );
    stage.check(&[
        (&["a 1", "b 2"], ""),
        (&[], ""),
        (&[], ""),
        (&[], ""),
        (&[], ""),
        (&[], ""),
        (&["a Unavailable"], "a"),
        (&[], "a"),
        (&["a 1"], ""),
    ]);
}

#[test]
fn what_home_assistant_would_not_take_is_a_failed_sample() {
    let samples = Vec::from([5.0, 50.0, 50.0, 50.0, 6.0].map(|a| Some(vec![Some(a), Some(2.0)])));
    let number = Number::new("a", "a").max(10.0).build().unwrap();
    let mut stage = Stage::new(2, 8, []);
    stage.poll.polled.source =
        Box::new(Script { entities: vec![number, entity(1)], samples: samples.into_iter() });
    stage.check(&[(&["a 5", "b 2"], ""), (&[], ""), (&["a Unavailable"], "a"), (&[], "a"), (&["a 6"], "")]);
}

#[test]
fn what_is_unavailable_is_told_so_again_with_the_heartbeat() {
    let mut stage = Stage::new(1, 8, [None, None, None]);
    assert_eq!(stage.sample(0), ["a Unavailable", "b Unavailable"]);
    assert_eq!(stage.sample(59), [""; 0]);
    assert_eq!(stage.sample(60), ["a Unavailable", "b Unavailable"]);
}

#[test]
fn what_never_had_a_value_is_in_trouble_at_its_first_failure() {
    let mut stage = Stage::new(2, 8, [Some(&[Some(1.0), None]), None, None]);
    stage.check(&[(&["a 1"], "b"), (&["b Unavailable"], "b"), (&["a Unavailable"], "a b")]);
}

#[test]
fn what_is_found_is_announced_as_it_is_delivered_before_its_first_value_and_filtered_as_the_last() {
    let mut stage = Stage::new(
        1,
        8,
        [
            Some(&[Some(1.0), Some(2.0)]),
            Some(&[Some(1.0), Some(2.0), Some(3.0), Some(4.0)]),
            Some(&[Some(1.0), Some(2.0), Some(8.0), Some(9.1)]),
        ],
    );
    stage.check(&[(&["a 1", "b 2"], ""), (&["c 3", "d 4"], ""), (&["d 9.1"], "")]);
    assert_eq!(*stage.announced.lock().unwrap(), ["c Every", "d Every"]);
    assert_eq!(stage.poll.ids().len(), 4);
}

#[test]
fn a_source_that_miscounts_its_values_is_held_to_its_entities() {
    let mut stage = Stage::new(0, 8, [Some(&[Some(1.0)]), Some(&[Some(1.0), Some(2.0)])]);
    stage.check(&[(&["a 1", "b Unknown"], ""), (&["b 2"], "")]);
}

#[test]
fn a_reading_that_found_no_room_is_told_with_the_next_sample() {
    let values: Option<&[_]> = Some(&[Some(1.0), Some(2.0)]);
    let mut stage = Stage::new(1, 1, [values, values, None, None]);
    stage.check(&[(&["a 1"], ""), (&["b 2"], ""), (&["a Unavailable"], "a b"), (&["b Unavailable"], "a b")]);
}

#[test]
fn what_is_asked_for_is_told_though_it_has_not_changed() {
    let values: Option<&[_]> = Some(&[Some(1.0), Some(2.0)]);
    let mut stage = Stage::new(0, 8, [values, values, values]);
    assert_eq!(stage.sample(0), ["a 1", "b 2"]);
    stage.poll.tell_next(1);
    stage.poll.tell_next(7);
    assert_eq!(stage.sample(1), ["b 2"]);
    assert_eq!(stage.sample(2), [""; 0]);
}

#[test]
fn what_was_reported_as_lost_is_told_again_and_recovers() {
    let values: Option<&[_]> = Some(&[Some(1.0), Some(2.0)]);
    let mut stage = Stage::new(3, 8, [values, values]);
    assert_eq!(stage.sample(0), ["a 1", "b 2"]);
    stage.listeners.troubles.all_failed(stage.poll.ids(), &failure(), stage.start);
    stage.poll.note_lost(stage.start);
    assert_eq!(stage.told(), [""; 0]);
    assert_eq!(stage.sample(1), ["a 1", "b 2"]);
    assert_eq!(stage.troubled(), "");
}
