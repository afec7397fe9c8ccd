//! `[Logging]`: what is logged, and where to.

use std::path::PathBuf;

use super::defaults;
use super::owner::Owner;
use super::settings::{Reported, Settings};
use super::value;

/// What is logged, and where to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logging {
    /// Log file; `None` logs to the console only.
    pub file: Option<PathBuf>,
    /// Least important level that is logged.
    pub level: log::LevelFilter,
    /// Size at which the file is rotated, in bytes, 1 KiB to 1 GiB.
    pub max_bytes: usize,
    /// How many rotated files are kept, 0 to 99.
    pub backups: usize,
}

impl Logging {
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Logging, Reported> {
        let given = settings.environment().given_directory("LOGS_DIRECTORY");
        let file = match (settings.owner(), given) {
            // `/var/log` itself is not for those to write to who are not root.
            (Owner::Daemon, Some(given)) => format!("{given}/luigi-mqtt.log"),
            (Owner::Daemon, None) => defaults::LOG_FILE.to_owned(),
            (Owner::Program(_), _) => defaults::LOG_FILE_OF_PROGRAM.to_owned(),
        };
        let file = settings.key(LOGGING, "LOG_FILE").or(&file, value::path_or_nothing);
        let level = settings.key(LOGGING, "LOG_LEVEL").or(defaults::LOG_LEVEL, value::level);
        let max_bytes = settings
            .key(LOGGING, "LOG_MAX_BYTES")
            .or(defaults::LOG_MAX_BYTES, value::size(1 << 10..=1 << 30));
        let backups =
            settings.key(LOGGING, "LOG_BACKUP_COUNT").or(defaults::LOG_BACKUP_COUNT, value::count(99));
        Ok(Logging { file: file?, level: level?, max_bytes: max_bytes?, backups: backups? })
    }
}

const LOGGING: &str = "Logging";
