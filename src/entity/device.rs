//! The device that entities belong to, and the program that announces them.

use crate::model::ObjectId;

/// The device under which Home Assistant groups our entities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// What identifies it to Home Assistant. A change makes a new device there.
    pub identifier: ObjectId,
    /// Its name; the name of an entity may not begin with it, see [`Entity::check_with`](super::Entity::check_with).
    pub name: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// The version of its software.
    pub sw_version: String,
}

/// The program that announces entities, for whoever wonders where they come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub sw_version: &'static str,
    /// Where to ask about it.
    pub support_url: &'static str,
}

impl Origin {
    /// This program.
    pub const OURS: Origin = Origin {
        name: "luigi-mqtt",
        sw_version: env!("CARGO_PKG_VERSION"),
        support_url: env!("CARGO_PKG_REPOSITORY"),
    };
}
