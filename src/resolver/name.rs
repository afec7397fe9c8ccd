//! Names of the local network: [`LocalName`].

use std::fmt;

use simple_dns::{Label, Name};

/// A host name below `.local`, of which multicast DNS has the say (RFC 6762, section 3): in lower case, without a dot at
/// its end, and with nothing in it that anybody asked for it could stumble over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LocalName(String);

impl LocalName {
    /// `None` where `host` is not such a name.
    pub(super) fn new(host: &str) -> Option<LocalName> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let (below, top) = host.rsplit_once('.')?;
        let is_whole = below.split('.').all(is_label) && host.len() <= MOST_BYTES;
        (top.eq_ignore_ascii_case("local") && is_whole).then(|| LocalName(host.to_ascii_lowercase()))
    }

    /// As it stands in questions and, whatever their case, answers.
    pub(super) fn in_packets(&self) -> Name<'_> {
        let labels: Vec<Label<'_>> =
            self.0.split('.').map(|it| Label::new_unchecked(it.as_bytes())).collect();
        Name::new_with_labels(&labels)
    }

    /// As it stands in texts.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Labels may hold any UTF-8 (RFC 6762, section 16). Blanks would end Avahi's command, and a backslash means something in
/// it; an empty label has made it crash (CVE-2023-38471 and before).
fn is_label(text: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    (1..=63).contains(&text.len()) && !text.contains(is_odd)
}

/// Of a name as text (RFC 1035, section 2.3.4).
const MOST_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, expected: Option<&str>) {
        assert_eq!(LocalName::new(host).as_ref().map(LocalName::as_str), expected, "{host:?}");
    }

    #[test]
    fn what_ends_in_local_is_of_the_local_network_and_nothing_else() {
        check("homeassistant.local", Some("homeassistant.local"));
        check("HomeAssistant.LOCAL", Some("homeassistant.local"));
        check("homeassistant.local.", Some("homeassistant.local"));
        check("broker.attic.local", Some("broker.attic.local"));
        check("küche.local", Some("küche.local"));
        check("local", None);
        check("local.", None);
        check("broker.localhost", None);
        check("broker.notlocal", None);
        check("homeassistant.local.example.com", None);
        check("192.168.1.5", None);
        check("", None);
    }

    #[test]
    fn what_is_no_name_is_nobodys() {
        check(".local", None);
        check("a..local", None);
        check("a.local..", None);
        check("a b.local", None);
        check("a\n.local", None);
        check(r"a\046b.local", None);
        check(&format!("{}.local", "a".repeat(63)), Some(&format!("{}.local", "a".repeat(63))));
        check(&format!("{}.local", "a".repeat(64)), None);
        check(&format!("{}local", "a.".repeat(124)), Some(&format!("{}local", "a.".repeat(124))));
        check(&format!("{}local", "a.".repeat(125)), None);
    }
}
