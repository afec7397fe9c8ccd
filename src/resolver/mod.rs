//! Names into addresses: those of the local network by ourselves, all others by the system.
//!
//! Most users' broker is `homeassistant.local`. A static binary has no name service switch, and so neither
//! `libnss-mdns` nor `systemd-resolved` would tell it: a name below `.local` is looked up here, and the same way in every build.
//! For such a name these are asked, one after the other, until one of them knows it:
//!
//! 1. `/etc/hosts`: what a person has written there, perhaps because nothing else worked, is meant to hold.
//! 2. The Avahi daemon of this machine, by its socket. It has most answers at hand, and Raspberry Pi OS has it.
//!    When it has asked the network in vain, nobody needs to ask the network again.
//! 3. The network, where there is no Avahi or it does not answer: by one-shot multicast DNS, on every interface.
//! 4. The system's resolver, last, for the few networks where a name server has names below `.local`. Asked first, it would
//!    tell every provider the names of the house, and keep everybody else waiting.

mod answer;
mod avahi;
mod error;
mod hosts;
mod multicast;
mod name;
mod origin;
mod patience;
mod place;

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

pub use answer::Answer;
pub use origin::Origin;

use error::Unknown;
use multicast::Heard;
use name::LocalName;
use place::Place;

/// Finds addresses, and remembers those of the local network for as long as they hold.
#[derive(Debug, Default)]
pub struct Resolver {
    /// At most [`MOST_NAMES`], the newest last.
    known: Vec<Known>,
}

/// A name that was looked up.
#[derive(Debug)]
struct Known {
    name: LocalName,
    found: Found,
    /// When to ask again.
    until: Instant,
}

/// Where a host is.
#[derive(Debug)]
struct Found {
    /// The one to try first at first; never none. Without a port.
    addresses: Vec<SocketAddr>,
    origin: Origin,
    /// For how long that is true.
    time_to_live: Duration,
}

impl Resolver {
    /// One that knows nothing yet.
    pub fn new() -> Resolver {
        Resolver::default()
    }

    /// The addresses of `host`, a name or an IP address, each with `port`, the one to try first at first; never none.
    ///
    /// For a name below `.local` these are eight at most: IPv4 in our own network, other IPv4, routable IPv6, and those that
    /// are good for one link alone. What is found is remembered for the time that the answer says, from a second to two
    /// minutes. Blocks until `deadline` at most, and for as long as the system's resolver takes (mostly 5 s to 30 s) where
    /// nobody else knows the name; for other names, as long as the system's resolver takes; for an IP address, not at all.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::NotFound`] where nobody knows the name.
    pub fn addresses(&mut self, host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        let Some(name) = LocalName::new(host) else { return ask_the_system(host, port) };
        let now = Instant::now();
        if !self.known.iter().any(|it| it.name == name && now < it.until) {
            let found = look_up(&name, deadline)?;
            self.remember(name.clone(), found, Instant::now());
        }
        let known = self.known.iter().filter(|it| it.name == name);
        let mut addresses: Vec<SocketAddr> = known.flat_map(|it| &it.found.addresses).copied().collect();
        for address in &mut addresses {
            address.set_port(port);
        }
        Ok(addresses)
    }

    /// Who told the addresses of `host` that were given last; `None` for what is no name of the local network.
    pub fn origin(&self, host: &str) -> Option<&Origin> {
        let name = LocalName::new(host)?;
        self.known.iter().find(|it| it.name == name).map(|it| &it.found.origin)
    }

    /// Forgets what it remembers of `host`: nobody was there.
    pub fn forget(&mut self, host: &str) {
        if let Some(name) = LocalName::new(host) {
            self.known.retain(|it| it.name != name);
        }
    }

    fn remember(&mut self, name: LocalName, found: Found, now: Instant) {
        self.known.retain(|it| it.name != name);
        if self.known.len() == MOST_NAMES {
            self.known.remove(0);
        }
        let until = now + found.time_to_live.clamp(SHORTEST, LONGEST);
        self.known.push(Known { name, found, until });
    }
}

/// Whether `host` is a name of the local network, one below `.local`.
pub fn is_local(host: &str) -> bool {
    LocalName::new(host).is_some()
}

/// Asks one after the other.
fn look_up(name: &LocalName, deadline: Instant) -> io::Result<Found> {
    let addresses = hosts::addresses(Path::new(HOSTS), name);
    if !addresses.is_empty() {
        return Ok(Found { addresses, origin: Origin::HostsFile, time_to_live: SHORTEST });
    }
    let mut tried = Vec::new();
    let places = Place::all().unwrap_or_else(|cause| {
        tried.push(format!("the network interfaces cannot be listed: {cause}"));
        Vec::new()
    });
    let found = |mut addresses: Vec<SocketAddr>, origin, time_to_live| {
        addresses.sort_by_key(|it| rank(it.ip(), &places));
        Ok(Found { addresses, origin, time_to_live })
    };
    let asked = match avahi::ask(Path::new(AVAHI), name, share(deadline)) {
        Ok(addresses) => return found(addresses, Origin::Avahi, UNSAID),
        Err(error) => {
            tried.push(error.to_string());
            error.is_final()
        }
    };
    if !asked {
        match multicast::ask(name, &places, share(deadline)) {
            Ok(Heard { addresses, time_to_live, interface }) => {
                return found(addresses, Origin::Multicast { interface }, time_to_live);
            }
            Err(silence) => tried.push(silence.to_string()),
        }
    }
    match ask_the_system(name.as_str(), 0) {
        Ok(addresses) => found(addresses, Origin::System, UNSAID),
        Err(cause) => Err(io::Error::new(io::ErrorKind::NotFound, Unknown { tried, cause })),
    }
}

fn ask_the_system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.is_empty() {
        true => Err(io::ErrorKind::NotFound.into()),
        false => Ok(addresses),
    }
}

/// The lower, the earlier an address is to be tried. A Home Assistant tells also the addresses of its containers' networks,
/// where nobody else gets to: those in a network of ours come first.
fn rank(address: IpAddr, places: &[Place]) -> u8 {
    match address {
        IpAddr::V4(it) if it.is_link_local() => 3,
        IpAddr::V4(_) if places.iter().any(|it| it.is_near(address)) => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(it) if it.is_unicast_link_local() => 4,
        IpAddr::V6(_) => 2,
    }
}

/// Until when one of those asked may take, so that there is time left for the next, and for a connection.
fn share(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + (deadline.saturating_duration_since(now) / 2).min(PATIENCE)
}

/// Where people write down names.
const HOSTS: &str = "/etc/hosts";
/// Avahi's socket, as Debian builds it.
const AVAHI: &str = "/run/avahi-daemon/socket";
/// Avahi gives up after 5 s. Questions at 0 s, 1 s and 3 s reach also who sleeps deeply in the Wi-Fi.
const PATIENCE: Duration = Duration::from_millis(5500);
/// Neither Avahi nor the system says for how long its answer is good. As long as one to ourselves would be (RFC 6762, section
/// 6.7): it costs them a millisecond to say it again, and they hear of it when the host has moved.
const UNSAID: Duration = Duration::from_secs(10);
/// For who tries several things with one name at the same time.
const SHORTEST: Duration = Duration::from_secs(1);
/// What is usual for the address of a host (RFC 6762, section 10).
const LONGEST: Duration = Duration::from_secs(120);
/// As many as anybody has brokers.
const MOST_NAMES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Has `resolver` know for so many seconds from now on that `host` is at `address`.
    fn remember(resolver: &mut Resolver, host: &str, address: &str, seconds: u64, now: Instant) {
        let (addresses, time_to_live) = (vec![address.parse().unwrap()], Duration::from_secs(seconds));
        let found = Found { addresses, origin: Origin::Avahi, time_to_live };
        resolver.remember(LocalName::new(host).unwrap(), found, now);
    }

    #[test]
    fn what_was_found_is_told_again_whatever_the_case_until_it_is_forgotten() {
        let mut resolver = Resolver::new();
        let at_once = Instant::now();
        remember(&mut resolver, "hall.local", "192.0.2.1:0", 120, at_once);
        let told = resolver.addresses("HALL.local.", 1883, at_once).unwrap();
        assert_eq!(told, ["192.0.2.1:1883".parse().unwrap()]);
        assert_eq!(resolver.origin("Hall.local"), Some(&Origin::Avahi));
        resolver.forget("attic.local");
        assert!(resolver.addresses("hall.local", 8883, at_once).is_ok());
        resolver.forget("hall.LOCAL");
        assert_eq!(resolver.origin("hall.local"), None);
    }

    #[test]
    fn an_answer_holds_for_a_second_at_least_and_two_minutes_at_most() {
        let now = Instant::now();
        for (said, expected) in [(0, 1), (10, 10), (4500, 120)] {
            let mut resolver = Resolver::new();
            remember(&mut resolver, "hall.local", "192.0.2.1:0", said, now);
            assert_eq!(resolver.known[0].until, now + Duration::from_secs(expected));
        }
    }

    #[test]
    fn few_names_are_remembered_the_newest_ones() {
        let mut resolver = Resolver::new();
        for number in 0..=MOST_NAMES {
            for address in ["192.0.2.1:0", "192.0.2.2:0"] {
                remember(&mut resolver, &format!("host-{number}.local"), address, 10, Instant::now());
            }
        }
        assert_eq!(resolver.known.len(), MOST_NAMES);
        assert_eq!(resolver.origin("host-0.local"), None);
        assert!(resolver.origin("host-1.local").is_some());
    }

    #[test]
    fn addresses_are_tried_from_the_nearest_to_the_narrowest() {
        let place = Place::beside("127.0.0.1:9".parse().unwrap());
        let mut addresses = ["fe80::1", "169.254.1.1", "fd00::1", "172.30.32.1", "127.0.0.9", "2001:db8::1"]
            .map(|it| it.parse().unwrap());
        addresses.sort_by_key(|it: &IpAddr| rank(*it, std::slice::from_ref(&place)));
        let shown = addresses.map(|it| it.to_string());
        assert_eq!(shown, ["127.0.0.9", "172.30.32.1", "fd00::1", "2001:db8::1", "169.254.1.1", "fe80::1"]);
    }

    #[test]
    fn only_names_below_local_are_ours() {
        let mut resolver = Resolver::new();
        let told = resolver.addresses("localhost", 1883, Instant::now()).unwrap();
        assert!(told.iter().all(|it| it.ip().is_loopback() && it.port() == 1883), "{told:?}");
        assert_eq!(resolver.origin("localhost"), None);
        assert!(is_local("a.local") && !is_local("localhost"));
    }
}
