//! For tests: a broker's side of TLS, with a certificate made on the spot.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod, SslOptions, SslStream, SslVerifyMode};
use openssl::x509::X509;
use openssl::x509::extension::SubjectAlternativeName;
use tempfile::TempDir;

use crate::config::Endpoint;
use crate::config::Tls;
use crate::link::peer::{CONNACK, LIMIT};
use crate::link::target::Target;

/// A folder with `a.pem` and `a.key`, and the same of `b`: certificates for `host`, a name or an IP address, each signed by
/// itself, good from day 10,000 of Unix time to day 90,000.
pub(in crate::link) fn folder(host: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let key = PKey::generate_ed25519().unwrap();
        let pem = certificate(&key, host).to_pem().unwrap();
        fs::write(folder.path().join(name).with_extension("pem"), pem).unwrap();
        let key = key.private_key_to_pem_pkcs8().unwrap();
        fs::write(folder.path().join(name).with_extension("key"), key).unwrap();
    }
    folder
}

fn certificate(key: &PKey<Private>, host: &str) -> X509 {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut names = SubjectAlternativeName::new();
    match host.parse::<IpAddr>() {
        Ok(_) => names.ip(host),
        Err(_) => names.dns(host),
    };
    let names = names.build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(10_000 * DAY).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(90_000 * DAY).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.sign(key, MessageDigest::null()).unwrap();
    builder.build()
}

/// Somebody who speaks TLS where a broker is expected.
pub(in crate::link) struct TlsPeer {
    folder: TempDir,
    listener: TcpListener,
    acceptor: SslAcceptor,
}

/// What it speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::link) enum Speech {
    Tls12,
    Tls13,
    /// 1.3, and a certificate is asked for, though nobody's is accepted.
    Asking,
}

impl TlsPeer {
    /// One with a certificate for `host`.
    pub(in crate::link) fn new(host: &str, speech: Speech) -> TlsPeer {
        let folder = folder(host);
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        builder.set_certificate_chain_file(folder.path().join("a.pem")).unwrap();
        builder.set_private_key_file(folder.path().join("a.key"), SslFiletype::PEM).unwrap();
        match speech {
            Speech::Tls12 => builder.set_options(SslOptions::NO_TLSV1_3),
            Speech::Tls13 => builder.set_options(SslOptions::NO_TLSV1_2),
            Speech::Asking => {
                builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
                builder.set_options(SslOptions::NO_TLSV1_2)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let limit = TimeVal::seconds(LIMIT.as_secs().cast_signed());
        setsockopt(&listener, sockopt::ReceiveTimeout, &limit).unwrap();
        TlsPeer { folder, listener, acceptor: builder.build() }
    }

    pub(in crate::link) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The file of its certificate.
    pub(in crate::link) fn certificate(&self) -> PathBuf {
        self.folder.path().join("a.pem")
    }

    /// What trusts it.
    pub(in crate::link) fn trust(&self) -> Tls {
        Tls { ca: Some(self.certificate()), ..Tls::default() }
    }

    /// Where it is, for those who were told that `host` is there.
    pub(in crate::link) fn target(&self, host: &str) -> Target {
        let (host, port) = (host.to_owned(), self.address().port());
        Target { endpoint: Endpoint { host, port }, address: self.address() }
    }

    /// The next connection, before anything was said.
    pub(in crate::link) fn accept_tcp(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().expect("somebody connects within the limit");
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// The next connection, after a handshake that succeeded.
    pub(in crate::link) fn accept(&self) -> SslStream<Steady> {
        self.acceptor.accept(Steady(self.accept_tcp())).unwrap()
    }

    /// The next connection, its login accepted.
    pub(in crate::link) fn log_in(&self) -> SslStream<Steady> {
        let mut stream = self.accept();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        stream.write_all(&CONNACK).unwrap();
        stream
    }

    /// The next connection, whose handshake is to fail.
    pub(in crate::link) fn refuse(&self) {
        assert!(self.acceptor.accept(Steady(self.accept_tcp())).is_err());
    }
}

/// A connection on which a process that stood still goes on: the system does not restart what has a limit, and OpenSSL
/// takes that for the end.
#[derive(Debug)]
pub(in crate::link) struct Steady(pub(in crate::link) TcpStream);

impl Read for Steady {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| self.0.read(room))
    }
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `attempt` comes to, however often it is interrupted.
pub(super) fn uninterrupted(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

pub(in crate::link) const DAY: i64 = 86_400;
