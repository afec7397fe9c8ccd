//! A discovery configuration, read as Home Assistant's schemas read it.

use serde_json::{Map, Value};

use super::template::{Py, Template};

/// The configuration of one entity: full key names, `~` expanded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Config<'a> {
    /// The value of `key`, where there is one; `null` is none.
    pub(super) fn value(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn has(self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The text of `key`: a number or a truth value counts as the text that Python prints for it, for
    /// `"payload_on": true` and a template that says `True` are meant to match.
    pub(super) fn text(self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(_) | Value::Object(_) => None,
            scalar => Some(Py::from(scalar).print()),
        }
    }

    pub(super) fn text_or(self, key: &str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    /// The number of `key`, also where it stands there as a text.
    pub(super) fn number(self, key: &str) -> Option<f64> {
        Py::from(self.value(key)?).as_f64().filter(|it| it.is_finite())
    }

    pub(super) fn number_or(self, key: &str, default: f64) -> f64 {
        self.number(key).unwrap_or(default)
    }

    /// Whether `key` says yes, in any of the spellings of Home Assistant's `cv.boolean`.
    pub(super) fn flag(self, key: &str, default: bool) -> bool {
        match self.text(key).map(|it| it.to_lowercase()) {
            Some(it) => matches!(it.as_str(), "true" | "1" | "yes" | "on" | "enable"),
            None => default,
        }
    }

    /// The texts of the list `key`; empty where there is none.
    pub(super) fn list(self, key: &str) -> Vec<String> {
        match self.value(key) {
            Some(Value::Array(items)) => items.iter().map(|item| Py::from(item).print()).collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => Vec::new(),
        }
    }

    /// As [`Config::list`], or `default` where the key is missing.
    pub(super) fn list_or(self, key: &str, default: &[&str]) -> Vec<String> {
        if self.has(key) { self.list(key) } else { default.iter().map(|&it| it.to_owned()).collect() }
    }

    pub(super) fn template(self, key: &str) -> Option<Template> {
        self.text(key).map(|text| Template::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_count_as_the_text_that_python_prints() {
        let json = json!({ "a": true, "b": 1, "c": 21.0, "d": "x", "e": null, "f": [1] });
        let config = Config(json.as_object().unwrap());
        let found = ["a", "b", "c", "d", "e", "f"].map(|key| config.text_or(key, "default"));
        assert_eq!(found, ["True", "1", "21.0", "x", "default", "default"]);
    }
}
