//! What the user typed.

mod deferred;
mod follow;
mod publish;
mod register;
mod route;

pub(super) use deferred::Deferred;
pub(super) use follow::{Devices, Get, Set, Subscribe};
pub(super) use publish::Publish;
pub(super) use register::{Register, Unregister};
pub(super) use route::{Route, Socket};

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::templates;
use crate::model::Qos;

/// A Raspberry Pi's sensors in Home Assistant, over one MQTT connection that heals.
#[derive(Debug, Parser)]
#[command(name = "luigi-mqtt", version, arg_required_else_help = true)]
pub(super) struct Args {
    /// Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those
    /// of the older modules ha-mqtt-py and ha-mqtt, else all defaults]
    #[arg(long, short, value_name = "FILE", global = true, display_order = LAST)]
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
    Ghosts(Deferred<Ghosts>),
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
    /// Publish a sensor's value or a message, or several of them
    Publish(Deferred<Publish>),
    /// Listen to what is published on some topics
    Subscribe(Deferred<Subscribe>),
    /// List what others announce to Home Assistant, with their states
    Devices(Deferred<Devices>),
    /// Print the state of an entity, ours or another's
    Get(Deferred<Get>),
    /// Ask an entity for a state: turn it on, set it, press it
    Set(Deferred<Set>),
    /// Have an entity announced to Home Assistant, to be fed by `publish`
    Register(Deferred<Register>),
    /// Have an entity removed that `register` has announced
    Unregister(Deferred<Unregister>),
    /// Show how the daemon fares: connection, deliveries, sources, spool, memory, clients
    #[command(after_help = STATUS_EXITS)]
    Status {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        route: Route,
    },
    /// Have the daemon read its configuration again. One with a mistake is refused, and the old one stands
    #[command(after_help = RELOAD_EXITS)]
    Reload {
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        socket: Socket,
    },
    /// Print what completes this command's arguments in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// A shell that we have completions for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
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

/// The quality of service that `text` is.
fn qos(text: &str) -> Result<Qos, String> {
    match text {
        "0" => Ok(Qos::AtMostOnce),
        "1" => Ok(Qos::AtLeastOnce),
        "2" => Ok(Qos::ExactlyOnce),
        _ => Err("expected 0, 1 or 2".to_owned()),
    }
}

/// A time to wait: more than nothing, an hour at most.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
    let fits = |it: &Duration| !it.is_zero() && *it <= LONGEST_WAIT;
    seconds.filter(fits).ok_or_else(|| "expected seconds, more than 0 and at most 3600".to_owned())
}

/// Yes or no, as the configuration spells it.
fn switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("expected yes or no".to_owned()),
    }
}

/// Behind all others but those that clap adds, which come with 999.
const LAST: usize = 900;
/// As long as the daemon waits.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
const STATUS_EXITS: &str = "\
It takes a millisecond of the daemon: `watch luigi-mqtt status` shows it as it changes.

Where the daemon does not run, it says what is known all the same: the configuration, and whether the broker can be reached, or the step
on the way to it that fails. With --direct the daemon is not asked more than whether it runs.

Exit codes: 0 the daemon runs and is connected, 1 it runs and is not connected, or with --direct the broker cannot be reached, 3 it does
not run, 77 not permitted, 78 the configuration, which says where the socket is, is wrong.";
const RELOAD_EXITS: &str = "\
`systemctl reload luigi-mqtt` does the same.

Exit codes: 0 done, 69 the daemon does not run, 77 not permitted, 78 the configuration is wrong: every mistake is printed.";
const COMPLETIONS_EXAMPLES: &str = "\
Where to put it:
  luigi-mqtt completions bash | sudo tee /usr/share/bash-completion/completions/luigi-mqtt
  luigi-mqtt completions zsh | sudo tee /usr/local/share/zsh/site-functions/_luigi-mqtt
  luigi-mqtt completions fish > ~/.config/fish/completions/luigi-mqtt.fish";
