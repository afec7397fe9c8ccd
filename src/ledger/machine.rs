//! Which machine this is.

use std::fs;
use std::path::Path;

/// What tells this machine from another one with a copy of its card, below `root`: the serial number of a Pi, else
/// systemd's machine id; empty where there is neither.
pub fn machine(root: &Path) -> String {
    ["proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number", "etc/machine-id"]
        .iter()
        .filter_map(|path| fs::read_to_string(root.join(path)).ok())
        // The device tree ends a text with a zero byte.
        .map(|text| text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned())
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}
