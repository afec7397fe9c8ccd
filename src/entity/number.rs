//! The builder of numbers.

use super::check;
use super::draft::{Draft, common_setters};
use super::problem::Problems;
use super::{Entity, EntityError, Kind, Platform};

/// Describes a number to be set. Nothing is checked before [`Number::build`].
///
/// ```
/// use luigi_mqtt::entity::{Command, Number};
///
/// let target = Number::new("target", "Target").device_class("temperature").unit("°C").min(5.0).max(30.0).step(0.5);
/// let target = target.mode("slider").build()?;
/// assert_eq!(target.command(b"21.5")?, Command::Number(21.5));
/// assert_eq!(
///     target.command(b"31").unwrap_err().to_string(),
///     "number \"target\": expected a number from 5 to 30, found \"31\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is built"]
pub struct Number {
    draft: Draft,
    unit: Option<String>,
    min: f64,
    max: f64,
    step: f64,
    mode: String,
}

impl Number {
    /// A number with neither unit nor class, from 1 to 100 in steps of 1: Home Assistant's own defaults.
    pub fn new(id: &str, name: &str) -> Number {
        let draft = Draft::new(id, name);
        Number { draft, unit: None, min: 1.0, max: 100.0, step: 1.0, mode: "auto".to_owned() }
    }

    /// What it is a number of, by Home Assistant's name for it: `temperature`. Those of sensors, but for the ones
    /// that have no number: `date`, `enum`, `timestamp` and `uptime`.
    pub fn device_class(mut self, class: &str) -> Number {
        self.draft.device_class = Some(class.to_owned());
        self
    }

    /// Its unit, as Home Assistant spells it: `°C`. Either micro sign will do.
    pub fn unit(mut self, unit: &str) -> Number {
        self.unit = Some(unit.to_owned());
        self
    }

    /// The least that it can be; 1 unless told otherwise.
    pub fn min(mut self, min: f64) -> Number {
        self.min = min;
        self
    }

    /// The most that it can be; 100 unless told otherwise.
    pub fn max(mut self, max: f64) -> Number {
        self.max = max;
        self
    }

    /// By how much Home Assistant changes it at least: 0.001 or more; 1 unless told otherwise. What is between two
    /// steps is no error.
    pub fn step(mut self, step: f64) -> Number {
        self.step = step;
        self
    }

    /// How Home Assistant shows it: `box`, `slider`, or `auto` as it pleases, as it does unless told otherwise.
    pub fn mode(mut self, mode: &str) -> Number {
        self.mode = mode.to_owned();
        self
    }

    /// The number, checked.
    ///
    /// # Errors
    ///
    /// [`EntityError`] with everything that Home Assistant would refuse or complain of.
    pub fn build(self) -> Result<Entity, EntityError> {
        let Number { draft, unit, min, max, step, mode } = self;
        let mut problems = draft.problems(Platform::Number);
        let class = check::number_class(draft.device_class.as_deref(), &mut problems);
        let unit = check::unit(unit.as_deref(), class, &mut problems);
        check_range(min, max, step, &mut problems);
        let mode = check::one_of_known("mode", Some(&mode), MODES, &mut problems).unwrap_or_default();
        draft.into_entity(Kind::Number { class, unit, min, max, step, mode }, problems)
    }
}

common_setters!(Number, "number");

fn check_range(min: f64, max: f64, step: f64, problems: &mut Problems) {
    for (field, found) in [("min", min), ("max", max)] {
        if !found.is_finite() {
            problems.add(field, "a finite number", found);
        }
    }
    if min > max {
        problems.add("max", format!("at least min, {min}"), max);
    }
    if !(step.is_finite() && step >= MIN_STEP) {
        problems.add("step", format!("a finite number, at least {MIN_STEP}"), step);
    }
}

/// From `homeassistant/components/number/const.py`.
const MODES: &[&str] = &["auto", "box", "slider"];
/// From `homeassistant/components/mqtt/number.py`.
const MIN_STEP: f64 = 0.001;
