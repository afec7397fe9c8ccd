//! What the commands of an entity move.

use std::time::Duration;

use super::defaults;
use super::feed;
use super::input::Meanings;
use super::kind::Kind;
use super::section::Section;
use super::values;
use super::{OnOff, Target};
use crate::config::settings::{Located, Reported};
use crate::config::value;

/// A kind of target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Means {
    Gpio,
    File,
    Exec,
    None,
}

/// A target, and what its file or its state has for on and off.
pub(super) struct Moved {
    /// `None` where commands move nothing.
    pub(super) target: Option<Target>,
    /// Of what is on or off, how that is read.
    pub(super) on_off: Option<OnOff>,
}

/// What the commands of `section` move.
///
/// # Errors
///
/// When nothing says what, or a key is wrong.
pub(super) fn read(section: &mut Section, has_brightness: bool) -> Result<Moved, Reported> {
    let means = means(section, has_brightness).inspect_err(|_| section.give_up())?;
    let is_read = ["STATE_PATH", "STATE_COMMAND", "STATE_SHELL", "SOURCE"].iter().any(|it| section.has(it));
    let is_switched = matches!(section.kind, Kind::Switch | Kind::Light);
    let meanings = match section.kind {
        Kind::Switch | Kind::Light if means == Means::File || is_read => Meanings::read(section),
        Kind::Button if means == Means::File => {
            let on = section.key("ON", value::text);
            on.map(|it| Meanings { on: it.map(|it| vec![it.value]), off: None })
        }
        _ => Ok(Meanings::default()),
    };
    let on_off = match &meanings {
        Ok(meanings) if is_switched => meanings.on_off(section, false).map(Some),
        _ => Ok(None),
    };
    let target = target(section, means, meanings.as_ref().ok(), has_brightness);
    meanings?;
    Ok(Moved { target: target?, on_off: on_off? })
}

fn target(
    section: &mut Section,
    means: Means,
    meanings: Option<&Meanings>,
    has_brightness: bool,
) -> Result<Option<Target>, Reported> {
    match means {
        Means::None => Ok(None),
        Means::Gpio => {
            let pulse = match section.kind {
                Kind::Button => {
                    let range = Duration::from_millis(1)..=Duration::from_secs(60);
                    let pulse = section.key("PULSE", value::duration(range));
                    pulse.map(|it| Some(it.map_or(defaults::PULSE, |it| it.value)))
                }
                _ => Ok(None),
            };
            let line = feed::line(section);
            Ok(Some(Target::Line { line: line?, pulse: pulse? }))
        }
        Means::File => {
            let full = match has_brightness {
                true => section.key("FULL", values::positive),
                false => Ok(None),
            };
            let path = feed::required(section, "PATH", "the path of a file", value::path);
            let first = |texts: Option<&Vec<String>>| texts.and_then(|it| it.first()).cloned();
            let on = meanings.and_then(|it| first(it.on.as_ref()));
            let off = meanings.and_then(|it| first(it.off.as_ref()));
            Ok(Some(Target::File {
                path: path?,
                on: on.unwrap_or_else(|| "1".to_owned()),
                off: off.unwrap_or_else(|| "0".to_owned()),
                full: full?.map_or(defaults::FULL, |it| it.value),
            }))
        }
        Means::Exec => feed::program(section, "COMMAND", "SHELL").map(|it| Some(Target::Program(it))),
    }
}

/// What the target is, as `TARGET` says it, or the key that only one of them has.
fn means(section: &mut Section, has_brightness: bool) -> Result<Means, Reported> {
    let has_line = matches!(section.kind, Kind::Switch | Kind::Button | Kind::Light) && !has_brightness;
    let suits = |means: Means| match means {
        Means::Gpio => has_line,
        Means::None => section.kind != Kind::Button,
        Means::File | Means::Exec => true,
    };
    let known: Vec<(&str, Means)> = MEANS.into_iter().filter(|(_, it)| suits(*it)).collect();
    let said = SAYING.into_iter().find(|(key, means)| section.has(key) && suits(*means));
    let keys: Vec<&str> = SAYING.into_iter().filter(|(_, it)| suits(*it)).map(|(key, _)| key).collect();
    match (section.key("TARGET", value::word(&known))?, said) {
        (Some(Located { value, .. }), _) => Ok(value),
        (None, Some((_, means))) => Ok(means),
        (None, None) => {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let expected = format!("one of {}, or a key that says it: {}", names.join(", "), keys.join(", "));
            Err(section.expect("TARGET", expected))
        }
    }
}

/// All targets, as `TARGET` has them.
const MEANS: [(&str, Means); 4] =
    [("gpio", Means::Gpio), ("file", Means::File), ("exec", Means::Exec), ("none", Means::None)];
/// The keys that only one target has.
const SAYING: [(&str, Means); 4] =
    [("LINE", Means::Gpio), ("PATH", Means::File), ("COMMAND", Means::Exec), ("SHELL", Means::Exec)];
