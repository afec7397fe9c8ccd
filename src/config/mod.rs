//! The configuration: text becomes types here, once.
//!
//! Nothing downstream sees a string that has not been checked. Every default is a named constant in
//! `defaults`; `packaging/luigi-mqtt.conf` is the reference of all keys, and tested to be right.

mod broker;
mod builder;
mod client;
mod credentials;
mod declared;
mod defaults;
mod document;
mod environment;
mod error;
mod host;
mod ini;
mod load;
mod logging;
mod owner;
mod program;
mod settings;
mod socket;
mod spool;
mod topics;
mod value;

#[cfg(test)]
mod cases;

use std::path::PathBuf;

pub use broker::{Broker, Endpoint, Identity, Tls};
pub use builder::Builder;
pub use client::Client;
pub use credentials::Credentials;
pub use declared::{
    Channel, Declared, Extract, Feed, Filtering, Initial, Input, OnOff, Output, Sense, Target,
};
#[cfg(feature = "daemon")]
pub use declared::{Template, templates};
pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors, FOUND_CHARS, Place, Problem};
pub use host::{Host, HostSampling, HostSensor};
pub use load::DEFAULT_FILES;
pub use logging::Logging;
pub use socket::Socket;
pub use spool::Spool;
pub use topics::{Discovery, Topics};

/// Everything that can be configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it came from; `None` when there is none and all is default.
    pub path: Option<PathBuf>,
    /// `[Broker]`.
    pub broker: Broker,
    /// `[Authentication]`; `None` connects as anonymous.
    pub credentials: Option<Credentials>,
    /// `[Client]` and `[Connection]`.
    pub client: Client,
    /// `[Topics]`.
    pub topics: Topics,
    /// `[Discovery]` and `[Device]`.
    pub discovery: Discovery,
    /// `[Host]`.
    pub host: Host,
    /// `[Sensor ID]` and its kind, in the order of the file.
    pub declared: Vec<Declared>,
    /// `[Spool]`.
    pub spool: Spool,
    /// `[Socket]`.
    pub socket: Socket,
    /// `[Logging]`.
    pub logging: Logging,
    /// What is legal but unwise or without effect, as sentences for the log.
    pub warnings: Vec<String>,
}
