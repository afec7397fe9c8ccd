//! The values of a template, as Python has them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::model::json;

/// A value in a template. Numbers are kept as Python keeps them apart: `21` is not `21.0`.
#[derive(Clone, Debug)]
pub(in super::super) enum Py {
    /// A name that nothing stands behind; prints as nothing.
    Undefined,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    List(Vec<Py>),
    /// In the order of its source. Of two equal keys the last counts.
    Dict(Vec<(Py, Py)>),
}

impl Py {
    /// The JSON `text`, where it is that; nested at most 32 deep.
    pub(in super::super) fn parse(text: &str) -> Option<Py> {
        json::from_slice(text.as_bytes()).ok()
    }

    /// The value behind `key`, where this is a dict that has it.
    pub(in super::super) fn member(&self, key: &str) -> Option<&Py> {
        match self {
            Py::Dict(members) => {
                members.iter().rev().find(|(name, _)| name.as_str() == Some(key)).map(|(_, it)| it)
            }
            _ => None,
        }
    }

    pub(in super::super) fn as_str(&self) -> Option<&str> {
        match self {
            Py::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number that this is, or that this text is. None where Python would raise.
    pub(in super::super) fn as_f64(&self) -> Option<f64> {
        match self {
            Py::Bool(it) => Some(f64::from(u8::from(*it))),
            Py::Int(it) => Some(*it as f64),
            Py::Float(it) => Some(*it),
            Py::Str(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Python's `bool(value)`.
    pub(super) fn truth(&self) -> bool {
        match self {
            Py::Undefined | Py::None => false,
            Py::Bool(it) => *it,
            Py::Int(it) => *it != 0,
            Py::Float(it) => *it != 0.0,
            Py::Str(text) => !text.is_empty(),
            Py::List(items) => !items.is_empty(),
            Py::Dict(members) => !members.is_empty(),
        }
    }

    /// A number as an integer, as far as Python counts a truth value as one.
    pub(super) fn as_int(&self) -> Option<i128> {
        match self {
            Py::Bool(it) => Some(i128::from(*it)),
            Py::Int(it) => Some(*it),
            _ => None,
        }
    }

    /// A number, but not a text of one.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Py::Str(_) => None,
            other => other.as_f64(),
        }
    }

    /// Python's `str(value)`.
    pub(in super::super) fn print(&self) -> String {
        match self {
            Py::Str(text) => text.clone(),
            other => {
                let mut out = String::new();
                other.repr(&mut out);
                out
            }
        }
    }

    /// Python's `repr(value)`, put behind `out`.
    fn repr(&self, out: &mut String) {
        match self {
            Py::Undefined => {}
            Py::None => out.push_str("None"),
            Py::Bool(true) => out.push_str("True"),
            Py::Bool(false) => out.push_str("False"),
            Py::Int(it) => out.push_str(&it.to_string()),
            Py::Float(it) => out.push_str(&print_float(*it)),
            Py::Str(text) => quote(text, out),
            Py::List(items) => list(out, "[]", items, |item, out| item.repr(out)),
            Py::Dict(members) => list(out, "{}", members, |(key, item), out| {
                key.repr(out);
                out.push_str(": ");
                item.repr(out);
            }),
        }
    }

    /// The value as `serde_json` has it; None where it has no JSON.
    pub(in super::super) fn value(&self) -> Option<serde_json::Value> {
        Some(match self {
            Py::Undefined => return None,
            Py::None => serde_json::Value::Null,
            Py::Bool(it) => (*it).into(),
            Py::Int(it) => match (i64::try_from(*it), u64::try_from(*it)) {
                (Ok(it), _) => it.into(),
                (_, Ok(it)) => it.into(),
                _ => return None,
            },
            Py::Float(it) => serde_json::Number::from_f64(*it)?.into(),
            Py::Str(text) => text.as_str().into(),
            Py::List(items) => items.iter().map(Py::value).collect::<Option<Vec<_>>>()?.into(),
            Py::Dict(members) => members
                .iter()
                .map(|(key, item)| Some((key.as_str()?.to_owned(), item.value()?)))
                .collect::<Option<serde_json::Map<_, _>>>()?
                .into(),
        })
    }
}

/// Python's `==`.
impl PartialEq for Py {
    fn eq(&self, other: &Py) -> bool {
        match (self, other) {
            (Py::Undefined, Py::Undefined) | (Py::None, Py::None) => true,
            (Py::Str(one), Py::Str(two)) => one == two,
            (Py::List(one), Py::List(two)) => one == two,
            (Py::Dict(one), Py::Dict(two)) => one == two,
            (one, two) => match (one.as_int(), two.as_int()) {
                (Some(one), Some(two)) => one == two,
                _ => matches!((one.as_number(), two.as_number()), (Some(one), Some(two)) if one == two),
            },
        }
    }
}

impl From<&serde_json::Value> for Py {
    fn from(value: &serde_json::Value) -> Py {
        match value {
            serde_json::Value::Null => Py::None,
            serde_json::Value::Bool(it) => Py::Bool(*it),
            serde_json::Value::Number(it) => match (it.as_i64(), it.as_u64()) {
                (Some(it), _) => Py::Int(it.into()),
                (_, Some(it)) => Py::Int(it.into()),
                _ => Py::Float(it.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Py::Str(text.clone()),
            serde_json::Value::Array(items) => Py::List(items.iter().map(Py::from).collect()),
            serde_json::Value::Object(members) => {
                Py::Dict(members.iter().map(|(key, item)| (Py::Str(key.clone()), Py::from(item))).collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Py {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Py, D::Error> {
        deserializer.deserialize_any(PyVisitor)
    }
}

/// Keeps the order of a JSON object's members, for Python prints them in it.
struct PyVisitor;

impl<'de> Visitor<'de> for PyVisitor {
    type Value = Py;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Py, E> {
        Ok(Py::None)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Py, E> {
        Ok(Py::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Py, E> {
        Ok(Py::Int(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Py, E> {
        Ok(Py::Int(it.into()))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Py, E> {
        Ok(Py::Float(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Py, E> {
        Ok(Py::Str(it.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Py, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Py::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Py, A::Error> {
        let mut members = Vec::new();
        while let Some((key, item)) = map.next_entry::<String, Py>()? {
            members.push((Py::Str(key), item));
        }
        Ok(Py::Dict(members))
    }
}

/// Python's `repr(float)`: the fewest digits that name the number; an exponent below 1e-4 and from 1e16 on.
pub(super) fn print_float(it: f64) -> String {
    if !it.is_finite() {
        return if it.is_nan() { "nan".into() } else { if it > 0.0 { "inf" } else { "-inf" }.into() };
    }
    let scientific = format!("{it:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        -4..=15 => {
            let plain = it.to_string();
            if plain.contains('.') { plain } else { plain + ".0" }
        }
        exponent => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

/// Python's `repr(str)`.
fn quote(text: &str, out: &mut String) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark => out.extend(['\\', c]),
            c if (c as u32) < 0x20 || (0x7f..0xa1).contains(&(c as u32)) || c as u32 == 0xad => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push(mark);
}

fn list<T>(out: &mut String, ends: &str, items: &[T], one: impl Fn(&T, &mut String)) {
    let (start, end) = ends.split_at(1);
    out.push_str(start);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        one(item, out);
    }
    out.push_str(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_prints_them() {
        for (number, expected) in [
            (21.0, "21.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.25e-7, "-1.25e-07"),
            (-0.0, "-0.0"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(print_float(number), expected);
        }
    }

    #[test]
    fn json_prints_as_python_prints_it() {
        for (json, expected) in [
            (r#"{"b":1,"a":[true,null,1.50,"x"]}"#, "{'b': 1, 'a': [True, None, 1.5, 'x']}"),
            (
                r#"["it's","a \"b\"","it's \"b\"","\n\u0001é"]"#,
                r#"["it's", 'a "b"', 'it\'s "b"', '\n\x01é']"#,
            ),
            ("[]", "[]"),
            ("{}", "{}"),
        ] {
            assert_eq!(Py::parse(json).unwrap().print(), expected);
        }
    }

    #[test]
    fn of_two_equal_keys_the_last_counts() {
        assert_eq!(Py::parse(r#"{"a":1,"a":2}"#).unwrap().member("a"), Some(&Py::Int(2)));
    }
}
