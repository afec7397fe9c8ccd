//! One section that declares an entity, emptied key by key as it is read.

use std::collections::BTreeMap;
use std::mem;

use super::defaults;
use super::keys::Key;
use super::kind::Kind;
use super::values;
use crate::config::document::Entry;
use crate::config::error::{Place, Problem};
use crate::config::settings::{Located, Reported, Settings};
use crate::config::value::Refusal;
use crate::model::nearest;

/// What is set of one entity. A key that nobody asks for belongs to something else, or to nothing.
pub(super) struct Section<'s, 'e> {
    settings: &'s mut Settings<'e>,
    /// What it declares.
    pub(super) kind: Kind,
    /// The entity's id, as written.
    pub(super) id: String,
    /// Where it begins.
    pub(super) place: Place,
    entries: BTreeMap<String, Given>,
    /// Where each key stood that has been taken.
    taken: BTreeMap<&'static str, Place>,
    /// What may be taken again.
    again: BTreeMap<&'static str, Given>,
    reported: Option<Reported>,
    /// Whether what is left was asked for in vain. Not so where nobody knows what would have been.
    complete: bool,
}

/// What is set for a key.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) entry: Entry,
    /// Whether a template has set it, rather than whoever wrote the file.
    pub(super) by_template: bool,
}

impl<'s, 'e> Section<'s, 'e> {
    pub(super) fn new(
        settings: &'s mut Settings<'e>,
        kind: Kind,
        id: String,
        place: Place,
        entries: BTreeMap<String, Given>,
    ) -> Self {
        Section {
            settings,
            kind,
            id,
            place,
            entries,
            taken: BTreeMap::new(),
            again: BTreeMap::new(),
            reported: None,
            complete: true,
        }
    }

    /// Whether `key` is set, and not to nothing.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|it| !it.entry.text.is_empty())
    }

    /// The value of `key` as `parse` reads it, where one is set. An empty one counts as not set.
    pub(super) fn key<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Option<Located<T>>, Reported> {
        let Some(entry) = self.take(key) else { return Ok(None) };
        self.settings.value(entry, parse).map(Some).map_err(|it| *self.reported.insert(it))
    }

    /// As [`Section::key`], of a text in which braces are nobody's: a command, a regular expression.
    pub(super) fn literal<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Option<Located<T>>, Reported> {
        let Some(Entry { place, text }) = self.take(key) else { return Ok(None) };
        match parse(&text) {
            Ok(value) => Ok(Some(Located { value, place })),
            Err(refusal) => Err(self.refuse(place, refusal.of(&text))),
        }
    }

    /// As [`Section::key`], without the place and as often as it is asked for.
    pub(super) fn remembered<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Reported> {
        let given = self.entries.get(key).or(self.again.get(key)).cloned();
        if let Some(given) = given {
            self.again.insert(key, given.clone());
            self.entries.insert(key.to_owned(), given);
        }
        Ok(self.key(key, parse)?.map(|it| it.value))
    }

    /// The types of an event, as they are set or usual. An empty list is none of an event's, and its builder says so.
    pub(super) fn event_types(&mut self) -> Vec<String> {
        let usual = || defaults::EVENT_TYPES.map(str::to_owned).to_vec();
        self.remembered("EVENT_TYPES", values::list).ok().flatten().unwrap_or_else(usual)
    }

    /// As [`Section::key`], without the place, and `None` for what is wrong too: [`Section::finish`] knows of it.
    pub(super) fn set<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        self.key(key, parse).ok().flatten().map(|it| it.value)
    }

    /// Notes a problem.
    pub(super) fn refuse(&mut self, place: Place, problem: Problem) -> Reported {
        *self.reported.insert(self.settings.refuse(place, problem))
    }

    /// Notes that something else was expected of `key`.
    pub(super) fn expect(&mut self, key: &'static str, expected: impl Into<String>) -> Reported {
        let place = self.place_of(key);
        self.refuse(place, Problem::expected_hidden(expected))
    }

    /// Where `key` stood, or would have to stand.
    pub(super) fn place_of(&self, key: &'static str) -> Place {
        let waiting = || self.entries.get(key).map(|it| &it.entry.place);
        match self.taken.get(key).or_else(waiting) {
            Some(place) => place.clone(),
            None => self.place.with_key(key),
        }
    }

    /// Notes that the reading broke off: what would have been asked for next is left without a fault of its own.
    pub(super) fn give_up(&mut self) {
        self.complete = false;
    }

    /// Ends the section: what is left in it is not for such an entity.
    ///
    /// # Errors
    ///
    /// When anything of it was wrong.
    pub(super) fn finish(mut self) -> Result<(), Reported> {
        for (name, given) in mem::take(&mut self.entries) {
            let Entry { place, .. } = given.entry;
            let problem = match Key::named(&name) {
                _ if given.by_template => continue,
                Some(key) if !key.kinds.contains(&self.kind) => {
                    let kinds: Vec<String> =
                        key.kinds.iter().map(|it| format!("[{} …]", it.as_str())).collect();
                    Problem::expected_hidden(format!("this in {} only", kinds.join(", ")))
                }
                Some(_) if !self.complete => continue,
                Some(key) => Problem::expected_hidden(format!("this only beside {}", key.needs)),
                None => {
                    let suggestion = nearest(&name, Key::of(self.kind).map(|it| it.name));
                    Problem::UnknownKey { suggestion: suggestion.map(str::to_owned) }
                }
            };
            self.refuse(place, problem);
        }
        self.reported.map_or(Ok(()), Err)
    }

    fn take(&mut self, key: &'static str) -> Option<Entry> {
        let Given { entry, .. } = self.entries.remove(key)?;
        self.taken.insert(key, entry.place.clone());
        Some(entry).filter(|it| !it.text.is_empty())
    }
}
