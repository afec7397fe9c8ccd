//! Names that somebody has written into `/etc/hosts` (hosts(5)).

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::answer::MOST_ADDRESSES;
use super::name::LocalName;

/// The addresses of `name` in `file`, eight at most, without a port. None where the file cannot be read, or does not say.
pub(super) fn addresses(file: &Path, name: &LocalName) -> Vec<SocketAddr> {
    let mut text = Vec::new();
    // What cannot be read says nothing, as everywhere in the system.
    let _ = File::open(file).and_then(|it| it.take(MOST_BYTES).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(|it| it.split('#').next().unwrap_or(it).split_whitespace());
    let found = lines.filter_map(|mut words| {
        let address: IpAddr = words.next()?.parse().ok()?;
        words.any(|it| LocalName::new(it).as_ref() == Some(name)).then(|| (address, 0).into())
    });
    found.take(MOST_ADDRESSES).collect()
}

/// Lists of advertisers to be kept out have a few megabytes, and stand behind what a person has written.
const MOST_BYTES: u64 = 65_536;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_name_stands_behind_its_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        let text = b"127.0.0.1 localhost\n\
            # 192.0.2.9 broker.local\n\
            192.0.2.1\tBroker.local broker # the one in the attic.local\n\
            fd00::1 other broker.local.\n\
            \xff\xfe\n\
            broker.local 192.0.2.2\n";
        fs::write(&file, text).unwrap();
        for (name, expected) in [
            ("broker.local", &["192.0.2.1:0", "[fd00::1]:0"][..]),
            ("attic.local", &[]),
            ("xbroker.local", &[]),
        ] {
            let found = addresses(&file, &LocalName::new(name).unwrap());
            assert_eq!(found, expected.iter().map(|it| it.parse().unwrap()).collect::<Vec<SocketAddr>>());
        }
        assert_eq!(addresses(&folder.path().join("none"), &LocalName::new("broker.local").unwrap()), []);
    }
}
