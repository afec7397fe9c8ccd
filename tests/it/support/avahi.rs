//! A real Avahi daemon, on a host of its own.

use std::fs::{self, File};
use std::process::Stdio;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::host::Host;
use super::process::{Process, becoming, installed};
use super::wait::{LIMIT, wait_until_or};

/// A running avahi-daemon; dropping it kills it.
pub(crate) struct Avahi {
    process: Process,
    _folder: TempDir,
}

impl Avahi {
    /// Starts one on `host` that answers to `name` below `.local`, and returns when it does.
    #[track_caller]
    pub(crate) fn start(host: &Host, name: &str) -> Avahi {
        let folder = tempfile::tempdir().unwrap();
        let (configuration, log) = (folder.path().join("avahi-daemon.conf"), folder.path().join("log"));
        // The bus is the machine's, where another Avahi may have the name.
        let text = format!("[server]\nhost-name={name}\nenable-dbus=no\n[wide-area]\nenable-wide-area=no\n");
        fs::write(&configuration, text).unwrap();
        let mut command = becoming(&host.starter(), installed("avahi-daemon"));
        command.args(["--no-drop-root", "--no-chroot", "--no-rlimits", "--file"]).arg(configuration);
        let mut process = Process::start(
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap()),
        );
        let log = || fs::read_to_string(&log).unwrap_or_default();
        let begun = format!("Server startup complete. Host name is {name}.local");
        let begun = || process.ended().is_some() || log().contains(&begun);
        wait_until_or("Avahi to have its name", LIMIT, begun, log);
        assert!(process.ended().is_none(), "Avahi does not start:\n{}", log());
        Avahi { process, _folder: folder }
    }

    /// Freezes it: it takes connections, and answers nobody.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }
}
