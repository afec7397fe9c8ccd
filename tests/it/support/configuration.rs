//! The text of a configuration file, key by key.

use std::collections::BTreeMap;
use std::fmt;

use nix::unistd::{Group, getgid};

/// A configuration of the daemon: a broker on the loopback address, quick to connect again, and nothing left to the
/// name of the machine that runs the tests.
#[derive(Clone, Debug)]
pub(crate) struct Configuration(BTreeMap<(String, String), String>);

impl Configuration {
    /// The one for a broker on `port`.
    pub(crate) fn new(port: u16) -> Configuration {
        let keys = [
            ("Broker", "HOST", "127.0.0.1"),
            ("Broker", "PORT", &port.to_string()),
            ("Client", "CLIENT_ID", CLIENT_ID),
            ("Client", "RECONNECT_DELAY", "1"),
            ("Client", "CONNECTION_TIMEOUT", "5"),
            ("Topics", "STATE_TOPIC", "luigi/pi"),
            ("Topics", "AVAILABILITY_TOPIC", AVAILABILITY),
            ("Discovery", "DEVICE_NAME", "Luigi-pi"),
            // One that there is, on any machine.
            ("Socket", "GROUP", &own_group()),
            ("Logging", "LOG_FILE", ""),
            ("Logging", "LOG_LEVEL", "DEBUG"),
        ];
        let none = Configuration(BTreeMap::new());
        keys.iter().fold(none, |configuration, (section, key, value)| configuration.set(section, key, value))
    }

    /// The same with `key` of `section` set to `value`.
    pub(crate) fn set(mut self, section: &str, key: &str, value: impl fmt::Display) -> Configuration {
        self.0.insert((section.to_owned(), key.to_owned()), value.to_string());
        self
    }

    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut begun = "";
        for ((section, key), value) in &self.0 {
            if section != begun {
                text += &format!("[{section}]\n");
                begun = section;
            }
            text += &format!("{key}={value}\n");
        }
        text
    }
}

/// The group of whoever runs the tests.
fn own_group() -> String {
    Group::from_gid(getgid()).unwrap().expect("it has a name").name
}

/// The client identifier in a [`Configuration`].
pub(crate) const CLIENT_ID: &str = "luigi-pi";
/// The availability topic in a [`Configuration`].
pub(crate) const AVAILABILITY: &str = "luigi/pi/availability";
