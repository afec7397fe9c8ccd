//! Which IP address the machine has.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::super::read::KernelFile;
use super::super::{Sample, Source, SourceError};
use crate::entity::Entity;
use crate::entity::Sensor;
use crate::model::Value;

/// The address under which the machine is found on its network: the IPv4 address of the interface that
/// the default route takes, else a global IPv6 address; unknown while there is neither.
///
/// The kernel's files say which networks an interface is in and which addresses are ours; an address of ours in
/// one of those networks is the interface's. The network of a point-to-point link holds the other end only: behind one,
/// the IPv4 address stays unknown.
pub(super) struct IpAddress {
    entities: [Entity; 1],
    route: KernelFile,
    fib_trie: KernelFile,
    if_inet6: KernelFile,
}

impl IpAddress {
    /// The address of the machine under `root`.
    pub(super) fn new(root: &Path) -> IpAddress {
        let entity = Sensor::new("ip_address", "IP address")
            .icon("mdi:ip-network")
            .category_diagnostic()
            .build()
            .expect("a test builds every entity of the host");
        IpAddress {
            entities: [entity],
            route: KernelFile::new(root, "proc/net/route"),
            fib_trie: KernelFile::new(root, "proc/net/fib_trie"),
            if_inet6: KernelFile::new(root, "proc/net/if_inet6"),
        }
    }
}

impl Source for IpAddress {
    fn entities(&self) -> &[Entity] {
        &self.entities
    }

    fn sample(&mut self, samples: &mut Vec<Sample>) -> Result<(), SourceError> {
        let networks = self.route.parse("a table of routes", networks);
        if let Ok(networks @ [_, ..]) = networks.as_deref() {
            let address = self.fib_trie.parse("an address", |trie| ipv4(trie, networks));
            if let Ok(address) = address {
                samples.push(Ok(Value::Text(address.to_string())));
                return Ok(());
            }
        }
        let ipv6 = self.if_inet6.parse("a table of addresses", |table| Some(ipv6(table)));
        match (networks, ipv6) {
            (_, Ok(Some(address))) => samples.push(Ok(Value::Text(address.to_string()))),
            (Ok(_), _) => samples.push(Ok(Value::Unknown)),
            // A kernel without IPv6 has no such table: what is wrong is that it has no routes.
            (Err(error), _) => return Err(error),
        }
        Ok(())
    }
}

/// An IPv4 network that an interface is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Network {
    address: u32,
    mask: u32,
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, three counters of which the third is
/// the metric, mask. Addresses are printed as the machine's own number of the bytes on the wire.
struct Route<'a> {
    interface: &'a str,
    network: Network,
    flags: u32,
    metric: u32,
}

impl Route<'_> {
    fn parse(line: &str) -> Option<Route<'_>> {
        let mut words = line.split_ascii_whitespace();
        let interface = words.next()?;
        let mut address = || Some(u32::from_be(hexadecimal(words.next()?)?));
        let (destination, _gateway) = (address()?, address()?);
        let flags = hexadecimal(words.next()?)?;
        let metric = words.nth(2)?.parse().ok()?;
        let mask = u32::from_be(hexadecimal(words.next()?)?);
        Some(Route { interface, network: Network { address: destination, mask }, flags, metric })
    }

    /// Whether it leads to everywhere. (A rejecting route leads nowhere.)
    fn is_default(&self) -> bool {
        self.network == Network { address: 0, mask: 0 } && self.flags & (UP | REJECT) == UP
    }
}

/// The networks of the interface that the default route takes, none when there is no such route;
/// `None` when `route` is no table of routes.
fn networks(route: &str) -> Option<Vec<Network>> {
    let mut lines = route.lines();
    lines.next().filter(|headings| headings.starts_with("Iface"))?;
    let routes: Vec<Route<'_>> = lines.filter_map(Route::parse).collect();
    // Of several default routes (cable and Wi-Fi) the kernel takes the one with the lowest metric.
    let Some(default) = routes.iter().filter(|it| it.is_default()).min_by_key(|it| it.metric) else {
        return Some(Vec::new());
    };
    let of_interface = routes.iter().filter(|it| it.interface == default.interface && it.network.mask != 0);
    Some(of_interface.filter(|it| it.flags & GATEWAY == 0).map(|it| it.network).collect())
}

/// The first of the machine's own addresses in `/proc/net/fib_trie` that is in one of `networks`: an address
/// is a line `|-- 192.0.2.2`, and a line `/32 host LOCAL` below it says that it is ours.
fn ipv4(fib_trie: &str, networks: &[Network]) -> Option<Ipv4Addr> {
    let mut address = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("|-- ") {
            address = text.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            let ours = address.filter(|it| networks.iter().any(|net| net.holds(*it)));
            if ours.is_some() {
                return ours;
            }
        }
    }
    None
}

impl Network {
    fn holds(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask == self.address
    }
}

/// The address of `/proc/net/if_inet6` to be found under: global, in use, best of all one that the
/// internet routes and that does not change by the day. Lines are address, interface number, prefix length,
/// scope, flags (hexadecimal all), interface.
fn ipv6(if_inet6: &str) -> Option<Ipv6Addr> {
    let candidates = if_inet6.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().filter(|digits| digits.len() == 32)?;
        let address = Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?);
        let scope = hexadecimal(words.nth(2)?)?;
        let flags = hexadecimal(words.next()?)?;
        let usable = scope == GLOBAL && flags & (DUPLICATE | DEPRECATED | TENTATIVE) == 0;
        let is_private = address.is_unique_local();
        usable.then_some((is_private, flags & TEMPORARY != 0, address))
    });
    // Of equals the smallest: the order of the table is the kernel's whim.
    Some(candidates.min()?.2)
}

fn hexadecimal(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 16).ok()
}

/// Flags of a route (`include/uapi/linux/route.h`).
const UP: u32 = 0x0001;
const GATEWAY: u32 = 0x0002;
const REJECT: u32 = 0x0200;
/// The scope of addresses that are good everywhere (`include/net/ipv6.h`).
const GLOBAL: u32 = 0;
/// Flags of an IPv6 address (`include/uapi/linux/if_addr.h`).
const TEMPORARY: u32 = 0x01;
const DUPLICATE: u32 = 0x08;
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;

#[cfg(test)]
mod tests {
    use super::super::super::read::garbage;
    use super::*;

    const ROUTE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t00000009\t0100000A\t0003\t0\t0\t100\t000000FF\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t100\t000000FF\t0\t0\t0
wlan0\t0002A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0
";
    const TRIE: &str = "\
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 9.0.0.1
        /32 host LOCAL
     |-- 10.0.0.0
        /8 link UNICAST
     |-- 10.0.0.7
        /32 host LOCAL
     |-- 10.255.255.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.168.2.9
        /32 host LOCAL
";

    #[track_caller]
    fn check(route: &str, trie: &str, expected: Option<&str>) {
        let found = networks(route).and_then(|networks| ipv4(trie, &networks));
        assert_eq!(found.map(|it| it.to_string()).as_deref(), expected, "{route}{trie}");
    }

    #[test]
    fn the_address_is_that_of_the_interface_with_the_best_default_route() {
        check(ROUTE, TRIE, Some("10.0.0.7"));
        check(&ROUTE.replace("\t600\t", "\t50\t"), TRIE, Some("192.168.2.9"));
        // 0x0203: up and rejecting, as `ip route add unreachable default` has it.
        check(&ROUTE.replace("0100000A\t0003", "0100000A\t0203"), TRIE, Some("192.168.2.9"));
    }

    #[test]
    fn without_default_route_or_address_there_is_none() {
        check(&ROUTE.replace("\t00000000\t0\t0\t0\n", "\n"), TRIE, None);
        check(ROUTE, &TRIE.replace("LOCAL", "UNICAST"), None);
        check(ROUTE, "", None);
        assert_eq!(networks(ROUTE.lines().next().unwrap()), Some(vec![]));
        assert_eq!(networks("garbage"), None);
    }

    #[test]
    fn an_ipv6_address_must_be_global_and_in_use() {
        let line =
            |address: &str, scope_and_flags: &str| format!("{address} 02 40 {scope_and_flags}     eth0\n");
        let link_local = line("fe800000000000000000000000000001", "20 80");
        let private = line("fd000000000000000000000000000002", "00 80");
        let temporary = line("20010db8000000000000000000000003", "00 01");
        let stable = line("20010db8000000000000000000000004", "00 80");
        let deprecated = line("20010db8000000000000000000000001", "00 20");
        let tentative = line("20010db8000000000000000000000002", "00 c0");
        for (table, expected) in [
            (vec![&link_local, &deprecated, &tentative], None),
            (vec![&link_local, &private], Some("fd00::2")),
            (vec![&temporary, &private], Some("2001:db8::3")),
            (vec![&private, &temporary, &deprecated, &stable, &tentative], Some("2001:db8::4")),
        ] {
            let table: String = table.into_iter().map(String::as_str).collect();
            assert_eq!(ipv6(&table).map(|it| it.to_string()).as_deref(), expected, "{table}");
        }
    }

    #[test]
    fn nothing_makes_the_parsers_panic() {
        let table = "20010db8000000000000000000000004 02 40 00 80 eth0\n";
        let (route, trie, inet6) = (garbage(ROUTE), garbage(TRIE), garbage(table));
        let mut found = [0; 3];
        for ((route, trie), inet6) in route.zip(trie).zip(inet6) {
            let networks = networks(&route).unwrap_or_default();
            found[0] += usize::from(!networks.is_empty());
            found[1] += usize::from(ipv4(&trie, &networks).is_some());
            found[2] += usize::from(ipv6(&inet6).is_some());
        }
        assert!(found.iter().all(|count| (1..2_000).contains(count)), "{found:?}");
    }
}
