//! How the daemon fares, as `status` tells it: [`Status`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How the daemon fares. Times are in seconds, memory in bytes. A newer daemon may tell more.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has run.
    pub uptime: u64,
    /// The file it was configured by.
    pub configuration: Option<String>,
    /// The connection to the broker.
    pub connection: Connection,
    /// What became of all messages.
    pub messages: Figures,
    /// The same, of each entity of ours, by id.
    pub entities: BTreeMap<String, Figures>,
    /// What was last wrong with each entity whose values could not be had: now, or earlier.
    pub troubles: Vec<Trouble>,
    /// What waits on the card.
    pub spool: Spool,
    /// What the process takes of the machine.
    pub memory: Memory,
    /// Programs that are connected to the socket.
    pub clients: Vec<Client>,
}

/// The connection to the broker.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Connection {
    /// Whether it is up.
    pub up: bool,
    /// For how long it has been as it is.
    pub since: u64,
    /// The broker: name and port, of the one that is connected or else of those that are tried.
    pub broker: String,
    /// As whom.
    pub client_id: String,
    /// Whether it is encrypted.
    pub tls: bool,
    /// How often it was made anew.
    pub reconnects: u64,
    /// Why it is down.
    pub error: Option<String>,
}

/// What became of messages.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Figures {
    /// Accepted so far.
    pub accepted: u64,
    /// Acknowledged by the broker.
    pub delivered: u64,
    /// On their way, or waiting.
    pub waiting: u64,
    /// A newer one took their place.
    pub replaced: u64,
    /// Given up for lack of room.
    pub dropped: u64,
    /// Given up for their age.
    pub expired: u64,
}

/// An entity whose values cannot be had.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Trouble {
    /// Which.
    pub entity: String,
    /// Why.
    pub error: String,
    /// When it began, so many seconds ago.
    pub since: u64,
    /// When it was over, so many seconds ago; `None` while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<u64>,
}

/// What waits on the card.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Spool {
    /// `memory`, `outage` or `always`.
    pub mode: String,
    /// Its folder.
    pub directory: String,
    /// How many messages wait there.
    pub messages: u64,
    /// How long they may become together.
    pub max_bytes: u64,
    /// Whether the card does not take what it is given: messages that should be there are in memory.
    pub failing: bool,
}

/// What the process takes of the machine's memory (`proc_pid_status(5)`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Memory {
    /// `VmRSS`.
    pub resident: u64,
    /// `RssAnon`: what is its own.
    pub anonymous: u64,
    /// `VmHWM`: the most it ever was.
    pub peak: u64,
}

/// A program that is connected to the socket.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Client {
    /// Its process, where the kernel knows it.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// For how long it has been connected.
    pub since: u64,
    /// How many requests it has made.
    pub requests: u64,
}
