//! The fields of a request, as they stand in the line: each is read when it is asked for.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{Code, Failure, shown};
use crate::model::json;
use crate::model::nearest;

/// A JSON object whose values nobody has looked at yet.
#[derive(Default)]
pub(super) struct Fields<'a> {
    tag: Option<&'a RawValue>,
    // Of more than `MOST_FIELDS` only one is kept: enough to see that there are too many.
    others: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// Reads `line`. Where it goes wrong, what was read before stays: its answer is to carry the tag even so.
    ///
    /// # Errors
    ///
    /// [`Code::NotJson`].
    pub(super) fn read(&mut self, line: &'a [u8]) -> Result<(), Failure> {
        if line.trim_ascii_start().first() != Some(&b'{') {
            let found = shown(&String::from_utf8_lossy(line));
            return Err(Failure::new(Code::NotJson, format!("the line is {found}")).expected("a JSON object"));
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        self.deserialize(&mut json).and_then(|()| json.end()).map_err(not_json)
    }

    /// What the answer is to carry.
    ///
    /// # Errors
    ///
    /// [`Code::Field`] where it is neither a number nor a short text.
    pub(super) fn tag(&self) -> Result<Option<Json>, Failure> {
        let Some(raw) = self.tag else { return Ok(None) };
        match serde_json::from_str(raw.get()) {
            Ok(Json::String(text)) if text.len() <= MOST_TAG_BYTES => Ok(Some(Json::String(text))),
            Ok(Json::Number(number)) => Ok(Some(Json::Number(number))),
            _ => Err(wrong("tag", raw, format!("a number, or a text of at most {MOST_TAG_BYTES} bytes"))),
        }
    }

    /// Checks that each field is one of `known` and there once.
    ///
    /// # Errors
    ///
    /// [`Code::Field`].
    pub(super) fn check(&self, known: &[&str]) -> Result<(), Failure> {
        for (at, (name, _)) in self.others.iter().enumerate() {
            if name == TAG || self.others[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(of_field(name, format!("the field {name} is there twice")).expected("it once"));
            }
            if !ALWAYS.contains(&name.as_ref()) && !known.contains(&name.as_ref()) {
                let all = || known.iter().chain(&ALWAYS).copied();
                let meant = nearest(name, all());
                let suggestion = meant.map_or(String::new(), |it| format!(" (did you mean {it}?)"));
                let reason = format!("the field {} is unknown{suggestion}", shown(name));
                return Err(
                    of_field(name, reason).expected(format!("only {}", all().collect::<Vec<_>>().join(", ")))
                );
            }
        }
        Ok(())
    }

    /// The field `name` as it stands in the line, if there is one.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.others.iter().find(|(it, _)| it == name).map(|(_, value)| *value)
    }

    /// The field `name` as `read` reads it, if there is one; `expected` is what it can be.
    ///
    /// # Errors
    ///
    /// [`Code::Field`] where it is none.
    pub(super) fn optional<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        self.raw(name).map(|raw| read(raw).ok_or_else(|| wrong(name, raw, expected))).transpose()
    }

    /// As [`Fields::optional`], of a field that has to be there.
    ///
    /// # Errors
    ///
    /// [`Code::Field`].
    pub(super) fn required<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<T, Failure> {
        self.optional(name, expected, read)?.ok_or_else(|| missing(name, expected))
    }

    /// The field `name`, whatever it is, if there is one.
    ///
    /// # Errors
    ///
    /// [`Code::NotJson`] where it is nested too deep, or has a number or an escape that stands for nothing.
    pub(super) fn json(&self, name: &str) -> Result<Option<Json>, Failure> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        if json::is_deep(raw.get().as_bytes()) {
            let reason = format!("the field {name} is nested too deep");
            return Err(
                Failure::new(Code::NotJson, reason).expected(format!("at most {} levels", json::MOST_LEVELS))
            );
        }
        let named = |cause| Failure::new(Code::NotJson, format!("the field {name} is no JSON: {cause}"));
        serde_json::from_str(raw.get()).map(Some).map_err(named)
    }
}

/// The failure of the field `name`, which is said to the program too.
pub(super) fn of_field(name: &str, reason: impl fmt::Display) -> Failure {
    let short = name.char_indices().nth(MOST_NAME_CHARS).map_or(name, |(end, _)| &name[..end]);
    Failure::new(Code::Field, reason).with("field", short)
}

/// Where `name` has to be there, and is not.
pub(super) fn missing(name: &str, expected: impl fmt::Display) -> Failure {
    of_field(name, format!("the field {name} is missing")).expected(expected)
}

/// Where `raw` is nothing that `name` can be.
pub(super) fn wrong(name: &str, raw: &RawValue, expected: impl fmt::Display) -> Failure {
    of_field(name, format!("the field {name} is {}", shown(raw.get()))).expected(expected)
}

/// The text that `raw` is, if it is one.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|it| it.0)
}

fn not_json(cause: serde_json::Error) -> Failure {
    Failure::new(Code::NotJson, format!("the line is no JSON: {cause}")).expected("a JSON object")
}

/// A text, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for &mut Fields<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Fields<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            let value = map.next_value()?;
            if name == TAG && self.tag.is_none() {
                self.tag = Some(value);
            } else if self.others.len() <= MOST_FIELDS {
                self.others.push((name, value));
            }
        }
        Ok(())
    }
}

const TAG: &str = "tag";
/// What every request may have.
const ALWAYS: [&str; 3] = ["op", TAG, "protocol"];
/// More than any operation has, so that one of those that are kept is certainly unknown or there twice.
const MOST_FIELDS: usize = 15;
/// A tag is a number that counts, or a UUID; it takes room in the answer.
const MOST_TAG_BYTES: usize = 128;
/// As much of a field's name as goes back.
const MOST_NAME_CHARS: usize = 40;
