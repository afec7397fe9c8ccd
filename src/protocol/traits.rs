//! The fields of a description, taken out one by one: what is left is unknown. Everything that is wrong is kept.

use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value as Json};

use super::shown;
use crate::model::nearest;

/// A JSON object that is emptied field by field as it is read. A field that is `null` is one that is not there.
pub(super) struct Traits {
    fields: Map<String, Json>,
    /// What was asked for.
    known: Vec<&'static str>,
    flaws: Vec<Flaw>,
}

/// Something that is wrong with one field.
pub(super) struct Flaw {
    pub(super) field: String,
    pub(super) complaint: String,
}

impl Traits {
    pub(super) fn new(fields: Map<String, Json>) -> Traits {
        Traits { fields, known: Vec::new(), flaws: Vec::new() }
    }

    /// Takes the field `name` as `read` reads it; none where it is absent, or is a flaw, for it is not what is `expected`.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        expected: impl fmt::Display,
        read: impl FnOnce(&Json) -> Option<T>,
    ) -> Option<T> {
        self.known.push(name);
        let found = self.fields.remove(name).filter(|it| !it.is_null())?;
        let read = read(&found);
        if read.is_none() {
            self.complain(name, format!("expected {expected}, found {}", shown(&found.to_string())));
        }
        read
    }

    /// What `taken` takes, which has to be there.
    pub(super) fn required<T: Default>(
        &mut self,
        name: &'static str,
        taken: impl FnOnce(&mut Traits) -> Option<T>,
    ) -> T {
        let flaws = self.flaws.len();
        taken(self).unwrap_or_else(|| {
            if self.flaws.len() == flaws {
                self.complain(name, "is missing".to_owned());
            }
            T::default()
        })
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let fits = |it: &&str| it.chars().count() <= MOST_CHARS;
        let expected = format!("a text of at most {MOST_CHARS} characters");
        self.take(name, expected, |it| it.as_str().filter(fits).map(str::to_owned))
    }

    /// One of `words`.
    pub(super) fn word(&mut self, name: &'static str, words: &[&'static str]) -> Option<&'static str> {
        self.known.push(name);
        let found = self.fields.remove(name).filter(|it| !it.is_null())?;
        let word = words.iter().copied().find(|it| Some(*it) == found.as_str());
        if word.is_none() {
            let suggestion = suggestion(found.as_str().unwrap_or_default(), words);
            let (words, found) = (words.join(", "), shown(&found.to_string()));
            self.complain(name, format!("expected one of {words}, found {found}{suggestion}"));
        }
        word
    }

    pub(super) fn truth(&mut self, name: &'static str) -> Option<bool> {
        self.take(name, "true or false", Json::as_bool)
    }

    pub(super) fn number(&mut self, name: &'static str) -> Option<f64> {
        self.take(name, "a number", Json::as_f64)
    }

    /// A whole number within `range`.
    pub(super) fn whole<T>(&mut self, name: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<u64> + PartialOrd + fmt::Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.take(name, expected, |it| T::try_from(it.as_u64()?).ok().filter(|it| range.contains(it)))
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let read = |found: &Json| {
            let items = found.as_array().filter(|it| it.len() <= MOST_ITEMS)?;
            items.iter().map(|it| it.as_str().map(str::to_owned)).collect()
        };
        self.take(name, format_args!("a list of at most {MOST_ITEMS} texts"), read)
    }

    pub(super) fn object(&mut self, name: &'static str) -> Option<Map<String, Json>> {
        self.take(name, "a JSON object", |it| it.as_object().cloned())
    }

    pub(super) fn complain(&mut self, field: &str, complaint: String) {
        self.flaws.push(Flaw { field: field.to_owned(), complaint });
    }

    /// Takes over the flaws of `others`, which are those of the object in the field `name`.
    pub(super) fn adopt(&mut self, name: &str, others: Vec<Flaw>) {
        let below = |it: Flaw| Flaw { field: format!("{name}.{}", it.field), ..it };
        self.flaws.extend(others.into_iter().map(below));
    }

    /// All that was wrong with the fields that were taken.
    pub(super) fn into_flaws(self) -> Vec<Flaw> {
        self.flaws
    }

    /// As [`Traits::into_flaws`], and that nobody knows what is still there.
    pub(super) fn finish(mut self) -> Vec<Flaw> {
        for name in self.fields.keys().take(MOST_UNKNOWN) {
            let complaint = format!("is unknown{}", suggestion(name, &self.known));
            self.flaws.push(Flaw { field: shown(name), complaint });
        }
        self.flaws
    }
}

fn suggestion(found: &str, known: &[&'static str]) -> String {
    let meant = nearest(found, known.iter().copied());
    meant.map_or(String::new(), |it| format!(" (did you mean {it}?)"))
}

/// Home Assistant shows no longer text as a state, and no longer name in one line.
const MOST_CHARS: usize = 255;
/// More than anybody chooses from.
const MOST_ITEMS: usize = 256;
/// Where so many are unknown, it is no description.
const MOST_UNKNOWN: usize = 16;
