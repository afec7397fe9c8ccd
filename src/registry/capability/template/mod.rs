//! The value and command templates of Home Assistant, as far as they can be followed without Jinja.

mod compute;
mod expression;
mod filter;
mod json;
mod parser;
mod py;
mod token;

use std::borrow::Cow;

use self::compute::{Scope, Stop, render};
use self::parser::{Part, parts};

use super::Payload;

pub(super) use self::json::{Style, json};
pub(super) use self::py::Py;

/// A template of a discovery configuration: `{{ value_json.temperature | round(1) }}`.
///
/// Understood is what devices publish: `value`, `value_json` with members and indexes, constants, lists and
/// dicts, arithmetic, comparisons, `and`, `or`, `not`, `in`, `a if b else c`, `is defined` and its like; the
/// filters and functions `abs`, `add`, `capitalize`, `default`, `first`, `float`, `from_json`, `iif`, `int`,
/// `is_defined`, `join`, `last`, `length`, `lower`, `multiply`, `replace`, `round`, `string`, `to_json`, `tojson`, `trim`,
/// `upper`; the methods `endswith`, `get`, `keys`, `lower`, `replace`, `split`, `startswith`, `strip`, `upper`; the
/// statements `if` and `set`. A template with anything else is not understood at all, and never guessed at.
///
/// ```
/// use luigi_mqtt::registry::capability::{Rendered, Template};
///
/// let template = Template::new("{{ value_json.temperature | float / 10 }}");
/// assert_eq!(template.render(r#"{"temperature": 210}"#), Rendered::Text("21.0".to_owned()));
/// assert_eq!(Template::new("{{ now() }}").render("{}"), Rendered::Raw);
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    /// None where it is not understood.
    parts: Option<Vec<Part>>,
}

/// What a template makes of a payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rendered {
    /// The text that Home Assistant gets too, without the blanks around it.
    Text(String),
    /// Nothing: Home Assistant logs an error, or the value is not `is_defined`; the state stays as it was.
    Nothing,
    /// We do not know: the template has a shape, or the payload a value, that we do not follow.
    Raw,
}

impl Template {
    /// The template that `text` is; at most 8 KiB of it are understood.
    pub fn new(text: &str) -> Template {
        Template { parts: (text.len() <= MAX_TEMPLATE_BYTES).then(|| parts(text.trim())).flatten() }
    }

    /// Whether it is understood.
    pub fn is_understood(&self) -> bool {
        self.parts.is_some()
    }

    /// What it makes of `payload`, as a value template: `value` is the payload, `value_json` what it is as JSON.
    pub fn render(&self, payload: &str) -> Rendered {
        self.render_payload(&Payload::new(payload.as_bytes(), false), &[])
    }

    /// What it makes of `payload`, with more `names` than `value` and `value_json`.
    pub(super) fn render_payload(&self, payload: &Payload<'_>, names: &[(&str, Py)]) -> Rendered {
        if payload.text().is_none() {
            return Rendered::Nothing;
        }
        let mut scope = Scope::default();
        scope.names.extend(names.iter().map(|(name, value)| (*name, Cow::Borrowed(value))));
        scope.names.push(("value", Cow::Borrowed(payload.value())));
        if let Some(json) = payload.json() {
            scope.names.push(("value_json", Cow::Borrowed(json)));
        }
        self.render_scope(scope)
    }

    /// What it makes of a command with these `names`, as a command template.
    pub(super) fn render_command(&self, names: &[(&str, Py)]) -> Rendered {
        let names = names.iter().map(|(name, value)| (*name, Cow::Borrowed(value))).collect();
        self.render_scope(Scope { names })
    }

    fn render_scope<'a>(&'a self, mut scope: Scope<'a>) -> Rendered {
        let Some(parts) = &self.parts else { return Rendered::Raw };
        let mut text = String::new();
        match render(parts, &mut scope, &mut text) {
            Ok(()) => Rendered::Text(text.trim().to_owned()),
            Err(Stop::Error) => Rendered::Nothing,
            Err(Stop::Unknown) => Rendered::Raw,
        }
    }
}

/// Ten times what the longest templates that devices publish have.
const MAX_TEMPLATE_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line: a template, a payload, and what Home Assistant 2026.11's own template engine made of them (null
    /// where it raised).
    #[test]
    fn payloads_are_rendered_as_home_assistant_renders_them() {
        let table = include_str!("../../../../tests/data/capability/rendered.jsonl");
        let mut differ = Vec::new();
        for line in table.lines() {
            let (template, payload, expected): (String, String, Option<String>) =
                serde_json::from_str(line).unwrap();
            let expected = expected.map_or(Rendered::Nothing, Rendered::Text);
            let rendered = Template::new(&template).render(&payload);
            if rendered != expected {
                differ.push(format!("{template} of {payload}: {rendered:?}, expected {expected:?}"));
            }
        }
        assert!(differ.is_empty(), "{}", differ.join("\n"));
        assert!(table.lines().count() > 100);
    }

    #[test]
    fn what_is_not_understood_is_not_guessed_at() {
        for template in [
            "{{ now() }}",
            "{{ states('sensor.x') }}",
            "{{ value | regex_replace('a', 'b') }}",
            "{{ value | float(",
            "{{ value",
            "{% for x in value_json %}{{ x }}{% endfor %}",
            "{% if value %}x",
            "{% endif %}",
            "{{ value_json.items() }}",
            "{{ value_json.items }}",
            "{{ value_json['update'] }}",
            "{{ value_json.__class__ }}",
            "{{ this.state }}",
            "{{ 'x' * 1000000000 }}",
            "{{ '%.1f' % 2 }}",
            "{{ 2 ** 1000 }}",
            "{{ value | round(1, 'floor') }}",
            "{{ value | int(0, 16) }}",
            "{{ 1e400 }}",
            "{{ 99999999999999999999999999999999999999 * 10 }}",
            "{{ value_json.a[0:2] }}",
            "{{ x }}",
        ] {
            let rendered = Template::new(template).render(r#"{"a":[1,2]}"#);
            assert_eq!(rendered, Rendered::Raw, "{template}");
        }
    }

    #[test]
    fn a_template_made_to_be_deep_or_large_costs_nothing() {
        for template in [
            format!("{{{{ {}1{} }}}}", "(".repeat(3000), ")".repeat(3000)),
            format!("{{{{ {}1 }}}}", "-".repeat(3000)),
            format!("{{{{ {}1 }}}}", "not ".repeat(1500)),
            format!("{{{{ value{} }}}}", "|trim".repeat(1500)),
            format!("{{{{ value{} }}}}", ".a".repeat(3000)),
            format!("{{{{ 1{} }}}}", "+1".repeat(3000)),
            format!("{{{{ {}1{} }}}}", "[".repeat(3000), "]".repeat(3000)),
            "{% if 1 %}".repeat(700),
            format!("{{% set a = 'xxxxxxxx' %}}{}", "{% set a = a ~ a %}".repeat(40)),
            format!("{{{{ value | replace('', '{}') }}}}", "x".repeat(4000)),
            "x".repeat(9000),
        ] {
            assert_eq!(Template::new(&template).render(&"y".repeat(10_000)), Rendered::Raw, "{template:.40}");
        }
    }

    #[test]
    fn nothing_makes_it_panic() {
        let pieces = [
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "-",
            " ",
            "value",
            "value_json",
            ".a",
            "['a']",
            "[0]",
            "|",
            "int",
            "round(",
            "1",
            "9.5",
            ")",
            "(",
            "'",
            "\"",
            "\\",
            "if",
            "else",
            "endif",
            "set",
            "=",
            "==",
            "~",
            "/",
            "%",
            "ä",
            "\u{0}",
            "{",
            "}",
            "not",
            "is",
            "defined",
            ",",
            ":",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut understood = 0;
        for _ in 0..10_000 {
            let count = random.usize(1..12);
            let inner: String = (0..count).map(|_| pieces[random.usize(..pieces.len())]).collect();
            for text in [inner.clone(), format!("{{{{ value {inner} }}}}")] {
                let template = Template::new(&text);
                understood += usize::from(template.is_understood());
                for payload in ["", "5", r#"{"a":{"a":"ä"}}"#, "[0]"] {
                    template.render(payload);
                }
            }
        }
        assert!(understood > 100, "{understood}");
    }
}
