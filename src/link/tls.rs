//! Encryption: certificates and keys from PEM files, checked; never without a check of the broker.

use std::fs;
use std::path::Path;

use native_tls::Certificate;
use native_tls::Identity;
use native_tls::TlsConnector;

use crate::config::Tls;

use super::TlsProblem;

/// The connector that `tls` describes, built from its files as they are now: done before each attempt,
/// so that a renewed certificate needs no restart.
///
/// Where an authority is configured, it alone is trusted. OpenSSL loads the system's authorities first all
/// the same; `SSL_CERT_FILE` in the environment of the service, set to the same file, saves the 2 MB.
///
/// # Errors
///
/// [`TlsProblem`], one of those that name a file.
pub(super) fn connector(tls: &Tls) -> Result<TlsConnector, TlsProblem> {
    let mut builder = TlsConnector::builder();
    if let Some(path) = &tls.ca {
        let authorities = Certificate::stack_from_pem(&read(path)?).unwrap_or_default();
        if authorities.is_empty() {
            return Err(TlsProblem::NoCertificate { path: path.clone() });
        }
        builder.disable_built_in_roots(true);
        for authority in authorities {
            builder.add_root_certificate(authority);
        }
    }
    let Some(files) = &tls.identity else {
        return builder.build().map_err(|it| TlsProblem::Other(it.into()));
    };
    let certificate = read(&files.certificate)?;
    if Certificate::stack_from_pem(&certificate).unwrap_or_default().is_empty() {
        return Err(TlsProblem::NoCertificate { path: files.certificate.clone() });
    }
    let key = read(&files.key)?;
    let Some(at) = key.windows(KEY_BEGIN.len()).position(|it| it == KEY_BEGIN) else {
        return Err(TlsProblem::KeyFormat { path: files.key.clone() });
    };
    let unusable = |cause: native_tls::Error| TlsProblem::Identity {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        cause: cause.into(),
    };
    builder.identity(Identity::from_pkcs8(&certificate, &key[at..]).map_err(unusable)?);
    builder.build().map_err(unusable)
}

/// What `error`, from a handshake with `host`, means. OpenSSL's error codes do not come through
/// `native_tls`, its texts do; they are the same since OpenSSL 1.1.
pub(super) fn problem(error: native_tls::Error, host: &str) -> TlsProblem {
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|it| text.contains(it));
    if says(&["certificate has expired"]) {
        TlsProblem::Expired
    } else if says(&["not yet valid"]) {
        TlsProblem::NotYetValid
    } else if says(&["hostname mismatch", "Hostname mismatch", "IP address mismatch"]) {
        TlsProblem::NameMismatch { host: host.to_owned() }
    } else if says(&["issuer certificate", "self-signed", "self signed", "unable to verify the first"]) {
        TlsProblem::UnknownAuthority
    } else if is_about_our_certificate(&text) {
        TlsProblem::ClientCertificate
    } else if says(&["wrong version number", "unexpected eof", "packet length too long", "http request"]) {
        TlsProblem::NotTls
    } else {
        TlsProblem::Other(error.into())
    }
}

/// Whether OpenSSL's `text` is the broker's complaint about our certificate. With TLS 1.3 it comes only
/// after the handshake, as an error of the first read.
pub(super) fn is_about_our_certificate(text: &str) -> bool {
    ["alert certificate required", "alert bad certificate", "alert unknown ca", "alert handshake failure"]
        .iter()
        .any(|it| text.contains(it))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsProblem> {
    fs::read(path).map_err(|cause| TlsProblem::Read { path: path.to_owned(), cause })
}

/// How a key begins that OpenSSL can read without more questions. What stands before it is a comment.
const KEY_BEGIN: &[u8] = b"-----BEGIN PRIVATE KEY-----";
