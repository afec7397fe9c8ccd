//! `luigi-mqtt run`.

use super::Exit;
use super::complain;
use crate::client::StartError;
use crate::config::Config;
use crate::daemon;
use crate::daemon::DaemonError;
use crate::daemon::Origin;
use crate::model::Chain;

/// Runs the daemon until a signal stops it.
pub(super) fn run(config: Config, origin: Origin, mock: bool) -> Exit {
    match daemon::run(config, origin, mock) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(format_args!("luigi-mqtt: {}", Chain(&error)));
            match error {
                DaemonError::Start(StartError::Topic(_) | StartError::Entity(_)) => Exit::Config,
                _ => Exit::System,
            }
        }
    }
}
