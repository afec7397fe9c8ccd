//! What can go wrong for a program that uses the library, an enum for each concern: [`Error`] over all of them.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::bridge::Refused;
use crate::config::ConfigErrors;
use crate::entity::EntityError;
use crate::entity::ValueError;
use crate::model::Fate;
use crate::model::TopicError;
use crate::registry::SetError;

/// Any error of the library, for a `?` that does not care. Each method returns the narrower one.
///
/// ```
/// use luigi_mqtt::{Client, Config, Error, ErrorKind};
///
/// fn connect() -> Result<Client, Error> {
///     Ok(Client::connect(Config::builder("doorbell").broker("", 1883).build()?)?)
/// }
///
/// assert_eq!(connect().unwrap_err().kind(), ErrorKind::Other);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is wrong: everything that is wrong with it.
    Config(ConfigErrors),
    /// The client does not start.
    Start(StartError),
    /// The broker is not connected.
    Connection(ConnectionError),
    /// A message was not accepted, or not delivered.
    Publish(PublishError),
    /// A subscription was not accepted.
    Subscribe(SubscribeError),
    /// Home Assistant would not take an entity.
    Entity(EntityError),
    /// A followed device was not told what it was to be told.
    Device(DeviceError),
}

/// The three kinds of error that the Python client of the same purpose had: `MQTTConnectionError`, `MQTTPublishError`,
/// and `MQTTError` for all others (and for these two).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorKind {
    /// The broker could not be connected: `MQTTConnectionError`.
    Connection,
    /// A message could not be published: `MQTTPublishError`.
    Publish,
    /// Anything else: `MQTTError`.
    Other,
}

/// Why a client does not start. Nothing runs then.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A topic made of configured parts is none.
    Topic(TopicError),
    /// An entity does not go with the configured device.
    Entity(EntityError),
    /// A thread is not to be had.
    System {
        /// What was being started.
        part: &'static str,
        /// Why it did not.
        cause: io::Error,
    },
}

/// Why there is no connection. Attempts go on, but for [`ConnectionError::Ended`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The broker was not connected in time.
    NotConnected {
        /// How long was waited.
        waited: Duration,
        /// Why the last attempt failed; `None` where the first is still under way.
        cause: Option<String>,
    },
    /// The client was ended by [`Client::disconnect`](super::Client::disconnect), or by dropping its last clone.
    Ended,
}

/// Why a message was not accepted, or not delivered.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic is none.
    Topic {
        /// What was to be the topic.
        topic: String,
        /// The payload, handed back.
        payload: Vec<u8>,
        /// What is wrong with it.
        cause: TopicError,
    },
    /// The value has no form in JSON.
    Json {
        /// Where it was to go.
        topic: String,
        /// Why it has none.
        cause: serde_json::Error,
    },
    /// The value is no state of the entity.
    Value(ValueError),
    /// The message was not accepted; it is handed back in the cause.
    Refused(Refused),
    /// A reading was not accepted: readings come faster than the bridge takes them, or the connection was ended.
    NotTaken {
        /// The entity's id.
        entity: String,
    },
    /// The message was accepted and not acknowledged in time. It goes on waiting, and is delivered once that can be.
    NotAcknowledged {
        /// Where it goes.
        topic: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The message was accepted and will not be delivered.
    Lost {
        /// Where it was to go.
        topic: String,
        /// What became of it; `None` where the client was ended.
        fate: Option<Fate>,
    },
}

/// Why a subscription was not accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The topic filter is none.
    Filter {
        /// What was to be the filter.
        filter: String,
        /// What is wrong with it.
        cause: TopicError,
    },
    /// The entity takes no commands: it was built without, or it was removed.
    NoCommands {
        /// The entity's id.
        entity: String,
    },
    /// The client was ended.
    Ended,
}

/// Why a device of somebody else was not told what it was to be told. Nothing was sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DeviceError {
    /// Nothing was announced under that id, or nothing is followed.
    Unknown {
        /// The id.
        id: String,
    },
    /// It is not there to be told anything: it, or what stands for it, has said so, or nothing yet.
    Unavailable {
        /// The id.
        id: String,
    },
    /// What is wanted is no JSON object.
    NotAnObject {
        /// What it is.
        found: String,
    },
    /// It does not offer that.
    Refused {
        /// The id.
        id: String,
        /// What it does not offer, and what it does.
        cause: SetError,
    },
}

impl Error {
    /// Which of the Python client's errors it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Connection(_) => ErrorKind::Connection,
            Error::Publish(_) => ErrorKind::Publish,
            _ => ErrorKind::Other,
        }
    }

    fn cause(&self) -> &(dyn StdError + 'static) {
        match self {
            Error::Config(it) => it,
            Error::Start(it) => it,
            Error::Connection(it) => it,
            Error::Publish(it) => it,
            Error::Subscribe(it) => it,
            Error::Entity(it) => it,
            Error::Device(it) => it,
        }
    }
}

// It is what it holds, so it shows as that, and has its source.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.cause(), f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause().source()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Topic(_) => {
                f.write_str("[Topics] and [Client] CLIENT_ID make a topic that is too long")
            }
            StartError::Entity(_) => f.write_str("an entity does not go with the configured device"),
            StartError::System { part, .. } => write!(f, "cannot start {part}"),
        }
    }
}

impl StdError for StartError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            StartError::Topic(cause) => Some(cause),
            StartError::Entity(cause) => Some(cause),
            StartError::System { cause, .. } => Some(cause),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionError::NotConnected { waited, cause: Some(cause) } => {
                write!(f, "no connection to the broker within {waited:?}: {cause}")
            }
            ConnectionError::NotConnected { waited, cause: None } => {
                write!(
                    f,
                    "no connection to the broker within {waited:?}: the first attempt is still under way"
                )
            }
            ConnectionError::Ended => f.write_str("the client was ended"),
        }
    }
}

impl StdError for ConnectionError {}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Topic { topic, .. } => write!(f, "cannot publish on {topic:?}"),
            PublishError::Json { topic, .. } => write!(f, "cannot publish a value as JSON on {topic}"),
            PublishError::Value(error) => error.fmt(f),
            PublishError::Refused(refused) => refused.fmt(f),
            PublishError::NotTaken { entity } => write!(
                f,
                "cannot publish a state of {entity}: states come faster than they are taken, or the client was ended"
            ),
            PublishError::NotAcknowledged { topic, waited } => {
                write!(f, "the message on {topic} was not acknowledged within {waited:?}; it goes on waiting")
            }
            PublishError::Lost { topic, fate } => {
                let fate = match fate {
                    Some(Fate::Delivered) => "was delivered",
                    Some(Fate::Replaced) => "gave way to a newer one on its topic",
                    Some(Fate::Dropped) => {
                        "was dropped for want of room, or since the broker does not take it"
                    }
                    Some(Fate::Expired) => "expired before it could be sent",
                    None => "was not acknowledged before the client was ended",
                };
                write!(f, "the message on {topic} {fate}")
            }
        }
    }
}

impl StdError for PublishError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            PublishError::Topic { cause, .. } => Some(cause),
            PublishError::Json { cause, .. } => Some(cause),
            PublishError::Value(error) => error.source(),
            PublishError::Refused(refused) => refused.source(),
            PublishError::NotTaken { .. }
            | PublishError::NotAcknowledged { .. }
            | PublishError::Lost { .. } => None,
        }
    }
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubscribeError::Filter { filter, .. } => write!(f, "cannot subscribe to {filter:?}"),
            SubscribeError::NoCommands { entity } => write!(f, "{entity} takes no commands"),
            SubscribeError::Ended => f.write_str("the client was ended"),
        }
    }
}

impl StdError for SubscribeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            SubscribeError::Filter { cause, .. } => Some(cause),
            SubscribeError::NoCommands { .. } | SubscribeError::Ended => None,
        }
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::Unknown { id } => write!(f, "there is no device {id:?}: is discovery started?"),
            DeviceError::Unavailable { id } => write!(f, "{id} is not available"),
            DeviceError::NotAnObject { found } => {
                write!(f, "expected a JSON object such as {{\"state\": \"on\"}}, found {found}")
            }
            DeviceError::Refused { id, .. } => write!(f, "cannot set {id}"),
        }
    }
}

impl StdError for DeviceError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            DeviceError::Refused { cause, .. } => Some(cause),
            DeviceError::Unknown { .. }
            | DeviceError::Unavailable { .. }
            | DeviceError::NotAnObject { .. } => None,
        }
    }
}

/// Each narrow error as the wide one.
macro_rules! widen {
    ($($variant:ident($narrow:ty)),+ $(,)?) => {
        $(impl From<$narrow> for Error {
            fn from(error: $narrow) -> Error {
                Error::$variant(error)
            }
        })+
    };
}

widen! {
    Config(ConfigErrors),
    Start(StartError),
    Connection(ConnectionError),
    Publish(PublishError),
    Subscribe(SubscribeError),
    Entity(EntityError),
    Device(DeviceError),
}

impl From<Refused> for PublishError {
    fn from(refused: Refused) -> PublishError {
        PublishError::Refused(refused)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        Error::Publish(refused.into())
    }
}

// An entity that is built already goes where one that is to be built goes.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Error {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Chain;

    #[test]
    fn an_error_says_once_what_was_attempted_on_what_and_why_not() {
        let topic = || "a/b".to_owned();
        let waited = Duration::from_secs(2);
        let no_json = serde_json::from_str::<u8>("x").unwrap_err();
        let in_json = format!("cannot publish a value as JSON on a/b: {no_json}");
        let cause = SetError::NotControllable { platform: "sensor".to_owned() };
        let rows: [(Error, ErrorKind, &str); 7] = [
            (
                PublishError::Topic {
                    topic: "a/+".to_owned(),
                    payload: Vec::new(),
                    cause: TopicError::Wildcard,
                }
                .into(),
                ErrorKind::Publish,
                r#"cannot publish on "a/+": expected a topic without the wildcards + and #"#,
            ),
            (PublishError::Json { topic: topic(), cause: no_json }.into(), ErrorKind::Publish, &in_json),
            (
                PublishError::Lost { topic: topic(), fate: Some(Fate::Expired) }.into(),
                ErrorKind::Publish,
                "the message on a/b expired before it could be sent",
            ),
            (
                ConnectionError::NotConnected { waited, cause: Some("connection refused".to_owned()) }.into(),
                ErrorKind::Connection,
                "no connection to the broker within 2s: connection refused",
            ),
            (
                SubscribeError::Filter { filter: String::new(), cause: TopicError::Empty }.into(),
                ErrorKind::Other,
                r#"cannot subscribe to "": expected a topic, found nothing"#,
            ),
            (
                DeviceError::Refused { id: "attic".to_owned(), cause }.into(),
                ErrorKind::Other,
                "cannot set attic: cannot set a sensor that takes no commands",
            ),
            (
                StartError::System { part: "the link thread", cause: io::Error::other("none left") }.into(),
                ErrorKind::Other,
                "cannot start the link thread: none left",
            ),
        ];
        for (error, kind, text) in rows {
            assert_eq!((Chain(&error).to_string().as_str(), error.kind()), (text, kind));
        }
    }
}
