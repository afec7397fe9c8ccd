//! A value as JSON text.

use super::py::{Py, print_float};

/// How the JSON is written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(in super::super) enum Style {
    /// Home Assistant's `to_json`, and what it publishes itself: no blanks, members in their order.
    Compact,
    /// Jinja's `tojson`: blanks, members in the order of their names, safe inside HTML.
    Html,
}

/// The JSON of `value`; None where it has none.
pub(in super::super) fn json(value: &Py, style: Style) -> Option<String> {
    let mut out = String::new();
    write(value, style, &mut out)?;
    Some(out)
}

fn write(value: &Py, style: Style, out: &mut String) -> Option<()> {
    match value {
        Py::Undefined => return None,
        Py::None => out.push_str("null"),
        Py::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
        Py::Int(it) => out.push_str(&it.to_string()),
        Py::Float(it) if it.is_finite() => match style {
            Style::Compact => out.push_str(&serde_json::Number::from_f64(*it)?.to_string()),
            Style::Html => out.push_str(&print_float(*it)),
        },
        Py::Float(_) => return None,
        Py::Str(text) => quote(text, style, out),
        Py::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(at, style, out);
                write(item, style, out)?;
            }
            out.push(']');
        }
        Py::Dict(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(key, item)| Some((key.as_str()?, item))).collect::<Option<_>>()?;
            if style == Style::Html {
                members.sort_by_key(|(key, _)| *key);
            }
            out.push('{');
            for (at, (key, item)) in members.into_iter().enumerate() {
                separate(at, style, out);
                quote(key, style, out);
                out.push_str(if style == Style::Html { ": " } else { ":" });
                write(item, style, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fn separate(at: usize, style: Style, out: &mut String) {
    if at > 0 {
        out.push_str(if style == Style::Html { ", " } else { "," });
    }
}

fn quote(text: &str, style: Style, out: &mut String) {
    let quoted = serde_json::Value::from(text).to_string();
    if style == Style::Compact {
        return out.push_str(&quoted);
    }
    for c in quoted.chars() {
        if c.is_ascii() && !"<>&'\u{7f}".contains(c) {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}
