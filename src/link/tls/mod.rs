//! Encryption: what trusts the broker and shows it who we are, built from PEM files.

mod authorities;
mod carrier;
mod handshake;
mod key;
mod problem;
mod tunnel;
mod validity;

#[cfg(test)]
pub(super) mod peer;
#[cfg(test)]
mod tunnel_tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use openssl::error::ErrorStack;
use openssl::ssl::SslConnector;
use openssl::ssl::SslMethod;
use openssl::ssl::SslVersion;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;

use crate::config::Identity;
use crate::config::Tls;

pub(super) use handshake::{about_ours, closed_afterwards, shake_hands};
pub use problem::TlsProblem;
pub(super) use tunnel::{End, Tunnel};

use key::PrivateKey;

/// The connector that `tls` describes, built from its files as they are now: done before each attempt,
/// so that a renewed certificate needs no restart.
///
/// Where an authority is configured, it alone is trusted, and those of the system are not even read.
///
/// # Errors
///
/// [`TlsProblem`], one of those that name a file.
pub(super) fn connector(tls: &Tls) -> Result<SslConnector, TlsProblem> {
    Files::read(tls)?.connector().map_err(|it| TlsProblem::Other(it.into()))
}

/// What is wrong with the files that `tls` names, as a connection at `now` would find them. Reads small files; does
/// not connect.
///
/// # Errors
///
/// [`TlsProblem`], one of those that name a file.
pub fn check_files(tls: &Tls, now: SystemTime) -> Result<(), TlsProblem> {
    Files::read(tls)?;
    match tls.identity.as_ref().and_then(|it| validity::problem(&it.certificate, now)) {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

/// What stands in the configured files.
struct Files {
    /// Empty where none are configured, and only there.
    authorities: Vec<X509>,
    identity: Option<Identified>,
}

/// Our certificate with its chain, and the key that belongs to it.
struct Identified {
    certificate: X509,
    chain: Vec<X509>,
    key: PrivateKey,
}

impl Files {
    fn read(tls: &Tls) -> Result<Files, TlsProblem> {
        let authorities = tls.ca.as_deref().map_or(Ok(Vec::new()), certificates)?;
        Ok(Files { authorities, identity: tls.identity.as_ref().map(Identified::read).transpose()? })
    }

    fn connector(self) -> Result<SslConnector, ErrorStack> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        if self.authorities.is_empty() {
            authorities::trust_those_of_the_system(&mut builder);
        } else {
            let mut trusted = X509StoreBuilder::new()?;
            for authority in self.authorities {
                trusted.add_cert(authority)?;
            }
            builder.set_cert_store(trusted.build());
        }
        if let Some(Identified { certificate, chain, key }) = self.identity {
            builder.set_certificate(&certificate)?;
            builder.set_private_key(key.inner())?;
            for authority in chain {
                builder.add_extra_chain_cert(authority)?;
            }
        }
        Ok(builder.build())
    }
}

impl Identified {
    fn read(files: &Identity) -> Result<Identified, TlsProblem> {
        let mut chain = certificates(&files.certificate)?;
        let certificate = chain.remove(0);
        let key = PrivateKey::read(&files.key)?;
        if !key.belongs_to(&certificate) {
            let (certificate, key) = (files.certificate.clone(), files.key.clone());
            return Err(TlsProblem::KeyMismatch { certificate, key });
        }
        Ok(Identified { certificate, chain, key })
    }
}

/// The certificates in the PEM file `path`, never none.
fn certificates(path: &Path) -> Result<Vec<X509>, TlsProblem> {
    match X509::stack_from_pem(&read(path)?) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsProblem::NoCertificate { path: path.to_owned() }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsProblem> {
    let read = File::open(path).and_then(|file| {
        // Room for all of it and for a look at its end: a vector that grows leaves copies behind, here of a key.
        let expected = file.metadata()?.len().min(FILE_BYTES) as usize;
        let mut bytes = Vec::with_capacity(expected + 64);
        match file.take(FILE_BYTES + 1).read_to_end(&mut bytes)? as u64 > FILE_BYTES {
            true => Err(io::Error::other(format!("longer than {FILE_BYTES} bytes"))),
            false => Ok(bytes),
        }
    });
    read.map_err(|cause| TlsProblem::Read { path: path.to_owned(), cause })
}

/// Twenty times the authorities of all the world; whatever is longer is no certificate.
const FILE_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Shutdown;
    use std::thread;
    use std::time::Duration;

    use crossbeam_channel::bounded;
    use tempfile::TempDir;

    use super::peer::{DAY, Speech, TlsPeer, folder};
    use super::*;
    use crate::link::peer::{LIMIT, Peer, Wire, options};
    use crate::link::{Link, LinkEvent};
    use crate::model::Chain;

    /// What `check_files` says on `day` of `tls` whose files, or none, are in `folder`.
    #[track_caller]
    fn check(folder: &TempDir, ca: &str, [certificate, key]: [&str; 2], day: i64, expected: &str) {
        let file = |name: &str| folder.path().join(name);
        let tls = Tls {
            ca: Some(file(ca)),
            identity: Some(Identity { certificate: file(certificate), key: file(key) }),
            insecure: false,
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs((day * DAY) as u64);
        let problem = check_files(&tls, now).err().map(|it| Chain(&it).to_string()).unwrap_or_default();
        assert_eq!(problem.replace(&format!("{}/", folder.path().display()), ""), expected);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_to_do() {
        let folder = folder("127.0.0.1");
        let ours = ["a.pem", "a.key"];
        check(&folder, "b.pem", ours, 20_000, "");
        check(&folder, "c.pem", ours, 20_000, "cannot read c.pem: No such file or directory (os error 2)");
        check(&folder, "b.key", ours, 20_000, "b.key: expected whole certificates in PEM form");
        let half = &fs::read(folder.path().join("a.pem")).unwrap()[..200];
        fs::write(folder.path().join("half.pem"), half).unwrap();
        check(&folder, "half.pem", ours, 20_000, "half.pem: expected whole certificates in PEM form");
        let half = ["half.pem", "a.key"];
        check(&folder, "b.pem", half, 20_000, "half.pem: expected whole certificates in PEM form");
        let mixed = ["a.pem", "b.key"];
        let expected = "the key in b.key does not belong to the first certificate in a.pem: \
                        set TLS_CERT and TLS_KEY in [Broker] to a certificate and its own key";
        check(&folder, "b.pem", mixed, 20_000, expected);
    }

    #[test]
    fn a_certificate_of_ours_that_is_out_of_its_time_is_told_before_anybody_asks_for_it() {
        let folder = folder("127.0.0.1");
        let ours = ["a.pem", "a.key"];
        let early =
            "our certificate in a.pem is valid from 1997-05-19 on: is our clock set? It says 1997-05-18";
        check(&folder, "b.pem", ours, 9_999, early);
        check(&folder, "b.pem", ours, 10_000, "");
        check(&folder, "b.pem", ours, 90_000, "");
        let late = "our certificate in a.pem has expired on 2216-05-31: renew it, or set our clock, \
                    which says 2216-06-01";
        check(&folder, "b.pem", ours, 90_001, late);
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        let tls = Tls { ca: Some("/dev/zero".into()), ..Tls::default() };
        let problem = connector(&tls).map(drop).unwrap_err();
        assert_eq!(Chain(&problem).to_string(), "cannot read /dev/zero: longer than 4194304 bytes");
    }

    /// The kind of end that is told next.
    #[track_caller]
    fn end(events: &crossbeam_channel::Receiver<LinkEvent>) -> &'static str {
        match events.recv_timeout(LIMIT).unwrap() {
            LinkEvent::Down(down) => down.cause.kind(),
            other => panic!("expected down, found {other:?}"),
        }
    }

    #[test]
    fn a_broker_that_vanishes_without_a_goodbye_has_closed_the_connection() {
        let peer = TlsPeer::new("127.0.0.1", Speech::Tls13);
        let mut options = options(peer.address().port());
        options.broker.tls = Some(peer.trust());
        let (told, events) = bounded(8);
        let _link = Link::start(options, told).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let stream = peer.log_in();
                stream.get_ref().0.shutdown(Shutdown::Both).unwrap();
            });
            let first = events.recv_timeout(LIMIT).unwrap();
            assert!(matches!(first, LinkEvent::Up(_)), "{first:?}");
            assert_eq!(end(&events), "closed by broker");
        });
    }

    #[test]
    fn a_port_without_tls_is_told_from_a_broken_certificate() {
        // An answer in plain text; an end, orderly or not, for what it takes for nonsense.
        let answers: [fn(Wire); 3] = [
            |mut wire| wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            |mut wire| assert!(wire.next().is_some()),
            drop,
        ];
        for answer in answers {
            let peer = Peer::new();
            let mut options = options(peer.port());
            options.broker.tls = Some(Tls::default());
            let (told, events) = bounded(8);
            let _link = Link::start(options, told).unwrap();
            answer(peer.accept());
            assert_eq!(end(&events), "tls: not spoken");
        }
    }
}
