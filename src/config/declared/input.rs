//! What becomes of the values of an entity between its source and Home Assistant.

use std::time::Duration;

use super::defaults;
use super::feed::{self, Source};
use super::kind::Kind;
use super::section::Section;
use super::values;
use super::{Extract, Feed, Filtering, Input, OnOff, Sense};
use crate::config::error::Problem;
use crate::config::settings::{Located, Reported};
use crate::config::value;
use crate::entity::StateClass;

/// An input, and after how long without news its entity is taken for dead.
pub(super) struct Read {
    pub(super) input: Input,
    pub(super) expire_after: Option<Duration>,
}

/// How often a source is asked, and how long its entity lives without news.
struct Pace {
    interval: Duration,
    misses: u16,
    heartbeat: Duration,
    expire_after: Option<Duration>,
}

/// The input of a sensor, a binary sensor or an event, of this device `class` and with so many `decimals`.
///
/// # Errors
///
/// When a key is wrong or missing.
pub(super) fn read(
    section: &mut Section,
    class: Option<&str>,
    decimals: Option<u8>,
) -> Result<Read, Reported> {
    let source = Source::read(section).inspect_err(|_| check(section))?;
    let numbers = section.kind == Kind::Sensor && holds_numbers(section, source, class, decimals);
    let plain = if numbers { Extract::Number } else { Extract::Text };
    let feed = feed::feed(section, source, plain);
    let is_total = matches!(feed, Ok(Feed::Gpio { sense: Sense::Total, .. }));
    let is_counted = is_total || matches!(feed, Ok(Feed::Gpio { sense: Sense::Rate, .. }));
    let pace = pace(section, source.is_asked(), is_counted);
    let filtering =
        Filtering { decimals: decimals.filter(|_| numbers), ..Filtering::plain(0.0, defaults::HEARTBEAT) };
    let filtering = match section.kind {
        Kind::Sensor if numbers => Ok(scaled(section, is_total, filtering)),
        Kind::BinarySensor => on_off(section, source, &feed, filtering),
        _ => Ok(filtering),
    };
    let (pace, filtering) = (pace?, filtering?);
    let filtering = Filtering { heartbeat: pace.heartbeat, ..filtering };
    let input = Input { feed: feed?, interval: pace.interval, misses: pace.misses, filtering };
    Ok(Read { input, expire_after: pace.expire_after })
}

/// The input that tells the state of something settable, of a light that can be dimmed with its number for `full` brightness;
/// `None` where only its commands change it.
///
/// # Errors
///
/// When a key is wrong or missing.
pub(super) fn read_state(
    section: &mut Section,
    on_off: Option<OnOff>,
    full: Option<f64>,
) -> Result<Option<Input>, Reported> {
    let plain = if section.kind == Kind::Number { Extract::Number } else { Extract::Text };
    let Some(feed) = feed::state(section, plain)? else { return Ok(None) };
    let Pace { interval, misses, heartbeat, .. } = pace(section, feed != Feed::Socket, false)?;
    let dead_band = match section.kind {
        Kind::Number => section.set("DEAD_BAND", value::amount),
        _ => None,
    };
    let filtering = Filtering { on_off, full, ..Filtering::plain(dead_band.unwrap_or(0.0), heartbeat) };
    Ok(Some(Input { feed, interval, misses, filtering }))
}

/// Finds what else is wrong with a section whose source nobody knows.
fn check(section: &mut Section) {
    let _ = pace(section, true, true);
    if section.kind == Kind::Sensor {
        scaled(section, false, Filtering::plain(0.0, defaults::HEARTBEAT));
    }
    section.give_up();
}

/// Whether what a sensor has for its states are numbers: so where its source has nothing else, or anything is said of
/// it that only numbers have.
fn holds_numbers(section: &Section, source: Source, class: Option<&str>, decimals: Option<u8>) -> bool {
    match class.and_then(StateClass::allowed) {
        Some(allowed) => !allowed.is_empty(),
        None => {
            !matches!(source, Source::File | Source::Exec | Source::Socket)
                || decimals.is_some()
                || OF_NUMBERS.iter().any(|key| section.has(key))
        }
    }
}

/// How often, as the section says. A line that is not counted is not asked, but tells.
fn pace(section: &mut Section, is_asked: bool, is_counted: bool) -> Result<Pace, Reported> {
    let (mut interval, mut misses, mut heartbeat) = (Ok(None), Ok(None), Ok(None));
    if is_asked || is_counted {
        interval = section.key("INTERVAL", value::duration(SECOND..=DAY));
        heartbeat = section.key("HEARTBEAT", value::duration(SECOND..=DAY));
    }
    if is_asked {
        misses = section.key("MISSES", value::whole(1..=1_000));
    }
    let expires = matches!(section.kind, Kind::Sensor | Kind::BinarySensor);
    let expiry = match expires {
        true => section.key("EXPIRE_AFTER", value::duration_or_never(SECOND..=MONTH)),
        false => Ok(None),
    };
    let interval = interval?.map_or(defaults::INTERVAL, |it| it.value);
    let misses = misses?.map_or(defaults::MISSES, |it| it.value);
    let (heartbeat, expiry) = (heartbeat?, expiry?);
    let told = heartbeat.as_ref().map(|it| it.value);
    let usual = told.unwrap_or(defaults::HEARTBEAT);
    let (heartbeat, expire_after) = match expiry {
        None if is_asked && expires => (usual, Some(lifetime(interval, misses, usual))),
        Some(Located { value: Some(limit), place }) => {
            // Where nobody says otherwise, often enough.
            let heartbeat = told.unwrap_or(usual.min((limit / 2).max(SECOND)));
            if (is_asked || is_counted) && heartbeat + interval > limit {
                // A HEARTBEAT that nobody has set grows with the limit, to the usual one at most.
                let least = value::spell_duration(told.unwrap_or(usual.min(interval)) + interval);
                let expected = format!("at least {least}, the HEARTBEAT and an INTERVAL, or never");
                return Err(section.refuse(place, Problem::expected(expected, &value::spell_duration(limit))));
            }
            (heartbeat, Some(limit))
        }
        Some(Located { value: None, .. }) | None => (usual, None),
    };
    Ok(Pace { interval, misses, heartbeat, expire_after })
}

/// How long an entity that is asked lives without news unless the file says otherwise: twice as long as it may be silent,
/// for it says something once in a `heartbeat` even where nothing changes, and keeps its value for `misses` failures.
fn lifetime(interval: Duration, misses: u16, heartbeat: Duration) -> Duration {
    let silence = heartbeat.max(interval * (u32::from(misses) + 1));
    let twice = silence * 2;
    Duration::from_secs(twice.as_secs() + u64::from(twice.subsec_nanos() > 0))
}

/// What becomes of numbers. A total is neither smoothed nor out of range.
fn scaled(section: &mut Section, is_total: bool, plain: Filtering) -> Filtering {
    let scale = section.set("SCALE", values::factor);
    let offset = section.set("OFFSET", values::number);
    let dead_band = section.set("DEAD_BAND", value::amount);
    let mut filtering = Filtering {
        scale: scale.unwrap_or(plain.scale),
        offset: offset.unwrap_or(plain.offset),
        dead_band: dead_band.unwrap_or(plain.dead_band),
        ..plain
    };
    if !is_total {
        filtering.valid = section.set("VALID", values::range);
        filtering.smoothing = section.set("SMOOTHING", value::whole(1..=100)).unwrap_or(filtering.smoothing);
    }
    filtering
}

/// What becomes of on and off. Of a line, ACTIVE_LOW inverts it and DEBOUNCE is the kernel's.
fn on_off(
    section: &mut Section,
    source: Source,
    feed: &Result<Feed, Reported>,
    plain: Filtering,
) -> Result<Filtering, Reported> {
    if source == Source::Gpio {
        return Ok(Filtering { on_off: OnOff::of(None, None, false).ok(), ..plain });
    }
    let invert = section.set("INVERT", value::switch).unwrap_or(false);
    let debounce = if source.is_asked() { section.set("DEBOUNCE", values::debounce) } else { None };
    let is_status = matches!(feed, Ok(Feed::Exec { extract: Extract::ExitStatus, .. }));
    let meanings = if is_status { Meanings::default() } else { Meanings::read(section)? };
    let on_off = meanings.on_off(section, invert)?;
    Ok(Filtering { on_off: Some(on_off), debounce: debounce.unwrap_or_default(), ..plain })
}

/// The texts that mean on and off, as the file has them.
#[derive(Default)]
pub(super) struct Meanings {
    pub(super) on: Option<Vec<String>>,
    pub(super) off: Option<Vec<String>>,
}

impl Meanings {
    pub(super) fn read(section: &mut Section) -> Result<Meanings, Reported> {
        let on = section.key("ON", values::list);
        let off = section.key("OFF", values::list);
        let [on, off] = [on?, off?].map(|it| it.map(|it| it.value));
        Ok(Meanings { on, off })
    }

    /// What they come to.
    ///
    /// # Errors
    ///
    /// When one means both.
    pub(super) fn on_off(&self, section: &mut Section, invert: bool) -> Result<OnOff, Reported> {
        OnOff::of(self.on.as_deref(), self.off.as_deref(), invert).map_err(|both| {
            let key = if self.off.is_some() { "OFF" } else { "ON" };
            section.expect(key, format!("texts that do not mean both on and off, as {both:?} would"))
        })
    }
}

/// What is said of numbers only.
const OF_NUMBERS: [&str; 7] = ["UNIT", "STATE_CLASS", "SCALE", "OFFSET", "VALID", "SMOOTHING", "DEAD_BAND"];
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_never_expires() {
        let seconds = Duration::from_secs;
        for (interval, misses, heartbeat, expected) in [
            (seconds(60), 3, seconds(900), 1_800),
            (seconds(600), 3, seconds(900), 4_800),
            (Duration::from_millis(1_100), 1, seconds(1), 5),
        ] {
            let limit = lifetime(interval, misses, heartbeat);
            assert_eq!(limit, seconds(expected));
            // The heartbeat is due right after a sample, and as many fail as may.
            assert!(heartbeat + interval * (u32::from(misses) + 1) <= limit);
        }
        assert_eq!(lifetime(DAY, 1_000, DAY), DAY * 2_002);
    }
}
