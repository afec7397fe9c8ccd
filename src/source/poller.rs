//! The thread that samples the sources when they are due.

use std::io;
use std::time::Instant;

use super::filter::Filter;
use super::schedule::Schedule;
use super::{Polled, Sample, SourceError};
use crate::entity::Entity;
use crate::model::Chain;
use crate::model::Reading;
use crate::model::Value;
use crate::worker::Outlet;
use crate::worker::Stop;
use crate::worker::Worker;

/// Samples sources and offers what is worth telling.
///
/// Between two samples it sleeps; it wakes for nothing else, and sources that are due together share one
/// waking.
pub struct Poller {
    schedule: Schedule,
    polls: Vec<Poll>,
    outlet: Outlet<Reading>,
}

impl Poller {
    /// Starts the thread `poll`, which samples each of `sources` after its delay and then at its interval, and
    /// offers to `outlet` what passes their filters. A reading that finds no room there is offered again with the
    /// next sample. Dropping the worker waits for the sample being taken: a few milliseconds, but for ever on a
    /// file system whose server is gone.
    ///
    /// # Errors
    ///
    /// The system's own, when it has no thread to give.
    pub fn start(sources: Vec<Polled>, outlet: Outlet<Reading>) -> io::Result<Worker> {
        Worker::spawn("poll", move |stop| {
            let schedule = Schedule::new(Instant::now(), sources.iter().map(|it| (it.interval, it.delay)));
            let polls = sources.into_iter().map(Poll::new).collect();
            Poller { schedule, polls, outlet }.run(&stop);
        })
    }

    fn run(mut self, stop: &Stop) {
        let mut values = Vec::new();
        while let Some(due) = self.schedule.next() {
            if !stop.sleep(due.saturating_duration_since(Instant::now())) {
                return;
            }
            let now = Instant::now();
            while let Some(position) = self.schedule.take_due(now) {
                self.polls[position].sample(&mut values, now, &self.outlet);
            }
        }
    }
}

/// A source being polled.
struct Poll {
    polled: Polled,
    /// One for each entity.
    filters: Vec<Filter>,
    /// Whether the last sample failed.
    failing: bool,
}

impl Poll {
    fn new(polled: Polled) -> Poll {
        let filtering = &polled.filters[0];
        let filter = |_: &Entity| Filter::new(filtering.dead_band, filtering.heartbeat);
        let filters = polled.source.entities().iter().map(filter).collect();
        Poll { polled, filters, failing: false }
    }

    /// Takes a sample and offers those of its values that pass. A failed sample makes its entities unknown.
    /// `values` is only there to be used again: it is empty before and after.
    fn sample(&mut self, values: &mut Vec<Sample>, now: Instant, outlet: &Outlet<Reading>) {
        debug_assert!(values.is_empty());
        let outcome = self.polled.source.sample(values);
        if outcome.is_err() {
            values.clear();
        }
        self.note(outcome);
        let entities = self.polled.source.entities();
        // A source that tells too few or too many is wrong; its neighbours are not.
        values.resize_with(entities.len(), || Ok(Value::Unknown));
        for ((entity, value), filter) in entities.iter().zip(values.drain(..)).zip(&mut self.filters) {
            let value = value.unwrap_or(Value::Unknown);
            if filter.passes(&value, now) && outlet.offer(Reading::new(entity.id().clone(), value.clone())) {
                filter.told(value, now);
            }
        }
    }

    /// The one place where a source begins or ceases to fail, hence the one that logs it.
    fn note(&mut self, outcome: Result<(), SourceError>) {
        match (outcome, self.failing) {
            (Err(error), false) => log::warn!("{}: no value: {}", self.ids(), Chain(&error)),
            (Err(error), true) => {
                log::debug!("{}: still no value: {}", self.ids(), Chain(&error));
                return;
            }
            (Ok(()), true) => log::info!("{}: has values again", self.ids()),
            (Ok(()), false) => return,
        }
        self.failing = !self.failing;
    }

    /// The source's name in the log: those of its entities.
    fn ids(&self) -> String {
        let ids: Vec<&str> = self.polled.source.entities().iter().map(|it| it.id().as_str()).collect();
        ids.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

    use super::super::{Pace, Source};
    use crate::config::Filtering;
    use crate::entity::Sensor;
    use crate::model::Delivery;

    /// Tells one value after the other, for two entities; `None` is a failure.
    struct Script {
        entities: [Entity; 2],
        samples: std::vec::IntoIter<Option<Vec<Value>>>,
    }

    impl Source for Script {
        fn entities(&self) -> &[Entity] {
            &self.entities
        }

        fn sample(&mut self, values: &mut Vec<Sample>) -> Result<(), SourceError> {
            match self.samples.next().expect("the script is long enough") {
                Some(sample) => values.extend(sample.into_iter().map(Ok)),
                None => {
                    values.push(Ok(Value::Number(666.0)));
                    return Err(SourceError::NoSize { path: PathBuf::from("/x") });
                }
            }
            Ok(())
        }
    }

    fn script<const N: usize>(samples: [Option<&[f64]>; N]) -> Polled {
        let entity = |id| Sensor::new(id, id).build().unwrap();
        let samples = samples.map(|it| it.map(|values| values.iter().copied().map(Value::Number).collect()));
        let source = Script { entities: [entity("a"), entity("b")], samples: Vec::from(samples).into_iter() };
        Polled {
            source: Box::new(source),
            interval: Duration::from_secs(3600),
            pace: Pace::Quick,
            filters: vec![Filtering::plain(0.5, Duration::from_secs(60))],
            misses: 0,
            delay: Duration::ZERO,
            delivery: Some(Delivery::Latest),
            qos: None,
        }
    }

    /// Everything offered until now, as `id value`.
    fn offered(readings: &Receiver<Reading>) -> Vec<String> {
        let text = |reading: Reading| match reading.value {
            Value::Number(number) => format!("{} {number}", reading.entity),
            other => format!("{} {other:?}", reading.entity),
        };
        readings.try_iter().map(text).collect()
    }

    #[test]
    fn what_passes_the_filter_is_offered() {
        let (sender, readings) = bounded(8);
        let outlet = Outlet::new(sender);
        let mut poll = Poll::new(script([Some(&[1.0, 2.0]), Some(&[1.0, 3.0]), Some(&[1.4, 3.0])]));
        let start = Instant::now();
        for (second, expected) in [(0, &["a 1", "b 2"][..]), (1, &["b 3"]), (2, &[])] {
            poll.sample(&mut Vec::new(), start + Duration::from_secs(second), &outlet);
            assert_eq!(offered(&readings), expected, "at {second} s");
        }
    }

    #[test]
    fn a_failing_source_makes_its_entities_unknown_once_and_recovers() {
        let (sender, readings) = bounded(8);
        let outlet = Outlet::new(sender);
        let mut poll = Poll::new(script([Some(&[1.0, 2.0]), None, None, Some(&[1.0, 2.0])]));
        for (failing, expected) in [
            (false, &["a 1", "b 2"][..]),
            (true, &["a Unknown", "b Unknown"]),
            (true, &[]),
            (false, &["a 1", "b 2"]),
        ] {
            poll.sample(&mut Vec::new(), Instant::now(), &outlet);
            assert_eq!(offered(&readings), expected);
            assert_eq!(poll.failing, failing);
        }
    }

    #[test]
    fn a_source_that_miscounts_its_values_is_held_to_its_entities() {
        let (sender, readings) = bounded(8);
        let mut poll = Poll::new(script([Some(&[1.0]), Some(&[1.0, 2.0, 3.0])]));
        let outlet = Outlet::new(sender);
        for expected in [&["a 1", "b Unknown"][..], &["b 2"]] {
            poll.sample(&mut Vec::new(), Instant::now(), &outlet);
            assert_eq!(offered(&readings), expected);
        }
    }

    #[test]
    fn a_reading_that_found_no_room_is_offered_again() {
        let (sender, readings) = bounded(1);
        let outlet = Outlet::new(sender);
        let mut poll = Poll::new(script([Some(&[1.0, 2.0]), Some(&[1.0, 2.0])]));
        for expected in ["a 1", "b 2"] {
            poll.sample(&mut Vec::new(), Instant::now(), &outlet);
            assert_eq!(offered(&readings), [expected]);
        }
    }

    #[test]
    fn sources_are_sampled_at_once_and_the_thread_ends_when_dropped() {
        let (sender, readings) = bounded(8);
        let worker = Poller::start(vec![script([Some(&[1.0, 2.0])])], Outlet::new(sender)).unwrap();
        let limit = Duration::from_secs(10);
        assert_eq!(readings.recv_timeout(limit).unwrap().value, Value::Number(1.0));
        assert_eq!(readings.recv_timeout(limit).unwrap().value, Value::Number(2.0));
        drop(worker);
        assert_eq!(readings.recv_timeout(limit), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_source_is_sampled_again_at_its_interval() {
        let (sender, readings) = bounded(8);
        let mut polled = script([Some(&[1.0, 2.0]), Some(&[1.0, 3.0])]);
        polled.interval = Duration::from_secs(1);
        polled.filters[0].heartbeat = Duration::from_secs(3600);
        // The script is at its end after the second sample, long before which the worker is dropped.
        let started = Instant::now();
        let worker = Poller::start(vec![polled], Outlet::new(sender)).unwrap();
        let limit = Duration::from_secs(10);
        let values: Vec<Value> = (0..3).map(|_| readings.recv_timeout(limit).unwrap().value).collect();
        assert_eq!(values, [1.0, 2.0, 3.0].map(Value::Number));
        assert!(started.elapsed() >= Duration::from_millis(740), "{:?}", started.elapsed());
        drop(worker);
    }
}
