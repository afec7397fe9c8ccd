//! A word with the service manager: the protocol of sd_notify(3), which is a datagram of `KEY=value` lines.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Tells the service manager how the service is doing, where there is one that listens.
///
/// What cannot be told is dropped with a debug line: the readings matter more than the service manager.
/// Each call waits at most a second, and that only while the manager's own queue is full.
#[derive(Debug)]
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// Tells whoever started this process, as far as they have asked for it.
    pub fn of_process() -> Notifier {
        env::var_os("NOTIFY_SOCKET").map_or(Notifier(None), |it| Notifier::to(&it))
    }

    /// Tells the socket at `address`: an absolute path, or `@` and an abstract name.
    /// Any other address (`vsock:…` of a virtual machine) is not for us to reach, and means silence.
    pub fn to(address: &OsStr) -> Notifier {
        let opened = parse(address).and_then(|address| Ok((open()?, address)));
        Notifier(opened.inspect_err(|cause| log::debug!("cannot notify {address:?}: {cause}")).ok())
    }

    /// The service takes readings: systemd goes on with what waits for us.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The service takes over another configuration, and is [ready](Notifier::ready) again after that. With the time that
    /// systemd wants to see in it (sd_notify(3), since version 253), which is that of the kernel's monotonic clock.
    pub fn reloading(&self) {
        let since_boot = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", since_boot.as_micros()));
    }

    /// The service is on its way to a clean end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// The service lives. Only for a [`Watchdog`](super::Watchdog), who knows.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// How the service is doing, for people: a line, as `systemctl status` shows it.
    pub fn status(&self, line: &str) {
        self.tell(&format!("STATUS={}", line.replace('\n', " ")));
    }

    fn tell(&self, message: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(cause) = socket.send_to_addr(message.as_bytes(), address) {
            log::debug!("cannot notify the service manager of {message:?}: {cause}");
        }
    }
}

fn parse(address: &OsStr) -> io::Result<SocketAddr> {
    match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(address),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "neither a path nor an abstract name")),
    }
}

fn open() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(LONGEST_WAIT))?;
    Ok(socket)
}

/// Longer than a service manager in its right mind needs, shorter than anybody waits for us.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[track_caller]
    fn check(manager: &UnixDatagram, tell: impl FnOnce(), expected: &str) {
        tell();
        // It is there: it was sent by this very thread.
        manager.set_nonblocking(true).unwrap();
        let mut datagram = [0; 100];
        let length = manager.recv(&mut datagram).unwrap();
        assert_eq!(std::str::from_utf8(&datagram[..length]), Ok(expected));
    }

    #[test]
    fn the_manager_hears_of_each_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str());
        check(&manager, || notifier.ready(), "READY=1");
        // A second line would be another word of the protocol.
        check(&manager, || notifier.status("attic: cannot\nREADY=1"), "STATUS=attic: cannot READY=1");
        check(&manager, || notifier.stopping(), "STOPPING=1");
        notifier.reloading();
        let mut datagram = [0; 100];
        let length = manager.recv(&mut datagram).unwrap();
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        let since_boot: u64 = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap()).as_micros();
        assert!((1..=now).contains(&u128::from(since_boot)), "{text}");
    }

    #[test]
    fn an_abstract_address_begins_with_an_at_sign() {
        let name = format!("luigi-mqtt-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}")));
        check(&manager, || notifier.ready(), "READY=1");
    }

    #[test]
    fn a_manager_that_is_not_there_or_not_reachable_is_no_trouble() {
        let gone = tempfile::tempdir().unwrap().path().join("notify");
        for address in [gone.as_os_str(), OsStr::new("vsock:2:1234"), OsStr::new("")] {
            Notifier::to(address).ready();
        }
        assert!(Notifier::to(OsStr::new("vsock:2:1234")).0.is_none());
        assert!(Notifier::to(gone.as_os_str()).0.is_some());
    }
}
