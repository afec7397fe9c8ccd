//! A source that hangs, as a file system does whose server is gone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::libc::O_NONBLOCK;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;
use luigi_mqtt::model::Topic;

use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::wait_until;

/// Puts a pipe that nobody writes to in the place of `path`: who reads it waits for ever.
fn silence(path: &Path) {
    let pipe = path.with_extension("pipe");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    fs::rename(&pipe, path).unwrap();
}

/// Waits until somebody reads the pipe at `path`, who then waits for as long as the result lives.
fn wait_for_reader(path: &Path) -> File {
    let mut opened: io::Result<File> = Err(io::ErrorKind::NotFound.into());
    wait_until("a reader", LIMIT, || {
        // Without a reader this fails; it must not wait for one, or there would be no limit.
        opened = File::options().write(true).custom_flags(O_NONBLOCK).open(path);
        opened.is_ok()
    });
    opened.unwrap()
}

#[test]
fn a_source_that_hangs_does_not_hold_up_the_goodbye() {
    let broker = Broker::start(Settings::default()).unwrap();
    let port = broker.address().port();
    let availability = Topic::new("luigi/pi/availability").unwrap();
    let launch = Launch::new(&format!(
        "[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Topics]\nAVAILABILITY_TOPIC={availability}\n\
         [Host]\nSENSORS=load\nINTERVAL=1\n[Logging]\nLOG_FILE=\n"
    ));
    let loadavg = launch.folder().join("machine/proc/loadavg");
    let mut daemon = launch.start();
    daemon.wait_for_line("announced");
    silence(&loadavg);
    let _never_written = wait_for_reader(&loadavg);
    daemon.terminate();
    assert_eq!(daemon.wait_exit(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(broker.retained(&availability).as_deref(), Some(&b"offline"[..]));
    assert_eq!(broker.connect_count(), 1);
}

#[test]
fn a_source_that_hangs_holds_up_no_other_one() {
    let broker = Broker::start(Settings::default()).unwrap();
    let states = broker.publishes(1000);
    let port = broker.address().port();
    let launch = Launch::new(&format!(
        "[Broker]\nHOST=127.0.0.1\nPORT={port}\n[Host]\nSENSORS=load,memory,disk\nINTERVAL=1\nDISK_INTERVAL=1\nDISK_PATH=/proc\n[Logging]\nLOG_FILE=\n"
    ));
    let machine = launch.folder().join("machine/proc");
    let daemon = launch.start();
    daemon.wait_for_line("announced");
    silence(&machine.join("loadavg"));
    let _never_written = wait_for_reader(&machine.join("loadavg"));
    fs::write(machine.join("meminfo"), "MemTotal: 1000 kB\nMemAvailable: 0 kB\n").unwrap();
    wait_until("the memory that is full now", LIMIT, || {
        states.try_iter().any(|it| it.topic.as_str().ends_with("/memory_use") && *it.payload == b"100"[..])
    });
}

#[test]
fn a_source_that_hangs_at_the_start_does_not_hold_up_the_end() {
    let launch = Launch::new("[Logging]\nLOG_FILE=\n");
    let loadavg = launch.folder().join("machine/proc/loadavg");
    silence(&loadavg);
    let mut daemon = launch.start();
    let _never_written = wait_for_reader(&loadavg);
    daemon.terminate();
    daemon.wait_exit(Duration::from_secs(10));
}
