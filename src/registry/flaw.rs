//! Why an announcement, or a part of it, does not count.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::model::Topic;

/// An announcement that does not count, wholly or for one component. What was announced before stays.
#[derive(Debug)]
pub struct Refusal {
    /// The discovery topic it came on.
    pub topic: Topic,
    /// The component of a device, where only that one is meant.
    pub component: Option<String>,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What is wrong with an announcement.
#[derive(Debug)]
#[non_exhaustive]
pub enum Flaw {
    /// An identifier in its topic is not of `a-z A-Z 0-9 _ -`.
    Topic,
    /// It has more bytes than [`MAX_PAYLOAD`].
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// It is no JSON, or is nested more than 127 deep.
    Json(serde_json::Error),
    /// It, or the part that is named, is no JSON object.
    NotAnObject {
        /// What should have been one.
        key: &'static str,
    },
    /// A device or an origin lacks what Home Assistant asks for.
    Missing {
        /// The key that is missing or empty.
        key: &'static str,
    },
    /// Another entity of that platform was announced first with the same `unique_id`, or at the same place by
    /// the other form of discovery.
    Taken {
        /// The entity that keeps it.
        by: Arc<str>,
    },
    /// There are as many entities or bytes as [`Limits`](super::Limits) allow. Told once until there is room
    /// again; [`Registry::refused`](super::Registry::refused) counts on.
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.component {
            Some(component) => write!(f, "cannot take component {component:?} announced on {}", self.topic),
            None => write!(f, "cannot take the announcement on {}", self.topic),
        }
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.flaw)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Topic => f.write_str("expected identifiers of a-z A-Z 0-9 _ - in its topic"),
            Flaw::TooLarge { bytes } => write!(f, "expected at most {MAX_PAYLOAD} bytes, found {bytes}"),
            Flaw::Json(_) => f.write_str("expected JSON"),
            Flaw::NotAnObject { key } => write!(f, "expected {key} to be a JSON object"),
            Flaw::Missing { key } => write!(f, "expected {key}"),
            Flaw::Taken { by } => write!(f, "{by} was announced first with the same identity"),
            Flaw::Full => f.write_str("as many entities are known as there is room for"),
        }
    }
}

impl Error for Flaw {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Flaw::Json(error) => Some(error),
            _ => None,
        }
    }
}

/// The most bytes of one announcement: a device with two hundred entities has a third of that.
pub const MAX_PAYLOAD: usize = 256 * 1024;
