//! Why a wish was refused.

use std::error::Error;
use std::fmt;

/// Why an entity was not told to do what somebody wants. Nothing has been sent.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SetError {
    /// Nothing can be set on it: it is a sensor, or it has no command topic.
    NotControllable {
        /// The platform: `sensor`.
        platform: String,
    },
    /// The wish names nothing to do.
    Nothing {
        /// The fields that it offers.
        offered: Vec<&'static str>,
    },
    /// The wish names a field that the entity does not offer.
    UnknownField {
        /// The field's name.
        field: String,
        /// The fields that it offers.
        offered: Vec<&'static str>,
    },
    /// The field is offered, but not this value.
    NotOffered {
        /// The field's name.
        field: &'static str,
        /// What the entity takes: `on, off`.
        expected: String,
        /// The value, as JSON.
        found: String,
    },
    /// The number lies outside what the entity takes.
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// What the entity takes: `10 to 30 in steps of 0.5`.
        expected: String,
        /// The value, as JSON.
        found: String,
    },
    /// The entity's command template is none that we understand, so what it would send is not known.
    TemplateNotUnderstood {
        /// The key in its configuration: `command_template`.
        key: &'static str,
        /// The template.
        template: String,
    },
    /// Its configuration names no topic that can be published to.
    NoTopic {
        /// The key in its configuration: `command_topic`.
        key: &'static str,
        /// What stands there.
        found: String,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::NotControllable { platform } => {
                write!(f, "cannot set a {platform} that takes no commands")
            }
            SetError::Nothing { offered } => {
                write!(f, "cannot set nothing: expected one of {}", offered.join(", "))
            }
            SetError::UnknownField { field, offered } => {
                write!(f, "cannot set {field}: expected one of {}", offered.join(", "))
            }
            SetError::NotOffered { field, expected, found }
            | SetError::OutOfRange { field, expected, found } => {
                write!(f, "cannot set {field}: expected {expected}, found {found}")
            }
            SetError::TemplateNotUnderstood { key, template } => {
                write!(f, "cannot render {key}: expected a template of a known shape, found {template:?}")
            }
            SetError::NoTopic { key, found } => {
                write!(f, "cannot publish to {key}: expected a topic, found {found:?}")
            }
        }
    }
}

impl Error for SetError {}
