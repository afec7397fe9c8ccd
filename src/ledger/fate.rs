//! What becomes of each thing that is known, now that others are wanted.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ObjectId;

use super::Record;
use super::record::Place;

/// What becomes of a record that is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate<'w> {
    /// It is announced as it was.
    Same(&'w Record),
    /// It is announced, elsewhere.
    Moves(&'w Record),
    /// It is not there now, and may come back.
    Stays,
    /// Nobody wants it.
    Goes,
}

/// What is wanted, and who may want something that is not there now.
pub(super) struct Wishes<'w, O> {
    places: BTreeMap<Place, &'w Record>,
    registered: BTreeMap<(&'w str, &'w str), &'w Record>,
    ids: BTreeSet<&'w ObjectId>,
    owners: O,
}

impl<'w, O: Fn(&Record) -> bool> Wishes<'w, O> {
    pub(super) fn new(wanted: &'w [Record], owners: O) -> Wishes<'w, O> {
        Wishes {
            places: wanted.iter().map(|it| (it.place(), it)).collect(),
            registered: wanted.iter().map(|it| (it.registered(), it)).collect(),
            ids: wanted.iter().map(|it| &it.entity).collect(),
            owners,
        }
    }

    pub(super) fn fate(&self, record: &Record) -> Fate<'w> {
        if let Some(same) = self.places.get(&record.place()) {
            Fate::Same(same)
        } else if let Some(to) = self.registered.get(&record.registered()) {
            Fate::Moves(to)
        } else if (self.owners)(record) && !self.ids.contains(&record.entity) {
            // Where its id is wanted it is there, and has become something else.
            Fate::Stays
        } else {
            Fate::Goes
        }
    }
}
