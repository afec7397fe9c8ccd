//! Where this system keeps the authorities that it trusts.

use std::env;
use std::fs;
use std::path::Path;

use openssl::ssl::SslConnectorBuilder;

/// Has `builder` trust the authorities of this system. `SSL_CERT_FILE` and `SSL_CERT_DIR` in the environment name others,
/// as for every program with OpenSSL (openssl-env(7)).
///
/// Best a folder, in which each authority is found by its name when it is needed: the one file with all of them takes
/// 1.5 MB of memory. It is read only where there is no such folder.
pub(super) fn trust_those_of_the_system(builder: &mut SslConnectorBuilder) {
    // OpenSSL has looked at both variables already; else only at places below /usr/local, as it was built here.
    let is_named = |name| env::var_os(name).is_some();
    if is_named(openssl_probe::ENV_CERT_DIR) {
        return;
    }
    let found = match openssl_probe::candidate_cert_dirs().find(|it| is_hashed(it)) {
        Some(folder) => builder.load_verify_locations(None, Some(folder)),
        None if is_named(openssl_probe::ENV_CERT_FILE) => return,
        None => match openssl_probe::probe().cert_file {
            Some(file) => builder.load_verify_locations(Some(&file), None),
            None => return,
        },
    };
    if let Err(cause) = found {
        log::debug!("cannot use this system's authorities: {cause}");
    }
}

/// Whether certificates in `folder` are named for their subjects, as `c_rehash` and `update-ca-certificates` do it: eight
/// hexadecimal digits and a number (openssl-rehash(1)).
fn is_hashed(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let hash = name.to_str().and_then(|it| it.strip_suffix(".0"));
        hash.is_some_and(|it| it.len() == 8 && it.bytes().all(|it| it.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_only_where_its_certificates_can_be_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ca-certificates.crt", "Some_Authority.pem", "README.0", "1234567g.0", "12345678.r0"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(!is_hashed(folder.path()));
        fs::write(folder.path().join("0a1b2c3d.0"), "").unwrap();
        assert!(is_hashed(folder.path()));
        assert!(!is_hashed(&folder.path().join("missing")));
    }
}
