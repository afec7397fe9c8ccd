//! A daemon under siege, and a program beside those that do not behave.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::json;

use super::configuration::Configuration;
use super::daemon::Daemon;
use super::mosquitto::{Mosquitto, MosquittoOptions};
use super::observer::Observer;
use super::producer::Producer;
use super::wait::{LIMIT, wait_until, wait_until_or};

/// A daemon, and a program that feeds it.
pub(crate) struct Siege {
    pub(crate) mosquitto: Mosquitto,
    observer: Observer,
    pub(crate) daemon: Daemon,
    pub(crate) polite: Producer,
    /// The last reading of the polite one.
    number: u32,
    /// How much memory the daemon had at the beginning, and at most; in KiB.
    memory: (u64, u64),
}

impl Siege {
    /// A connected one.
    pub(crate) fn begin() -> Siege {
        let mosquitto = Mosquitto::start(MosquittoOptions::default());
        let observer = Observer::lasting(&mosquitto, &["luigi/#"]);
        let config = Configuration::new(mosquitto.port()).set("Host", "ENABLED", "no");
        let config = config.set("Spool", "MODE", "memory").set("Spool", "MAX_BYTES", "4M");
        let config = config.set("Logging", "LOG_LEVEL", "INFO");
        let daemon = Daemon::start(&(config.text() + SECTIONS));
        let mut polite = Producer::connect(&daemon);
        wait_until("the connection", LIMIT, || {
            polite.ask(&json!({"op": "status"}))["status"]["connection"]["up"] == true
        });
        let mut siege = Siege { mosquitto, observer, daemon, polite, number: 0, memory: (0, 0) };
        siege.round();
        siege.memory.0 = siege.memory.1;
        siege
    }

    /// Has the polite one publish a reading, which is accepted.
    #[track_caller]
    pub(crate) fn round(&mut self) {
        self.number += 1;
        let reading = json!({"op": "reading", "entity": "steady", "value": self.number, "tag": self.number});
        let answer = self.polite.ask(&reading);
        let is_taken = answer["ok"] == "accepted" || answer["ok"] == "queued";
        assert!(is_taken && answer["tag"] == self.number, "{answer}: {:#?}", self.daemon.lines());
        self.memory.1 = self.memory.1.max(resident(&self.daemon));
    }

    /// Has `attack` made on the socket, by a thread of its own, while the polite one goes on.
    #[track_caller]
    pub(crate) fn endure(&mut self, attack: impl FnOnce(&Path) + Send + 'static) {
        let socket = self.daemon.socket();
        let attacker = thread::spawn(move || attack(&socket));
        while !attacker.is_finished() {
            self.round();
        }
        attacker.join().expect("the attack is as it was meant");
    }

    /// All readings have arrived, the daemon has grown and said little, and ends in order.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.round();
        let number = self.number;
        let all: Vec<String> = (1..=number).map(|it| it.to_string()).collect();
        let arrived = || -> Vec<String> {
            let mut values: Vec<String> = self
                .observer
                .messages()
                .iter()
                .filter(|it| it.topic == "luigi/pi/steady")
                .map(|it| it.text())
                .collect();
            values.dedup();
            values
        };
        wait_until_or("all readings, in order", 2 * LIMIT, || arrived() == all, || arrived().len());
        self.daemon.terminate();
        assert_eq!(self.daemon.wait_exit(LIMIT).code(), Some(0), "{:#?}", self.daemon.lines());
        let (before, most) = self.memory;
        assert!(most < before + MOST_GROWTH, "from {before} to {most} KiB");
        let lines = self.daemon.lines();
        assert!(lines.iter().map(String::len).sum::<usize>() < 64 << 10, "{} lines: {lines:#?}", lines.len());
    }
}

/// How much memory `daemon` has at the moment, in KiB.
pub(crate) fn resident(daemon: &Daemon) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = text.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("the kernel says so");
    line.split_whitespace().next().unwrap().parse().unwrap()
}

const SECTIONS: &str = "[Sensor steady]\nSOURCE=socket\nDELIVERY=every\n[Sensor room]\nSOURCE=socket\n";
/// By how much the daemon may grow, in KiB: what may wait for the broker is bounded at 4 MiB, what clients hold at 8 MiB, and
/// the allocator keeps some of what was let go.
pub(crate) const MOST_GROWTH: u64 = 24 << 10;
