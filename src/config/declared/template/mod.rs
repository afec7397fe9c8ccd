//! Templates: what people have, ready-made.

mod expand;
mod table;

pub(super) use expand::{Part, expand};

use super::kind::Kind;

/// The keys of something that many people have: a section with `TEMPLATE=<name>` has them unless it sets them itself.
#[derive(Debug)]
pub struct Template {
    /// What `TEMPLATE` calls it.
    pub name: &'static str,
    /// What it is for, as a sentence.
    pub about: &'static str,
    /// What to put into the file, to begin with.
    pub lines: &'static str,
    /// What to put into `/boot/firmware/config.txt`, where the kernel needs to be told of the device.
    pub overlay: Option<&'static str>,
    variants: &'static [Variant],
}

/// The template of one kind of entity.
#[derive(Debug)]
struct Variant {
    kind: Kind,
    keys: &'static [(&'static str, &'static str)],
    /// What the section itself becomes an entity for each of; empty where it is one.
    channels: &'static [Channel],
    /// The key whose value its command ends with.
    argument: Option<Argument>,
}

/// One of several entities of a template.
#[derive(Debug)]
struct Channel {
    /// What its id ends with, behind the section's and a `_`; in upper case, what begins the keys that it has alone.
    suffix: &'static str,
    /// What its name ends with, behind the section's.
    name: &'static str,
    keys: &'static [(&'static str, &'static str)],
}

/// What a template's command is about.
#[derive(Clone, Copy, Debug)]
struct Argument {
    key: &'static str,
    expected: &'static str,
    /// What it may consist of beside letters and digits. It never begins with `-`.
    signs: &'static str,
}

impl Template {
    /// The kinds of sections that can have it, as their headings spell them.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.variants.iter().map(|it| it.kind.as_str())
    }
}

/// All templates.
pub fn templates() -> &'static [Template] {
    table::TEMPLATES
}
