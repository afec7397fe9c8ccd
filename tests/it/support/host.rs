//! Hosts of the tests' own, with networks of their own: namespaces of the kernel, gone with the process that holds them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::process::{Process, becoming};

/// A host with network interfaces, mounts and a `/run` of its own; all else it shares with this machine. It is gone when this is
/// dropped, and whatever has ended the tests, once nothing runs on it any more.
pub(crate) struct Host {
    /// Lives for as long as its standard input is open, which is ours to hold, and the namespaces live with it.
    holder: Process,
}

impl Host {
    /// Some hosts without any network but their loopback interfaces.
    #[track_caller]
    pub(crate) fn some<const N: usize>() -> [Host; N] {
        // Only the same root may wire two hosts: where we are none, all are begun by that of the first.
        let first = Host::begin(match geteuid().is_root() {
            true => &["unshare"],
            false => &["unshare", "--user", "--map-root-user"],
        });
        let mut hosts = vec![first];
        while hosts.len() < N {
            let starter = hosts[0].starter();
            let words: Vec<&str> = starter.iter().map(String::as_str).chain(["unshare"]).collect();
            hosts.push(Host::begin(&words));
        }
        hosts.try_into().unwrap_or_else(|_| panic!("there is one at least"))
    }

    #[track_caller]
    fn begin(unshare: &[&str]) -> Host {
        let words = [unshare, &["--net", "--mount", "--", "sh", "-ec"]].concat();
        let mut command = becoming(&words, HOLD);
        let mut holder = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut line = String::new();
        BufReader::new(holder.stdout()).read_line(&mut line).unwrap();
        assert!(
            line == "ready\n",
            "no host of the tests' own: that needs root, or user namespaces that may be made by anybody \
             (sysctl kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns)"
        );
        Host { holder }
    }

    /// The words of the command that becomes, on this host, the command that follows.
    pub(crate) fn starter(&self) -> Vec<String> {
        let mut words = vec!["nsenter".to_owned(), format!("--target={}", self.holder.id())];
        if !geteuid().is_root() {
            words.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        words.extend(["--net", "--mount", "--"].map(str::to_owned));
        words
    }

    /// Wires `interface` here to `other`'s at `there`, each with the addresses that it is to have, e.g. `192.0.2.1/24`.
    #[track_caller]
    pub(crate) fn wire(
        &self,
        interface: &str,
        addresses: &[&str],
        other: &Host,
        there: &str,
        theirs: &[&str],
    ) {
        let id = other.holder.id();
        self.run(&format!("ip link add {interface} type veth peer name {there} netns {id}"));
        self.raise(interface, addresses);
        other.raise(there, theirs);
    }

    #[track_caller]
    fn raise(&self, interface: &str, addresses: &[&str]) {
        // No address that nobody asked for.
        self.run(&format!("ip link set {interface} addrgenmode none && ip link set {interface} up"));
        addresses.iter().for_each(|it| self.add_address(interface, it));
    }

    /// Gives `interface` one more address.
    #[track_caller]
    pub(crate) fn add_address(&self, interface: &str, address: &str) {
        // Good at once: nobody else has it.
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.run(&format!("ip address add {address} dev {interface} {nodad}"));
    }

    /// Takes an address from `interface`.
    #[track_caller]
    pub(crate) fn remove_address(&self, interface: &str, address: &str) {
        self.run(&format!("ip address del {address} dev {interface}"));
    }

    /// Runs a line of shell there, by root.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) {
        let mut command = self.command("sh");
        let output = command.args(["-ec", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `program`, about to be started there.
    pub(crate) fn command(&self, program: &str) -> Command {
        becoming(&self.starter(), program)
    }
}

/// What the holder of a host does.
const HOLD: &str = "ip link set lo up; mount -t tmpfs tmpfs /run; echo ready; exec cat";
