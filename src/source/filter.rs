//! What of the samples is worth telling.

use std::time::{Duration, Instant};

use crate::model::Value;

/// Decides for one entity which of its samples become readings.
#[derive(Debug)]
pub(super) struct Filter {
    dead_band: f64,
    heartbeat: Duration,
    /// What was told last, and when.
    told: Option<(Value, Instant)>,
}

impl Filter {
    /// A filter that holds back numbers which have moved by no more than `dead_band`, and tells what
    /// has not changed again after `heartbeat`.
    pub(super) fn new(dead_band: f64, heartbeat: Duration) -> Filter {
        Filter { dead_band, heartbeat, told: None }
    }

    /// Whether `value`, sampled at `now`, is worth telling: it is the first, it has changed since it was last
    /// told (so that a slow drift adds up), or the heartbeat is due.
    pub(super) fn passes(&self, value: &Value, now: Instant) -> bool {
        let Some((told, at)) = &self.told else { return true };
        now.saturating_duration_since(*at) + SLACK >= self.heartbeat || self.differs(told, value)
    }

    /// Notes that `value` was told at `now`.
    pub(super) fn told(&mut self, value: Value, now: Instant) {
        self.told = Some((value, now));
    }

    fn differs(&self, told: &Value, value: &Value) -> bool {
        match (told, value) {
            (Value::Number(told), Value::Number(value)) => {
                let moved = (value - told).abs();
                // Not a number: one of the two is none, or they are the same infinity.
                if moved.is_nan() {
                    told.is_nan() != value.is_nan()
                } else {
                    moved > self.dead_band * ROUNDING
                }
            }
            (told, value) => told != value,
        }
    }
}

/// A sample that is due together with the heartbeat may be taken a little early: without this the heartbeat
/// would wait for the next one.
const SLACK: Duration = Duration::from_millis(500);
/// In binary, 20.3 - 19.8 is a little more than 0.5: a move by just the dead band must not pass.
const ROUNDING: f64 = 1.000_000_001;

#[cfg(test)]
mod tests {
    use super::*;

    /// Offers `samples` of (second, value) and compares those that pass, by their position.
    #[track_caller]
    fn check(dead_band: f64, samples: &[(u64, Value)], expected: &[usize]) {
        let mut filter = Filter::new(dead_band, Duration::from_secs(60));
        let start = Instant::now();
        let mut passed = Vec::new();
        for (position, (second, value)) in samples.iter().enumerate() {
            let now = start + Duration::from_secs(*second);
            if filter.passes(value, now) {
                filter.told(value.clone(), now);
                passed.push(position);
            }
        }
        assert_eq!(passed, expected, "{samples:?}");
    }

    /// Samples a second apart.
    fn each_second<const N: usize>(values: [impl Into<Value>; N]) -> Vec<(u64, Value)> {
        (0..).zip(values.map(Into::into)).collect()
    }

    #[test]
    fn a_number_passes_when_it_has_left_the_dead_band_around_what_was_told() {
        check(0.5, &each_second([20.0, 20.5, 20.6, 20.1, 20.0, 20.6]), &[0, 2, 4, 5]);
        check(0.5, &each_second([31.7, 32.2, 31.2]), &[0]);
        check(0.0, &each_second([1.0, 1.0, 1.1, 1.1]), &[0, 2]);
    }

    #[test]
    fn a_slow_drift_adds_up() {
        check(1.0, &each_second([10.0, 10.4, 10.8, 11.2, 11.6]), &[0, 3]);
    }

    #[test]
    fn every_change_of_anything_else_passes() {
        check(9.0, &each_second([true, true, false, true]), &[0, 2, 3]);
        check(9.0, &each_second(["a", "b", "b"]), &[0, 1]);
        let unknown = [Value::Number(1.0), Value::Unknown, Value::Unknown, Value::Number(1.0), "1".into()];
        check(9.0, &each_second(unknown), &[0, 1, 3, 4]);
    }

    #[test]
    fn what_does_not_change_passes_again_with_the_heartbeat() {
        let samples = [0, 30, 60, 90, 119, 120, 121].map(|second| (second, Value::Number(1.0)));
        check(0.0, &samples, &[0, 2, 5]);
    }

    #[test]
    fn a_heartbeat_counts_from_what_was_told_last() {
        let samples = [(0, true), (50, false), (60, false), (109, false), (110, false)];
        check(0.0, &samples.map(|(second, on)| (second, Value::Switch(on))), &[0, 1, 4]);
    }

    #[test]
    fn a_sample_a_moment_early_still_is_the_heartbeat() {
        let mut filter = Filter::new(0.0, Duration::from_secs(60));
        let start = Instant::now();
        filter.told(Value::Number(1.0), start);
        assert!(filter.passes(&Value::Number(1.0), start + Duration::from_millis(59_990)));
        assert!(!filter.passes(&Value::Number(1.0), start + Duration::from_secs(59)));
    }

    #[test]
    fn no_number_hides_the_next_one() {
        check(1.0, &each_second([f64::NAN, f64::NAN, 1.0, f64::NAN]), &[0, 2, 3]);
        check(1.0, &each_second([f64::INFINITY, f64::INFINITY, 1.0, f64::NEG_INFINITY]), &[0, 2, 3]);
    }
}
