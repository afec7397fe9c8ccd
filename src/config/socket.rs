//! `[Socket]`: where other programs publish through us, and what they may do.

use std::path::PathBuf;

use super::defaults;
use super::settings::{Reported, Settings};
use super::value::{self, Refusal};

/// Where other programs publish through us, and what they may do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// Whether there is one.
    pub enabled: bool,
    /// Where it is; unless it is set, under the root of the environment. One that systemd hands to us goes before it.
    pub path: PathBuf,
    /// The group whose members may open it.
    pub group: String,
    /// Its permissions, as in `chmod`.
    pub mode: u32,
    /// How many programs may be connected at once, 1 to 512.
    pub max_clients: u16,
    /// The group whose members may publish on topics of their choice and move the devices of others; `None`: whoever may open
    /// the socket.
    pub raw_group: Option<String>,
    /// The group whose members may read what others publish and announce; `None` as before.
    pub read_group: Option<String>,
    /// The group whose members may have the configuration read again; `None` as before.
    pub reload_group: Option<String>,
}

impl Socket {
    /// Where it is unless `PATH` says otherwise.
    pub const DEFAULT_PATH: &str = defaults::SOCKET_PATH;
    /// Whose members may open it unless `GROUP` says otherwise.
    pub const DEFAULT_GROUP: &str = defaults::SOCKET_GROUP;

    pub(super) fn read(settings: &mut Settings<'_>) -> Result<Socket, Reported> {
        let enabled = settings.key(SECTION, "ENABLED").or(defaults::SOCKET_ENABLED, value::switch);
        let default = settings.environment().root().join(defaults::SOCKET_PATH.trim_start_matches('/'));
        let path = settings.key(SECTION, "PATH").or(&default.to_string_lossy(), path);
        let group = settings.key(SECTION, "GROUP").or(defaults::SOCKET_GROUP, group);
        let mode = settings.key(SECTION, "MODE").or(defaults::SOCKET_MODE, mode);
        let max_clients =
            settings.key(SECTION, "MAX_CLIENTS").or(defaults::SOCKET_MAX_CLIENTS, value::whole(1..=512));
        let raw = settings.key(SECTION, "RAW_GROUP").or("", group_or_all);
        let read = settings.key(SECTION, "READ_GROUP").or("", group_or_all);
        let reload = settings.key(SECTION, "RELOAD_GROUP").or("", group_or_all);
        Ok(Socket {
            enabled: enabled?,
            path: path?,
            group: group?,
            mode: mode?,
            max_clients: max_clients?,
            raw_group: raw?,
            read_group: read?,
            reload_group: reload?,
        })
    }
}

/// The kernel's limit of a socket's path (`unix(7)`, `sun_path`), its end counted.
fn path(text: &str) -> Result<PathBuf, Refusal> {
    match text.len() < 108 {
        true => value::path(text),
        false => Err("an absolute path of at most 107 bytes".into()),
    }
}

fn group(text: &str) -> Result<String, Refusal> {
    let is_part = |it: char| it.is_alphanumeric() || "_-.".contains(it);
    match !text.is_empty() && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err("the name of a group".into()),
    }
}

fn group_or_all(text: &str) -> Result<Option<String>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    group(text).map(Some).map_err(|_| "the name of a group, or nothing: all who may open the socket".into())
}

/// Permissions that leave us our own socket.
fn mode(text: &str) -> Result<u32, Refusal> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => Ok(mode),
        _ => Err("permissions in octal digits, 600 to 777".into()),
    }
}

const SECTION: &str = "Socket";
