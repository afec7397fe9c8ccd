//! `luigi-mqtt run`.

use super::Exit;
use super::complain;
use crate::config::Config;
use crate::daemon;
use crate::daemon::DaemonError;
use crate::model::Chain;

/// Runs the daemon until a signal stops it.
pub(super) fn run(config: Config, mock: bool) -> Exit {
    match daemon::run(config, mock) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(format_args!("luigi-mqtt: {}", Chain(&error)));
            match error {
                DaemonError::Topic(_) | DaemonError::Entity(_) => Exit::Config,
                DaemonError::Link | DaemonError::System { .. } => Exit::System,
            }
        }
    }
}
