//! What is known of one entity's state.

use std::fmt;

use serde_json::Value;

/// What an entity has told of itself, by field name: `state`, `brightness`, `attributes`. In the order of the
/// names. Bounded: see [`Fields::MAX_BYTES`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    // Invariant: sorted by name, each name once; `bytes` is the sum of their `cost`.
    entries: Vec<(&'static str, FieldValue)>,
    bytes: usize,
}

/// One field of a state.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// What Home Assistant would show: a number as a number, `on` and `off` in lower case. `null` is Home
    /// Assistant's "unknown", said by the device itself.
    Known(Value),
    /// The device's own words, where its template or its value is none that we understand. At most 1,024 bytes of
    /// it, cut at a character, with `…` after the cut.
    Raw(String),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldValue::Known(Value::String(text)) => f.write_str(text),
            FieldValue::Known(value) => value.fmt(f),
            FieldValue::Raw(words) => write!(f, "{words:?} (raw)"),
        }
    }
}

impl Fields {
    /// What all fields of one entity may take in memory, about: 16 KiB. A value that does not fit is kept as
    /// [`FieldValue::Raw`], cut; where even that does not fit, it is dropped, and the value before it too.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// Nothing known yet.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// What is known of the field called `name`.
    pub fn field(&self, name: &str) -> Option<&FieldValue> {
        let at = self.entries.binary_search_by(|(found, _)| (*found).cmp(name)).ok()?;
        Some(&self.entries[at].1)
    }

    /// The value of the field called `name`, where it is known and not raw.
    pub fn known(&self, name: &str) -> Option<&Value> {
        match self.field(name)? {
            FieldValue::Known(value) => Some(value),
            FieldValue::Raw(_) => None,
        }
    }

    /// All fields, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &FieldValue)> {
        self.entries.iter().map(|(name, value)| (*name, value))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes of memory the fields take. Never more than [`Fields::MAX_BYTES`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `value` for the field called `name`, or what of it there is room for.
    fn put(&mut self, name: &'static str, value: FieldValue) {
        self.remove(name);
        let room = Fields::MAX_BYTES - self.bytes;
        let value = if cost(&value) <= room { value } else { value.cut() };
        let cost = cost(&value);
        if cost <= room {
            let at = self.entries.partition_point(|(found, _)| *found < name);
            // Most entities have one field, and there are thousands: no room for what never comes.
            self.entries.reserve_exact(1);
            self.entries.insert(at, (name, value));
            self.bytes += cost;
        }
    }

    /// Takes `value`, as Home Assistant would show it, for the field called `name`.
    pub(super) fn put_known(&mut self, name: &'static str, value: impl Into<Value>) {
        self.put(name, FieldValue::Known(value.into()));
    }

    /// Takes the device's own words for the field called `name`.
    pub(super) fn put_raw(&mut self, name: &'static str, words: &str) {
        self.put(name, FieldValue::raw(words));
    }

    fn remove(&mut self, name: &str) {
        if let Ok(at) = self.entries.binary_search_by(|(found, _)| (*found).cmp(name)) {
            let (_, value) = self.entries.remove(at);
            self.bytes -= cost(&value);
        }
    }
}

impl FieldValue {
    /// The words of `text`, as many of them as are kept.
    fn raw(text: &str) -> FieldValue {
        if text.len() <= MAX_RAW_BYTES {
            return FieldValue::Raw(text.to_owned());
        }
        let end = (0..=MAX_RAW_BYTES).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        FieldValue::Raw(format!("{}…", &text[..end]))
    }

    fn cut(self) -> FieldValue {
        match self {
            FieldValue::Known(value) => FieldValue::raw(&value.to_string()),
            raw => raw,
        }
    }
}

/// About what `value` takes in memory, with its place among the fields.
fn cost(value: &FieldValue) -> usize {
    FIXED_BYTES
        + match value {
            FieldValue::Known(value) => value_cost(value),
            FieldValue::Raw(text) => text.len(),
        }
}

fn value_cost(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| FIXED_BYTES + value_cost(item)).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, item)| 2 * FIXED_BYTES + name.len() + value_cost(item)).sum()
        }
    }
}

/// A name, a value and the allocator's part, about.
const FIXED_BYTES: usize = 48;

/// Enough to see what it is.
const MAX_RAW_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_and_the_rest_stays() {
        let mut fields = Fields::new();
        fields.put("state", FieldValue::Known(json!("on")));
        fields.put("attributes", FieldValue::Known(json!({ "long": "ä".repeat(20_000) })));
        let Some(FieldValue::Raw(cut)) = fields.field("attributes") else { panic!("{fields:?}") };
        assert!(
            cut.starts_with(r#"{"long":"ää"#) && cut.ends_with("ä…") && cut.len() < 1100,
            "{}",
            cut.len()
        );
        assert_eq!(fields.known("state"), Some(&json!("on")));
        assert!(fields.bytes() <= Fields::MAX_BYTES);
    }

    #[test]
    fn the_bytes_of_what_is_replaced_are_free_again() {
        let mut fields = Fields::new();
        for round in 0..100 {
            fields.put("b", FieldValue::Known(json!({ "text": "x".repeat(9_000), "round": round })));
            fields.put("a", FieldValue::Known(json!("y".repeat(round))));
        }
        assert_eq!(fields.known("b").unwrap()["round"], 99);
        let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        fields.put("b", FieldValue::Known(json!(1)));
        fields.put("a", FieldValue::Known(json!(1)));
        assert_eq!(fields.bytes(), 2 * FIXED_BYTES);
    }
}
