//! What the user typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A Raspberry Pi's sensors in Home Assistant, over one MQTT connection that heals.
#[derive(Debug, Parser)]
#[command(name = "luigi-mqtt", version, arg_required_else_help = true)]
pub(super) struct Args {
    /// Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those
    /// of the older modules ha-mqtt-py and ha-mqtt, else all defaults]
    #[arg(long, short, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run in the foreground until SIGTERM or Ctrl-C: the daemon
    Run {
        /// Bring a broker of our own and show what arrives there: needs nothing, reaches nothing.
        /// The environment variable MOCK_MODE=1 does the same
        #[arg(long)]
        mock: bool,
    },
    /// Check the configuration and everything that would be announced
    Check {
        /// Go on to the broker: name, TCP, TLS, login, permission to publish, Home Assistant
        #[arg(long)]
        connect: bool,
    },
}
