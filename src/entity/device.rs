//! The device that entities belong to, and the program that announces them.

use crate::model::ObjectId;

/// A device under which Home Assistant groups entities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// What identifies it to Home Assistant. A change makes a new device there.
    pub identifier: ObjectId,
    /// Its name; the name of an entity may not begin with it, see [`Entity::check_with`](super::Entity::check_with).
    pub name: String,
    /// Who made it; nothing where that is not known.
    pub manufacturer: String,
    /// What it is; nothing where that is not known.
    pub model: String,
    /// The version of its software; nothing where that is not known.
    pub sw_version: String,
    /// The identifier of the device that connects it, where it is not connected by itself.
    pub via: Option<ObjectId>,
}

impl Device {
    /// The identifier of the device below this one that is called `named`: that of this one and the name, with what an identifier
    /// may not have replaced.
    pub fn identifier_below(&self, named: &str) -> ObjectId {
        let whole = format!("{}_{named}", self.identifier);
        if whole.chars().count() <= MOST_CHARS {
            return ObjectId::sanitized(&whole);
        }
        // Cut alone, it might be another's, or our own.
        let mark = format!("_{:08x}", crc32fast::hash(whole.as_bytes()));
        let head: String = whole.chars().take(MOST_CHARS - mark.len()).collect();
        ObjectId::sanitized(&(head + &mark))
    }
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

/// The longest identifier.
const MOST_CHARS: usize = 64;
