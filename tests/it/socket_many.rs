//! Many programs at once, and a broker that is killed meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::Configuration;
use crate::support::Daemon;
use crate::support::LIMIT;
use crate::support::Mosquitto;
use crate::support::MosquittoOptions;
use crate::support::Observer;
use crate::support::Outcome;
use crate::support::Producer;
use crate::support::wait_until;
use crate::support::wait_until_or;

/// Programs, and readings of each.
const PROGRAMS: usize = 50;
const READINGS: usize = 1_000;
/// For all of them, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// Kills the broker in a moment when all that it has acknowledged has left it: it keeps that in memory and would lose it, which
/// is not our doing. The silence is its own: the daemon is stopped in the middle of whatever it was at.
fn kill(mosquitto: &mut Mosquitto, daemon: &Daemon) {
    daemon.signal(Signal::SIGSTOP);
    let port = format!(":{:04X}", mosquitto.port());
    let unread = || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let fields = table.lines().skip(1).map(|it| it.split_whitespace().collect::<Vec<_>>());
        // The state 0A is a listener's, whose figures mean something else.
        let waits = |it: &Vec<&str>| it[1].ends_with(&port) && it[3] != "0A" && it[4] != "00000000:00000000";
        fields.filter(waits).count()
    };
    let (mut length, mut silent_looks) = (0, 0);
    wait_until_or(
        "silence at the broker",
        PATIENCE,
        || {
            let before = std::mem::replace(&mut length, mosquitto.log_length());
            silent_looks = if unread() == 0 && before == length { silent_looks + 1 } else { 0 };
            silent_looks == 10
        },
        unread,
    );
    mosquitto.kill();
    daemon.signal(Signal::SIGCONT);
}

#[test]
fn fifty_programs_with_a_thousand_readings_each_lose_none_of_them_to_a_broker_that_is_killed() {
    let mut mosquitto = Mosquitto::start(MosquittoOptions {
        persistence: true,
        // However long the observer takes, all is kept for it.
        extra: "max_queued_messages 0".to_owned(),
        ..Default::default()
    });
    let observer = Observer::lasting(&mosquitto, &["luigi/pi/counter"]);
    let config = Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no");
    let config = config.set("Logging", "LOG_LEVEL", "INFO").text();
    let mut daemon = Daemon::start(&(config + "[Sensor counter]\nSOURCE=socket\nDELIVERY=every\n"));
    let mut watcher = Producer::connect(&daemon);
    wait_until("the connection", LIMIT, || {
        watcher.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == true
    });

    let socket = daemon.socket();
    let programs: Vec<_> = (0..PROGRAMS)
        .map(|program| {
            let socket = socket.clone();
            std::thread::spawn(move || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_luigi-mqtt"));
                command.args(["publish", "-", "--socket"]).arg(socket).stderr(Stdio::piped());
                let values = program * READINGS..(program + 1) * READINGS;
                let input: String = values.map(|it| format!("counter {it}\n")).collect();
                Outcome::of(&mut command, input.as_bytes())
            })
        })
        .collect();
    let mut accepted = |count: usize| {
        let what = format!("{count} accepted readings");
        wait_until(&what, PATIENCE, || {
            let status = watcher.ask(&json!({"op": "status"}));
            status["status"]["entities"]["counter"]["accepted"].as_u64().unwrap() >= count as u64
        });
    };
    for (part, connections) in [(1, 1), (3, 2)] {
        accepted(PROGRAMS * READINGS * part / 8);
        daemon.wait_for_lines("connected to the broker", connections);
        kill(&mut mosquitto, &daemon);
        daemon.wait_for_lines("lost the connection", connections);
        accepted(PROGRAMS * READINGS * (part + 1) / 8);
        mosquitto.start_again();
    }
    daemon.wait_for_lines("connected to the broker", 3);
    for program in programs {
        let outcome = program.join().unwrap();
        assert_eq!((outcome.output.as_str(), outcome.errors.as_str(), outcome.code), ("", "", 0));
    }

    let all = (PROGRAMS * READINGS) as u64;
    let mut figures = || watcher.ask(&json!({"op": "status"}))["status"]["entities"]["counter"].take();
    wait_until("the last acknowledgement", PATIENCE, || figures()["delivered"] == all);
    let nothing_else =
        json!({"accepted": all, "delivered": all, "waiting": 0, "replaced": 0, "dropped": 0, "expired": 0});
    assert_eq!(figures(), nothing_else);

    let mut arrived: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    wait_until_or(
        "all readings",
        PATIENCE,
        || {
            arrived.clear();
            let mut is_seen = vec![false; PROGRAMS * READINGS];
            for message in observer.messages() {
                let value: usize = message.text().parse().unwrap();
                // One that was acknowledged to nobody any more comes twice.
                if !std::mem::replace(&mut is_seen[value], true) {
                    arrived.entry(value / READINGS).or_default().push(value);
                }
            }
            is_seen.iter().all(|it| *it)
        },
        || daemon.lines(),
    );
    assert!(arrived.values().all(|it| it.is_sorted()), "each program's readings are in order");
    daemon.terminate();
    assert_eq!(daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", daemon.lines());
}
