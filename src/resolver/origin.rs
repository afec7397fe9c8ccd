//! Who told an address: [`Origin`].

use std::fmt;

/// Who told the addresses of a name of the local network.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// Somebody has written them into `/etc/hosts`.
    HostsFile,
    /// The Avahi daemon on this machine.
    Avahi,
    /// The host itself, asked by multicast DNS.
    Multicast {
        /// The network interface by which the first answer came.
        interface: String,
    },
    /// The system's resolver: a name server, or whatever `nsswitch.conf` says.
    System,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::HostsFile => f.write_str("/etc/hosts"),
            Origin::Avahi => f.write_str("Avahi"),
            Origin::Multicast { interface } => write!(f, "mDNS on {interface}"),
            Origin::System => f.write_str("the system's resolver"),
        }
    }
}
