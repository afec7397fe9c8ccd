//! Encryption: what trusts the broker and shows it who we are, built from PEM files.

mod handshake;
mod key;
mod problem;
mod validity;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use native_tls::Certificate;
use native_tls::Protocol;
use native_tls::TlsConnector;
use openssl::x509::X509;

use crate::config::Identity;
use crate::config::Tls;

pub(super) use handshake::{about_ours, closed_afterwards, is_about_our_certificate, of_handshake};
pub use problem::TlsProblem;

use key::PrivateKey;

/// The connector that `tls` describes, built from its files as they are now: done before each attempt,
/// so that a renewed certificate needs no restart.
///
/// Where an authority is configured, it alone is trusted. OpenSSL loads the system's authorities first all
/// the same, 1.5 MB of them: `native_tls` has no way around it but `SSL_CERT_FILE` in the environment of the service.
///
/// # Errors
///
/// [`TlsProblem`], one of those that name a file.
pub(super) fn connector(tls: &Tls) -> Result<TlsConnector, TlsProblem> {
    let Files { authorities, identity } = Files::read(tls)?;
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12));
    builder.disable_built_in_roots(tls.ca.is_some());
    for authority in authorities {
        builder.add_root_certificate(authority);
    }
    if let Some(identity) = identity {
        builder.identity(identity);
    }
    if tls.insecure {
        builder.danger_accept_invalid_certs(true).danger_accept_invalid_hostnames(true);
    }
    builder.build().map_err(|it| TlsProblem::Other(it.into()))
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
    authorities: Vec<Certificate>,
    identity: Option<native_tls::Identity>,
}

impl Files {
    fn read(tls: &Tls) -> Result<Files, TlsProblem> {
        let authorities = match &tls.ca {
            None => Vec::new(),
            Some(path) => match Certificate::stack_from_pem(&read(path)?) {
                Ok(authorities) if !authorities.is_empty() => authorities,
                _ => return Err(TlsProblem::NoCertificate { path: path.clone() }),
            },
        };
        Ok(Files { authorities, identity: tls.identity.as_ref().map(identity).transpose()? })
    }
}

/// Our certificate with its chain, and the key that belongs to it.
fn identity(files: &Identity) -> Result<native_tls::Identity, TlsProblem> {
    let chain = read(&files.certificate)?;
    let certificates = X509::stack_from_pem(&chain).unwrap_or_default();
    let Some(own) = certificates.first() else {
        return Err(TlsProblem::NoCertificate { path: files.certificate.clone() });
    };
    let key = PrivateKey::read(&files.key)?;
    if !key.belongs_to(own) {
        let (certificate, key) = (files.certificate.clone(), files.key.clone());
        return Err(TlsProblem::KeyMismatch { certificate, key });
    }
    key.with_chain(&chain).map_err(TlsProblem::Other)
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
    use std::io::Write;
    use std::thread;
    use std::time::Duration;

    use crossbeam_channel::bounded;
    use native_tls::TlsAcceptor;
    use openssl::asn1::Asn1Time;
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::x509::extension::SubjectAlternativeName;
    use tempfile::TempDir;

    use super::*;
    use crate::link::peer::{CONNACK, LIMIT, Peer, Wire, options};
    use crate::link::{Link, LinkEvent};
    use crate::model::Chain;

    /// A folder with `a.pem` and `a.key`, and the same of `b`: certificates for the loopback address, each signed by
    /// itself, good from day 10,000 of Unix time to day 90,000.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let key = PKey::generate_ed25519().unwrap();
            fs::write(folder.path().join(name).with_extension("pem"), certificate(&key).to_pem().unwrap())
                .unwrap();
            let key = key.private_key_to_pem_pkcs8().unwrap();
            fs::write(folder.path().join(name).with_extension("key"), key).unwrap();
        }
        folder
    }

    fn certificate(key: &PKey<Private>) -> X509 {
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let name = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None));
        builder.append_extension(name.unwrap()).unwrap();
        builder.set_not_before(&Asn1Time::from_unix(10_000 * DAY).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(90_000 * DAY).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(key, MessageDigest::null()).unwrap();
        builder.build()
    }

    const DAY: i64 = 86_400;

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
        let folder = folder();
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
        let folder = folder();
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
        let folder = folder();
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        let identity = native_tls::Identity::from_pkcs8(&read("a.pem"), &read("a.key"));
        let acceptor = TlsAcceptor::new(identity.unwrap()).unwrap();
        let peer = Peer::new();
        let mut options = options(peer.port());
        options.broker.tls = Some(Tls { ca: Some(folder.path().join("a.pem")), ..Tls::default() });
        let (told, events) = bounded(8);
        let _link = Link::start(options, told).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut stream = acceptor.accept(peer.accept().0).unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(&CONNACK).unwrap();
                stream.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
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
