//! A file split into its entries, to be taken out one by one.

use std::collections::BTreeMap;
use std::mem;

use super::error::Place;

/// A file split into its entries. They are taken out one by one: what is left is unknown.
/// Not `Debug`, for nobody knows yet which of them is the password.
#[derive(Default)]
pub(super) struct Document {
    /// Lower-case name to where the section first stands, in a file or nowhere.
    pub(super) sections: BTreeMap<String, Place>,
    /// Lower-case section and upper-case key to the entry.
    pub(super) entries: BTreeMap<(String, String), Entry>,
}

/// What stands behind one key.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) place: Place,
    /// The value, unquoted. May be a secret: not for errors before its key is known.
    pub(super) text: String,
}

/// A section that has an id, with its entries.
pub(super) struct Section {
    /// Where it begins.
    pub(super) place: Place,
    /// Upper-case key to the entry.
    pub(super) entries: BTreeMap<String, Entry>,
}

impl Document {
    /// Sets `key` in `section` to `text`, whatever it was.
    pub(super) fn set(&mut self, section: &str, key: &str, text: String) {
        let place = Place::Set { section: section.to_owned(), key: key.to_owned() };
        self.sections.entry(section.to_ascii_lowercase()).or_insert_with(|| place.clone());
        self.entries.insert((section.to_ascii_lowercase(), key.to_ascii_uppercase()), Entry { place, text });
    }

    /// Takes out the entry of `key` in `section`, whatever their case.
    pub(super) fn take(&mut self, section: &str, key: &str) -> Option<Entry> {
        self.entries.remove(&(section.to_ascii_lowercase(), key.to_ascii_uppercase()))
    }

    /// The sections that stand in the file, as written, each with its first place.
    pub(super) fn sections(&self) -> impl Iterator<Item = &Place> {
        self.sections.values()
    }

    /// Takes out the sections that have an id, `[Sensor attic]`, in the order of the file.
    pub(super) fn take_named(&mut self) -> Vec<Section> {
        let all = mem::take(&mut self.sections).into_iter();
        let (named, plain): (BTreeMap<_, _>, _) = all.partition(|(name, _)| has_id(name));
        self.sections = plain;
        let mut named: BTreeMap<String, Section> = named
            .into_iter()
            .map(|(name, place)| (name, Section { place, entries: BTreeMap::new() }))
            .collect();
        for ((section, key), entry) in mem::take(&mut self.entries) {
            match named.get_mut(&section) {
                Some(named) => named.entries.insert(key, entry),
                None => self.entries.insert((section, key), entry),
            };
        }
        let mut named: Vec<Section> = named.into_values().collect();
        named.sort_by_key(|it| it.place.line());
        named
    }

    /// The entries that nobody has taken.
    pub(super) fn rest(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

/// Whether the section `name` has an id.
pub(super) fn has_id(name: &str) -> bool {
    name.contains(' ')
}
