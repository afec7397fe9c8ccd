//! The service manager's watchdog: fed while all threads turn, and not by a daemon of which one has stopped.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, mkfifo};
use serde_json::json;

use luigi_mqtt::mock::Broker;
use luigi_mqtt::mock::Settings;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Producer;
use crate::support::SilentPeer;
use crate::support::wait_for_connects;
use crate::support::word;

/// What a service manager hears of a daemon that has to give a sign of life each [`PATIENCE`].
struct Manager(UnixDatagram);

impl Manager {
    /// Starts `launch` and waits until it is ready.
    fn start(launch: Launch) -> (Daemon, Manager) {
        let path = launch.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let patience = PATIENCE.as_micros().to_string();
        let daemon = launch.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", patience).start();
        let manager = Manager(socket);
        while manager.next(LIMIT).expect("word of the daemon") != "READY=1" {}
        (daemon, manager)
    }

    /// The next word, unless there is none within `limit`.
    fn next(&self, limit: Duration) -> Option<String> {
        word(&self.0, limit)
    }

    /// Waits until it has had `count` more signs of life.
    #[track_caller]
    fn wait_for_signs(&self, count: usize) {
        let words = std::iter::from_fn(|| self.next(LIMIT));
        let found = words.filter(|it| it == "WATCHDOG=1").take(count).count();
        assert_eq!(found, count, "signs of life");
    }

    /// Waits until it would have ended the daemon.
    #[track_caller]
    fn wait_for_silence(&self) {
        let most = 20;
        let words = std::iter::from_fn(|| self.next(2 * PATIENCE)).take(most).count();
        assert!(words < most, "it goes on");
    }
}

/// A thread of the daemon that stands still until this is dropped. Of the thread that made it, as the kernel has it.
struct Standstill(Pid);

impl Standstill {
    /// Stops the one thread called `name`, as whoever deadlocks does. The main thread has the name of the program.
    #[track_caller]
    fn of(daemon: &Daemon, name: &str) -> Standstill {
        let folder = format!("/proc/{}/task", daemon.id());
        let tasks = fs::read_dir(folder).unwrap().map(|it| it.unwrap());
        let named = tasks.filter(|it| fs::read_to_string(it.path().join("comm")).unwrap().trim_end() == name);
        let named: Vec<String> = named.map(|it| it.file_name().into_string().unwrap()).collect();
        let [only] = &named[..] else { panic!("threads called {name}: {named:?}") };
        let thread = Pid::from_raw(only.parse().unwrap());
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        let stopped = waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        assert!(matches!(stopped, WaitStatus::PtraceEvent(..)), "{stopped:?}");
        Standstill(thread)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}

/// One with all the threads that it can have for long: a line that there is not has its own too.
fn full(broker: &Broker) -> Launch {
    let text = Configuration::new(broker.address().port())
        .set("Client", "KEEPALIVE", "5")
        .set("Client", "CONNECTION_TIMEOUT", "1")
        .set("Host", "SENSORS", "load")
        .set("Host", "INTERVAL", "1h")
        .set("BinarySensor door", "LINE", "gpiochip99:17")
        .text();
    Launch::new(&text)
}

#[track_caller]
fn check(name: &str) {
    let broker = Broker::start(Settings::default()).unwrap();
    let (daemon, manager) = Manager::start(full(&broker));
    daemon.wait_for_line("announced");
    manager.wait_for_signs(2);
    let stopped = Standstill::of(&daemon, name);
    manager.wait_for_silence();
    // The main thread is who would say so.
    if name != MAIN {
        let line = daemon.wait_for_line("a thread does not go on: ");
        assert!(line.contains(name), "{line}");
    }
    // It was nothing else.
    drop(stopped);
    manager.wait_for_signs(2);
    assert!(daemon.count("a thread does not go on: ") <= 1, "{:#?}", daemon.lines());
}

#[test]
fn a_main_thread_that_stops_gives_no_sign_of_life() {
    check(MAIN);
}

#[test]
fn a_link_that_stops_is_named_and_keeps_the_watchdog_from_being_fed() {
    check("link");
}

#[test]
fn a_poller_that_stops_is_named_and_keeps_the_watchdog_from_being_fed() {
    check("poll");
}

#[test]
fn a_socket_that_nobody_serves_is_named_and_keeps_the_watchdog_from_being_fed() {
    check("ingest");
}

#[test]
fn a_thread_for_gpio_lines_that_stops_is_named_and_keeps_the_watchdog_from_being_fed() {
    check("gpio");
}

#[test]
fn a_watch_over_descriptors_that_stops_is_named_and_keeps_the_watchdog_from_being_fed() {
    check("descriptors");
}

#[test]
fn a_daemon_that_has_much_to_do_and_reloads_lives() {
    let broker = Broker::start(Settings::default()).unwrap();
    let launch = full(&broker);
    let config = fs::read_to_string(launch.folder().join("luigi-mqtt.conf")).unwrap();
    let (daemon, manager) = Manager::start(launch);
    let mut flood = Producer::connect(&daemon).stream().try_clone().unwrap();
    let mut answers = flood.try_clone().unwrap();
    let reader = thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
    let end: UnixStream = flood.try_clone().unwrap();
    let request = json!({"op": "publish", "topic": "some/topic", "payload": "x"});
    let lines = format!("{request}\n").repeat(100);
    let writer = thread::spawn(move || while flood.write_all(lines.as_bytes()).is_ok() {});
    manager.wait_for_signs(2);
    assert_eq!(daemon.reload(&config.replace("KEEPALIVE=5", "KEEPALIVE=6"))["ok"], "reloaded");
    manager.wait_for_signs(3);
    end.shutdown(Shutdown::Both).unwrap();
    writer.join().unwrap();
    assert!(reader.join().unwrap().is_ok_and(|bytes| bytes > 0), "nothing was answered");
}

#[test]
fn a_source_and_a_broker_that_do_not_answer_are_no_threads_that_stand_still() {
    let silent = SilentPeer::start();
    let configuration = Configuration::new(silent.port())
        .set("Client", "CONNECTION_TIMEOUT", "300")
        // One for which no thread is kept ready that could lead on.
        .set("Host", "SENSORS", "load")
        .set("Host", "INTERVAL", "1");
    let launch = Launch::new(&configuration.text());
    let load = launch.folder().join("machine/proc/loadavg");
    let (daemon, manager) = Manager::start(launch);
    // Who reads it waits for ever.
    let pipe = load.with_extension("pipe");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    fs::rename(pipe, load).unwrap();
    manager.wait_for_signs(6);
    assert!(silent.accepted() > 0);
    assert_eq!(daemon.count("does not go on"), 0, "{:#?}", daemon.lines());
}

#[test]
fn a_process_that_is_not_watched_gives_no_signs_of_life() {
    let broker = Broker::start(Settings::default()).unwrap();
    // Of some other process, as for a program that a service starts.
    let (daemon, manager) = Manager::start(full(&broker).env("WATCHDOG_PID", "1"));
    wait_for_connects(&broker, 1, LIMIT);
    daemon.terminate();
    let words = std::iter::from_fn(|| manager.next(LIMIT)).take_while(|it| it != "STOPPING=1");
    assert!(words.filter(|it| it == "WATCHDOG=1").count() == 0);
}

/// How long this service manager waits for a sign of life: not long, but for a machine with much to do.
const PATIENCE: Duration = Duration::from_secs(4);
/// The main thread, which has the name of the program.
const MAIN: &str = "luigi-mqtt";
