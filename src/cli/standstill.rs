//! What `luigi-mqtt status` knows without the daemon: [`standstill`].

use serde_json::json;

use super::Exit;
use super::check::{each_step, reachable};
use super::complain;
use super::printable::printable;
use super::say;
use super::socket::Surroundings;
use crate::bridge::Presence;
use crate::client;
use crate::config::Config;
use crate::link::Outcome;
use crate::model::Chain;

/// Prints it, as JSON where that is wished: whether the daemon was `found` running, the configuration, and whether the broker takes
/// what is published. Blocks for some seconds a broker.
pub(super) fn standstill(as_json: bool, found: bool, around: &Surroundings<'_>) -> Exit {
    let configured = configured(around);
    let has_socket = configured.as_ref().map_or(true, |(config, _)| config.socket.enabled);
    // Without a socket it is not to be found.
    let is_running = (found || has_socket).then_some(found);
    if !as_json {
        let state = match is_running {
            Some(true) => "the daemon runs, and was not asked",
            Some(false) => "the daemon does not run",
            None => "the daemon may run: it has no socket",
        };
        say(&format!("luigi-mqtt {}  {state}", env!("CARGO_PKG_VERSION")));
    }
    let outcome = configured.and_then(|(config, presence)| {
        let path = config.path.as_ref().map(|it| it.display().to_string());
        if !as_json {
            say(&format!("file      {}", printable(path.as_deref().unwrap_or("none: all default"))));
            return if reachable(&config, &presence) { Ok(()) } else { Err(Exit::Failed) };
        }
        let mut failed = Vec::new();
        let is_well = each_step(&config, &presence, |site, step, outcome| {
            if let Outcome::Failed(reason) = outcome {
                let (broker, step) = (site.to_string(), step.to_string());
                failed.push(json!({"broker": broker, "step": step, "reason": reason}));
            }
        });
        let broker = json!({"reachable": is_well, "failed": failed});
        say(&json!({"running": is_running, "configuration": path, "broker": broker}).to_string());
        if is_well { Ok(()) } else { Err(Exit::Failed) }
    });
    if as_json && outcome == Err(Exit::Config) {
        say(&json!({ "running": is_running }).to_string());
    }
    match found {
        true => outcome.err().unwrap_or(Exit::Ok),
        false => Exit::Stopped,
    }
}

/// The configuration, and how it is announced.
///
/// # Errors
///
/// [`Exit::Config`], where it is wrong; why was said.
fn configured(around: &Surroundings<'_>) -> Result<(Config, Presence), Exit> {
    let config = around.load()?;
    match client::presence(&config) {
        Ok(presence) => Ok((config, presence)),
        Err(error) => {
            complain(format_args!("luigi-mqtt: {}", Chain(&error)));
            Err(Exit::Config)
        }
    }
}
