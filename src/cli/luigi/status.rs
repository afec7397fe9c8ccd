//! `luigi-mqtt-status`: whether the broker can be reached, step by step.

use std::path::Path;
use std::time::Duration;

use clap::{ArgAction, Parser};

use super::super::Exit;
use super::super::answer::is_connected;
use super::super::args::Socket;
use super::super::check;
use super::super::complain;
use super::super::say;
use super::super::socket::{ANSWER_LIMIT, Surroundings, running};
use super::VERSION;
use crate::client;
use crate::model::Chain;
use crate::model::Program;
use crate::os::process;
use crate::protocol::Reply;
use crate::protocol::Request;

/// Say whether the broker can be reached, step by step
#[derive(Debug, Parser)]
#[command(name = "luigi-mqtt-status", version = VERSION, disable_version_flag = true, after_help = NOTES)]
pub(super) struct Status {
    /// Say more of the configuration
    #[arg(long)]
    verbose: bool,

    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Tries the way to the broker: its name, TCP, TLS, login, and permission to publish. Blocks for some seconds a broker.
///
/// # Errors
///
/// [`Exit::Config`] where the configuration is wrong, [`Exit::Unavailable`] where a step fails; which was said.
pub(super) fn status(wanted: &Status, around: &Surroundings<'_>) -> Result<(), Exit> {
    let config = around.load()?;
    match &config.path {
        Some(path) => say(&format!("configuration: {}, no errors", path.display())),
        None => say("configuration: no file, all default"),
    }
    let presence = client::presence(&config).map_err(|error| {
        complain(format_args!("luigi-mqtt-status: {}", Chain(&error)));
        Exit::Config
    })?;
    if wanted.verbose {
        config.warnings.iter().for_each(|it| say(&format!("warning: {it}")));
        say(&format!("client id: {}", config.client.id));
        say(&format!("states on: {}", config.topics.state));
    }
    let is_up =
        running(&Socket::default(), around).map(|mut daemon| daemon.ask(&Request::Status, ANSWER_LIMIT));
    match is_up {
        None => say("daemon: does not run"),
        Some(Ok(Reply::Ok(_, fields))) => say(match is_connected(&fields) {
            Some(true) => "daemon: connected to the broker",
            _ => "daemon: not connected",
        }),
        Some(_) => say("daemon: runs, but does not say how it fares"),
    }
    for endpoint in &config.broker.endpoints {
        say(&pinged(&endpoint.host));
    }
    match check::reachable(&config, &presence) {
        true => Ok(()),
        false => Err(Exit::Unavailable),
    }
}

/// Whether the machine called `host` answers a ping, as a line. No answer is no failure: many a machine gives none.
fn pinged(host: &str) -> String {
    let arguments = ["-c", "1", "-W", "2", "--", host].map(str::to_owned).to_vec();
    let ping = PINGS.into_iter().find(|it| Path::new(it).exists());
    let Some(path) = ping else { return format!("ping: not tried, there is no program ping: {host}") };
    let ping = Program { path: path.to_owned(), arguments, limit: PING_LIMIT };
    match process::run(&ping, &[], None, None) {
        Ok(finished) if finished.status.success() => format!("ping: {host} answers"),
        _ => format!("warning: {host} does not answer a ping, which may be as it should"),
    }
}

/// Where Debian and others have it.
const PINGS: [&str; 2] = ["/usr/bin/ping", "/bin/ping"];
/// It gives up by itself after two seconds, but for the name's look-up.
const PING_LIMIT: Duration = Duration::from_secs(5);

const NOTES: &str = "\
`luigi-mqtt check --connect` says more of the configuration, `luigi-mqtt status` of the daemon.

Exit codes: 0 the broker takes what is published, 1 a step on the way to it fails, 2 the configuration is wrong.";
