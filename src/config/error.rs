//! What can be wrong with a configuration, and where.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::slice;

/// Everything that is wrong with the configuration, at least one problem. The program ends with
/// status 78 and never goes on with defaults: they would talk to another broker, unencrypted.
///
/// `Display` prints a line for each, its cause included.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

/// One problem and its place.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConfigError {
    /// Where it stands.
    pub place: Place,
    /// What is wrong there.
    pub problem: Problem,
}

/// Where something in the configuration comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Place {
    /// A file as a whole.
    File(PathBuf),
    /// A line of a file.
    Line {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Its section as written, where it has one.
        section: Option<String>,
        /// Its key as written, where it has one.
        key: Option<String>,
    },
    /// What a program set itself, without a file.
    Set {
        /// The section as the program wrote it.
        section: String,
        /// The key as the program wrote it.
        key: String,
    },
    /// The name that a program gave itself.
    Program,
    /// An environment variable.
    Variable(&'static str),
    /// Our own default, which can be wrong on a machine with a strange host name.
    Default {
        /// The section in which another value can be set.
        section: &'static str,
        /// The key with which another value can be set.
        key: String,
    },
}

/// What is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// A line or a value is not what it should be.
    Expected {
        /// What would be right.
        expected: String,
        /// What is there, at most [`FOUND_CHARS`] characters of it; `None` where it may be a secret.
        found: Option<String>,
        /// A legal value that is spelt much like it.
        suggestion: Option<String>,
    },
    /// The section has no such key.
    UnknownKey {
        /// A key that is spelt much like it, or that key's right section.
        suggestion: Option<String>,
    },
    /// There is no such section.
    UnknownSection {
        /// A section that is spelt much like it.
        suggestion: Option<String>,
    },
    /// The key is set a second time.
    Twice {
        /// The line that sets it first, counted from 1.
        first_line: usize,
    },
    /// The id of the section is another one's already.
    IdTwice {
        /// The line of the one that has it first, counted from 1.
        first_line: usize,
    },
    /// Home Assistant would refuse it, or complain of it.
    Refused {
        /// What was expected and what was found.
        complaint: String,
    },
    /// Another key, which sets the same, is set too.
    Beside {
        /// Where the other one stands.
        other: Place,
    },
    /// The configuration file cannot be read.
    Unreadable {
        /// Why.
        cause: io::Error,
    },
    /// A file that the configuration names cannot be read.
    NamesUnreadable {
        /// That file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl ConfigErrors {
    /// The problems, in the order of the file's lines; what has no line comes last.
    pub fn iter(&self) -> slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// Sorts `problems`, of which there is at least one. What several entities of a section have in common is wrong once.
    pub(super) fn new(mut problems: Vec<ConfigError>) -> ConfigErrors {
        debug_assert!(!problems.is_empty());
        let mut seen = HashSet::new();
        problems.retain(|it| seen.insert(it.to_string()));
        problems.sort_by_key(|it| it.place.line().unwrap_or(usize::MAX));
        ConfigErrors(problems)
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Problem {
    /// The problem that `found` is not `expected`. `found` is shown: never a secret.
    pub(super) fn expected(expected: impl Into<String>, found: &str) -> Problem {
        let found = Some(found.chars().take(FOUND_CHARS).collect());
        Problem::Expected { expected: expected.into(), found, suggestion: None }
    }

    /// The problem that what is there, and is not shown, is not `expected`.
    pub(super) fn expected_hidden(expected: impl Into<String>) -> Problem {
        Problem::Expected { expected: expected.into(), found: None, suggestion: None }
    }
}

impl Place {
    /// The line in the file, counted from 1, where it has one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Place::Line { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// The same place, with `key` as what is meant of it.
    #[cfg(feature = "daemon")]
    pub(super) fn with_key(&self, key: &str) -> Place {
        match self.clone() {
            Place::Line { file, line, section, .. } => {
                Place::Line { file, line, section, key: Some(key.to_owned()) }
            }
            Place::Set { section, .. } => Place::Set { section, key: key.to_owned() },
            other => other,
        }
    }

    /// The section as written, where it has one that somebody wrote.
    pub(super) fn section(&self) -> Option<&str> {
        match self {
            Place::Line { section, .. } => section.as_deref(),
            Place::Set { section, .. } => Some(section),
            _ => None,
        }
    }

    /// The key as written, where it has one that somebody wrote.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Place::Line { key, .. } => key.as_deref(),
            Place::Set { key, .. } => Some(key),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let end_of_previous = if at == 0 { "" } else { "\n" };
            write!(f, "{end_of_previous}{error}")?;
            if let Some(cause) = error.source() {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            Problem::Unreadable { cause } | Problem::NamesUnreadable { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Line { file, line, section, key } => {
                write!(f, "{}:{line}", file.display())?;
                match (section, key) {
                    (Some(section), Some(key)) => write!(f, ": [{section}] {key}"),
                    (Some(section), None) => write!(f, ": [{section}]"),
                    (None, Some(key)) => write!(f, ": {key}"),
                    (None, None) => Ok(()),
                }
            }
            Place::Set { section, key } => write!(f, "[{section}] {key}"),
            Place::Program => f.write_str("the program's name"),
            Place::Variable(name) => f.write_str(name),
            Place::Default { section, key } => write!(f, "[{section}] {key} (default)"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Expected { expected, found, suggestion } => {
                write!(f, "expected {expected}")?;
                match found.as_deref() {
                    None => {}
                    Some("") => f.write_str(", found nothing")?,
                    Some(found) => write!(f, ", found {found:?}")?,
                }
                write_suggestion(f, suggestion.as_deref())
            }
            Problem::UnknownKey { suggestion } => {
                f.write_str("unknown key")?;
                write_suggestion(f, suggestion.as_deref())
            }
            Problem::UnknownSection { suggestion } => {
                f.write_str("unknown section")?;
                write_suggestion(f, suggestion.as_deref())
            }
            Problem::Twice { first_line } => write!(f, "set twice, first in line {first_line}"),
            Problem::IdTwice { first_line } => {
                write!(f, "expected an id of its own, found that of line {first_line}")
            }
            Problem::Refused { complaint } => f.write_str(complaint),
            Problem::Beside { other } => {
                write!(f, "expected either this or ")?;
                match other {
                    Place::Line { line, section: Some(section), key: Some(key), .. } => {
                        write!(f, "[{section}] {key} of line {line}, found both")
                    }
                    other => write!(f, "{other}, found both"),
                }
            }
            Problem::Unreadable { cause } if cause.kind() == ErrorKind::PermissionDenied => {
                f.write_str("cannot be read by this user; root can (sudo), and at mode 640 its group")
            }
            Problem::Unreadable { .. } => f.write_str("cannot be read"),
            Problem::NamesUnreadable { path, .. } => write!(f, "cannot read {}", path.display()),
        }
    }
}

fn write_suggestion(f: &mut fmt::Formatter<'_>, suggestion: Option<&str>) -> fmt::Result {
    match suggestion {
        Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
        None => Ok(()),
    }
}

/// How much of a wrong value is shown: enough to recognise it, too little to flood a log.
pub const FOUND_CHARS: usize = 80;
