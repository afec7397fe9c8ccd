//! What rumqttc's errors mean.

use std::io;
use std::time::Duration;

use rumqttc::ConnectReturnCode;
use rumqttc::ConnectionError;
use rumqttc::StateError;
use rumqttc::TlsError;
use rumqttc::mqttbytes;

use super::LinkError;
use super::Refusal;
use super::TlsProblem;
use super::options::Target;
use super::tls;

/// Why an attempt to connect to `target` within `limit` failed.
pub(super) fn of_attempt(
    error: ConnectionError,
    target: &Target,
    limit: Duration,
    bytes: usize,
) -> LinkError {
    let address = target.shown.clone();
    match error {
        ConnectionError::Io(cause) => LinkError::Connect { address, cause },
        ConnectionError::NetworkTimeout => LinkError::Silent { address, limit },
        ConnectionError::Tls(TlsError::NativeTls(error)) => {
            LinkError::Tls { problem: tls::problem(error, &target.host), address }
        }
        ConnectionError::ConnectionRefused(code) => refusal(code),
        ConnectionError::NotConnAck(_) => {
            LinkError::Protocol("the login was answered with something else than CONNACK".to_owned())
        }
        error => match of_session(error, bytes) {
            LinkError::ClosedByBroker => LinkError::ClosedUnanswered { address },
            LinkError::Io(cause) if tls::is_about_our_certificate(&cause.to_string()) => {
                LinkError::Tls { problem: TlsProblem::ClientCertificate, address }
            }
            cause => cause,
        },
    }
}

/// Why a working connection ended, where packets up to `limit` bytes are accepted.
pub(super) fn of_session(error: ConnectionError, limit: usize) -> LinkError {
    match error {
        ConnectionError::FlushTimeout => LinkError::FlushTimeout,
        ConnectionError::Io(cause) => of_io(cause),
        ConnectionError::MqttState(error) => match error {
            StateError::ConnectionAborted => LinkError::ClosedByBroker,
            StateError::AwaitPingResp => LinkError::KeepAlive,
            StateError::Io(cause) | StateError::Deserialization(mqttbytes::Error::Io(cause)) => of_io(cause),
            StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(bytes)) => {
                LinkError::Oversize { bytes, limit }
            }
            StateError::Unsolicited(_) => LinkError::Protocol("it acknowledged what was not sent".to_owned()),
            StateError::WrongPacket => {
                LinkError::Protocol("it sent a packet that only clients send".to_owned())
            }
            error => LinkError::Protocol(error.to_string()),
        },
        ConnectionError::Tls(error) => of_io(io::Error::other(error)),
        // What is left belongs to an attempt; a session has none of it.
        error => LinkError::Protocol(error.to_string()),
    }
}

/// A failed read or write: the peer closed, politely or not, or the network did it.
fn of_io(cause: io::Error) -> LinkError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let closed = matches!(cause.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
    // tokio-util's words for an end in mid-packet; they have no kind of their own.
    if closed || cause.to_string().contains("bytes remaining on stream") {
        LinkError::ClosedByBroker
    } else {
        LinkError::Io(cause)
    }
}

fn refusal(code: ConnectReturnCode) -> LinkError {
    match code {
        ConnectReturnCode::RefusedProtocolVersion => LinkError::Refused(Refusal::ProtocolVersion),
        ConnectReturnCode::BadClientId => LinkError::Refused(Refusal::ClientIdRejected),
        ConnectReturnCode::ServiceUnavailable => LinkError::Refused(Refusal::ServerUnavailable),
        ConnectReturnCode::BadUserNamePassword => LinkError::Refused(Refusal::BadCredentials),
        ConnectReturnCode::NotAuthorized => LinkError::Refused(Refusal::NotAuthorized),
        ConnectReturnCode::Success => LinkError::Protocol("it refused the login with success".to_owned()),
    }
}
