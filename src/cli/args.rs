//! What the user typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::templates;

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
        /// Go on to the broker and say which step fails: name, TCP, TLS, login, permission to publish, Home Assistant
        #[arg(long)]
        connect: bool,
    },
    /// List what is announced to Home Assistant and has no owner any more, ours and others'
    Ghosts(Ghosts),
    /// Remove and move in Home Assistant what the next start of the daemon would. It must not run meanwhile
    Migrate {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove all that was announced from Home Assistant and from the broker, as before an uninstall. The daemon must not run
    /// meanwhile
    Withdraw {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// List the templates: what each is for, lines to put into the configuration, and the device-tree overlay that the kernel
    /// needs for it
    Templates {
        /// The template to show, rather than all
        #[arg(value_parser = templates::names())]
        name: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Ghosts {
    /// Remove what is certain, or what is named, after a question at the terminal
    #[arg(long)]
    pub(super) clear: bool,
    /// Remove without a question
    #[arg(long, requires = "clear")]
    pub(super) yes: bool,
    /// List them as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// How long to listen to the broker
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(super) listen: u16,
    /// The discovery topics of those to remove, as they are listed; all that is certain unless given
    #[arg(value_name = "TOPIC", requires = "clear")]
    pub(super) topics: Vec<String>,
}
