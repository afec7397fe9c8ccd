//! The settings: keys are taken out of the file and the environment, and all problems noted.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::declared::kind::Kind;
use super::document::{Document, Entry, Section};
use super::environment::Environment;
use super::error::{ConfigError, Place, Problem};
use super::owner::Owner;
use super::value::{MQTT_STRING_BYTES, Refusal};

use crate::model::Secret;
use crate::model::nearest;

/// What is set, emptied key by key as it is read. A key that nobody asks for is an unknown one.
pub(super) struct Settings<'e> {
    owner: &'e Owner,
    environment: &'e Environment,
    document: Document,
    problems: Vec<ConfigError>,
    warnings: Vec<(Place, String)>,
    /// Every section and key asked for, and how it was.
    asked: BTreeMap<(&'static str, String), Spelling>,
}

/// The proof that a problem has been noted, in place of the value that could not be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported(());

/// A value that is set, and where.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One key being read: first where it may stand, then as what.
pub(super) struct Key<'s, 'e> {
    settings: &'s mut Settings<'e>,
    section: &'static str,
    name: String,
    /// What was found, the strongest first.
    entries: Vec<Entry>,
    reported: Option<Reported>,
}

/// How a key belongs to the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Spelling {
    /// The name it has here.
    Own,
    /// The name it has elsewhere, or that does nothing here.
    Foreign,
}

impl<'e> Settings<'e> {
    /// The settings of `owner` in `environment`, where nothing else is set.
    pub(super) fn new(owner: &'e Owner, environment: &'e Environment) -> Self {
        Settings {
            owner,
            environment,
            document: Document::default(),
            problems: Vec::new(),
            warnings: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    /// These with what `document` sets, in the splitting of which `problems` came up.
    pub(super) fn with(self, document: Document, problems: Vec<ConfigError>) -> Self {
        Settings { document, problems, ..self }
    }

    /// Whose they are.
    pub(super) fn owner(&self) -> &'e Owner {
        self.owner
    }

    /// The surroundings.
    pub(super) fn environment(&self) -> &'e Environment {
        self.environment
    }

    /// Begins to read the key `name` of `section`.
    pub(super) fn key(&mut self, section: &'static str, name: impl Into<String>) -> Key<'_, 'e> {
        let name = name.into();
        let entries = Vec::from_iter(self.take(section, &name, Spelling::Own));
        Key { settings: self, section, name, entries, reported: None }
    }

    /// Takes out the sections that have an id, in the order of the file.
    pub(super) fn take_named(&mut self) -> Vec<Section> {
        self.document.take_named()
    }

    /// The value of `entry` as `parse` reads it, its `{HOSTNAME}` replaced.
    pub(super) fn value<T>(
        &mut self,
        Entry { place, text }: Entry,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Located<T>, Reported> {
        let hostname = self.environment.hostname();
        let text = text.replace("${HOSTNAME}", hostname).replace("{HOSTNAME}", hostname);
        let parsed = if has_placeholder(&text) {
            Err("{HOSTNAME} as the only word in braces".into())
        } else {
            parse(&text)
        };
        match parsed {
            Ok(value) => Ok(Located { value, place }),
            Err(refusal) => Err(self.refuse(place, refusal.of(&text))),
        }
    }

    /// Takes out a key that other modules have and that does nothing here, because of `why`.
    pub(super) fn without_effect(&mut self, section: &'static str, name: &str, why: &str) {
        if let Some(entry) = self.take(section, name, Spelling::Foreign) {
            self.warn(&entry.place, format_args!("has no effect: {why}"));
        }
    }

    /// Notes a problem.
    pub(super) fn refuse(&mut self, place: Place, problem: Problem) -> Reported {
        self.problems.push(ConfigError { place, problem });
        Reported(())
    }

    /// Notes what is legal but unwise.
    pub(super) fn warn(&mut self, place: &Place, what: impl fmt::Display) {
        self.warnings.push((place.clone(), what.to_string()));
    }

    /// Warns when a file of secrets, at `path`, is open to more than its owner and group. A device keeps
    /// no secret, and `/dev/null` with other permissions would be the end of the system.
    pub(super) fn warn_of_permissions(&mut self, path: &Path, metadata: &Metadata) {
        let mode = metadata.permissions().mode() & 0o7777;
        if !metadata.is_file() {
            return;
        }
        let risk = match (mode & 0o004 != 0, mode & 0o022 != 0) {
            (false, false) => return,
            (true, false) => "read",
            (false, true) => "changed",
            (true, true) => "read and changed",
        };
        let place = Place::File(path.to_owned());
        let path = path.display();
        self.warn(&place, format_args!("can be {risk} by others (mode {mode:03o}): run chmod 640 {path}"));
    }

    /// Ends the reading: what is left in the file is unknown. Returns problems, and
    /// warnings in the order of the file's lines.
    pub(super) fn finish(mut self) -> (Vec<ConfigError>, Vec<String>) {
        let mut unknown = Vec::new();
        for place in self.document.sections() {
            let Some(section) = place.section() else { continue };
            if !self.knows(section) {
                unknown.push((place.clone(), self.unknown_section(section)));
            }
        }
        for Entry { place, .. } in self.document.rest() {
            let (Some(section), Some(key)) = (place.section(), place.key()) else { continue };
            if self.knows(section) {
                let suggestion = self.suggest(section, key);
                unknown.push((place.clone(), Problem::UnknownKey { suggestion }));
            }
        }
        for (place, problem) in unknown {
            self.refuse(place, problem);
        }
        self.warnings.sort_by_key(|(place, _)| place.line());
        (self.problems, self.warnings.iter().map(|(place, what)| format!("{place}: {what}")).collect())
    }

    /// Every section and key asked for so far, and how it was.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &BTreeMap<(&'static str, String), Spelling> {
        &self.asked
    }

    fn take(&mut self, section: &'static str, name: &str, spelling: Spelling) -> Option<Entry> {
        self.asked.insert((section, name.to_owned()), spelling);
        self.document.take(section, name)
    }

    fn knows(&self, section: &str) -> bool {
        self.asked.keys().any(|(known, _)| known.eq_ignore_ascii_case(section))
    }

    /// The section without an id that `name` was probably meant to be.
    pub(super) fn section_like(&self, name: &str) -> Option<&'static str> {
        nearest(name, self.asked.keys().map(|(section, _)| *section))
    }

    /// What is wrong with the heading of `section`: one that declares something lacks its id.
    fn unknown_section(&self, section: &str) -> Problem {
        if let Some(kind) = Kind::named(section).map(Kind::as_str) {
            return Problem::expected_hidden(format!("an id behind it, such as [{kind} attic]"));
        }
        let suggestion = match self.section_like(section) {
            Some(like) => Some(format!("[{like}]")),
            None => nearest(section, Kind::ALL.map(Kind::as_str).into_iter()).map(|it| format!("[{it} ID]")),
        };
        Problem::UnknownSection { suggestion }
    }

    /// What `key` in `section` was probably meant to be: the same key in its right section, else
    /// one like it in this section, else one like it in another.
    fn suggest(&self, section: &str, key: &str) -> Option<String> {
        let spell = |(section, key): &(&str, String)| format!("[{section}] {key}");
        let own = || self.asked.keys().filter(|(it, _)| it.eq_ignore_ascii_case(section));
        let others = || {
            let own_spelling = self.asked.iter().filter(|(_, spelling)| **spelling == Spelling::Own);
            own_spelling.map(|(it, _)| it).filter(|(it, _)| !it.eq_ignore_ascii_case(section))
        };
        if let Some(moved) = others().find(|(_, it)| it.eq_ignore_ascii_case(key)) {
            return Some(spell(moved));
        }
        if let Some(like) = nearest(key, own().map(|(_, it)| it.as_str())) {
            return Some(like.to_owned());
        }
        let like = nearest(key, others().map(|(_, it)| it.as_str()))?;
        others().find(|(_, it)| it == like).map(spell)
    }
}

impl Key<'_, '_> {
    /// Lets the key be spelt `name` in `section` too. Both set is an error: which one holds?
    pub(super) fn or_key(mut self, section: &'static str, name: &str) -> Self {
        if let Some(entry) = self.settings.take(section, name, Spelling::Foreign) {
            match self.entries.first() {
                None => self.entries.push(entry),
                Some(first) => {
                    let other = first.place.clone();
                    self.reported = Some(self.settings.refuse(entry.place, Problem::Beside { other }));
                }
            }
        }
        self
    }

    /// Lets the environment variable `name` override the file.
    pub(super) fn or_variable(self, name: &'static str) -> Self {
        self.or_variable_as(name, str::to_owned)
    }

    /// Lets the environment variable `name` override the file, its value turned into the key's.
    pub(super) fn or_variable_as(mut self, name: &'static str, turn: impl Fn(&str) -> String) -> Self {
        if let Some(value) = self.settings.environment.variable(name) {
            let place = Place::Variable(name);
            match value.to_str() {
                Some(text) => self.entries.insert(0, Entry { place, text: turn(text) }),
                None => {
                    let problem = Problem::expected_hidden("text in UTF-8");
                    self.reported = Some(self.settings.refuse(place, problem));
                }
            }
        }
        self
    }

    /// The value as `parse` reads it, or as it reads `default` where none is set. Each value that is
    /// set is checked, an overridden one too.
    pub(super) fn or<T>(
        self,
        default: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<T, Reported> {
        self.or_located(default, parse).map(|it| it.value)
    }

    /// As [`Key::or`], with the place.
    pub(super) fn or_located<T>(
        mut self,
        default: &str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Located<T>, Reported> {
        let place = Place::Default { section: self.section, key: self.name.clone() };
        if self.entries.is_empty() {
            self.entries.push(Entry { place, text: default.to_owned() });
        }
        let value = self.strongest(parse)?;
        Ok(value.expect("there is an entry, at least the default"))
    }

    /// The value as `parse` reads it, where one is set. An empty one counts as not set.
    pub(super) fn if_set<T>(
        mut self,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Option<Located<T>>, Reported> {
        self.entries.retain(|it| !it.text.is_empty());
        self.strongest(parse)
    }

    /// The value as a secret, to the letter: neither shown nor with its `{HOSTNAME}` replaced.
    pub(super) fn if_set_secret(mut self) -> Result<Option<Located<Secret>>, Reported> {
        self.entries.retain(|it| !it.text.is_empty());
        match (self.reported, self.entries.into_iter().next()) {
            (Some(reported), _) => Err(reported),
            (None, None) => Ok(None),
            (None, Some(Entry { place, text })) if text.len() > MQTT_STRING_BYTES => {
                let problem = Problem::expected_hidden(format!("at most {MQTT_STRING_BYTES} bytes"));
                Err(self.settings.refuse(place, problem))
            }
            (None, Some(Entry { place, text })) => Ok(Some(Located { value: Secret::new(text), place })),
        }
    }

    fn strongest<T>(
        self,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Option<Located<T>>, Reported> {
        let mut reported = self.reported;
        let mut strongest = None;
        for entry in self.entries {
            match self.settings.value(entry, &parse) {
                Ok(value) if strongest.is_none() => strongest = Some(value),
                Ok(_) => {}
                Err(refused) => reported = Some(refused),
            }
        }
        reported.map_or(Ok(strongest), Err)
    }
}

/// Whether a word in braces is left in `text`, `{HOSTNAM}` for one, which nobody would replace.
fn has_placeholder(text: &str) -> bool {
    let is_word = |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    text.split('{').skip(1).filter_map(|it| it.split_once('}')).any(|(word, _)| is_word(word))
}

/// Reads the file at `path`, up to `limit` bytes.
///
/// # Errors
///
/// The system's own, and [`io::ErrorKind::FileTooLarge`] when it is longer.
pub(super) fn read_file(path: &Path, limit: usize) -> io::Result<(Vec<u8>, Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let message = format!("longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok((bytes, metadata))
}
