//! What rumqttc's errors mean.

use std::io;
use std::time::{Duration, SystemTime};

use rumqttc::ConnectReturnCode;
use rumqttc::ConnectionError;
use rumqttc::StateError;
use rumqttc::mqttbytes;

use super::LinkError;
use super::Refusal;
use super::options::Options;
use super::target::Target;
use super::tls;
use super::tls::End;

/// Why an attempt to connect to `target` within `limit`, as `options` say, failed, where the TLS below it has come to that
/// `end`.
pub(super) fn of_attempt(
    error: ConnectionError,
    end: Option<End>,
    options: &Options,
    target: &Target,
    limit: Duration,
) -> LinkError {
    let now = SystemTime::now();
    match (error, &options.broker.tls) {
        (ConnectionError::Io(cause), None) => {
            LinkError::Connect { address: target.address.to_string(), cause }
        }
        (ConnectionError::NetworkTimeout, _) => target.silent(limit),
        (ConnectionError::ConnectionRefused(code), _) => refusal(code),
        (ConnectionError::NotConnAck(_), _) => {
            LinkError::Protocol("the login was answered with something else than CONNACK".to_owned())
        }
        (error, None) => match of_session(error, None, options.client.max_packet_bytes) {
            LinkError::ClosedByBroker => LinkError::ClosedUnanswered { address: target.address.to_string() },
            cause => cause,
        },
        (_, Some(tls)) if matches!(end, Some(End::OurCertificate)) => {
            target.untrusted(tls::about_ours(tls, now))
        }
        (error, Some(tls)) => match of_session(error, end, options.client.max_packet_bytes) {
            LinkError::ClosedByBroker => target.untrusted(tls::closed_afterwards(tls, now)),
            cause => cause,
        },
    }
}

/// Why a working connection ended, where packets up to `limit` bytes are accepted, and the TLS below it has come to that
/// `end`.
pub(super) fn of_session(error: ConnectionError, end: Option<End>, limit: usize) -> LinkError {
    match error {
        ConnectionError::FlushTimeout => LinkError::FlushTimeout,
        ConnectionError::Io(cause) => of_io(cause, end),
        ConnectionError::MqttState(error) => match error {
            StateError::ConnectionAborted => of_end(end),
            StateError::AwaitPingResp => LinkError::KeepAlive,
            StateError::Io(cause) | StateError::Deserialization(mqttbytes::Error::Io(cause)) => {
                of_io(cause, end)
            }
            StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(bytes)) => {
                LinkError::Oversize { bytes, limit }
            }
            StateError::Unsolicited(_) => LinkError::Protocol("it acknowledged what was not sent".to_owned()),
            StateError::WrongPacket => {
                LinkError::Protocol("it sent a packet that only clients send".to_owned())
            }
            error => LinkError::Protocol(error.to_string()),
        },
        // What is left belongs to an attempt; a session has none of it.
        error => LinkError::Protocol(error.to_string()),
    }
}

/// A failed read or write: the peer closed, politely or not, or the network did it.
fn of_io(cause: io::Error, end: Option<End>) -> LinkError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let closed = matches!(cause.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
    // tokio-util's words for an end in mid-packet; they have no kind of their own.
    if closed || cause.to_string().contains("bytes remaining on stream") {
        of_end(end)
    } else {
        LinkError::Io(cause)
    }
}

/// The peer closed: the broker, unless TLS is in between and says that it was the network.
fn of_end(end: Option<End>) -> LinkError {
    match end {
        Some(End::Failed(cause)) => LinkError::Io(cause),
        Some(End::Closed | End::OurCertificate) | None => LinkError::ClosedByBroker,
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
