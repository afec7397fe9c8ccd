//! What OpenSSL says of a handshake, and what that means. Its error codes do not come through `native_tls`, its texts
//! do; they are the same since OpenSSL 1.1 but for a hyphen and a prefix.

use std::time::SystemTime;

use crate::config::Tls;

use super::TlsProblem;
use super::validity;

/// What `error` means, from a handshake with `host` as `tls` says, at `now`.
pub(in crate::link) fn of_handshake(
    error: native_tls::Error,
    host: &str,
    tls: &Tls,
    now: SystemTime,
) -> TlsProblem {
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|it| text.contains(it));
    if let Some(problem) = about_their_certificate(&text, host, tls, now) {
        problem
    } else if is_about_our_certificate(&text) {
        about_ours(tls, now)
    } else if says(&["alert protocol version", "unsupported protocol"]) {
        TlsProblem::OldVersion
    } else if says(&[
        "wrong version number",
        "nexpected eof",
        "nexpected EOF",
        "packet length",
        "Connection reset",
    ]) {
        TlsProblem::NotTls
    } else {
        TlsProblem::Other(error.into())
    }
}

/// Whether OpenSSL's `text` is the broker's complaint about our certificate. With TLS 1.3 it comes only
/// after the handshake, as an error of the first read.
pub(in crate::link) fn is_about_our_certificate(text: &str) -> bool {
    OUR_CERTIFICATE.iter().any(|it| text.contains(it))
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

fn about_their_certificate(text: &str, host: &str, tls: &Tls, now: SystemTime) -> Option<TlsProblem> {
    if tls.insecure {
        return None; // It is not why this failed, though OpenSSL still tells what it thinks of the certificate.
    }
    let says = |words: &[&str]| words.iter().any(|it| text.contains(it));
    if says(&["certificate has expired"]) {
        Some(TlsProblem::Expired { clock: now })
    } else if says(&["not yet valid"]) {
        Some(TlsProblem::NotYetValid { clock: now })
    } else if says(&["hostname mismatch", "Hostname mismatch", "IP address mismatch"]) {
        Some(TlsProblem::NameMismatch { host: host.to_owned() })
    } else if says(&["(self-signed certificate)", "(self signed certificate)"]) {
        Some(TlsProblem::SelfSigned)
    } else if says(&["issuer certificate", "self-signed", "self signed", "unable to verify the first"]) {
        Some(TlsProblem::UnknownAuthority { trusted: tls.ca.clone() })
    } else {
        None
    }
}

/// The alerts (RFC 8446, section 6.2) with which a broker answers our certificate, or that there is none.
const OUR_CERTIFICATE: &[&str] = &[
    "alert access denied",
    "alert bad certificate",
    "alert certificate expired",
    "alert certificate required",
    "alert certificate revoked",
    "alert certificate unknown",
    "alert handshake failure",
    "alert unknown ca",
    "alert unsupported certificate",
];
