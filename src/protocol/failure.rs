//! Why a request was not carried out: [`Failure`].

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value as Json};

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What programs decide by.
    pub code: Code,
    /// For people: what is wrong with what.
    pub reason: String,
    /// What would have been right, or is to be done.
    pub expected: Option<String>,
    /// What else is known, by name.
    pub more: Map<String, Json>,
}

/// The kinds of failure, which programs decide by. `as_str` is what stands in the answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Code {
    /// The line is longer than [`LINE_BYTES`](super::LINE_BYTES).
    LineTooLong,
    /// The line is no JSON object (or no UTF-8, or nested too deep).
    NotJson,
    /// `op` is missing or unknown.
    UnknownOperation,
    /// The version asked for is not spoken here.
    UnknownVersion,
    /// A field is missing, unknown, or of another type or range.
    Field,
    /// No entity of that id.
    UnknownEntity,
    /// The entity is fed or announced by somebody else.
    Taken,
    /// The value, or the announcement, is nothing that Home Assistant would take.
    Invalid,
    /// The client's groups do not permit it.
    Forbidden,
    /// More than may be at once: of clients, subscriptions, entities, bytes.
    TooMany,
    /// Neither broker nor card takes messages as fast as they come.
    Full,
    /// The limit of `wait` has passed; what was accepted is on its way still.
    Timeout,
    /// A newer value has taken the place of this one before it was sent.
    Replaced,
    /// It was given up: no room, or too old.
    Dropped,
    /// The broker is not connected, and this cannot wait for it.
    NotConnected,
    /// The configuration is wrong; all of the old one stands.
    Configuration,
    /// The daemon ends.
    Ended,
    /// Something that is not the client's fault.
    Internal,
}

impl Failure {
    /// A failure of that kind.
    pub fn new(code: Code, reason: impl fmt::Display) -> Failure {
        Failure { code, reason: reason.to_string(), expected: None, more: Map::new() }
    }

    /// The same, with what would have been right.
    pub fn expected(self, expected: impl fmt::Display) -> Failure {
        Failure { expected: Some(expected.to_string()), ..self }
    }

    /// The same, with one thing more that is known.
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Failure {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

impl Code {
    /// All of them.
    pub const ALL: [Code; 18] = [
        Code::LineTooLong,
        Code::NotJson,
        Code::UnknownOperation,
        Code::UnknownVersion,
        Code::Field,
        Code::UnknownEntity,
        Code::Taken,
        Code::Invalid,
        Code::Forbidden,
        Code::TooMany,
        Code::Full,
        Code::Timeout,
        Code::Replaced,
        Code::Dropped,
        Code::NotConnected,
        Code::Configuration,
        Code::Ended,
        Code::Internal,
    ];

    /// As it stands in an answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::LineTooLong => "line_too_long",
            Code::NotJson => "not_json",
            Code::UnknownOperation => "unknown_operation",
            Code::UnknownVersion => "unknown_version",
            Code::Field => "field",
            Code::UnknownEntity => "unknown_entity",
            Code::Taken => "taken",
            Code::Invalid => "invalid",
            Code::Forbidden => "forbidden",
            Code::TooMany => "too_many",
            Code::Full => "full",
            Code::Timeout => "timeout",
            Code::Replaced => "replaced",
            Code::Dropped => "dropped",
            Code::NotConnected => "not_connected",
            Code::Configuration => "configuration",
            Code::Ended => "ended",
            Code::Internal => "internal",
        }
    }

    /// The code that is spelt so.
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match &self.expected {
            Some(expected) => write!(f, ": expected {expected}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}
