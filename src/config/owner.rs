//! Whose configuration it is: the defaults that must be nobody else's on the machine.

use super::defaults;
use super::error::Problem;

use crate::model::ObjectId;

/// Who connects. Two clients with one identifier throw each other out, two with one availability topic say
/// `offline` for each other, and two on one spool lock each other out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// Our own, of which a machine has one.
    Daemon,
    /// A program of somebody's, by a name that is legal and not the daemon's.
    Program(String),
}

impl Owner {
    /// The program called `name`.
    ///
    /// # Errors
    ///
    /// When the name cannot be a level of a topic, or would be taken for the daemon's.
    pub(super) fn program(name: &str) -> Result<Owner, Problem> {
        let refused = |expected: &str| Err(Problem::expected(expected, name));
        if name.len() > LONGEST_NAME || ObjectId::new(name).is_err() {
            return refused("1 to 32 of a-z A-Z 0-9 _ -");
        }
        if RESERVED.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            return refused("a name of its own: this one is the daemon's");
        }
        Ok(Owner::Program(name.to_owned()))
    }

    /// Its default client identifier, before the host name is put in.
    pub(super) fn client_id(&self) -> String {
        format!("{}-{{HOSTNAME}}", self.name().unwrap_or(defaults::CLIENT_NAME))
    }

    /// The levels of its default topics below the prefix of all messages, before the host name is put in.
    pub(super) fn levels(&self) -> String {
        match self {
            Owner::Daemon => "/{HOSTNAME}".to_owned(),
            Owner::Program(name) => format!("/{{HOSTNAME}}/{name}"),
        }
    }

    /// Its default name as a device, before the host name is put in: `Garage door on {HOSTNAME}`.
    pub(super) fn device_name(&self) -> String {
        let Owner::Program(name) = self else { return defaults::DEVICE_NAME.to_owned() };
        let words = name.replace(['-', '_'], " ");
        let mut letters = words.trim().chars();
        let first = letters.next().map(|it| it.to_ascii_uppercase());
        format!("{}{} on {{HOSTNAME}}", first.unwrap_or('_'), letters.as_str())
    }

    /// The name of the program, where it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Owner::Daemon => None,
            Owner::Program(name) => Some(name),
        }
    }
}

/// A device's identifier is the client identifier cut to 64 bytes: this leaves 31 of them to the host name.
const LONGEST_NAME: usize = 32;
/// As `<name>-{HOSTNAME}` the daemon's client identifier, as `/var/lib/<name>` its folder, and below
/// `luigi/{HOSTNAME}` its availability topic.
const RESERVED: [&str; 3] = ["luigi", "luigi-mqtt", "availability"];
