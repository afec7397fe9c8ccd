//! The handshake, what OpenSSL says of it, and what that means.

use std::ffi::c_ulong;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Instant, SystemTime};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use openssl::ssl;
use openssl::ssl::ErrorCode;
use openssl::ssl::HandshakeError;
use openssl::ssl::SslConnector;
use openssl::ssl::SslStream;
use openssl::ssl::SslVerifyMode;
use openssl::x509::X509VerifyResult;

use crate::config::Tls;
use crate::link::LinkError;
use crate::link::target::Target;
use crate::worker::poll_timeout;

use super::TlsProblem;
use super::validity;

/// Shakes hands on `stream` with whoever is at `target`, which has to show a certificate for the configured host unless
/// `tls` says otherwise. `None` where it has not come to an end before `deadline`. The stream does not block afterwards.
///
/// # Errors
///
/// [`LinkError::Tls`]; [`LinkError::Io`] where the system refuses something.
pub(in crate::link) fn shake_hands(
    connector: &SslConnector,
    tls: &Tls,
    target: &Target,
    stream: TcpStream,
    deadline: Instant,
) -> Result<Option<SslStream<TcpStream>>, LinkError> {
    stream.set_nonblocking(true).map_err(LinkError::Io)?;
    let host = &target.endpoint.host;
    let other = |it: openssl::error::ErrorStack| target.untrusted(TlsProblem::Other(it.into()));
    let mut configured = connector.configure().map_err(other)?.verify_hostname(!tls.insecure);
    if tls.insecure {
        configured.set_verify(SslVerifyMode::NONE);
    }
    // Tells the broker the host as well, unless it is an IP address (RFC 6066, section 3).
    let mut state = configured.connect(host, stream);
    loop {
        let half_way = match state {
            Ok(stream) => return Ok(Some(stream)),
            Err(HandshakeError::WouldBlock(it)) => it,
            Err(HandshakeError::SetupFailure(error)) => return Err(other(error)),
            Err(HandshakeError::Failure(it)) => {
                let verdict = it.ssl().verify_result();
                let problem = of_handshake(it.into_error(), verdict, host, tls, SystemTime::now());
                return Err(target.untrusted(problem));
            }
        };
        let needs = match half_way.error().code() {
            ErrorCode::WANT_WRITE => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        };
        if !is_ready(half_way.get_ref(), needs, deadline).map_err(LinkError::Io)? {
            return Ok(None);
        }
        state = half_way.handshake();
    }
}

/// Waits until `stream` has what it `needs`; false where it has not before `deadline`.
pub(super) fn is_ready(stream: &TcpStream, needs: PollFlags, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        match poll(&mut [PollFd::new(stream.as_fd(), needs)], poll_timeout(Some(left))) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What `error` means, from a handshake with `host` as `tls` says, at `now`, with OpenSSL's `verdict` on the certificate.
fn of_handshake(
    error: ssl::Error,
    verdict: X509VerifyResult,
    host: &str,
    tls: &Tls,
    now: SystemTime,
) -> TlsProblem {
    if let Some(problem) = about_their_certificate(verdict, host, tls, now) {
        problem
    } else if is_about_our_certificate(&error) {
        about_ours(tls, now)
    } else if reasons(&error).any(|it| OLD_VERSION.contains(&it)) {
        TlsProblem::OldVersion
    } else if is_end(&error) || reasons(&error).any(|it| NOT_TLS.contains(&it)) {
        TlsProblem::NotTls
    } else {
        TlsProblem::Other(error.into())
    }
}

/// Whether `error` is the broker's complaint about our certificate. With TLS 1.3 it comes only after the handshake, as an
/// error of the first read.
pub(super) fn is_about_our_certificate(error: &ssl::Error) -> bool {
    reasons(error).any(|it| OUR_CERTIFICATE.iter().any(|alert| it == ALERT + alert))
}

/// Whether `error` says that the peer has closed the connection, politely or not.
pub(super) fn is_end(error: &ssl::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match system_error(error) {
        Some(kind) => matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof),
        None => {
            matches!(error.code(), ErrorCode::ZERO_RETURN | ErrorCode::SYSCALL)
                || reasons(error).any(|it| it == UNEXPECTED_END)
        }
    }
}

/// What it means that the broker does not accept our certificate, or that we have none.
pub(in crate::link) fn about_ours(tls: &Tls, now: SystemTime) -> TlsProblem {
    let Some(identity) = &tls.identity else { return TlsProblem::ClientCertificateMissing };
    let path = &identity.certificate;
    validity::problem(path, now)
        .unwrap_or_else(|| TlsProblem::ClientCertificateRefused { path: path.clone() })
}

/// What it means that the broker closes the connection between the handshake and its answer to our login.
pub(in crate::link) fn closed_afterwards(tls: &Tls, now: SystemTime) -> TlsProblem {
    let path = tls.identity.as_ref().map(|it| &it.certificate);
    let problem = path.and_then(|it| validity::problem(it, now));
    problem.unwrap_or_else(|| TlsProblem::ClosedAfterHandshake { certificate: path.cloned() })
}

fn about_their_certificate(
    verdict: X509VerifyResult,
    host: &str,
    tls: &Tls,
    now: SystemTime,
) -> Option<TlsProblem> {
    if tls.insecure {
        return None; // It is not why this failed, though OpenSSL still tells what it thinks of the certificate.
    }
    // The numbers of `X509_V_ERR_...` in x509_vfy.h.
    match verdict.as_raw() {
        9 => Some(TlsProblem::NotYetValid { clock: now }),
        10 => Some(TlsProblem::Expired { clock: now }),
        18 => Some(TlsProblem::SelfSigned),
        // No issuer, an issuer that nobody knows, an unknown authority at the chain's end, a lonely certificate.
        2 | 19 | 20 | 21 => Some(TlsProblem::UnknownAuthority { trusted: tls.ca.clone() }),
        62 | 64 => Some(TlsProblem::NameMismatch { host: host.to_owned() }),
        _ => None,
    }
}

/// The numbers of what the TLS part of OpenSSL complains of.
fn reasons(error: &ssl::Error) -> impl Iterator<Item = i32> {
    let errors = error.ssl_error().map_or(&[][..], |it| it.errors());
    errors.iter().filter(|it| it.library_code() == TLS_PART).map(|it| it.reason_code())
}

/// The kind of the system's error behind `error`, which OpenSSL hands on as it is or among its own.
fn system_error(error: &ssl::Error) -> Option<io::ErrorKind> {
    if let Some(cause) = error.io_error() {
        return Some(cause.kind());
    }
    let of_system = error.ssl_error()?.errors().iter().find(|it| it.library_code() == SYSTEM_PART)?;
    // Not `reason_code`: openssl-sys 0.9.118 leaves the part's number in there.
    Some(io::Error::from_raw_os_error((of_system.code() & NUMBER_OF_SYSTEM) as i32).kind())
}

/// `ERR_LIB_SYS` and `ERR_LIB_SSL` in err.h.
const SYSTEM_PART: i32 = 2;
const TLS_PART: i32 = 20;
/// `ERR_SYSTEM_MASK` in err.h: below the highest bit is the system's number.
const NUMBER_OF_SYSTEM: c_ulong = 0x7fff_ffff;
/// The alerts (RFC 8446, section 6.2) with which a broker answers our certificate, or that there is none: handshake failure,
/// bad, unsupported, revoked, expired and unknown certificate, unknown authority, access denied, certificate required.
const OUR_CERTIFICATE: &[i32] = &[40, 42, 43, 44, 45, 46, 48, 49, 116];
/// `SSL_AD_REASON_OFFSET` in ssl.h: an alert of the peer's is this and its number.
const ALERT: i32 = 1000;
/// The alert for a version of the protocol, and `SSL_R_UNSUPPORTED_PROTOCOL` in sslerr.h.
const OLD_VERSION: &[i32] = &[ALERT + 70, 258];
/// `SSL_R_PACKET_LENGTH_TOO_LONG` and `SSL_R_WRONG_VERSION_NUMBER`.
const NOT_TLS: &[i32] = &[198, 267];
/// `SSL_R_UNEXPECTED_EOF_WHILE_READING`.
const UNEXPECTED_END: i32 = 294;
