//! Certificates made on the spot: authorities, what they sign, and everything that can be wrong with it.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use tempfile::TempDir;

/// A folder of PEM files.
pub(crate) struct Folder(TempDir);

/// A certificate, and the key that it is about.
pub(crate) struct Certified {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

/// What a certificate is to say.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// Its subject's name.
    name: &'a str,
    /// The host names and IP addresses it is for.
    hosts: &'a [&'a str],
    /// Whether it may sign others.
    authority: bool,
    /// Its begin and its end, in days from today.
    days: (i64, i64),
    rsa: bool,
}

impl<'a> Request<'a> {
    /// A certificate for `hosts`, good from yesterday on.
    pub(crate) fn new(name: &'a str, hosts: &'a [&'a str]) -> Request<'a> {
        Request { name, hosts, authority: false, days: (-1, 30), rsa: false }
    }

    /// One that may sign others.
    pub(crate) fn authority(name: &'a str) -> Request<'a> {
        Request { authority: true, ..Request::new(name, &[]) }
    }

    /// The same with an RSA key rather than one on an elliptic curve.
    pub(crate) fn rsa(self) -> Request<'a> {
        Request { rsa: true, ..self }
    }

    /// The same, but it ended yesterday.
    pub(crate) fn expired(self) -> Request<'a> {
        Request { days: (-30, -1), ..self }
    }

    /// The same, but it begins tomorrow.
    pub(crate) fn not_yet_valid(self) -> Request<'a> {
        Request { days: (1, 30), ..self }
    }

    /// What comes of it when nobody else signs.
    pub(crate) fn self_signed(self) -> Certified {
        self.signed(None)
    }

    /// What comes of it when `authority` signs.
    pub(crate) fn signed_by(self, authority: &Certified) -> Certified {
        self.signed(Some(authority))
    }

    fn signed(self, authority: Option<&Certified>) -> Certified {
        let key = if self.rsa { rsa() } else { elliptic() };
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, self.name).unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let mut serial = BigNum::new().unwrap();
        serial.rand(64, MsbOption::ONE, false).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(authority.map_or(&name, |it| it.certificate.subject_name())).unwrap();
        builder.set_not_before(&day(self.days.0)).unwrap();
        builder.set_not_after(&day(self.days.1)).unwrap();
        builder.set_pubkey(&key).unwrap();
        if self.authority {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        }
        if !self.hosts.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for host in self.hosts {
                if host.parse::<IpAddr>().is_ok() {
                    names.ip(host)
                } else {
                    names.dns(host)
                };
            }
            let names = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(names).unwrap();
        }
        builder.sign(authority.map_or(&key, |it| &it.key), MessageDigest::sha256()).unwrap();
        Certified { certificate: builder.build(), key }
    }
}

impl Certified {
    /// The certificate in PEM form.
    pub(crate) fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    /// The key as PKCS #8.
    pub(crate) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    /// The key in the form that was usual before PKCS #8: PKCS #1 or SEC 1.
    pub(crate) fn old_key_pem(&self) -> Vec<u8> {
        let pem = match self.key.rsa() {
            Ok(key) => key.private_key_to_pem(),
            Err(_) => self.key.ec_key().unwrap().private_key_to_pem(),
        };
        pem.unwrap()
    }

    /// The key in both forms, the new and the old, with a password.
    pub(crate) fn encrypted_key_pems(&self) -> [Vec<u8>; 2] {
        let (cipher, password) = (Cipher::aes_256_cbc(), b"secret");
        let old = match self.key.rsa() {
            Ok(key) => key.private_key_to_pem_passphrase(cipher, password),
            Err(_) => self.key.ec_key().unwrap().private_key_to_pem_passphrase(cipher, password),
        };
        [self.key.private_key_to_pem_pkcs8_passphrase(cipher, password).unwrap(), old.unwrap()]
    }
}

impl Folder {
    /// An empty one.
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// Where `name` is, or would be.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as text, for a configuration.
    pub(crate) fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file that only its owner reads, aside first: whoever reads meanwhile sees the old one or the new one.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let aside = self.path(&format!("{name}.aside"));
        fs::write(&aside, bytes).unwrap();
        fs::set_permissions(&aside, Permissions::from_mode(0o600)).unwrap();
        fs::rename(aside, self.path(name)).unwrap();
    }

    /// Writes `certified` to `<name>.pem` and `<name>.key`.
    pub(crate) fn put(&self, name: &str, certified: &Certified) {
        self.write(&format!("{name}.pem"), certified.pem());
        self.write(&format!("{name}.key"), certified.key_pem());
    }

    /// Writes `ca.pem`, the authority that is trusted, and `other.pem`, which is not; both are returned.
    pub(crate) fn put_authorities(&self) -> [Certified; 2] {
        ["ca", "other"].map(|name| {
            let authority = Request::authority(name).self_signed();
            self.write(&format!("{name}.pem"), authority.pem());
            authority
        })
    }

    /// The lines of all the keys in it: what nobody may ever show.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let keys = fs::read_dir(self.0.path()).unwrap().map(|it| it.unwrap().path());
        let keys = keys.filter(|it| it.extension() == Some("key".as_ref()) && Path::is_file(it));
        let text = keys.map(|it| fs::read_to_string(it).unwrap()).collect::<String>();
        text.lines().filter(|it| it.len() > 20 && !it.starts_with("-----")).map(str::to_owned).collect()
    }
}

fn rsa() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn elliptic() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// `days` from now.
fn day(days: i64) -> Asn1Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    Asn1Time::from_unix(now + days * 86_400).unwrap()
}

/// Where our brokers are.
pub(crate) const EVERYWHERE: &[&str] = &["localhost", "127.0.0.1", "::1"];
