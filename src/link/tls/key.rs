//! The private key of our certificate: any of the usual PEM forms, and wiped where it can be.

use std::hint::black_box;
use std::path::Path;

use openssl::pkey::PKey;
use openssl::pkey::PKeyRef;
use openssl::pkey::Private;
use openssl::x509::X509Ref;

use super::TlsProblem;
use super::read;

/// A private key. OpenSSL wipes its own memory when it is dropped.
pub(super) struct PrivateKey(PKey<Private>);

impl PrivateKey {
    /// The first key in the PEM file `path`: PKCS #8, or one of the older forms, PKCS #1 for RSA and SEC 1 for
    /// elliptic curves. What else is in the file, as curve parameters or certificates, is passed over.
    ///
    /// # Errors
    ///
    /// [`TlsProblem`], one of those that name a file of a key, or that it cannot be read.
    pub(super) fn read(path: &Path) -> Result<PrivateKey, TlsProblem> {
        let bytes = Wiped(read(path)?);
        let pem = match first_key(&bytes.0) {
            Some(Block { encrypted: false, pem }) => pem,
            Some(Block { encrypted: true, .. }) => {
                return Err(TlsProblem::KeyEncrypted { path: path.to_owned() });
            }
            None => return Err(TlsProblem::NoKey { path: path.to_owned() }),
        };
        // Without the callback OpenSSL would ask the terminal for a password.
        match PKey::private_key_from_pem_callback(pem, |_| Ok(0)) {
            Ok(key) => Ok(PrivateKey(key)),
            // What OpenSSL says of it helps nobody, and is about a secret.
            Err(_) => Err(TlsProblem::KeyDamaged { path: path.to_owned() }),
        }
    }

    /// Whether `certificate` is about this key.
    pub(super) fn belongs_to(&self, certificate: &X509Ref) -> bool {
        certificate.public_key().is_ok_and(|it| it.public_eq(&self.0))
    }

    /// As OpenSSL has it.
    pub(super) fn inner(&self) -> &PKeyRef<Private> {
        &self.0
    }
}

/// A private key in a PEM file.
struct Block<'a> {
    /// From its first line to the file's end.
    pem: &'a [u8],
    /// Whether a password is needed to read it.
    encrypted: bool,
}

fn first_key(file: &[u8]) -> Option<Block<'_>> {
    let mut rest = file;
    loop {
        let pem = &rest[find(rest, BEGIN)?..];
        rest = &pem[BEGIN.len()..];
        let label = &rest[..find(rest, b"-----")?];
        let body = &rest[..find(rest, b"-----END ").unwrap_or(rest.len())];
        match label {
            b"PRIVATE KEY" => return Some(Block { pem, encrypted: false }),
            b"ENCRYPTED PRIVATE KEY" => return Some(Block { pem, encrypted: true }),
            b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" => {
                return Some(Block { pem, encrypted: find(body, b"Proc-Type: 4,ENCRYPTED").is_some() });
            }
            _ => {}
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|it| it == part)
}

/// Bytes of a key, which are overwritten before their memory goes to others.
struct Wiped(Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.fill(0);
        black_box(&mut self.0); // As if somebody looked: else the compiler may leave the line above out.
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";

#[cfg(test)]
mod tests {
    use std::fs;

    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;

    use super::*;

    /// What comes of reading a file with `text`: nothing, or the error.
    fn outcome(text: impl AsRef<[u8]>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("KEY");
        fs::write(&path, text).unwrap();
        let error = PrivateKey::read(&path).err().map(|it| it.to_string());
        error.unwrap_or_default().replace(&format!("{}/", folder.path().display()), "")
    }

    fn rsa() -> Rsa<Private> {
        Rsa::generate(2048).unwrap()
    }

    fn ec() -> EcKey<Private> {
        EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap()
    }

    fn text(pem: Vec<u8>) -> String {
        String::from_utf8(pem).unwrap()
    }

    #[track_caller]
    fn check(pem: &str, first_line: &str, expected: &str) {
        assert_eq!(pem.lines().next(), Some(first_line));
        assert_eq!(outcome(pem), expected);
    }

    #[test]
    fn each_usual_form_of_a_key_is_read() {
        let pkcs8 = PKey::generate_ed25519().unwrap().private_key_to_pem_pkcs8().unwrap();
        check(&text(pkcs8), "-----BEGIN PRIVATE KEY-----", "");
        check(&text(rsa().private_key_to_pem().unwrap()), "-----BEGIN RSA PRIVATE KEY-----", "");
        let sec1 = text(ec().private_key_to_pem().unwrap());
        check(&sec1, "-----BEGIN EC PRIVATE KEY-----", "");
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        check(&format!("{parameters}{sec1}"), "-----BEGIN EC PARAMETERS-----", "");
        check(&format!("Bag Attributes: none\r\n{}", sec1.replace('\n', "\r\n")), "Bag Attributes: none", "");
    }

    #[test]
    fn an_encrypted_key_is_refused_with_what_to_do() {
        let expected = "KEY: the private key is encrypted, and nobody is here to type its password; \
                        decrypt it with: openssl pkey -in KEY -out NEW";
        let (cipher, rsa) = (Cipher::aes_128_cbc(), rsa());
        let old = text(rsa.private_key_to_pem_passphrase(cipher, b"secret").unwrap());
        check(&old, "-----BEGIN RSA PRIVATE KEY-----", expected);
        let new = PKey::from_rsa(rsa).unwrap().private_key_to_pem_pkcs8_passphrase(cipher, b"secret");
        check(&text(new.unwrap()), "-----BEGIN ENCRYPTED PRIVATE KEY-----", expected);
    }

    #[test]
    fn a_file_without_a_key_is_told_from_one_with_half_a_key() {
        let none = "KEY: expected a private key in PEM form, found none";
        let half = "KEY: the private key is damaged, or not yet written to its end";
        let whole = text(ec().private_key_to_pem().unwrap());
        for end in 0..whole.trim_end().len() {
            let begun = end >= "-----BEGIN EC PRIVATE KEY-----".len();
            assert_eq!(outcome(&whole[..end]), if begun { half } else { none }, "{end} bytes of it");
        }
        assert_eq!(outcome(b"\x30\x82\x04\xa4"), none);
        assert_eq!(outcome("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), none);
    }
}
