//! A machine that misbehaves under the daemon: files that never answer.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::support::{Launch, free_port, wait_until};

#[test]
fn a_reading_that_hangs_does_not_hold_up_the_end() {
    let port = free_port();
    let daemon = Launch::new(&format!(
        "[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Logging]\nLOG_FILE=\n[Host]\nINTERVAL=1\n"
    ));
    let mut daemon = daemon.start();
    daemon.wait_for_line("no connection to the broker");
    let silent = silence(&daemon.folder().join("machine/proc/loadavg"));
    let _never_written = wait_for_reader(&silent);
    daemon.terminate();
    assert_eq!(daemon.wait_exit(Duration::from_secs(10)).code(), Some(0));
    daemon.wait_for_line("a reading of the machine hangs");
}

#[test]
fn a_machine_that_hangs_at_the_start_does_not_hold_up_the_end() {
    let launch = Launch::new("[Logging]\nLOG_FILE=\n");
    let silent = silence(&launch.folder().join("machine/proc/loadavg"));
    let mut daemon = launch.start();
    let _never_written = wait_for_reader(&silent);
    daemon.terminate();
    daemon.wait_exit(Duration::from_secs(10));
}

/// Puts a pipe that nobody writes to in the place of the file at `path`: who reads it waits for ever.
fn silence(path: &Path) -> std::path::PathBuf {
    fs::remove_file(path).unwrap();
    mkfifo(path, Mode::S_IRWXU).unwrap();
    path.to_owned()
}

/// Waits until somebody reads the pipe at `path`, who then waits for as long as the result lives.
#[track_caller]
fn wait_for_reader(path: &Path) -> File {
    let mut writer = None;
    wait_until("a reader", Duration::from_secs(30), || {
        // Without a reader this fails; it must not wait for one, or the limit would be none.
        writer = OpenOptions::new().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok();
        writer.is_some()
    });
    writer.expect("there is a reader")
}
