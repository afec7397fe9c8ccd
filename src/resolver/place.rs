//! Where questions can be asked: [`Place`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// An address of ours on a network interface that is up and takes multicasts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// The interface's name.
    pub(super) interface: String,
    /// From where to ask.
    pub(super) source: SocketAddr,
    /// Whom to ask.
    pub(super) group: SocketAddr,
    /// The interface's number: what a link-local address needs beside it.
    scope: u32,
    /// Of an IPv4 address: which bits are the network's.
    mask: Ipv4Addr,
}

impl Place {
    /// All there are now, sixteen at most.
    ///
    /// # Errors
    ///
    /// What the system says, e.g. where a service manager keeps us from `AF_NETLINK` sockets, by which it is asked.
    pub(super) fn all() -> io::Result<Vec<Place>> {
        Ok(getifaddrs()?.filter_map(Place::of).take(MOST).collect())
    }

    fn of(address: InterfaceAddress) -> Option<Place> {
        let needed = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING | InterfaceFlags::IFF_MULTICAST;
        if !address.flags.contains(needed) || address.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            return None;
        }
        let interface = address.interface_name;
        let scope = if_nametoindex(interface.as_str()).ok()?;
        let own = address.address?;
        if let Some(own) = own.as_sockaddr_in() {
            let mask = address.netmask?.as_sockaddr_in()?.ip();
            let (source, group) = ((own.ip(), 0).into(), (GROUP_V4, PORT).into());
            return Some(Place { interface, source, group, scope, mask });
        }
        // Every interface has one that is link-local, and what is answered to that comes from the same link.
        let own = own.as_sockaddr_in6().map(|it| it.ip()).filter(Ipv6Addr::is_unicast_link_local)?;
        let at = |address, port| SocketAddrV6::new(address, port, 0, scope).into();
        let (source, group) = (at(own, 0), at(GROUP_V6, PORT));
        Some(Place { interface, source, group, scope, mask: Ipv4Addr::BROADCAST })
    }

    /// Whether a packet from `sender` is an answer of the group: from its port (RFC 6762, section 6) and from the local
    /// link (section 11).
    pub(super) fn may_answer(&self, sender: SocketAddr) -> bool {
        sender.port() == self.group.port() && self.is_near(sender.ip())
    }

    /// Whether `address` is in the network that the interface is in.
    pub(super) fn is_near(&self, address: IpAddr) -> bool {
        match (self.source.ip(), address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => own & self.mask == other & self.mask,
            (IpAddr::V6(_), IpAddr::V6(other)) => other.is_unicast_link_local(),
            _ => false,
        }
    }

    /// Where to connect to, for `address` in an answer that came here.
    pub(super) fn reach(&self, address: IpAddr) -> SocketAddr {
        scoped(address, self.scope)
    }
}

/// `address` with the interface of that number beside it where it needs one, and without a port.
pub(super) fn scoped(address: IpAddr, scope: u32) -> SocketAddr {
    match address {
        IpAddr::V6(it) if it.is_unicast_link_local() => SocketAddrV6::new(it, 0, 0, scope).into(),
        _ => (address, 0).into(),
    }
}

/// Of multicast DNS (RFC 6762, section 3).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// Of multicast DNS (RFC 6762, section 3).
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// Of multicast DNS (RFC 6762, section 3).
const PORT: u16 = 5353;
/// A Pi with Wi-Fi, Ethernet and a few bridges of containers has half as many.
const MOST: usize = 16;

#[cfg(test)]
impl Place {
    /// One on the loopback interface, where `group` is somebody alone.
    pub(super) fn beside(group: SocketAddr) -> Place {
        let source = (Ipv4Addr::LOCALHOST, 0).into();
        Place { interface: "lo".to_owned(), source, group, scope: 1, mask: Ipv4Addr::new(255, 0, 0, 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(source: &str, group: &str, mask: [u8; 4]) -> Place {
        let [source, group] = [source, group].map(|it| it.parse().unwrap());
        Place { interface: "wlan0".to_owned(), source, group, scope: 3, mask: mask.into() }
    }

    #[test]
    fn who_answers_is_on_the_same_link_and_speaks_from_the_port_of_the_group() {
        let v4 = place("192.168.1.7:0", "224.0.0.251:5353", [255, 255, 255, 0]);
        let v6 = place("[fe80::7%3]:0", "[ff02::fb%3]:5353", [255; 4]);
        for (place, sender, expected) in [
            (&v4, "192.168.1.5:5353", true),
            (&v4, "192.168.1.5:5354", false),
            (&v4, "192.168.2.5:5353", false),
            (&v4, "[fe80::5%3]:5353", false),
            (&v6, "[fe80::5%3]:5353", true),
            (&v6, "[fe80::5%3]:53", false),
            (&v6, "[2001:db8::5]:5353", false),
        ] {
            assert_eq!(place.may_answer(sender.parse().unwrap()), expected, "{sender} to {}", place.source);
        }
    }

    #[test]
    fn a_link_local_address_is_reached_by_the_interface_where_it_was_told_and_no_other_address_is() {
        // Also where it was told by IPv4.
        let place = place("192.168.1.7:0", "224.0.0.251:5353", [255, 255, 255, 0]);
        for (address, expected) in [
            ("fe80::5", "[fe80::5%3]:0"),
            ("fd00::5", "[fd00::5]:0"),
            ("2001:db8::5", "[2001:db8::5]:0"),
            ("192.168.1.5", "192.168.1.5:0"),
        ] {
            assert_eq!(place.reach(address.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
