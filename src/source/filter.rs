//! What becomes of the samples of an entity, and which of them are worth telling.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::SourceError;
use super::read::beginning;
use crate::config::Filtering;
use crate::config::OnOff;
use crate::entity::Entity;
use crate::entity::LightState;
use crate::entity::ValueError;
use crate::model::Value;

/// Makes readings of the samples of one entity, as a [`Filtering`] has it, in its order.
#[derive(Debug)]
pub(super) struct Filter {
    rules: Filtering,
    window: Window,
    level: Level,
    /// What was told last, and when.
    told: Option<(Value, Instant)>,
}

impl Filter {
    /// A filter that has seen nothing yet.
    pub(super) fn new(rules: &Filtering) -> Filter {
        Filter { rules: rules.clone(), window: Window::default(), level: Level::default(), told: None }
    }

    /// The value that `sample`, taken at `now`, makes, where that is worth telling: it is the first, it differs enough
    /// from what was told last (so that a slow drift adds up), or the heartbeat is due. It counts as told.
    ///
    /// What is on and off may be told by a switch, by one of the texts for it (in upper or lower case) or by a number: one
    /// that is among those texts, else what is not 0 is what `1` is. Of what is no on and off, a text stays as it is: only
    /// a number is scaled, checked, smoothed and rounded.
    ///
    /// # Errors
    ///
    /// [`Implausible`] when it is neither on nor off, no number, or outside of what is valid: a failed sample, of which nothing
    /// is kept.
    pub(super) fn take(&mut self, sample: Value, now: Instant) -> Result<Option<Value>, Implausible> {
        let value = self.make(sample, now)?;
        Ok(self.tell(value, now))
    }

    /// As [`Filter::take`], of a state of `entity`, which has to be one.
    ///
    /// # Errors
    ///
    /// Those, and [`Implausible`] for what Home Assistant would not take: an option that it does not know.
    pub(super) fn take_for(
        &mut self,
        entity: &Entity,
        sample: Value,
        now: Instant,
    ) -> Result<Option<Value>, Implausible> {
        let value = self.make(sample, now)?;
        let is_state = !matches!(value, Value::Unknown | Value::Unavailable);
        // What is not told need not be looked at.
        if is_state && self.is_worth_telling(&value, now) {
            let refusal = |error: ValueError| Implausible { expected: error.expected, found: error.found };
            entity.state_payload(&value).map_err(refusal)?;
        }
        Ok(self.tell(value, now))
    }

    fn make(&mut self, sample: Value, now: Instant) -> Result<Value, Implausible> {
        Ok(match (&self.rules.on_off, sample) {
            (_, sample @ (Value::Unknown | Value::Unavailable)) => sample,
            (Some(on_off), sample) => {
                if let Some(light) = self.rules.full.and_then(|full| dimmed(&sample, full)) {
                    return Ok(light);
                }
                let is_on = on_off.is_on(&sample)? != on_off.invert;
                Value::Switch(self.level.settle(is_on, self.rules.debounce, now))
            }
            (None, Value::Number(number)) => Value::Number(self.number(number)?),
            (None, Value::Switch(is_on)) => Value::Switch(self.level.settle(is_on, self.rules.debounce, now)),
            (None, sample) => sample,
        })
    }

    /// `value`, [`Value::Unknown`] or [`Value::Unavailable`], in the place of a sample that could not be had at `now`, where
    /// that is worth telling. What comes after it is not mixed with what was before.
    pub(super) fn lose(&mut self, value: Value, now: Instant) -> Option<Value> {
        self.window = Window::default();
        self.level = Level::default();
        self.tell(value, now)
    }

    /// Has the next value told, whatever it is and however long it has been so: the last one did not get through, or
    /// somebody asks.
    pub(super) fn tell_next(&mut self) {
        self.level = Level::default();
        self.told = None;
    }

    fn number(&mut self, number: f64) -> Result<f64, Implausible> {
        let Filtering { scale, offset, valid, smoothing, decimals, .. } = &self.rules;
        let number = number * scale + offset;
        let refusal = |expected| Implausible { expected, found: number.to_string() };
        if !number.is_finite() {
            return Err(refusal("a finite number".to_owned()));
        }
        if let Some(valid) = valid.as_ref().filter(|it| !holds(it, number)) {
            return Err(refusal(format!("a number from {} to {}", valid.start(), valid.end())));
        }
        let number = if *smoothing > 1 { self.window.median(number, (*smoothing).into()) } else { number };
        Ok(decimals.map_or(number, |it| rounded(number, it)))
    }

    fn tell(&mut self, value: Value, now: Instant) -> Option<Value> {
        let is_worth = self.is_worth_telling(&value, now);
        is_worth.then(|| self.told.insert((value, now)).0.clone())
    }

    fn is_worth_telling(&self, value: &Value, now: Instant) -> bool {
        let Some((told, at)) = &self.told else { return true };
        let is_due = now.saturating_duration_since(*at) + SLACK >= self.rules.heartbeat;
        is_due || self.differs(told, value)
    }

    fn differs(&self, told: &Value, value: &Value) -> bool {
        match (told, value) {
            (Value::Number(told), Value::Number(value)) => {
                (value - told).abs() > self.rules.dead_band * ROUNDING
            }
            (told, value) => told != value,
        }
    }
}

/// Whether `number` is within `range`, or beside it by no more than the error of a product: in binary, 12 × 0.1 is more than 1.2.
fn holds(range: &RangeInclusive<f64>, number: f64) -> bool {
    let margin = |end: f64| end.abs() * (ROUNDING - 1.0);
    let (start, end) = (*range.start(), *range.end());
    start - margin(start) <= number && number <= end + margin(end)
}

/// The light that `sample` means, where `full` is its full brightness and 0 is off; `None` where it is no number.
fn dimmed(sample: &Value, full: f64) -> Option<Value> {
    let level = match sample {
        Value::Number(number) => *number,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    let light = match level {
        0.0 => LightState::off(),
        // The faintest is still a light.
        level if level > 0.0 => {
            LightState::on().brightness(rounded(level / full * 255.0, 0).clamp(1.0, 255.0) as u32)
        }
        _ => return None,
    };
    Some(light.into())
}

/// What is wrong with a sample.
#[derive(Debug)]
pub(super) struct Implausible {
    expected: String,
    found: String,
}

impl Implausible {
    /// The same as an error of `what`, which is the entity.
    pub(super) fn of(self, what: &str) -> SourceError {
        SourceError::Implausible { what: what.to_owned(), found: self.found, expected: self.expected }
    }
}

impl OnOff {
    /// Whether `sample` means on.
    fn is_on(&self, sample: &Value) -> Result<bool, Implausible> {
        let found = match sample {
            Value::Switch(is_on) => return Ok(*is_on),
            Value::Number(number) => self.number_is_on(*number),
            Value::Text(text) => {
                let text = text.trim();
                self.text_is_on(text).or_else(|| self.number_is_on(text.parse().ok()?))
            }
            Value::Unknown | Value::Unavailable => None,
        };
        found.ok_or_else(|| Implausible {
            expected: format!("one of {} or {}", self.on.join(", "), self.off.join(", ")),
            found: match sample {
                Value::Text(text) => format!("{:?}", beginning(text)),
                Value::Number(number) => number.to_string(),
                other => format!("{other:?}"),
            },
        })
    }

    fn text_is_on(&self, text: &str) -> Option<bool> {
        // Only what is not ASCII needs a copy to compare it without regard to case.
        let lower = if text.is_ascii() { None } else { Some(text.to_lowercase()) };
        let text = lower.as_deref().unwrap_or(text);
        self.which(|it| it.eq_ignore_ascii_case(text))
    }

    fn number_is_on(&self, number: f64) -> Option<bool> {
        let equal = |to: f64| self.which(|it| it.parse() == Ok(to));
        if number.is_nan() {
            None
        } else if number == 0.0 {
            equal(number)
        } else {
            equal(number).or_else(|| equal(1.0))
        }
    }

    /// Whether one of the texts for on is `wanted`, or one of those for off.
    fn which(&self, wanted: impl Fn(&str) -> bool) -> Option<bool> {
        let has = |texts: &[String]| texts.iter().any(|it| wanted(it));
        if has(&self.on) { Some(true) } else { has(&self.off).then_some(false) }
    }
}

/// The last numbers of an entity.
#[derive(Debug, Default)]
struct Window {
    // Invariant: the same numbers in both, and not one that is not finite.
    /// As they came.
    arrived: VecDeque<f64>,
    /// By size.
    sorted: Vec<f64>,
}

impl Window {
    /// The median of the last `length` numbers, of which `number` is the newest; of fewer, where there were no more.
    fn median(&mut self, number: f64, length: usize) -> f64 {
        let oldest = if self.arrived.len() < length { None } else { self.arrived.pop_front() };
        if let Some(oldest) = oldest {
            self.sorted.remove(self.sorted.partition_point(|it| *it < oldest));
        }
        self.arrived.push_back(number);
        self.sorted.insert(self.sorted.partition_point(|it| *it < number), number);
        let middle = self.sorted.len() / 2;
        if self.sorted.len() % 2 == 1 {
            self.sorted[middle]
        } else {
            self.sorted[middle - 1] / 2.0 + self.sorted[middle] / 2.0
        }
    }
}

/// What is on or off, without its bouncing.
#[derive(Debug, Default)]
struct Level {
    /// What it has been for long enough; `None` before the first sample, which counts at once.
    settled: Option<bool>,
    /// Since when it has been the opposite.
    opposed_since: Option<Instant>,
}

impl Level {
    /// What it is when it `is_on` at `now`: that, as soon as that has lasted for `debounce`.
    fn settle(&mut self, is_on: bool, debounce: Duration, now: Instant) -> bool {
        let settled = *self.settled.get_or_insert(is_on);
        if settled == is_on {
            self.opposed_since = None;
            return settled;
        }
        let since = *self.opposed_since.get_or_insert(now);
        // Samples are never exactly as far apart as they should be.
        if now.saturating_duration_since(since) + (debounce / 8).min(SLACK) < debounce {
            return settled;
        }
        *self = Level { settled: Some(is_on), opposed_since: None };
        is_on
    }
}

/// `number` with so many decimals. (Not by `round`, which is a call of the C library's mathematics on processors without an
/// instruction for it: half a megabyte, mapped for that one function.)
fn rounded(number: f64, decimals: u8) -> f64 {
    let Some(power) = POWERS.get(usize::from(decimals)) else { return number };
    let scaled = number * power;
    if scaled.abs() >= WHOLE {
        return number;
    }
    ((scaled + 0.5_f64.copysign(scaled)) as i64) as f64 / power
}

/// A sample that is due together with the heartbeat may be taken a little early: without this the heartbeat
/// would wait for the next one.
const SLACK: Duration = Duration::from_millis(500);
/// In binary, 20.3 - 19.8 is a little more than 0.5: a move by just the dead band must not pass.
const ROUNDING: f64 = 1.000_000_001;
/// The powers of ten by which decimals are rounded; more decimals than that no sensor has.
const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// 2^52: from here on, a number has no decimals.
const WHOLE: f64 = 4_503_599_627_370_496.0;

#[cfg(test)]
mod tests;
