//! What is made of samples, and what of it is told.

use super::*;

/// Every number that has changed at all is told.
fn plain() -> Filtering {
    Filtering::plain(0.0, Duration::from_secs(60))
}

fn on_off(on: &[&str], off: &[&str], invert: bool) -> Option<OnOff> {
    let texts = |texts: &[&str]| texts.iter().map(|it| it.to_string()).collect();
    Some(OnOff { on: texts(on), off: texts(off), invert })
}

/// What `rules` make of one sample, or the error.
fn made(rules: &Filtering, sample: impl Into<Value>) -> Result<Value, String> {
    let made = Filter::new(rules).take(sample.into(), Instant::now());
    made.map(Option::unwrap).map_err(|it| it.of("attic").to_string())
}

/// Takes `samples` of (second, value) and compares those that are told, by their position.
#[track_caller]
fn check(rules: &Filtering, samples: &[(u64, Value)], expected: &[usize]) {
    let mut filter = Filter::new(rules);
    let start = Instant::now();
    let mut told = Vec::new();
    for (position, (second, value)) in samples.iter().enumerate() {
        let now = start + Duration::from_secs(*second);
        if filter.take(value.clone(), now).unwrap().is_some() {
            told.push(position);
        }
    }
    assert_eq!(told, expected, "{samples:?}");
}

/// Samples a second apart.
fn each_second<const N: usize>(values: [impl Into<Value>; N]) -> Vec<(u64, Value)> {
    (0..).zip(values.map(Into::into)).collect()
}

#[test]
fn texts_and_numbers_mean_on_and_off() {
    let usual = on_off(&["1", "on", "geöffnet"], &["0", "off"], false);
    let inverted = OnOff { invert: true, ..usual.clone().unwrap() };
    let low = on_off(&["0"], &["1"], false);
    let three = on_off(&["3"], &["1", "2"], false);
    let words = on_off(&["active"], &["inactive"], false);
    for (rule, sample, expected) in [
        (&usual, Value::from("on"), Some(true)),
        (&usual, "OFF\n".into(), Some(false)),
        (&usual, "GEÖFFNET".into(), Some(true)),
        (&usual, "1".into(), Some(true)),
        (&usual, "1.0".into(), Some(true)),
        (&usual, 0.into(), Some(false)),
        (&usual, (-0.0).into(), Some(false)),
        (&usual, 17.into(), Some(true)),
        (&usual, true.into(), Some(true)),
        (&usual, "maybe".into(), None),
        (&usual, "".into(), None),
        (&usual, f64::NAN.into(), None),
        (&Some(inverted), "on".into(), Some(false)),
        (&low, 0.into(), Some(true)),
        (&low, 5.into(), Some(false)),
        (&three, 3.into(), Some(true)),
        (&three, "2".into(), Some(false)),
        (&three, 5.into(), Some(false)),
        (&three, 0.into(), None),
        (&words, "active".into(), Some(true)),
        (&words, 1.into(), None),
    ] {
        let found = made(&Filtering { on_off: rule.clone(), ..plain() }, sample.clone());
        assert_eq!(found.ok(), expected.map(Value::Switch), "{sample:?} by {rule:?}");
    }
    let rules = Filtering { on_off: usual, ..plain() };
    assert_eq!(
        made(&rules, "maybe").unwrap_err(),
        "attic: expected one of 1, on, geöffnet or 0, off, found \"maybe\""
    );
    assert_eq!(made(&rules, Value::Unknown), Ok(Value::Unknown));
}

#[test]
fn a_number_is_how_bright_a_light_is_that_can_be_dimmed() {
    let on = |brightness| Some(Value::from(LightState::on().brightness(brightness)));
    let rules = Filtering { on_off: on_off(&["1", "on"], &["0", "off"], false), full: Some(31.0), ..plain() };
    for (sample, expected) in [
        (Value::from("31\n"), on(255)),
        (8.into(), on(66)),
        ("1".into(), on(8)),
        ("0.01".into(), on(1)),
        ("62".into(), on(255)),
        ("0".into(), Some(LightState::off().into())),
        ("on".into(), Some(true.into())),
        (false.into(), Some(false.into())),
        ("dark".into(), None),
        (f64::NAN.into(), None),
    ] {
        assert_eq!(made(&rules, sample.clone()).ok(), expected, "{sample:?}");
    }
}

#[test]
fn a_number_is_scaled_then_moved_then_checked_then_rounded() {
    let rules =
        Filtering { scale: 0.001, offset: -1.0, valid: Some(-40.0..=125.0), decimals: Some(1), ..plain() };
    for (sample, expected) in [
        (21_562.0, Ok(20.6)),
        (1_000.0, Ok(0.0)),
        (-39_000.0, Ok(-40.0)),
        (126_000.0, Ok(125.0)),
        (126_010.0, Err("attic: expected a number from -40 to 125, found 125.01")),
        (-39_010.0, Err("attic: expected a number from -40 to 125, found -40.01")),
        (f64::INFINITY, Err("attic: expected a finite number, found inf")),
        (f64::NAN, Err("attic: expected a finite number, found NaN")),
    ] {
        let found = made(&rules, sample);
        assert_eq!(found, expected.map(Value::Number).map_err(str::to_owned), "{sample}");
    }
    assert_eq!(made(&rules, "a text stays"), Ok(Value::from("a text stays")));
    assert_eq!(made(&rules, true), Ok(Value::Switch(true)));
}

#[test]
fn a_number_at_either_end_of_what_is_valid_is_valid() {
    // In binary 12 × 0.1 is more than 1.2, and 3 × 0.29 less than 0.87.
    for (scale, valid, sample, is_valid) in [
        (0.1, 0.0..=1.2, 12.0, true),
        (0.1, 0.0..=1.2, 12.001, false),
        (0.29, 0.87..=9.0, 3.0, true),
        (0.29, 0.87..=9.0, 2.999, false),
        (0.1, 0.0..=1.2, -0.001, false),
    ] {
        let rules = Filtering { scale, valid: Some(valid), ..plain() };
        assert_eq!(made(&rules, sample).is_ok(), is_valid, "{sample} by {scale}");
    }
}

#[test]
fn a_number_is_rounded_half_away_from_zero_and_none_is_spoilt() {
    for (number, decimals, expected) in [
        (2.5, 0, 3.0),
        (-2.5, 0, -3.0),
        (-0.4, 0, 0.0),
        (0.25, 1, 0.3),
        (21.56, 1, 21.6),
        (1.0e15, 3, 1.0e15),
        (1.234_567_89e300, 2, 1.234_567_89e300),
        (-9.0e18, 0, -9.0e18),
        (0.123, 15, 0.123),
        (0.1, 16, 0.1),
        (0.1, 255, 0.1),
    ] {
        let found = rounded(number, decimals);
        assert_eq!(found, expected, "{number} to {decimals}");
        assert!(found != 0.0 || found.is_sign_positive(), "-0 of {number}");
    }
}

#[test]
fn smoothing_takes_the_median_of_the_last_samples_that_did_not_fail() {
    let rules = Filtering { smoothing: 3, valid: Some(0.0..=1000.0), ..plain() };
    let mut filter = Filter::new(&rules);
    for (sample, expected) in [
        (1.0, Some(1.0)),
        (3.0, Some(2.0)),
        (900.0, Some(3.0)),
        (5000.0, None),
        (4.0, Some(4.0)),
        (4.0, Some(4.0)),
        (1.0, Some(4.0)),
        (2.0, Some(2.0)),
    ] {
        filter.tell_next();
        let found = filter.take(Value::Number(sample), Instant::now()).ok().flatten();
        assert_eq!(found, expected.map(Value::Number), "{sample}");
    }
    filter.lose(Value::Unavailable, Instant::now());
    assert_eq!(filter.take(Value::Number(9.0), Instant::now()).unwrap(), Some(Value::Number(9.0)));
}

#[test]
fn a_number_is_told_when_it_has_left_the_dead_band_around_what_was_told() {
    let band = |dead_band| Filtering { dead_band, ..plain() };
    check(&band(0.5), &each_second([20.0, 20.5, 20.6, 20.1, 20.0, 20.6]), &[0, 2, 4, 5]);
    check(&band(0.5), &each_second([31.7, 32.2, 31.2]), &[0]);
    check(&band(0.0), &each_second([1.0, 1.0, 1.1, 1.1]), &[0, 2]);
    check(&band(1.0), &each_second([10.0, 10.4, 10.8, 11.2, 11.6]), &[0, 3]);
}

#[test]
fn every_change_of_anything_else_is_told() {
    let rules = Filtering { dead_band: 9.0, ..plain() };
    check(&rules, &each_second([true, true, false, true]), &[0, 2, 3]);
    check(&rules, &each_second(["a", "b", "b"]), &[0, 1]);
    let unknown = [Value::Number(1.0), Value::Unknown, Value::Unknown, Value::Number(1.0), "1".into()];
    check(&rules, &each_second(unknown), &[0, 1, 3, 4]);
}

#[test]
fn what_does_not_change_is_told_again_with_the_heartbeat() {
    let samples = [0, 30, 60, 90, 119, 120, 121].map(|second| (second, Value::Number(1.0)));
    check(&plain(), &samples, &[0, 2, 5]);
    let samples = [(0, true), (50, false), (60, false), (109, false), (110, false)];
    check(&plain(), &samples.map(|(second, on)| (second, Value::Switch(on))), &[0, 1, 4]);
}

#[test]
fn a_sample_a_moment_early_still_is_the_heartbeat() {
    let mut filter = Filter::new(&plain());
    let start = Instant::now();
    let mut told = |millis| {
        let value = filter.take(Value::Number(1.0), start + Duration::from_millis(millis));
        value.unwrap().is_some()
    };
    assert!(told(0));
    assert!(!told(59_000));
    assert!(told(59_990));
}

#[test]
fn what_is_lost_is_told_once_and_with_the_heartbeat() {
    let mut filter = Filter::new(&plain());
    let start = Instant::now();
    let mut lost = |second| filter.lose(Value::Unavailable, start + Duration::from_secs(second));
    assert_eq!(lost(0), Some(Value::Unavailable));
    assert_eq!(lost(30), None);
    assert_eq!(lost(60), Some(Value::Unavailable));
    assert_eq!(filter.take(Value::Number(1.0), start).unwrap(), Some(Value::Number(1.0)));
}

#[test]
fn on_and_off_must_last_to_be_told() {
    let rules = Filtering { debounce: Duration::from_secs(2), ..plain() };
    check(&rules, &each_second([true, false, false, true, false, false, false, true]), &[0, 6]);
    // The sampler is a little early.
    let mut filter = Filter::new(&rules);
    let start = Instant::now();
    let told = [(0, true), (1_000, false), (2_000, false), (2_990, false)].map(|(millis, on)| {
        filter.take(Value::Switch(on), start + Duration::from_millis(millis)).unwrap().is_some()
    });
    assert_eq!(told, [true, false, false, true]);
}

#[test]
fn what_is_asked_for_is_told_as_it_is_now() {
    let rules = Filtering { debounce: Duration::from_secs(2), ..plain() };
    let mut filter = Filter::new(&rules);
    let now = Instant::now();
    filter.take(Value::Switch(true), now).unwrap();
    for is_on in [true, false] {
        filter.tell_next();
        assert_eq!(filter.take(Value::Switch(is_on), now).unwrap(), Some(Value::Switch(is_on)));
    }
}
