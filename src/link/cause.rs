//! What rumqttc's errors mean.

use std::io;
use std::time::{Duration, SystemTime};

use rumqttc::ConnectReturnCode;
use rumqttc::ConnectionError;
use rumqttc::StateError;
use rumqttc::TlsError;
use rumqttc::mqttbytes;

use crate::model::Chain;

use super::LinkError;
use super::Refusal;
use super::options::{Options, Target};
use super::tls;

/// Why an attempt to connect to `target` within `limit`, as `options` say, failed.
pub(super) fn of_attempt(
    error: ConnectionError,
    options: &Options,
    target: &Target,
    limit: Duration,
) -> LinkError {
    let address = target.shown.clone();
    let now = SystemTime::now();
    match (error, &options.broker.tls) {
        (ConnectionError::Io(cause), _) => LinkError::Connect { address, cause },
        (ConnectionError::NetworkTimeout, _) => LinkError::Silent { address, limit },
        (ConnectionError::Tls(TlsError::NativeTls(error)), Some(tls)) => {
            LinkError::Tls { problem: tls::of_handshake(error, &target.host, tls, now), address }
        }
        (ConnectionError::ConnectionRefused(code), _) => refusal(code),
        (ConnectionError::NotConnAck(_), _) => {
            LinkError::Protocol("the login was answered with something else than CONNACK".to_owned())
        }
        (error, tls) => match (of_session(error, options.client.max_packet_bytes), tls) {
            (LinkError::ClosedByBroker, Some(tls)) => {
                LinkError::Tls { problem: tls::closed_afterwards(tls, now), address }
            }
            (LinkError::ClosedByBroker, None) => LinkError::ClosedUnanswered { address },
            (LinkError::Io(cause), Some(tls)) if tls::is_about_our_certificate(&cause.to_string()) => {
                LinkError::Tls { problem: tls::about_ours(tls, now), address }
            }
            (cause, _) => cause,
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
    let text = Chain(&cause).to_string();
    let kind = system_error(&text).unwrap_or(cause.kind());
    let closed = matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
    // tokio-util's words for an end in mid-packet; they have no kind of their own.
    if closed || text.contains("bytes remaining on stream") {
        LinkError::ClosedByBroker
    } else {
        LinkError::Io(cause)
    }
}

/// The system's error in OpenSSL's `text`: it hands a failed write on as a code of its own, with the system's number
/// below the highest bit (since OpenSSL 3.0, `ERR_SYSTEM_FLAG` in err.h), and the `io::Error` around it has no kind.
fn system_error(text: &str) -> Option<io::ErrorKind> {
    let mut codes = text.split("error:").skip(1).filter_map(|it| u32::from_str_radix(it.get(..8)?, 16).ok());
    let number = codes.find(|code| code & SYSTEM_FLAG != 0)? & !SYSTEM_FLAG;
    Some(io::Error::from_raw_os_error(number as i32).kind())
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

const SYSTEM_FLAG: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;

    use super::*;
    use crate::link::peer;

    /// An error of `native_tls`'s, as it wraps OpenSSL's.
    #[derive(Debug)]
    struct Wrapped(io::Error);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("unexpected EOF")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn wrapped(text: &str) -> io::Error {
        io::Error::other(Wrapped(io::Error::other(text)))
    }

    /// What OpenSSL 3.5 says of a write to a connection that the peer has reset.
    const RESET: &str = "error:80000068:system library:tls_retry_write_records:reason(2):\
                         ssl/record/methods/tls_common.c:1949:tls_retry_write_records failure";

    #[test]
    fn a_write_to_a_closed_connection_is_an_end_by_the_broker_also_in_the_words_of_openssl() {
        let kind = |text: &str| of_io(wrapped(text)).kind();
        assert_eq!(kind(RESET), "closed by broker");
        assert_eq!(kind(&RESET.replace("80000068", "80000020")), "closed by broker", "broken pipe");
        assert_eq!(kind(&RESET.replace("80000068", "8000006E")), "io", "the network gave up");
        assert_eq!(kind("error:0A000126:SSL routines::unexpected"), "io", "no number of the system's");
        assert_eq!(kind("error:"), "io");
    }

    #[test]
    fn an_end_after_the_handshake_is_the_same_story_as_a_wish_for_a_certificate() {
        let mut options = peer::options(8883);
        options.broker.tls = Some(Default::default());
        let target = &options.targets(&options.broker.endpoints[0], &[])[0];
        let kind = |cause: io::Error| {
            let error = ConnectionError::MqttState(StateError::Io(cause));
            of_attempt(error, &options, target, Duration::ZERO).kind()
        };
        assert_eq!(kind(wrapped(RESET)), kind(io::Error::other("tlsv13 alert certificate required")));
        assert_eq!(kind(wrapped(RESET)), "tls: client certificate");
    }
}
