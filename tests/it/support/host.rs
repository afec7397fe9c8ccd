//! Hosts of the tests' own, with networks of their own: namespaces of the kernel, gone with the process that holds them.

use std::array;
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
    ///
    /// # Panics
    ///
    /// Where we are not root. A namespace of users would do for the hosts, but Avahi wants a folder of its own user.
    #[track_caller]
    pub(crate) fn some<const N: usize>() -> [Host; N] {
        assert!(
            geteuid().is_root(),
            "the tests of local names make network namespaces: only root may do that"
        );
        array::from_fn(|_| Host::begin())
    }

    #[track_caller]
    fn begin() -> Host {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--", "sh", "-ec", HOLD]);
        let mut holder = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut line = String::new();
        BufReader::new(holder.stdout()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "no network namespace: is that forbidden here, as in some containers?");
        Host { holder }
    }

    /// The words of the command that becomes, on this host, the command that follows.
    pub(crate) fn starter(&self) -> Vec<String> {
        let target = format!("--target={}", self.holder.id());
        ["nsenter", &target, "--net", "--mount", "--"].map(str::to_owned).into()
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
