//! Where the values of an entity come from.

use std::time::Duration;

use super::defaults;
use super::kind::Kind;
use super::section::Section;
use super::values;
use super::{Channel, Extract, Feed, Sense};
use crate::config::error::Problem;
use crate::config::settings::{Located, Reported};
use crate::config::value;
use crate::model::Line;
use crate::model::Program;

/// A kind of source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    File,
    W1,
    Hwmon,
    Iio,
    Exec,
    Gpio,
    Socket,
}

impl Source {
    /// The source of `section`, as `SOURCE` says it, or the key that only one of them has.
    ///
    /// # Errors
    ///
    /// When nothing says it, or there is no such source for this kind of entity.
    pub(super) fn read(section: &mut Section) -> Result<Source, Reported> {
        let known: Vec<(&str, Source)> =
            SOURCES.into_iter().filter(|(_, source)| source.suits(section.kind)).collect();
        if let Some(source) = section.key("SOURCE", value::word(&known))? {
            return Ok(source.value);
        }
        let said = SAYING.into_iter().find(|(key, _)| section.has(key)).map(|(_, source)| source);
        match said.filter(|it| it.suits(section.kind)) {
            Some(source) => Ok(source),
            None => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                let saying = SAYING.into_iter().filter(|(_, source)| source.suits(section.kind));
                let keys: Vec<&str> = saying.map(|(key, _)| key).collect();
                let expected =
                    format!("one of {}, or a key that says it: {}", names.join(", "), keys.join(", "));
                Err(section.expect("SOURCE", expected))
            }
        }
    }

    /// Whether it is asked every now and then, rather than telling by itself.
    pub(super) fn is_asked(self) -> bool {
        !matches!(self, Source::Gpio | Source::Socket)
    }

    /// Whether an entity of this `kind` can have it.
    fn suits(self, kind: Kind) -> bool {
        match kind {
            Kind::Sensor => true,
            Kind::BinarySensor => self != Source::W1,
            // What happens between two samples is missed by whoever asks.
            Kind::Event => matches!(self, Source::Gpio | Source::Socket),
            // Other processes may tell the state; what is read has a key of its own.
            _ => self == Source::Socket,
        }
    }
}

/// The feed of `section` from this `source`; a text is looked at as `plain` where no key says otherwise.
///
/// # Errors
///
/// When a key that it needs is missing, or wrong.
pub(super) fn feed(section: &mut Section, source: Source, plain: Extract) -> Result<Feed, Reported> {
    match source {
        Source::File => {
            let extract = extract(section, plain, false);
            let path = required(section, "PATH", "the path of the file", value::path);
            Ok(Feed::File { path: path?, extract: extract? })
        }
        Source::W1 => {
            let device = section.key("DEVICE", values::thermometer)?;
            Ok(Feed::W1 { device: device.and_then(|it| it.value) })
        }
        Source::Hwmon => channel(section).map(Feed::Hwmon),
        Source::Iio => channel(section).map(Feed::Iio),
        Source::Exec => {
            let extract = extract(section, plain, true);
            let program = program(section, "COMMAND", "SHELL");
            Ok(Feed::Exec { program: program?, extract: extract? })
        }
        Source::Gpio => gpio(section),
        Source::Socket => Ok(Feed::Socket),
    }
}

/// The state of what takes commands: from another process, a file or a program. `None` where only its commands
/// change it.
///
/// # Errors
///
/// When a key is wrong, or two of them say where it comes from.
pub(super) fn state(section: &mut Section, plain: Extract) -> Result<Option<Feed>, Reported> {
    let known = [("socket", Source::Socket)];
    let socket = section.key("SOURCE", value::word(&known)).inspect_err(|_| section.give_up())?;
    let given: Vec<&'static str> = STATES.into_iter().filter(|it| section.has(it)).collect();
    let first = match socket {
        Some(_) => Some("SOURCE"),
        None => given.first().copied(),
    };
    let others = given.iter().filter(|it| Some(**it) != first);
    if let (Some(first), Some(second)) = (first, others.copied().next()) {
        let other = section.place_of(first);
        let place = section.place_of(second);
        section.give_up();
        return Err(section.refuse(place, Problem::Beside { other }));
    }
    match first {
        None => Ok(None),
        Some("SOURCE") => Ok(Some(Feed::Socket)),
        Some("STATE_PATH") => {
            let extract = extract(section, plain, false);
            let path = required(section, "STATE_PATH", "the path of a file", value::path);
            Ok(Some(Feed::File { path: path?, extract: extract? }))
        }
        Some(_) => {
            let extract = extract(section, plain, true);
            let program = program(section, "STATE_COMMAND", "STATE_SHELL");
            Ok(Some(Feed::Exec { program: program?, extract: extract? }))
        }
    }
}

/// The program of one of the keys `command` and `shell`, with the time limit of the section.
///
/// # Errors
///
/// When neither is set, or both; when a key is wrong.
pub(super) fn program(
    section: &mut Section,
    command: &'static str,
    shell: &'static str,
) -> Result<Program, Reported> {
    let limit = limit(section);
    let words = section.literal(command, values::command);
    let line = section.literal(shell, value::text);
    let limit = limit?;
    match (words?, line?) {
        (Some(Located { value: (path, arguments), .. }), None) => Ok(Program { path, arguments, limit }),
        (None, Some(line)) => Ok(Program::shell(&line.value, limit)),
        (Some(words), Some(line)) => Err(section.refuse(line.place, Problem::Beside { other: words.place })),
        (None, None) => Err(section.expect(command, format!("a program with its arguments, or a {shell}"))),
    }
}

/// The line of `section`.
///
/// # Errors
///
/// When there is none, or a key is wrong.
pub(super) fn line(section: &mut Section) -> Result<Line, Reported> {
    let active_low = section.key("ACTIVE_LOW", value::switch);
    let place = required(section, "LINE", "a line such as GPIO17 or gpiochip0:17", values::line);
    let active_low = active_low?.is_some_and(|it| it.value);
    Ok(Line { place: place?, active_low, bias: Default::default() })
}

/// The value of `key`, without which nothing goes.
pub(super) fn required<T>(
    section: &mut Section,
    key: &'static str,
    expected: &str,
    parse: impl Fn(&str) -> Result<T, value::Refusal>,
) -> Result<T, Reported> {
    match section.literal(key, parse)? {
        Some(it) => Ok(it.value),
        None => Err(section.expect(key, expected)),
    }
}

/// The limit of a section's programs. It has one for all of them, and `TIMEOUT` is gone when the second asks.
fn limit(section: &mut Section) -> Result<Duration, Reported> {
    let range = Duration::from_millis(100)..=Duration::from_secs(3_600);
    Ok(section.remembered("TIMEOUT", value::duration(range))?.unwrap_or(defaults::PROGRAM_TIMEOUT))
}

fn extract(section: &mut Section, plain: Extract, is_program: bool) -> Result<Extract, Reported> {
    let regex = section.literal("REGEX", values::regex);
    let pointer = section.literal("POINTER", values::pointer);
    let is_switched = matches!(section.kind, Kind::BinarySensor | Kind::Switch | Kind::Light);
    let status = match is_program && is_switched {
        true => section.key("RESULT", value::word(&[("output", false), ("status", true)])),
        false => Ok(None),
    };
    let status = status?.filter(|it| it.value).map(|it| (Extract::ExitStatus, it.place));
    let regex = regex?.map(|it| (Extract::Regex(it.value), it.place));
    let pointer = pointer?.map(|it| (Extract::Pointer(it.value), it.place));
    let mut given = [regex, pointer, status].into_iter().flatten();
    match (given.next(), given.next()) {
        (None, _) => Ok(plain),
        (Some((extract, _)), None) => Ok(extract),
        (Some((_, other)), Some((_, place))) => Err(section.refuse(place, Problem::Beside { other })),
    }
}

fn channel(section: &mut Section) -> Result<Channel, Reported> {
    let chip = required(section, "CHIP", "the name of the device, such as bme280", values::kernel_name);
    let channel = required(section, "CHANNEL", "the channel, such as temp1 or voltage0", values::kernel_name);
    Ok(Channel { chip: chip?, channel: channel? })
}

fn gpio(section: &mut Section) -> Result<Feed, Reported> {
    let bias = section.key("BIAS", values::bias);
    let line = line(section);
    let sense = match section.kind {
        Kind::Sensor => count(section),
        Kind::Event => event(section),
        _ => Ok(Sense::Level),
    };
    let default = match sense {
        Ok(Sense::Total | Sense::Rate) => Duration::ZERO,
        _ => defaults::LINE_DEBOUNCE,
    };
    let debounce = section.key("DEBOUNCE", values::debounce);
    let line = Line { bias: bias?.map(|it| it.value).unwrap_or_default(), ..line? };
    Ok(Feed::Gpio { line, debounce: debounce?.map_or(default, |it| it.value), sense: sense? })
}

fn count(section: &mut Section) -> Result<Sense, Reported> {
    match section.key("COUNT", value::word(&[("total", true), ("rate", false)]))? {
        Some(Located { value: true, .. }) => Ok(Sense::Total),
        Some(Located { value: false, .. }) => Ok(Sense::Rate),
        None => {
            Err(section
                .expect("COUNT", "total or rate; what a line is at the moment is for a [BinarySensor …]"))
        }
    }
}

/// What happens at the edges: the first type on becoming active and the second on becoming inactive, unless told.
fn event(section: &mut Section) -> Result<Sense, Reported> {
    let types = section.event_types();
    let is_told = section.has("ACTIVE") || section.has("INACTIVE");
    let known = |text: &str| match types.iter().any(|it| it == text) {
        true => Ok(text.to_owned()),
        false => Err(format!("one of the EVENT_TYPES, {}", types.join(", ")).into()),
    };
    let active = section.key("ACTIVE", known);
    let inactive = section.key("INACTIVE", known);
    let (active, inactive) = (active?.map(|it| it.value), inactive?.map(|it| it.value));
    match types.as_slice() {
        _ if is_told => Ok(Sense::Event { active, inactive }),
        [first] => Ok(Sense::Event { active: Some(first.clone()), inactive: None }),
        [first, second] => Ok(Sense::Event { active: Some(first.clone()), inactive: Some(second.clone()) }),
        _ => {
            Err(section
                .expect("ACTIVE", "the one of the EVENT_TYPES that is told when the line becomes active"))
        }
    }
}

/// All sources, as `SOURCE` has them.
const SOURCES: [(&str, Source); 7] = [
    ("file", Source::File),
    ("w1", Source::W1),
    ("hwmon", Source::Hwmon),
    ("iio", Source::Iio),
    ("exec", Source::Exec),
    ("gpio", Source::Gpio),
    ("socket", Source::Socket),
];
/// The keys that only one source has. A chip may be of two kinds.
const SAYING: [(&str, Source); 5] = [
    ("PATH", Source::File),
    ("COMMAND", Source::Exec),
    ("SHELL", Source::Exec),
    ("LINE", Source::Gpio),
    ("DEVICE", Source::W1),
];
/// The keys that say where the state of something settable is read.
const STATES: [&str; 3] = ["STATE_PATH", "STATE_COMMAND", "STATE_SHELL"];
