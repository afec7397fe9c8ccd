//! Names below `.local`: found by ourselves, on hosts of the tests' own, where Avahi answers for the broker's host.

use crate::support::Avahi;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::Folder;
use crate::support::Host;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Request;
use crate::support::Stream;

/// A Pi and the host of a broker that listens at all its addresses.
struct House {
    // In the order in which they can be ended.
    mosquitto: Mosquitto,
    hall: Host,
    pi: Host,
    /// Whoever else there is, wired to the broker's host.
    neighbour: Host,
}

impl House {
    /// One where both are wired, by interfaces with these addresses, from `eth0` of the Pi to `eth7` of the other: another number, so
    /// that nobody takes the one for the other.
    #[track_caller]
    fn new(ours: &[&str], theirs: &[&str]) -> House {
        House::with_listeners(ours, theirs, &format!("listener {PORT}\n"))
    }

    #[track_caller]
    fn with_listeners(ours: &[&str], theirs: &[&str], listeners: &str) -> House {
        let [pi, hall, neighbour] = Host::some();
        hall.wire("eth6", &[], &neighbour, "eth0", &[]);
        pi.wire("eth0", ours, &hall, "eth7", theirs);
        let (starter, extra) = (hall.starter(), listeners.to_owned());
        let mosquitto = Mosquitto::start(MosquittoOptions { starter, extra, ..Default::default() });
        // The check need not wait for Home Assistant then.
        mosquitto.publish("homeassistant/status", "online", true);
        House { mosquitto, hall, pi, neighbour }
    }

    #[track_caller]
    fn launch(&self, configuration: &Configuration) -> Launch {
        Launch::new(&configuration.text()).by(&self.pi.starter())
    }

    /// Checks that a daemon on the Pi connects, from `address`, and that `check --connect` says how the broker was found.
    #[track_caller]
    fn check_connects(&self, from: &str, found: &str) -> Daemon {
        let (code, lines) = self.check(&configuration());
        let step = lines.iter().find_map(|it| it.strip_prefix("ok  name look-up: "));
        let step = step.unwrap_or_else(|| panic!("{lines:#?}"));
        let (addresses, origin) = found.split_once(", by ").unwrap();
        assert!(step.starts_with(addresses) && step.ends_with(&format!(" ms, by {origin}")), "{step}");
        assert_eq!(code, Some(0), "{lines:#?}");
        let daemon = self.launch(&configuration()).start();
        daemon.wait_for_line(CONNECTED);
        let log = self.mosquitto.log();
        let clients = log.lines().filter(|it| it.contains(&format!(" as {CLIENT_ID} ")));
        assert!(clients.clone().any(|it| it.contains(&format!(" from {from}:"))), "not from {from}:\n{log}");
        daemon
    }

    /// The exit code and the lines of `check --connect` on the Pi.
    #[track_caller]
    fn check(&self, configuration: &Configuration) -> (Option<i32>, Vec<String>) {
        let mut check = self.launch(configuration).subcommand("check").args(&["--connect"]).start();
        let code = check.wait_exit(LIMIT).code();
        (code, check.lines_of(Stream::Stdout).iter().map(|it| it.trim_start().to_owned()).collect())
    }
}

/// For the broker that is called as most are.
fn configuration() -> Configuration {
    Configuration::new(PORT).set("Broker", "HOST", NAME).set("Client", "CONNECTION_TIMEOUT", "20")
}

#[test]
fn a_broker_is_found_by_its_name_without_any_help_of_this_machine() {
    let house = House::new(&["10.9.0.1/24", "fe80::1/64"], &["10.9.0.2/24", "fe80::2/64"]);
    let _avahi = Avahi::start(&house.hall, "homeassistant");
    house.check_connects("10.9.0.1", "10.9.0.2, fe80::2, by mDNS on eth0");
    // As people write it.
    for host in ["HomeAssistant.local", "homeassistant.local."] {
        let (code, lines) = house.check(&configuration().set("Broker", "HOST", host));
        assert_eq!(code, Some(0), "{lines:#?}");
    }
}

#[test]
fn a_broker_is_found_where_there_is_no_ipv4() {
    let house = House::new(&["fe80::1/64"], &["fe80::2/64"]);
    let _avahi = Avahi::start(&house.hall, "homeassistant");
    house.check_connects("fe80::1", "fe80::2, by mDNS on eth0");
}

#[test]
fn a_broker_is_found_on_the_second_interface() {
    let house = House::new(&[], &[]);
    // The neighbour has the same address in its network, and nothing at it: the number of the interface has to be right.
    let (ours, theirs) = (["10.8.0.1/24", "fe80::1/64"], ["10.8.0.2/24", "fe80::2/64"]);
    house.pi.wire("eth1", &ours, &house.neighbour, "eth1", &theirs);
    house.pi.wire("eth2", &["fe80::1/64"], &house.hall, "eth8", &["fe80::2/64"]);
    let _avahi = Avahi::start(&house.hall, "homeassistant");
    house.check_connects("fe80::1", "fe80::2, by mDNS on eth2");
}

#[test]
fn the_avahi_of_this_machine_is_asked_where_there_is_one_and_not_waited_for_if_it_hangs() {
    for (ours, theirs, from, found) in [
        (&["10.9.0.1/24", "fe80::1/64"][..], &["10.9.0.2/24", "fe80::2/64"][..], "10.9.0.1", "10.9.0.2"),
        (&["fe80::1/64"], &["fe80::2/64"], "fe80::1", "fe80::2"),
    ] {
        let house = House::new(ours, theirs);
        let _avahi = Avahi::start(&house.hall, "homeassistant");
        let own = Avahi::start(&house.pi, "raspberrypi");
        let daemon = house.check_connects(from, &format!("{found}, by Avahi"));
        drop(daemon);
        own.freeze();
        house.check_connects(from, &format!("{found}, by mDNS on eth0"));
    }
}

#[test]
fn what_a_person_has_written_down_holds() {
    let house = House::new(&["10.9.0.1/24"], &["10.9.0.2/24", "10.9.0.3/24"]);
    let _avahi = Avahi::start(&house.hall, "homeassistant");
    let files = Folder::new();
    files.write("hosts", format!("10.9.0.3 {NAME}\n"));
    house.pi.run(&format!("mount --bind {} /etc/hosts", files.shown("hosts")));
    house.check_connects("10.9.0.1", "10.9.0.3, by /etc/hosts");
}

#[test]
fn a_broker_that_has_moved_to_another_address_is_found_again() {
    let mut house = House::new(&["10.9.0.1/24"], &["10.9.0.2/24"]);
    let _avahi = Avahi::start(&house.hall, "homeassistant");
    let daemon = house.check_connects("10.9.0.1", "10.9.0.2, by mDNS on eth0");
    house.mosquitto.kill();
    house.hall.remove_address("eth7", "10.9.0.2/24");
    house.hall.add_address("eth7", "10.9.0.3/24");
    house.mosquitto.start_again();
    daemon.wait_for_lines(CONNECTED, 2);
}

#[test]
fn a_name_that_nobody_has_is_said_to_be_looked_for_in_vain_and_is_found_once_somebody_has_it() {
    let house = House::new(&["10.9.0.1/24"], &["10.9.0.2/24"]);
    let hasty = configuration().set("Client", "CONNECTION_TIMEOUT", "5");
    let daemon = house.launch(&hasty).start();
    let line = daemon.wait_for_line("no connection to the broker");
    let told = "cannot find the address of homeassistant.local (is that machine on, and in the same network as this one? \
                Its IP address in HOST of [Broker] would do): no Avahi is here, no answer by mDNS on eth0 within ";
    assert!(line.contains(told) && line.contains("and the system does not know it either: "), "{line}");
    let (code, lines) = house.check(&hasty);
    assert!(lines.iter().any(|it| it.starts_with(&format!("NO  name look-up: {told}"))), "{lines:#?}");
    assert_eq!(code, Some(69));

    // An Avahi of our own has asked, and the network is not asked once more.
    let own = Avahi::start(&house.pi, "raspberrypi");
    let (_, lines) = house.check(&configuration());
    let step = lines.iter().find(|it| it.starts_with("NO  name look-up: ")).unwrap();
    assert!(step.contains("): Avahi found nobody within ") && !step.contains("mDNS"), "{step}");
    drop(own);

    let _avahi = Avahi::start(&house.hall, "homeassistant");
    daemon.wait_for_line(CONNECTED);
}

#[test]
fn where_no_network_is_up_the_line_says_so() {
    let house = House::new(&["10.9.0.1/24"], &["10.9.0.2/24"]);
    house.pi.run("ip link set eth0 down");
    let (_, lines) = house.check(&configuration());
    let step = lines.iter().find(|it| it.starts_with("NO  name look-up: ")).unwrap();
    assert!(step.contains("no network interface is up to ask by mDNS"), "{step}");
}

#[test]
fn the_certificate_is_checked_for_the_name_whatever_the_address() {
    let files = Folder::new();
    let [ca, _] = files.put_authorities();
    files.put("good", &Request::new("broker", &[NAME]).signed_by(&ca));
    files.put("other", &Request::new("broker", &["other.local", "10.9.0.2"]).signed_by(&ca));
    let listener = |port: u16, certificate: &str| {
        let [certificate, key] = ["pem", "key"].map(|it| files.shown(&format!("{certificate}.{it}")));
        format!("listener {port}\ncertfile {certificate}\nkeyfile {key}\n")
    };
    let (good, other) = (8883, 8884);
    let listeners = [listener(good, "good"), listener(other, "other")].concat();
    for (ours, theirs) in [(["10.9.0.1/24"], ["10.9.0.2/24"]), (["fe80::1/64"], ["fe80::2/64"])] {
        let house = House::with_listeners(&ours, &theirs, &listeners);
        let _avahi = Avahi::start(&house.hall, "homeassistant");
        let trusting = configuration().set("Broker", "TLS_CA_CERT", files.shown("ca.pem"));
        let encrypted = trusting.set("Broker", "TLS_ENABLED", "yes").set("Broker", "PORT", good);
        let (code, lines) = house.check(&encrypted);
        assert_eq!(code, Some(0), "{lines:#?}");
        house.launch(&encrypted).start().wait_for_line(CONNECTED);
        let daemon = house.launch(&encrypted.set("Broker", "PORT", other)).start();
        let line = daemon.wait_for_line("no connection to the broker");
        assert!(line.contains(&format!("certificate is not for {NAME}")), "{line}");
    }
}

/// What most brokers are called.
const NAME: &str = "homeassistant.local";
/// Where they listen, on hosts where nobody else does.
const PORT: u16 = 1883;
/// What a daemon says when it is connected.
const CONNECTED: &str = "] connected to the broker at homeassistant.local";
