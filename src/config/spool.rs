//! `[Spool]`: what of the messages that wait is kept on the card.

use std::path::PathBuf;

use super::defaults;
use super::error::{Place, Problem};
use super::owner::Owner;
use super::settings::{Located, Reported, Settings};
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
        let given = settings.environment().given_directory("STATE_DIRECTORY");
        let default = default_directory(settings.owner(), given);
        let directory = settings.key(SECTION, "DIRECTORY").or_located(&default, value::path);
        let is_set = |it: &Located<PathBuf>| !matches!(it.place, Place::Default { .. });
        let homeless = *settings.owner() != Owner::Daemon && given.is_none();
        let homeless = homeless && directory.as_ref().is_ok_and(|it| !is_set(it));

        let usual = if homeless { defaults::SPOOL_MODE_HOMELESS } else { defaults::SPOOL_MODE };
        let mode = settings.key(SECTION, "MODE").or_located(usual, mode);
        let max_bytes =
            settings.key(SECTION, "MAX_BYTES").or(defaults::SPOOL_MAX_BYTES, value::size(64 << 10..=1 << 30));
        let Located { value: mode, place } = mode?;
        if homeless && mode != SpoolMode::Memory {
            let expected = "memory, or a DIRECTORY of the program's own beside it";
            return Err(settings.refuse(place, Problem::expected_hidden(expected)));
        }
        Ok(Spool { mode, directory: directory?.value, max_bytes: max_bytes? as u64 })
    }
}

/// Where the spool of `owner` is, whose service manager has `given` it a folder or none.
fn default_directory(owner: &Owner, given: Option<&str>) -> String {
    match (owner, given) {
        (Owner::Daemon, Some(given)) => given.to_owned(),
        (Owner::Daemon, None) => defaults::SPOOL_DIRECTORY.to_owned(),
        // The variable may be inherited from the daemon, and a process may have several clients.
        (Owner::Program(name), Some(given)) => format!("{given}/{name}"),
        (Owner::Program(name), None) => format!("/var/lib/{name}"),
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

/// `mode` as the configuration spells it.
pub(super) fn spell(mode: SpoolMode) -> &'static str {
    match mode {
        SpoolMode::Memory => "memory",
        SpoolMode::Outage => "outage",
        SpoolMode::Always => "always",
    }
}

pub(super) const SECTION: &str = "Spool";
