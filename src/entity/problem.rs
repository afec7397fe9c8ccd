//! What is wrong with an entity that does not build.

use std::error::Error;
use std::fmt;

use super::Platform;

/// Everything that is wrong with one entity. It is not announced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntityError {
    /// What kind of entity it was to be.
    pub platform: Platform,
    /// Its id, as the caller wrote it.
    pub id: String,
    /// What is wrong; one at least.
    pub problems: Vec<Problem>,
}

/// Something that Home Assistant would not take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The key of the discovery payload.
    pub field: &'static str,
    /// What was expected and what was found.
    pub complaint: String,
}

impl fmt::Display for EntityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.platform, self.id)?;
        for (at, problem) in self.problems.iter().enumerate() {
            write!(f, "{} {problem}", if at == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl Error for EntityError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.complaint)
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, field: &'static str, expected: impl fmt::Display, found: impl fmt::Display) {
        self.push(field, format!("expected {expected}, found {found}"));
    }

    pub(super) fn push(&mut self, field: &'static str, complaint: String) {
        self.0.push(Problem { field, complaint });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(self, platform: Platform, id: &str) -> EntityError {
        EntityError { platform, id: id.to_owned(), problems: self.0 }
    }
}
