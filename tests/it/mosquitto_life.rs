//! The daemon's life, from its start to either of its ends, at a real broker.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::AVAILABILITY;
use crate::support::CLIENT_ID;
use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Launch;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Seen;
use crate::support::word;

/// One message a line: topic, QoS, whether it is retained, payload; what differs from one run or machine to the
/// next is replaced by what it is.
fn shown(messages: &[Seen]) -> String {
    let mut lines: Vec<String> = messages
        .iter()
        .map(|it| {
            let retained = if it.retained { "retained" } else { "fleeting" };
            format!("{} {} {retained} {}\n", it.topic, it.qos, steady(it))
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn steady(message: &Seen) -> String {
    let payload = message.text().replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"<version>\"");
    let varies = ["disk_use", "messages_delivered", "messages_waiting"];
    let is_state = message.topic.strip_prefix("luigi/pi/").is_some_and(|it| varies.contains(&it));
    match payload.parse::<f64>() {
        Ok(_) if is_state => "<number>".to_owned(),
        _ => payload,
    }
}

/// The kinds of what came, in order, each run of one kind once.
fn order(messages: &[Seen]) -> Vec<&'static str> {
    let mut kinds: Vec<_> = messages
        .iter()
        .map(|it| match it.topic.as_str() {
            AVAILABILITY => "availability",
            topic if topic.starts_with("homeassistant/") => "discovery",
            _ => "state",
        })
        .collect();
    kinds.dedup();
    kinds
}

/// What a Pi Zero W has to say, in the tests' data.
fn expected() -> String {
    fs::read_to_string(data("peer/pi-zero-w.expected")).unwrap()
}

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A daemon on the Pi Zero W of the tests' data.
fn pi_zero_w(configuration: &Configuration) -> Launch {
    Launch::new(&configuration.text()).env("LUIGI_MQTT_ROOT", data("host/pi-zero-w"))
}

#[test]
fn a_life_from_start_to_sigterm_leaves_all_its_entities_and_offline() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &["#"]);
    let mut daemon = pi_zero_w(&Configuration::new(mosquitto.port())).start();
    let topics = expected().lines().count();
    let distinct = |messages: &[Seen]| messages.iter().map(|it| &it.topic).collect::<BTreeSet<_>>().len();
    observer.wait_for("every topic", LIMIT, |it| distinct(it) >= topics);
    let found = shown(&mosquitto.retained("#"));
    assert!(found == expected(), "expected\n{}\nfound\n{found}", expected());
    assert_eq!(order(&observer.messages()), ["discovery", "availability", "state"]);
    for it in observer.messages().iter().filter(|it| it.topic.starts_with("homeassistant/")) {
        assert!(serde_json::from_slice::<Value>(&it.payload).is_ok_and(|it| it.is_object()), "{it:?}");
    }

    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success(), "{:#?}", daemon.lines());
    observer.wait_for_latest(AVAILABILITY, "offline");
    let left = shown(&mosquitto.retained("#"));
    assert!(left == expected().replace("retained online", "retained offline"), "{left}");
    let offline = observer.messages().iter().filter(|it| it.text() == "offline").count();
    assert_eq!(offline, 1, "the will was not needed");
    let log = mosquitto.log();
    let last =
        |what: &str| log.rfind(&format!("{what} {CLIENT_ID}")).unwrap_or_else(|| panic!("{what}:\n{log}"));
    let [published, acknowledged, ended] =
        ["Received PUBLISH from", "Sending PUBACK to", "Received DISCONNECT from"].map(last);
    assert!(published < acknowledged && acknowledged < ended, "{log}");
    assert_eq!(
        daemon.lines().last().map(|it| it.ends_with("[INFO] stopped")),
        Some(true),
        "{:#?}",
        daemon.lines()
    );
}

#[test]
fn after_kill_9_the_broker_says_offline_and_the_next_start_says_online() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let configuration = Configuration::new(mosquitto.port()).text();
    let mut daemon = Daemon::start(&configuration);
    observer.wait_for_latest(AVAILABILITY, "online");
    daemon.kill();
    observer.wait_for_latest(AVAILABILITY, "offline");

    let _next = Daemon::start(&configuration);
    observer.wait_for_latest(AVAILABILITY, "online");
    assert!(observer.messages().iter().all(|it| it.retained && it.qos == 1), "{:?}", observer.messages());
    let retained: Vec<String> = mosquitto.retained(AVAILABILITY).iter().map(Seen::text).collect();
    assert_eq!(retained, ["online"]);
}

#[test]
fn a_broker_that_comes_up_late_is_awaited_and_readiness_does_not_wait_for_it() {
    let mut mosquitto = Mosquitto::absent(MosquittoOptions::default());
    let launch = Launch::new(&Configuration::new(mosquitto.port()).text());
    let socket = launch.folder().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut daemon = launch.env("NOTIFY_SOCKET", socket).start();
    assert_eq!(told(&manager), "READY=1");
    let line = daemon.wait_for_line("no connection to the broker");
    assert!(line.contains(&format!("cannot connect to 127.0.0.1:{}", mosquitto.port())), "{line}");
    daemon.wait_for_line("still no connection to the broker");

    mosquitto.start_again();
    let observer = Observer::start(&mosquitto, &["#"]);
    observer.wait_for_latest(AVAILABILITY, "online");
    observer.wait_for_latest("luigi/pi/cpu_temperature", "41.2");
    daemon.terminate();
    assert_eq!(told(&manager), "STOPPING=1");
    assert!(daemon.wait_exit(LIMIT).success());
    let lines = daemon.lines();
    let of = |level: &str| lines.iter().filter(|it| it.contains(level)).count();
    assert_eq!(
        (of("[WARN]"), of("[ERROR]")),
        (1, 0),
        "one line per transition, not one per attempt: {lines:#?}"
    );
}

#[test]
fn a_stop_without_a_broker_is_immediate() {
    let mosquitto = Mosquitto::absent(MosquittoOptions::default());
    let configuration = Configuration::new(mosquitto.port()).set("Client", "RECONNECT_DELAY", "300");
    let mut daemon = Daemon::start(&configuration.text());
    daemon.wait_for_line("no connection to the broker");
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success());
}

#[test]
fn a_stop_while_the_broker_hangs_is_soon_and_offline_reaches_it_when_it_wakes() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let configuration = Configuration::new(mosquitto.port()).set("Client", "CONNECTION_TIMEOUT", "300");
    let mut daemon = Daemon::start(&configuration.set("Client", "KEEPALIVE", "300").text());
    observer.wait_for_latest(AVAILABILITY, "online");
    daemon.wait_for_line("] announced ");
    mosquitto.freeze();
    daemon.terminate();
    assert!(daemon.wait_exit(LIMIT).success(), "{:#?}", daemon.lines());
    mosquitto.thaw();
    observer.wait_for_latest(AVAILABILITY, "offline");
}

#[test]
fn a_daemon_and_its_broker_may_be_stopped_together() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions { persistence: true, ..Default::default() });
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let mut daemon = Daemon::start(&Configuration::new(mosquitto.port()).text());
    observer.wait_for_latest(AVAILABILITY, "online");
    daemon.wait_for_line("] announced ");
    daemon.terminate();
    mosquitto.stop();
    assert!(daemon.wait_exit(LIMIT).success(), "{:#?}", daemon.lines());
    mosquitto.start_again();
    assert_eq!(mosquitto.retained(AVAILABILITY)[0].text(), "offline");
}

#[test]
fn the_next_daemon_is_online_whatever_the_last_words_of_the_one_before_it() {
    let mosquitto = Mosquitto::start(MosquittoOptions::default());
    let observer = Observer::start(&mosquitto, &[AVAILABILITY]);
    let configuration = Configuration::new(mosquitto.port()).text();
    for end in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL, Signal::SIGTERM] {
        observer.clear();
        let mut daemon = Daemon::start(&configuration);
        observer.wait_for_latest(AVAILABILITY, "online");
        daemon.wait_for_line("] announced ");
        assert_eq!(observer.latest(AVAILABILITY).map(|it| it.text()).as_deref(), Some("online"));
        daemon.signal(end);
        assert_eq!(daemon.wait_exit(LIMIT).success(), end != Signal::SIGKILL);
    }
    observer.wait_for_latest(AVAILABILITY, "offline");
}

fn told(manager: &UnixDatagram) -> String {
    word(manager, LIMIT).expect("word of the daemon")
}
