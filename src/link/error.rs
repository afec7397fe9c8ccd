//! Why there is no connection to the broker, in words that say what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::resolver::is_local;

use super::TlsProblem;

/// Why an attempt failed or a connection ended. The link tries again whatever it was; where a
/// person must act before that can help, the text says how. Never holds a password.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// The broker's name has no address, or no name server answered.
    Resolve {
        /// The configured name.
        host: String,
        /// The resolver's answer.
        cause: io::Error,
    },
    /// No TCP connection: refused, no route, or the system gave up.
    Connect {
        /// Address and port that were tried.
        address: String,
        /// The system's answer.
        cause: io::Error,
    },
    /// Neither a connection nor an answer to our login in time.
    Silent {
        /// Address and port that were tried.
        address: String,
        /// How long it had.
        limit: Duration,
    },
    /// No encryption that can be trusted.
    Tls {
        /// Name or address, and port, that were tried.
        address: String,
        /// What is wrong with it.
        problem: TlsProblem,
    },
    /// The broker answered the login with a refusal.
    Refused(Refusal),
    /// The broker closed the connection instead of answering the login.
    ClosedUnanswered {
        /// Address and port that were tried.
        address: String,
    },
    /// The broker closed a working connection: it ended, or another client took our identifier.
    ClosedByBroker,
    /// The broker left a ping unanswered.
    KeepAlive,
    /// The broker took none of our bytes for too long.
    FlushTimeout,
    /// The broker sent a packet larger than we accept.
    Oversize {
        /// Its size in bytes.
        bytes: usize,
        /// The largest that is accepted, in bytes.
        limit: usize,
    },
    /// The network failed under a working connection.
    Io(io::Error),
    /// A packet that MQTT does not allow where it came.
    Protocol(String),
    /// The bridge gave the connection up, for the broker acknowledged nothing.
    Unacknowledged,
    /// The bridge asked for the end.
    Disconnected,
    /// A better broker than the connected one has been found to work again.
    BetterBroker {
        /// Host and port of the better one.
        address: String,
    },
}

/// A broker's refusal of a login (MQTT 3.1.1, section 3.2.2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Code 1: it does not speak our version of MQTT.
    ProtocolVersion,
    /// Code 2: it does not accept the client identifier.
    ClientIdRejected,
    /// Code 3: it is there, but not ready.
    ServerUnavailable,
    /// Code 4: it does not accept the user name or password.
    BadCredentials,
    /// Code 5: it does not allow the connection. Mosquitto says this for a wrong password too.
    NotAuthorized,
}

impl LinkError {
    /// A short word for the kind of cause. Two failures of one kind, one after the other, are the same
    /// story: whoever logs tells it once.
    pub fn kind(&self) -> &'static str {
        match self {
            LinkError::Resolve { .. } => "resolve",
            LinkError::Connect { .. } => "connect",
            LinkError::Silent { .. } => "silent",
            LinkError::Tls { problem, .. } => problem.kind(),
            LinkError::Refused(reason) => reason.kind(),
            LinkError::ClosedUnanswered { .. } => "closed unanswered",
            LinkError::ClosedByBroker => "closed by broker",
            LinkError::KeepAlive => "keep alive",
            LinkError::FlushTimeout => "flush timeout",
            LinkError::Oversize { .. } => "oversize",
            LinkError::Io(_) => "io",
            LinkError::Protocol(_) => "protocol",
            LinkError::Unacknowledged => "unacknowledged",
            LinkError::Disconnected => "disconnected",
            LinkError::BetterBroker { .. } => "better broker",
        }
    }

    /// Whether only a person can cure it: a refusal, or files and certificates that do not fit. Not what may
    /// come right with our clock.
    pub fn needs_a_person(&self) -> bool {
        match self {
            LinkError::Tls { problem, .. } => problem.needs_a_person(),
            cause => cause.is_refusal(),
        }
    }

    /// Whether the broker has looked at our login and refused it: trying often is then no use, and looks
    /// like an attack.
    pub fn is_refusal(&self) -> bool {
        matches!(self, LinkError::Refused(reason) if *reason != Refusal::ServerUnavailable)
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Resolve { host, .. } if is_local(host) => write!(
                f,
                "cannot find the address of {host} (is that machine on, and in the same network as this one? \
                 Its IP address in HOST of [Broker] would do)"
            ),
            LinkError::Resolve { host, .. } => {
                write!(f, "cannot find the address of {host} (check HOST in [Broker] and the name server)")
            }
            LinkError::Connect { address, .. } => {
                write!(f, "cannot connect to {address} (is the broker running there?)")
            }
            LinkError::Silent { address, limit } => {
                write!(f, "no answer from a broker at {address} within {} s", limit.as_secs_f32().ceil())
            }
            LinkError::Tls { address, .. } => write!(f, "no trusted TLS connection to {address}"),
            LinkError::Refused(reason) => reason.fmt(f),
            LinkError::ClosedUnanswered { address } => write!(
                f,
                "{address} closed the connection instead of answering the login: \
                 check PORT and TLS_ENABLED in [Broker]"
            ),
            LinkError::ClosedByBroker => f.write_str("the broker closed the connection"),
            LinkError::KeepAlive => f.write_str("the broker left a ping unanswered"),
            LinkError::FlushTimeout => f.write_str("the broker takes no data"),
            LinkError::Oversize { bytes, limit } => write!(
                f,
                "the broker sent a packet of {bytes} bytes, more than the {limit} of MAX_PACKET_SIZE"
            ),
            LinkError::Io(_) => f.write_str("the connection to the broker broke"),
            LinkError::Protocol(what) => write!(f, "the broker does not keep to MQTT 3.1.1: {what}"),
            LinkError::Unacknowledged => f.write_str("the broker acknowledges nothing"),
            LinkError::Disconnected => f.write_str("disconnected on request"),
            LinkError::BetterBroker { address } => {
                write!(f, "{address}, which comes before it in HOST, works again")
            }
        }
    }
}

impl Error for LinkError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LinkError::Resolve { cause, .. } | LinkError::Connect { cause, .. } | LinkError::Io(cause) => {
                Some(cause)
            }
            LinkError::Tls { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

impl Refusal {
    fn kind(self) -> &'static str {
        match self {
            Refusal::ProtocolVersion => "refused: protocol version",
            Refusal::ClientIdRejected => "refused: client identifier",
            Refusal::ServerUnavailable => "refused: unavailable",
            Refusal::BadCredentials => "refused: credentials",
            Refusal::NotAuthorized => "refused: not authorized",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::ProtocolVersion => "the broker does not speak MQTT 3.1.1",
            Refusal::ClientIdRejected => {
                "the broker refused the client identifier: check CLIENT_ID in [Client]"
            }
            Refusal::ServerUnavailable => "the broker says that it is not available yet",
            Refusal::BadCredentials => {
                "the broker refused the user name or password: \
                 check USERNAME and PASSWORD in [Authentication]"
            }
            Refusal::NotAuthorized => {
                "the broker refused the login (not authorized): check USERNAME and PASSWORD in \
                 [Authentication], and that the broker allows this user and client identifier"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_codes_for_a_wrong_password_say_where_to_look() {
        for reason in [Refusal::BadCredentials, Refusal::NotAuthorized] {
            let text = LinkError::Refused(reason).to_string();
            assert!(text.contains("USERNAME and PASSWORD in [Authentication]"), "{text}");
        }
    }

    #[test]
    fn the_same_story_has_one_kind_and_another_story_another() {
        let silent =
            |address: &str| LinkError::Silent { address: address.to_owned(), limit: Duration::from_secs(10) };
        assert_eq!(silent("10.0.0.1:1883").kind(), silent("[::1]:1883").kind());
        assert_ne!(
            LinkError::Refused(Refusal::BadCredentials).kind(),
            LinkError::Refused(Refusal::ServerUnavailable).kind()
        );
    }

    #[test]
    fn a_refusal_and_a_certificate_that_does_not_fit_need_a_person_and_an_end_does_not() {
        let problem = TlsProblem::SelfSigned;
        assert!(LinkError::Tls { address: "broker:8883".to_owned(), problem }.needs_a_person());
        assert!(LinkError::Refused(Refusal::NotAuthorized).needs_a_person());
        assert!(!LinkError::ClosedByBroker.needs_a_person());
    }

    #[test]
    fn only_a_login_that_was_looked_at_is_refused() {
        assert!(LinkError::Refused(Refusal::ClientIdRejected).is_refusal());
        assert!(!LinkError::Refused(Refusal::ServerUnavailable).is_refusal());
        assert!(!LinkError::ClosedByBroker.is_refusal());
    }
}
