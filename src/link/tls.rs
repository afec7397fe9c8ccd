//! Encryption: certificates and keys from PEM files, checked; never without a check of the broker.

use std::fs::File;
use std::io::{self, Read};
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
pub(super) fn is_about_our_certificate(text: &str) -> bool {
    ["alert certificate required", "alert bad certificate", "alert unknown ca", "alert handshake failure"]
        .iter()
        .any(|it| text.contains(it))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsProblem> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes));
    let read = read.and_then(|length| match length as u64 > FILE_BYTES {
        true => Err(io::Error::other(format!("longer than {FILE_BYTES} bytes"))),
        false => Ok(bytes),
    });
    read.map_err(|cause| TlsProblem::Read { path: path.to_owned(), cause })
}

/// How a key begins that OpenSSL can read without more questions. What stands before it is a comment.
const KEY_BEGIN: &[u8] = b"-----BEGIN PRIVATE KEY-----";
/// Twenty times the authorities of all the world; whatever is longer is no certificate.
const FILE_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;
    use std::thread;

    use crossbeam_channel::bounded;
    use native_tls::TlsAcceptor;

    use super::*;
    use crate::config;
    use crate::link::peer::{CONNACK, LIMIT, Peer, Wire, options};
    use crate::link::{Link, LinkEvent, Options};

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
    }

    /// The kinds of what a link tells that meets a broker with this `certificate`, which closes the
    /// connection without a goodbye as soon as it has accepted the login.
    fn outcome(certificate: &str, change: impl FnOnce(&mut Options)) -> Vec<&'static str> {
        let peer = Peer::new();
        let identity = Identity::from_pkcs8(
            &fs::read(file(certificate)).unwrap(),
            &fs::read(file("server.key")).unwrap(),
        );
        let acceptor = TlsAcceptor::new(identity.unwrap()).unwrap();
        let mut options = options(peer.port());
        options.endpoint.endpoints[0].host = "localhost".to_owned();
        options.endpoint.tls = Some(Tls { ca: Some(file("ca.pem")), identity: None });
        change(&mut options);
        thread::scope(|scope| {
            let (told, events) = bounded(8);
            let link = Link::start(options, told).unwrap();
            scope.spawn(move || {
                let Ok(mut stream) = acceptor.accept(peer.accept().0) else { return };
                if stream.read(&mut [0; 1024]).is_ok_and(|it| it > 0) {
                    stream.write_all(&CONNACK).unwrap();
                    let _ = stream.get_ref().shutdown(std::net::Shutdown::Both);
                }
            });
            let (mut kinds, mut session) = (Vec::new(), None);
            loop {
                match events.recv_timeout(LIMIT).unwrap() {
                    LinkEvent::Down(down) => {
                        kinds.push(down.cause.kind());
                        drop((session, link));
                        return kinds;
                    }
                    LinkEvent::Up(up) => {
                        kinds.push("up");
                        session = Some(up);
                    }
                    other => panic!("{other:?}"),
                }
            }
        })
    }

    fn tls(options: &mut Options) -> &mut Tls {
        options.endpoint.tls.as_mut().unwrap()
    }

    #[test]
    fn a_certificate_of_the_configured_authority_for_the_name_is_trusted() {
        assert_eq!(outcome("server.pem", |_| ()), ["up", "closed by broker"]);
        let by_address = |options: &mut Options| options.endpoint.endpoints[0].host = "127.0.0.1".to_owned();
        assert_eq!(outcome("server.pem", by_address), ["up", "closed by broker"]);
    }

    #[test]
    fn all_authorities_of_a_bundle_are_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("bundle.pem");
        let both = ["other-ca.pem", "ca.pem"].map(|it| fs::read_to_string(file(it)).unwrap());
        fs::write(&bundle, both.concat()).unwrap();
        let change = |options: &mut Options| tls(options).ca = Some(bundle.clone());
        assert_eq!(outcome("server.pem", change), ["up", "closed by broker"]);
    }

    #[test]
    fn a_certificate_that_cannot_be_trusted_says_why() {
        assert_eq!(outcome("expired.pem", |_| ()), ["tls: expired"]);
        assert_eq!(outcome("future.pem", |_| ()), ["tls: not yet valid"]);
        assert_eq!(outcome("elsewhere.pem", |_| ()), ["tls: name"]);
        let by_address = |options: &mut Options| options.endpoint.endpoints[0].host = "127.0.0.1".to_owned();
        assert_eq!(outcome("elsewhere.pem", by_address), ["tls: name"]);
        let other_authority = |options: &mut Options| tls(options).ca = Some(file("other-ca.pem"));
        assert_eq!(outcome("server.pem", other_authority), ["tls: unknown authority"]);
        let authority_of_the_system = |options: &mut Options| tls(options).ca = None;
        assert_eq!(outcome("server.pem", authority_of_the_system), ["tls: unknown authority"]);
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
            options.endpoint.tls = Some(Tls::default());
            let (told, events) = bounded(8);
            let _link = Link::start(options, told).unwrap();
            answer(peer.accept());
            match events.recv_timeout(LIMIT).unwrap() {
                LinkEvent::Down(down) => assert_eq!(down.cause.kind(), "tls: not spoken"),
                other => panic!("expected down, found {other:?}"),
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_to_do() {
        let problem = |ca: &str, certificate: &str, key: &str| {
            let identity = config::Identity { certificate: file(certificate), key: file(key) };
            let tls = Tls { ca: Some(file(ca)), identity: Some(identity) };
            connector(&tls).err().map(|it| it.to_string()).unwrap_or_default()
        };
        assert_eq!(problem("ca.pem", "server.pem", "server.key"), "");
        let absent = problem("absent.pem", "server.pem", "server.key");
        assert!(absent.starts_with("cannot read ") && absent.ends_with("absent.pem"), "{absent}");
        let no_certificate = problem("server.key", "server.pem", "server.key");
        assert!(no_certificate.contains("server.key: expected certificates"), "{no_certificate}");
        let old_format = problem("ca.pem", "server.pem", "sec1.key");
        assert!(old_format.contains("openssl pkcs8 -topk8 -nocrypt -in "), "{old_format}");
        let foreign = problem("ca.pem", "ca.pem", "server.key");
        assert!(foreign.starts_with("cannot use ") && foreign.ends_with("server.key"), "{foreign}");
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        let tls = Tls { ca: Some("/dev/zero".into()), identity: None };
        let problem = connector(&tls).map(drop).unwrap_err();
        assert_eq!(
            crate::model::Chain(&problem).to_string(),
            "cannot read /dev/zero: longer than 4194304 bytes"
        );
    }
}
