//! The configuration: text becomes types here, once.
//!
//! Nothing downstream sees a string that has not been checked. Every default is a named constant.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::Qos;
use crate::model::Secret;
use crate::model::Topic;

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
    /// `[Logging]`.
    pub logging: Logging,
    /// What is legal but unwise or without effect, as sentences for the log.
    pub warnings: Vec<String>,
}

/// Where the broker is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// Host name, IPv4 address or IPv6 address (without brackets).
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// How to encrypt; `None` is plain TCP.
    pub tls: Option<Tls>,
}

/// How the connection is encrypted. The broker's certificate and name are always checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// PEM file with the authorities to trust; `None` trusts the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate; `None` has the broker not ask for one.
    pub identity: Option<Identity>,
}

/// A client certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// PEM file with the certificate, and the chain after it.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Who we are to the broker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// Not empty.
    pub username: String,
    /// MQTT lets a user come without a password.
    pub password: Option<Secret>,
}

/// How the connection behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// Client identifier, 1 to 65,535 bytes; each program on a broker needs its own.
    pub id: String,
    /// Longest silence before a ping, 5 s to 65,535 s. A dead link is noticed within twice this.
    pub keep_alive: Duration,
    /// Quality of service of states, availability and discovery.
    pub qos: Qos,
    /// First pause before another attempt, 1 s to `reconnect_delay_max`.
    pub reconnect_delay: Duration,
    /// Longest pause before another attempt, up to a day.
    pub reconnect_delay_max: Duration,
    /// Limit for name look-up, TCP, TLS and CONNACK together, 1 s to 300 s.
    pub connection_timeout: Duration,
    /// Largest packet accepted from the broker, in bytes, 1 KiB to 256 MiB.
    pub max_packet_bytes: usize,
}

/// Where things are published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topics {
    /// Home Assistant's discovery prefix.
    pub discovery_prefix: Topic,
    /// States go to `<state>/<entity id>`.
    pub state: Topic,
    /// `online` or `offline`, retained.
    pub availability: Topic,
}

/// How the device shows in Home Assistant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Discovery {
    /// Name of the device.
    pub device_name: String,
    /// Manufacturer of the device.
    pub manufacturer: String,
    /// Model of the device.
    pub model: String,
    /// Software version of the device; `None` says luigi-mqtt's own.
    pub sw_version: Option<String>,
    /// Where Home Assistant says that it has started.
    pub birth_topic: Topic,
    /// What it says there.
    pub birth_payload: String,
}

/// Which readings of the machine itself are published, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// The root under which `/proc` and `/sys` are read: `/` but in tests.
    pub root: PathBuf,
    /// File system whose use is shown.
    pub disk_path: PathBuf,
    /// What is sampled, in the order of [`HostSensor::ALL`]; empty publishes nothing of the machine.
    pub sensors: Vec<HostSampling>,
    /// An unchanged value is published again after this long, 10 s to 24 h.
    pub heartbeat: Duration,
}

/// How one reading of the machine is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSampling {
    /// Which.
    pub sensor: HostSensor,
    /// Pause between two samples, 1 s to 24 h.
    pub interval: Duration,
    /// A change up to this much is not published, in the reading's unit. 0 publishes every change.
    pub dead_band: f64,
}

/// A group of readings of the machine itself.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HostSensor {
    /// Temperature of the processor, °C.
    CpuTemperature,
    /// Load averages over 1, 5 and 15 minutes.
    Load,
    /// Memory in use, %.
    Memory,
    /// Swap in use, %.
    Swap,
    /// Disk in use, %.
    Disk,
    /// Time of the last boot.
    LastBoot,
    /// Signal of the Wi-Fi, dBm.
    Wifi,
    /// Under-voltage and throttling of the board.
    Throttling,
    /// IP address.
    IpAddress,
    /// The bridge's own figures: delivered, waiting, dropped, reconnects.
    Bridge,
}

/// What is logged, and where to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logging {
    /// Log file; `None` logs to the console only.
    pub file: Option<PathBuf>,
    /// Least important level that is logged.
    pub level: log::LevelFilter,
    /// Size at which the file is rotated, in bytes.
    pub max_bytes: usize,
    /// How many rotated files are kept, 0 to 99.
    pub backups: usize,
}
