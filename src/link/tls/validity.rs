//! From when until when our own certificate holds.

use std::path::Path;
use std::time::SystemTime;

use openssl::asn1::Asn1Time;
use openssl::asn1::Asn1TimeRef;
use openssl::x509::X509;
use time::Duration;
use time::OffsetDateTime;

use super::TlsProblem;
use super::read;

/// What stands against the certificate in `path` at `now`; nothing where it cannot be read, which others tell.
pub(super) fn problem(path: &Path, now: SystemTime) -> Option<TlsProblem> {
    let own = X509::stack_from_pem(&read(path).ok()?).ok()?.into_iter().next()?;
    let (from, until) = (instant(own.not_before())?, instant(own.not_after())?);
    let path = path.to_owned();
    if now > until {
        Some(TlsProblem::OurCertificateExpired { path, until, clock: now })
    } else if now < from {
        Some(TlsProblem::OurCertificateNotYetValid { path, from, clock: now })
    } else {
        None
    }
}

fn instant(time: &Asn1TimeRef) -> Option<SystemTime> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    let since = Duration::days(since.days.into()) + Duration::seconds(since.secs.into());
    OffsetDateTime::UNIX_EPOCH.checked_add(since).map(SystemTime::from)
}
