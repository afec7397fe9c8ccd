//! What of a text is the value.

use std::error::Error;
use std::fmt;

use regex_lite::Regex;
use serde_json::Value as Json;

use super::read::beginning;
use crate::config::Extract;
use crate::entity::Entity;
use crate::model::Value;
use crate::model::json;

/// Finds the value of an entity in one text after the other.
#[derive(Debug)]
pub(super) struct Extractor {
    rule: Rule,
    /// Whether a text has to be a number: what is found in a text is one only where the entity's states are.
    numeric: bool,
    /// Whether a number, as JSON has them, is a state of the entity. Of an option or a text it is the spelling.
    takes_numbers: bool,
    /// Whether an empty text is a state of the entity. Of most it is what a file holds while it is written anew.
    takes_empty: bool,
}

impl Extractor {
    /// What finds the value of `entity` as `extract` says.
    pub(super) fn new(extract: &Extract, entity: &Entity) -> Extractor {
        let rule = match extract {
            Extract::Number => Rule::Number,
            Extract::Text => Rule::Text,
            Extract::Regex(pattern) => Regex::new(pattern).map_or(Rule::Never(NO_REGEX), Rule::Regex),
            Extract::Pointer(pointer) => Rule::Pointer(pointer.clone()),
            Extract::ExitStatus => Rule::Never(NO_STATUS),
        };
        let takes_empty = entity.state_payload(&Value::from("")).is_ok();
        let numeric = entity.has_numbers();
        let takes_numbers = numeric || entity.state_payload(&Value::from(0)).is_ok();
        Extractor { rule, numeric, takes_numbers, takes_empty }
    }

    /// The value in `text`: a finite number; a text, which for an entity whose states are numbers is the one that
    /// it begins with; of JSON also [`Value::Switch`] for true and false, and [`Value::Unknown`] for `null`.
    ///
    /// # Errors
    ///
    /// [`Refusal`] when there is none.
    pub(super) fn value(&self, text: &str) -> Result<Value, Refusal> {
        let found = match &self.rule {
            Rule::Number => number(text).map(Value::Number),
            Rule::Text => self.fit(text.trim()),
            Rule::Regex(regex) => regex.captures(text).and_then(|captures| {
                let group = usize::from(captures.len() > 1);
                self.fit(captures.get(group)?.as_str())
            }),
            Rule::Pointer(pointer) => self.at(pointer, text),
            Rule::Never(_) => None,
        };
        found.ok_or_else(|| Refusal { expected: self.expected(), found: beginning(text) })
    }

    /// What the entity is told where `text` was found.
    fn fit(&self, text: &str) -> Option<Value> {
        if self.numeric {
            return number(text).map(Value::Number);
        }
        let fits = text.chars().count() <= MAX_CHARS && (self.takes_empty || !text.is_empty());
        fits.then(|| Value::from(text))
    }

    fn at(&self, pointer: &str, text: &str) -> Option<Value> {
        let document: Json = json::from_slice(text.as_bytes()).ok()?;
        match document.pointer(pointer)? {
            Json::Null => Some(Value::Unknown),
            Json::Bool(on) => Some(Value::Switch(*on)),
            Json::Number(number) if !self.takes_numbers => self.fit(&number.to_string()),
            Json::Number(number) => number.as_f64().filter(|it| it.is_finite()).map(Value::Number),
            Json::String(text) => self.fit(text),
            Json::Array(_) | Json::Object(_) => None,
        }
    }

    fn expected(&self) -> String {
        let kind = match self.numeric {
            true => "a number".to_owned(),
            false => format!("a text of up to {MAX_CHARS} characters"),
        };
        match &self.rule {
            Rule::Number => "a number".to_owned(),
            Rule::Text => kind,
            Rule::Regex(regex) => format!("{kind} that matches {:?}", regex.as_str()),
            Rule::Pointer(pointer) => format!("JSON with {kind}, true, false or null at {pointer:?}"),
            Rule::Never(expected) => (*expected).to_owned(),
        }
    }
}

/// Why a text holds no value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    /// What was looked for.
    pub(super) expected: String,
    /// How the text begins.
    pub(super) found: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found {:?}", self.expected, self.found)
    }
}

impl Error for Refusal {}

/// How a value is found.
#[derive(Debug)]
enum Rule {
    Number,
    Text,
    Regex(Regex),
    Pointer(String),
    /// Not in a text.
    Never(&'static str),
}

/// The number that `text` begins with, blanks aside: `21.5`, `-3e2`, `230 V`, `95%`. Neither of `1,5`, `12:30`,
/// `2026-11-22` and `0x1f` is one: what they begin with is not what they mean.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let after_digits = |from: usize| from + bytes[from..].iter().take_while(|it| it.is_ascii_digit()).count();
    let after_sign = |from: usize| from + usize::from(matches!(bytes.get(from), Some(b'+' | b'-')));

    let mut end = after_digits(after_sign(0));
    if bytes.get(end) == Some(&b'.') {
        end = after_digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent = after_sign(end + 1);
        let after = after_digits(exponent);
        end = if after > exponent { after } else { end };
    }
    let goes_on = matches!(bytes.get(end), Some(b'.' | b',' | b':' | b'-' | b'+' | b'_' | b'x' | b'X'));
    text[..end].parse().ok().filter(|number: &f64| number.is_finite() && !goes_on)
}

/// The longest state that Home Assistant keeps.
const MAX_CHARS: usize = 255;
const NO_REGEX: &str = "a regular expression that can be read";
const NO_STATUS: &str = "the exit status of a program";

#[cfg(test)]
mod tests {
    use super::super::read::garbage;
    use super::*;

    use crate::entity::Number;
    use crate::entity::Select;
    use crate::entity::Sensor;
    use crate::entity::Text;

    fn numbers() -> Entity {
        Sensor::new("a", "A").unit("V").build().unwrap()
    }

    fn texts() -> Entity {
        Sensor::new("a", "A").build().unwrap()
    }

    fn regex(pattern: &str) -> Extract {
        Extract::Regex(pattern.to_owned())
    }

    fn pointer(pointer: &str) -> Extract {
        Extract::Pointer(pointer.to_owned())
    }

    /// Looks for the value of `entity` in each text.
    #[track_caller]
    fn check(extract: &Extract, entity: &Entity, rows: &[(&str, Value)]) {
        let extractor = Extractor::new(extract, entity);
        for (text, expected) in rows {
            assert_eq!(extractor.value(text).as_ref(), Ok(expected), "{text:?}");
        }
    }

    #[track_caller]
    fn check_refused(extract: &Extract, entity: &Entity, texts: &[&str]) {
        let extractor = Extractor::new(extract, entity);
        for text in texts {
            let value = extractor.value(text);
            assert!(value.is_err(), "{text:?}: {value:?}");
        }
    }

    #[test]
    fn a_number_is_what_a_text_begins_with() {
        for (text, expected) in [
            ("21500\n", 21500.0),
            ("  -7.25 °C", -7.25),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1.5E-1 bar", 0.15),
            ("230V", 230.0),
            ("5eV", 5.0),
            ("95%", 95.0),
            ("3/4", 3.0),
        ] {
            check(&Extract::Number, &numbers(), &[(text, Value::Number(expected))]);
        }
    }

    #[test]
    fn what_only_begins_like_a_number_is_none() {
        let texts =
            ["1,5", "12:30", "2026-11-22", "1.2.3", "0x1f", "1_000", "21.", "-", ".", "e5", "", "nan"];
        for text in texts.into_iter().filter(|it| *it != "21.") {
            check_refused(&Extract::Number, &numbers(), &[text]);
        }
        check_refused(&Extract::Number, &numbers(), &["inf", "infinity", "V 230", &"9".repeat(400)]);
    }

    #[test]
    fn a_text_is_all_but_the_blanks_at_its_ends() {
        check(&Extract::Text, &texts(), &[(" two words\n", "two words".into()), ("007", "007".into())]);
        check(&Extract::Text, &numbers(), &[("21.5 °C\n", 21.5.into())]);
        check_refused(&Extract::Text, &texts(), &["", " \n", &"x".repeat(256)]);
        check(&Extract::Text, &texts(), &[(&"ü".repeat(255), "ü".repeat(255).into())]);
    }

    #[test]
    fn an_empty_text_is_a_value_only_of_what_may_be_empty() {
        let note = Text::new("a", "A").build().unwrap();
        check(&Extract::Text, &note, &[("\n", "".into())]);
        check_refused(&Extract::Text, &Text::new("a", "A").min(1).build().unwrap(), &["\n"]);
    }

    #[test]
    fn a_regex_finds_its_first_group_or_all_that_it_matches() {
        let status = "a=1\nlevel: 71.5 %\nmode=eco\n";
        check(&regex(r"level: (\S+)"), &numbers(), &[(status, 71.5.into())]);
        check(&regex(r"level: (\S+)"), &texts(), &[(status, "71.5".into())]);
        check(&regex(r"7[0-9.]+"), &numbers(), &[(status, 71.5.into())]);
        check(&regex(r"(?m)^mode=(.*)$"), &texts(), &[(status, "eco".into())]);
        check_refused(&regex(r"mode=(.*)"), &numbers(), &[status]);
        check_refused(&regex(r"x=(.*)"), &texts(), &[status, ""]);
        check_refused(&regex(r"a=1(x)?"), &texts(), &[status]);
        check_refused(&regex("("), &texts(), &[status]);
    }

    #[test]
    fn a_pointer_finds_what_stands_there_in_json() {
        let json = r#"{"a":{"b":[1,{"c":2.5}]},"on":true,"off":false,"no":null,"t":"7 V","~/":3}"#;
        let of = |at: &str, entity: &Entity, value: Value| check(&pointer(at), entity, &[(json, value)]);
        of("/a/b/1/c", &numbers(), 2.5.into());
        of("/a/b/0", &numbers(), 1.0.into());
        of("/on", &texts(), true.into());
        of("/off", &texts(), false.into());
        of("/no", &numbers(), Value::Unknown);
        of("/t", &texts(), "7 V".into());
        of("/t", &numbers(), 7.0.into());
        of("/~0~1", &numbers(), 3.0.into());
        check(&pointer(""), &numbers(), &[("21.5\n", 21.5.into())]);
        for at in ["", "/a", "/a/b", "/x", "/a/b/7", "a"] {
            check_refused(&pointer(at), &texts(), &[json]);
        }
        check_refused(&pointer("/a"), &texts(), &["", "{", "{\"a\":1e999}", "{\"a\":1} x"]);
    }

    #[test]
    fn a_number_in_json_is_an_option_or_a_text_to_what_has_those() {
        let options = || ["1".to_owned(), "2".to_owned()];
        for entity in [
            Select::new("a", "A", options()).build().unwrap(),
            Sensor::new("a", "A").device_class("enum").options(options()).build().unwrap(),
            Text::new("a", "A").build().unwrap(),
        ] {
            let extractor = Extractor::new(&pointer("/mode"), &entity);
            let value = extractor.value(r#"{"mode":2}"#).unwrap();
            assert_eq!(entity.state_payload(&value).as_deref(), Ok("2"), "{}", entity.platform());
        }
    }

    #[test]
    fn numbers_are_wanted_by_what_has_numbers() {
        check(&Extract::Text, &Number::new("a", "A").min(1.0).build().unwrap(), &[("7 x", 7.0.into())]);
        check(&Extract::Text, &Sensor::new("a", "A").precision(1).build().unwrap(), &[("7 x", 7.0.into())]);
    }

    #[test]
    fn a_refusal_says_what_was_looked_for_and_what_was_there() {
        let says = |extract: &Extract, entity: &Entity, text: &str, expected: &str| {
            let refusal = Extractor::new(extract, entity).value(text).unwrap_err();
            assert_eq!(refusal.to_string(), expected);
        };
        says(&Extract::Number, &numbers(), "N/A\nx", r#"expected a number, found "N/A""#);
        says(
            &regex("v=(.*)"),
            &numbers(),
            "v=high",
            r#"expected a number that matches "v=(.*)", found "v=high""#,
        );
        says(
            &pointer("/a"),
            &texts(),
            r#"{"a":[1]}"#,
            r#"expected JSON with a text of up to 255 characters, true, false or null at "/a", found "{\"a\":[1]}""#,
        );
        says(&Extract::ExitStatus, &texts(), "", r#"expected the exit status of a program, found """#);
        let long = Extractor::new(&Extract::Number, &numbers()).value(&"x".repeat(999)).unwrap_err();
        assert_eq!(long.found.len(), 60);
    }

    #[test]
    fn nothing_makes_it_panic_or_find_what_is_not_finite() {
        let json = pointer("/a/1");
        let all = [Extract::Number, Extract::Text, regex(r"([-+0-9.eE]+)"), json];
        for (sample, extract) in
            ["-21.5e3 °C\n", "on\n", "v=1.5e300 V", r#"{"a":[1,-2.5e3]}"#].iter().zip(&all)
        {
            for entity in [numbers(), texts()] {
                let extractor = Extractor::new(extract, &entity);
                for text in garbage(sample) {
                    match extractor.value(&text) {
                        Ok(Value::Number(number)) => assert!(number.is_finite(), "{text:?}"),
                        Ok(Value::Text(text)) => assert!(text.chars().count() <= MAX_CHARS, "{text:?}"),
                        _ => {}
                    }
                }
            }
        }
    }
}
