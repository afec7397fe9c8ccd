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

#[expect(unused_imports, reason = "commands come next")]
pub(super) use self::json::{Style, json};
pub(super) use self::py::Py;

/// A template of a discovery configuration: `{{ value_json.temperature | round(1) }}`.
///
/// Understood is what devices publish: `value`, `value_json` with members and indexes, constants, lists and
/// dicts, arithmetic, comparisons, `and`, `or`, `not`, `in`, `a if b else c`, `is defined` and its like; the
/// filters and functions `abs`, `add`, `capitalize`, `default`, `first`, `float`, `from_json`, `iif`, `int`,
/// `is_defined`, `last`, `length`, `lower`, `multiply`, `replace`, `round`, `string`, `to_json`, `tojson`, `trim`,
/// `upper`; the methods `endswith`, `get`, `lower`, `replace`, `split`, `startswith`, `strip`, `upper`; the
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
        let Some(text) = payload.text() else { return Rendered::Nothing };
        let mut scope = Scope::default();
        scope.names.extend(names.iter().map(|(name, value)| (*name, Cow::Borrowed(value))));
        scope.names.push(("value", Cow::Owned(Py::Str(text.to_owned()))));
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
