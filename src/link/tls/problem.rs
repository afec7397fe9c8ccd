//! Why there is no encryption that can be trusted, in words that say what to do.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use time::Date;
use time::OffsetDateTime;

/// What stands in the way of a trusted encrypted connection. The link tries again whatever it was, with the files as
/// they are then. Never holds anything of a key.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsProblem {
    /// A configured file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// A configured file has no certificate in PEM form, or a damaged one.
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file of our key has no private key in PEM form.
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Our private key can be read only with a password.
    KeyEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// Our private key is not whole.
    KeyDamaged {
        /// The file.
        path: PathBuf,
    },
    /// Our certificate and our private key do not belong together.
    KeyMismatch {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
    },
    /// Our certificate is past its end.
    OurCertificateExpired {
        /// Its file.
        path: PathBuf,
        /// Its end.
        until: SystemTime,
        /// What our clock says.
        clock: SystemTime,
    },
    /// Our certificate is before its begin: mostly, our clock is wrong.
    OurCertificateNotYetValid {
        /// Its file.
        path: PathBuf,
        /// Its begin.
        from: SystemTime,
        /// What our clock says.
        clock: SystemTime,
    },
    /// The certificate of the broker, or of an authority above it, is past its end.
    Expired {
        /// What our clock says.
        clock: SystemTime,
    },
    /// The certificate of the broker, or of an authority above it, is before its begin: mostly, our clock is wrong.
    NotYetValid {
        /// What our clock says.
        clock: SystemTime,
    },
    /// The broker's certificate is signed by no authority but itself.
    SelfSigned,
    /// Nobody we trust signed the broker's certificate.
    UnknownAuthority {
        /// The file of those we trust; `None` are the system's.
        trusted: Option<PathBuf>,
    },
    /// The broker's certificate is for another name or address.
    NameMismatch {
        /// What we connect to.
        host: String,
    },
    /// The broker asks for a certificate, and we have none.
    ClientCertificateMissing,
    /// The broker does not accept our certificate, which is within its time.
    ClientCertificateRefused {
        /// Its file.
        path: PathBuf,
    },
    /// The broker closed the connection between the handshake and its answer to our login. Where it does not like our
    /// certificate, or misses one, the end often comes before its words.
    ClosedAfterHandshake {
        /// The file of our certificate, where there is one.
        certificate: Option<PathBuf>,
    },
    /// The broker speaks no version of TLS from 1.2 on.
    OldVersion,
    /// What answers on that port does not speak TLS.
    NotTls,
    /// Anything else, as OpenSSL says it.
    Other(Box<dyn Error + Send + Sync>),
}

impl TlsProblem {
    /// Whether only a person can cure it, not a clock that is set or a broker that has started.
    pub(in crate::link) fn needs_a_person(&self) -> bool {
        !matches!(
            self,
            TlsProblem::Expired { .. }
                | TlsProblem::NotYetValid { .. }
                | TlsProblem::OurCertificateExpired { .. }
                | TlsProblem::OurCertificateNotYetValid { .. }
                | TlsProblem::NotTls // A broker that is just starting looks like that too.
                | TlsProblem::Other(_)
        )
    }

    /// As [`LinkError::kind`](crate::link::LinkError::kind).
    pub(in crate::link) fn kind(&self) -> &'static str {
        match self {
            TlsProblem::Read { .. } => "tls: file",
            TlsProblem::NoCertificate { .. } => "tls: no certificate",
            TlsProblem::NoKey { .. } => "tls: no key",
            TlsProblem::KeyEncrypted { .. } => "tls: encrypted key",
            TlsProblem::KeyDamaged { .. } => "tls: damaged key",
            TlsProblem::KeyMismatch { .. } => "tls: key mismatch",
            TlsProblem::Expired { .. } => "tls: expired",
            TlsProblem::NotYetValid { .. } => "tls: not yet valid",
            TlsProblem::SelfSigned => "tls: self-signed",
            TlsProblem::UnknownAuthority { .. } => "tls: unknown authority",
            TlsProblem::NameMismatch { .. } => "tls: name",
            TlsProblem::OurCertificateExpired { .. }
            | TlsProblem::OurCertificateNotYetValid { .. }
            | TlsProblem::ClientCertificateMissing
            | TlsProblem::ClientCertificateRefused { .. }
            | TlsProblem::ClosedAfterHandshake { .. } => "tls: client certificate",
            TlsProblem::OldVersion => "tls: version",
            TlsProblem::NotTls => "tls: not spoken",
            TlsProblem::Other(_) => "tls",
        }
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsProblem::Read { path, .. } => write!(f, "cannot read {}", path.display()),
            TlsProblem::NoCertificate { path } => {
                write!(f, "{}: expected whole certificates in PEM form", path.display())
            }
            TlsProblem::NoKey { path } => {
                write!(f, "{}: expected a private key in PEM form, found none", path.display())
            }
            TlsProblem::KeyEncrypted { path } => write!(
                f,
                "{0}: the private key is encrypted, and nobody is here to type its password; \
                 decrypt it with: openssl pkey -in {0} -out NEW",
                path.display()
            ),
            TlsProblem::KeyDamaged { path } => {
                write!(f, "{}: the private key is damaged, or not yet written to its end", path.display())
            }
            TlsProblem::KeyMismatch { certificate, key } => write!(
                f,
                "the key in {} does not belong to the first certificate in {}: \
                 set TLS_CERT and TLS_KEY in [Broker] to a certificate and its own key",
                key.display(),
                certificate.display()
            ),
            TlsProblem::OurCertificateExpired { path, until, clock } => write!(
                f,
                "our certificate in {} has expired on {}: renew it, or set our clock, which says {}",
                path.display(),
                date(*until),
                date(*clock)
            ),
            TlsProblem::OurCertificateNotYetValid { path, from, clock } => write!(
                f,
                "our certificate in {} is valid from {} on: is our clock set? It says {}",
                path.display(),
                date(*from),
                date(*clock)
            ),
            TlsProblem::Expired { clock } => write!(
                f,
                "the broker's certificate has expired: renew it there (or that of its authority), \
                 or set our clock, which says {}",
                date(*clock)
            ),
            TlsProblem::NotYetValid { clock } => write!(
                f,
                "the broker's certificate is not valid yet: is our clock set? It says {}",
                date(*clock)
            ),
            TlsProblem::SelfSigned => f.write_str(
                "the broker's certificate is signed by itself alone: if it is the right one, \
                 set TLS_CA_CERT in [Broker] to a copy of it",
            ),
            TlsProblem::UnknownAuthority { trusted } => {
                f.write_str("the broker's certificate is signed by nobody we trust")?;
                match trusted {
                    Some(path) => write!(f, " (those in {})", path.display())?,
                    None => f.write_str(" (those of this system)")?,
                }
                f.write_str(": set TLS_CA_CERT in [Broker] to the certificate of its authority")
            }
            TlsProblem::NameMismatch { host } => write!(
                f,
                "the broker's certificate is not for {host}: set HOST in [Broker] to a name it is for, \
                 or have {host} added to it (subjectAltName)"
            ),
            TlsProblem::ClientCertificateMissing => f.write_str(
                "the broker wants a client certificate: set TLS_CERT and TLS_KEY in [Broker] \
                 to one that it trusts",
            ),
            TlsProblem::ClientCertificateRefused { path } => write!(
                f,
                "the broker does not accept our certificate in {}: \
                 set TLS_CERT in [Broker] to one of an authority that the broker trusts",
                path.display()
            ),
            TlsProblem::ClosedAfterHandshake { certificate: None } => f.write_str(
                "the broker closed the connection after the handshake: if it wants a client certificate, \
                 set TLS_CERT and TLS_KEY in [Broker]",
            ),
            TlsProblem::ClosedAfterHandshake { certificate: Some(path) } => write!(
                f,
                "the broker closed the connection after the handshake, as it does where it does not accept \
                 our certificate in {}: is it of an authority that the broker trusts?",
                path.display()
            ),
            TlsProblem::OldVersion => f.write_str(
                "the broker speaks no TLS of version 1.2 or newer: update it, or set its tls_version",
            ),
            TlsProblem::NotTls => {
                f.write_str("no TLS is spoken on that port: check PORT and TLS_ENABLED in [Broker]")
            }
            TlsProblem::Other(_) => f.write_str("the handshake failed"),
        }
    }
}

impl Error for TlsProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TlsProblem::Read { cause, .. } => Some(cause),
            TlsProblem::Other(cause) => Some(&**cause),
            _ => None,
        }
    }
}

/// Its day in UTC, for people.
fn date(time: SystemTime) -> Date {
    OffsetDateTime::from(time).date()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_certificate_out_of_its_time_shows_the_days_that_do_not_go_together() {
        let day = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        let (path, clock) = (PathBuf::from("/our.pem"), day(0));
        let early = TlsProblem::OurCertificateNotYetValid { path: path.clone(), from: day(20_000), clock };
        assert_eq!(
            early.to_string(),
            "our certificate in /our.pem is valid from 2024-10-04 on: is our clock set? It says 1970-01-01"
        );
        let late = TlsProblem::OurCertificateExpired { path, until: day(20_000), clock: day(20_001) };
        assert_eq!(
            late.to_string(),
            "our certificate in /our.pem has expired on 2024-10-04: renew it, or set our clock, \
             which says 2024-10-05"
        );
    }

    #[test]
    fn what_does_not_fit_needs_a_person_and_what_is_out_of_its_time_perhaps_a_clock() {
        assert!(TlsProblem::UnknownAuthority { trusted: None }.needs_a_person());
        assert!(TlsProblem::NameMismatch { host: "broker".to_owned() }.needs_a_person());
        assert!(!TlsProblem::NotYetValid { clock: SystemTime::UNIX_EPOCH }.needs_a_person());
    }
}
