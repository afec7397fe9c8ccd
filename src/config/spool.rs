//! `[Spool]`: what of the messages that wait is kept on the card.

use std::path::PathBuf;

use super::defaults;
use super::settings::{Reported, Settings};
use super::value::{self, Refusal};

use crate::model::SpoolMode;

/// What of the messages that wait is kept on the card: those of which every one counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spool {
    /// When it is written.
    pub mode: SpoolMode,
    /// The folder of the file; made where it is missing.
    pub directory: PathBuf,
    /// How long the file may become, in bytes, 64 KiB to 1 GiB. Beyond, the oldest messages give way.
    pub max_bytes: u64,
}

impl Spool {
    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Spool, Reported> {
        // systemd's, for `StateDirectory=` in the unit; a list where there are several.
        let given = settings.environment().variable("STATE_DIRECTORY").and_then(|it| it.to_str());
        let directory = given.and_then(|it| it.split(':').next()).unwrap_or(defaults::SPOOL_DIRECTORY);

        let mode = settings.key(SPOOL, "MODE").or(defaults::SPOOL_MODE, mode);
        let directory = settings.key(SPOOL, "DIRECTORY").or(directory, value::path);
        let max_bytes =
            settings.key(SPOOL, "MAX_BYTES").or(defaults::SPOOL_MAX_BYTES, value::size(64 << 10..=1 << 30));
        Ok(Spool { mode: mode?, directory: directory?, max_bytes: max_bytes? as u64 })
    }
}

fn mode(text: &str) -> Result<SpoolMode, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "memory" => Ok(SpoolMode::Memory),
        "outage" => Ok(SpoolMode::Outage),
        "always" => Ok(SpoolMode::Always),
        _ => Err("memory, outage or always".into()),
    }
}

const SPOOL: &str = "Spool";
