//! By which way a command reaches the broker.

use std::path::PathBuf;

/// By which way a command reaches the broker: through the daemon, or by a connection of its own.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Route {
    #[command(flatten)]
    pub(crate) socket: Socket,

    /// Connect to the broker by ourselves, as the configuration says, even while the daemon runs
    #[arg(long, conflicts_with = "socket")]
    pub(crate) direct: bool,
}

/// Where the daemon listens.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Socket {
    /// The daemon's socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the
    /// configuration, else /run/luigi-mqtt/luigi-mqtt.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}
