//! The daemon starts, works and ends as a service manager and a person at a terminal expect.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::signal::Signal;

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Faults;
use luigi_mqtt::mock::Refusal;
use luigi_mqtt::mock::Settings;

use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Stream;
use crate::support::Witness;
use crate::support::config;
use crate::support::free_port;
use crate::support::retained;
use crate::support::wait_for_retained;
use crate::support::wait_until;
use crate::support::wait_until_or;
use crate::support::word;

fn start(more: &[(&str, &str, &str)]) -> (Broker, Witness, Daemon) {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let daemon = Daemon::start(&config(broker.address().port(), more));
    (broker, witness, daemon)
}

/// The next thing that the service manager hears.
#[track_caller]
fn heard(manager: &UnixDatagram) -> String {
    word(manager, LIMIT).expect("word of the daemon")
}

#[test]
fn each_signal_to_stop_ends_in_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let broker = Broker::start(Settings::default()).unwrap();
        let witness = Witness::of(&broker);
        // The tests may run under nohup themselves.
        let launch = Launch::new(&config(broker.address().port(), &[]));
        let mut daemon = launch.by(&["env", "--default-signal=HUP"]).start();
        witness.wait_for_line("luigi/pi/load_15m", "0.01");
        daemon.signal(signal);
        assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{signal}");
        assert_eq!(retained(&broker, "luigi/pi/availability").as_deref(), Some("offline"));
        let last = daemon.lines().into_iter().next_back().unwrap();
        assert!(last.ends_with("[INFO] stopped"), "{:#?}", daemon.lines());
    }
}

#[test]
fn under_nohup_it_outlives_the_terminal() {
    let broker = Broker::start(Settings::default()).unwrap();
    let witness = Witness::of(&broker);
    let mut daemon = Launch::new(&config(broker.address().port(), &[])).by(&["nohup"]).start();
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    daemon.signal(Signal::SIGHUP);
    daemon.change_machine("proc/loadavg", "5.08 5.03 5.01 1/91 1234\n");
    witness.wait_for_line("luigi/pi/load_15m", "5.01");
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_goodbye_at_once() {
    let (broker, witness, mut daemon) = start(&[]);
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    broker.set_faults(Faults { silent: true, ..Faults::default() });
    daemon.terminate();
    daemon.wait_for_line("[INFO] stopping");
    // One that comes too soon after the first is the same request.
    wait_until("the end", LIMIT, || {
        daemon.signal(Signal::SIGINT);
        daemon.ended().is_some()
    });
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(130));
    assert!(!daemon.lines().iter().any(|it| it.contains("stopped")), "{:#?}", daemon.lines());
}

#[test]
fn a_broker_that_says_nothing_does_not_hold_up_the_end() {
    // Whatever else it could wait for is longer than the test does.
    let patient = &[("Client", "CONNECTION_TIMEOUT", "300"), ("Client", "KEEPALIVE", "300")];
    let (broker, witness, mut daemon) = start(patient);
    witness.wait_for_line("luigi/pi/load_15m", "0.01");
    broker.set_faults(Faults { silent: true, ..Faults::default() });
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn the_service_manager_hears_that_it_is_ready_without_a_broker_and_that_it_stops() {
    let launch = Launch::new(&config(free_port(), &[]));
    let path = launch.folder().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut daemon = launch.env("NOTIFY_SOCKET", &path).start();
    assert_eq!(heard(&manager), "READY=1");
    daemon.terminate();
    assert_eq!(heard(&manager), "STOPPING=1");
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn the_service_manager_hears_which_sources_fail_and_when_they_recover() {
    let sections =
        "[Sensor attic]\nPATH=/data/attic\nINTERVAL=1\n[Sensor room]\nPATH=/data/room\nINTERVAL=1\n";
    let launch = Launch::new(&(config(free_port(), &[]) + sections)).machine_file("data/room", "5");
    let path = launch.folder().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let attic = launch.folder().join("machine/data/attic");
    let daemon = launch.env("NOTIFY_SOCKET", &path).start();
    let status = || std::iter::repeat_with(|| heard(&manager)).find(|it| it.starts_with("STATUS=")).unwrap();
    let failing = format!(
        "STATUS=no value for 1 entities: attic: cannot read {}: No such file or directory (os error 2)",
        attic.display()
    );
    assert_eq!(status(), failing);
    daemon.change_machine("data/attic", "7");
    assert_eq!(status(), "STATUS=all sources answer");
}

#[test]
fn a_daemon_without_permission_to_its_log_file_says_so_once_and_goes_on() {
    let broker = Broker::start(Settings::default()).unwrap();
    let unwritable = [("Logging", "LOG_FILE", "/proc/no/such.log")];
    let daemon = Daemon::start(&config(broker.address().port(), &unwritable));
    wait_for_retained(&broker, "luigi/pi/load_1m", Some("0.08"));
    let warnings: Vec<_> = daemon.lines().into_iter().filter(|it| it.contains("[WARN]")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("cannot open the log file /proc/no/such.log"), "{warnings:#?}");
}

#[test]
fn the_log_file_has_what_the_console_has() {
    let broker = Broker::start(Settings::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("luigi.log");
    let keys = [("Logging", "LOG_FILE", file.to_str().unwrap())];
    let mut daemon = Daemon::start(&config(broker.address().port(), &keys));
    wait_for_retained(&broker, "luigi/pi/load_1m", Some("0.08"));
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
    let file = fs::read_to_string(file).unwrap();
    assert_eq!(file.lines().collect::<Vec<_>>(), daemon.lines_of(Stream::Stderr));
    assert!(file.contains("[INFO] connected to the broker"), "{file}");
}

#[test]
fn only_a_change_beyond_the_dead_band_is_told_before_the_heartbeat() {
    let (broker, witness, daemon) = start(&[("Host", "HEARTBEAT", "24h")]);
    witness.wait_for_line("luigi/pi/load_1m", "0.08");
    // The dead band of the load is 0.1: of these three the middle one is no news.
    daemon.change_machine("proc/loadavg", "0.50 0.10 0.80 1/91 1234\n");
    witness.wait_for_line("luigi/pi/load_1m", "0.5");
    witness.wait_for_line("luigi/pi/load_15m", "0.8");
    daemon.change_machine("proc/loadavg", "0.58 0.20 0.90 1/91 1234\n");
    witness.wait_for_line("luigi/pi/load_5m", "0.2");
    assert_eq!(witness.on("luigi/pi/load_1m"), ["0.08", "0.5"]);
    assert_eq!(witness.on("luigi/pi/load_15m"), ["0.01", "0.8"]);
    assert_eq!(witness.on("luigi/pi/load_5m"), ["0.03", "0.2"]);
    assert_eq!(retained(&broker, "luigi/pi/load_5m").as_deref(), Some("0.2"));
}

#[test]
fn a_reading_that_fails_is_unknown_and_comes_back() {
    let (broker, _witness, daemon) = start(&[]);
    wait_for_retained(&broker, "luigi/pi/load_1m", Some("0.08"));
    daemon.change_machine("proc/loadavg", "nonsense\n");
    wait_for_retained(&broker, "luigi/pi/load_1m", Some("None"));
    daemon.change_machine("proc/loadavg", "0.70 0.60 0.50 1/91 1234\n");
    wait_for_retained(&broker, "luigi/pi/load_1m", Some("0.7"));
    let failures = || daemon.lines().iter().filter(|it| it.contains("[WARN]")).count();
    wait_until_or("one warning", LIMIT, || failures() == 1, || daemon.lines());
}

#[test]
fn its_own_figures_tell_of_the_connection() {
    let broker = Broker::start(Settings::default()).unwrap();
    let bridge = [("Host", "SENSORS", "bridge"), ("Host", "BRIDGE_INTERVAL", "1")];
    let _daemon = Daemon::start(&config(broker.address().port(), &bridge));
    wait_for_retained(&broker, "luigi/pi/reconnects", Some("0"));
    broker.cut();
    wait_for_retained(&broker, "luigi/pi/reconnects", Some("1"));
    wait_for_retained(&broker, "luigi/pi/messages_dropped", Some("0"));
    let delivered: u64 = retained(&broker, "luigi/pi/messages_delivered").unwrap().parse().unwrap();
    assert!(delivered >= 2 * 5 + 4, "two announcements and the first states: {delivered}");
}

#[test]
fn a_secret_is_in_no_output_and_not_in_the_process_list() {
    let broker = Broker::start(Faults::default()).unwrap();
    let more = [("Authentication", "USERNAME", "luigi"), ("Authentication", "PASSWORD", SECRET)];
    let mut daemon = Launch::new(&config(broker.address().port(), &more)).start();
    wait_for_retained(&broker, "luigi/pi/load_1m", Some("0.08"));
    let connects = broker.connects();
    assert_eq!(connects[0].password.as_ref().unwrap().reveal(), SECRET, "it is used");
    let process_list = fs::read(Path::new("/proc").join(daemon.id().to_string()).join("cmdline")).unwrap();
    let process_list = String::from_utf8(process_list).unwrap();
    assert!(process_list.contains("luigi-mqtt.conf") && !process_list.contains(SECRET), "{process_list:?}");
    broker.set_faults(Faults { refuse: Some(Refusal::Credentials), ..Faults::default() });
    broker.cut();
    daemon.wait_for_line("[ERROR] no connection to the broker");
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0));
    assert!(daemon.lines().iter().any(|it| it.contains("[DEBUG]")), "{:#?}", daemon.lines());
    assert!(!daemon.lines().iter().any(|it| it.contains(SECRET)), "{:#?}", daemon.lines());
}

const SECRET: &str = "hunter2-hunter2";
