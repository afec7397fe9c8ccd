//! What an expression comes to, as Python would have it.

use std::borrow::Cow;

use super::expression::{Arithmetic, Comparison, Expression, Test};
use super::filter;
use super::parser::Part;
use super::py::Py;

/// Why a template comes to nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// Home Assistant would log an error and leave everything as it is.
    Error,
    /// What Home Assistant would do here is not known to us.
    Unknown,
}

/// The names that a template can use.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) names: Vec<(&'a str, Cow<'a, Py>)>,
}

type Result<'a> = std::result::Result<Cow<'a, Py>, Stop>;

/// Puts what `parts` come to behind `out`.
pub(super) fn render<'a>(
    parts: &'a [Part],
    scope: &mut Scope<'a>,
    out: &mut String,
) -> std::result::Result<(), Stop> {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Output(expression) => match compute(expression, scope)?.as_ref() {
                Py::Str(text) => out.push_str(text),
                other => out.push_str(&other.print()),
            },
            Part::Set(name, expression) => {
                let value = compute(expression, scope)?.into_owned();
                scope.names.push((name, Cow::Owned(value)));
            }
            Part::If(branches, otherwise) => {
                let mut taken = otherwise;
                for (condition, parts) in branches {
                    if compute(condition, scope)?.truth() {
                        taken = parts;
                        break;
                    }
                }
                render(taken, scope, out)?;
            }
        }
        if out.len() > MAX_BYTES {
            return Err(Stop::Unknown);
        }
    }
    Ok(())
}

fn compute<'s>(expression: &'s Expression, scope: &'s Scope<'_>) -> Result<'s> {
    match expression {
        Expression::Constant(value) => Ok(Cow::Borrowed(value)),
        Expression::Name(name) => match scope.names.iter().rev().find(|(found, _)| found == name) {
            Some((_, value)) => Ok(Cow::Borrowed(value.as_ref())),
            None if name == "value_json" => Ok(Cow::Owned(Py::Undefined)),
            None => Err(Stop::Unknown),
        },
        Expression::Attribute(base, name) => {
            let base = compute(base, scope)?;
            if hides(base.as_ref(), name) {
                return Err(Stop::Unknown);
            }
            member(base, &Py::Str(name.clone()))
        }
        Expression::Item(base, key) => {
            let key = compute(key, scope)?;
            let found = member(compute(base, scope)?, &key)?;
            match (found.as_ref(), key.as_ref()) {
                (Py::Undefined, Py::Str(name)) if hides_anywhere(name) => Err(Stop::Unknown),
                _ => Ok(found),
            }
        }
        Expression::List(items) => {
            let items = items.iter().map(|item| Ok(compute(item, scope)?.into_owned()));
            Ok(Cow::Owned(Py::List(items.collect::<std::result::Result<_, _>>()?)))
        }
        Expression::Dict(members) => {
            let members = members.iter().map(|(key, item)| {
                Ok((compute(key, scope)?.into_owned(), compute(item, scope)?.into_owned()))
            });
            Ok(Cow::Owned(Py::Dict(members.collect::<std::result::Result<_, _>>()?)))
        }
        Expression::Filter(filter, values) => {
            let (first, rest) = split(values, scope)?;
            filter::filter(*filter, first, &rest)
        }
        Expression::Method(method, values) => {
            let (first, rest) = split(values, scope)?;
            filter::method(*method, first, &rest)
        }
        Expression::Test(value, test) => {
            let value = compute(value, scope)?;
            Ok(Cow::Owned(Py::Bool(match test {
                Test::Defined => !matches!(*value, Py::Undefined),
                Test::Undefined => matches!(*value, Py::Undefined),
                Test::None => matches!(*value, Py::None),
                Test::Number => value.as_number().is_some(),
                Test::String => matches!(*value, Py::Str(_)),
                Test::Mapping => matches!(*value, Py::Dict(_)),
                Test::Boolean => matches!(*value, Py::Bool(_)),
            })))
        }
        Expression::Negative(value) => match compute(value, scope)?.as_ref() {
            Py::Float(it) => Ok(Cow::Owned(Py::Float(-it))),
            other => {
                let negative = other.as_int().ok_or(Stop::Error)?.checked_neg();
                Ok(Cow::Owned(Py::Int(negative.ok_or(Stop::Unknown)?)))
            }
        },
        Expression::Arithmetic(one, arithmetic, two) => {
            let (one, two) = (compute(one, scope)?, compute(two, scope)?);
            calculate(&one, *arithmetic, &two).map(Cow::Owned)
        }
        Expression::Compare(first, others) => {
            let mut left = compute(first, scope)?;
            for (comparison, right) in others {
                let right = compute(right, scope)?;
                if !compare(&left, *comparison, &right)? {
                    return Ok(Cow::Owned(Py::Bool(false)));
                }
                left = right;
            }
            Ok(Cow::Owned(Py::Bool(true)))
        }
        Expression::Not(value) => Ok(Cow::Owned(Py::Bool(!compute(value, scope)?.truth()))),
        Expression::And(one, two) => {
            let one = compute(one, scope)?;
            if one.truth() { compute(two, scope) } else { Ok(one) }
        }
        Expression::Or(one, two) => {
            let one = compute(one, scope)?;
            if one.truth() { Ok(one) } else { compute(two, scope) }
        }
        Expression::Choice(condition, value, otherwise) => {
            if compute(condition, scope)?.truth() {
                return compute(value, scope);
            }
            otherwise.as_ref().map_or(Ok(Cow::Owned(Py::Undefined)), |it| compute(it, scope))
        }
    }
}

fn split<'s>(
    values: &'s [Expression],
    scope: &'s Scope<'_>,
) -> std::result::Result<(Cow<'s, Py>, Vec<Cow<'s, Py>>), Stop> {
    let mut values = values.iter().map(|value| compute(value, scope));
    let first = values.next().unwrap_or(Err(Stop::Unknown))?;
    Ok((first, values.collect::<std::result::Result<_, _>>()?))
}

/// What stands in `base` at `key`.
fn member<'s>(base: Cow<'s, Py>, key: &Py) -> Result<'s> {
    fn find<'p>(base: &'p Py, key: &Py) -> Option<&'p Py> {
        match base {
            Py::Dict(members) => members.iter().rev().find(|(name, _)| name == key).map(|(_, it)| it),
            Py::List(items) => items.get(index(items.len(), key)?),
            _ => None,
        }
    }
    if let Py::Undefined = *base {
        return Err(Stop::Error);
    }
    if let Py::Str(text) = base.as_ref() {
        let at = index(text.chars().count(), key);
        let found = at.and_then(|at| text.chars().nth(at)).map(|c| Py::Str(c.to_string()));
        return Ok(Cow::Owned(found.unwrap_or(Py::Undefined)));
    }
    Ok(match base {
        Cow::Borrowed(base) => find(base, key).map_or(Cow::Owned(Py::Undefined), Cow::Borrowed),
        Cow::Owned(base) => Cow::Owned(find(&base, key).cloned().unwrap_or(Py::Undefined)),
    })
}

fn index(length: usize, key: &Py) -> Option<usize> {
    let at = key.as_int()?;
    let at = if at < 0 { at.checked_add(i128::try_from(length).ok()?)? } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}

/// Whether Python has something of its own under the attribute `name` of `base`, which Jinja finds first.
fn hides(base: &Py, name: &str) -> bool {
    match base {
        Py::Dict(_) => DICT_NAMES.contains(&name),
        Py::Undefined | Py::None => false,
        _ => hides_anywhere(name),
    }
}

fn hides_anywhere(name: &str) -> bool {
    DICT_NAMES.contains(&name) || OTHER_NAMES.contains(&name) || name.starts_with('_')
}

fn calculate(one: &Py, arithmetic: Arithmetic, two: &Py) -> std::result::Result<Py, Stop> {
    if arithmetic == Arithmetic::Join {
        return text(one.print() + &two.print());
    }
    if let (Py::Str(one), Arithmetic::Add, Py::Str(two)) = (one, arithmetic, two) {
        return text(one.clone() + two);
    }
    if let (Some(one), Some(two)) = (one.as_int(), two.as_int()) {
        if arithmetic != Arithmetic::Divide {
            if two == 0 && matches!(arithmetic, Arithmetic::FloorDivide | Arithmetic::Modulo) {
                return Err(Stop::Error);
            }
            let value = match arithmetic {
                Arithmetic::Add => one.checked_add(two),
                Arithmetic::Subtract => one.checked_sub(two),
                Arithmetic::Multiply => one.checked_mul(two),
                Arithmetic::FloorDivide => floor_divide(one, two),
                _ => floor_divide(one, two)
                    .and_then(|it| it.checked_mul(two))
                    .and_then(|it| one.checked_sub(it)),
            };
            return value.map(Py::Int).ok_or(Stop::Unknown);
        }
    }
    match (one.as_number(), two.as_number()) {
        (Some(_), Some(0.0)) if matches!(arithmetic, Arithmetic::Divide) => Err(Stop::Error),
        (Some(one), Some(two)) => match arithmetic {
            Arithmetic::Add => Ok(Py::Float(one + two)),
            Arithmetic::Subtract => Ok(Py::Float(one - two)),
            Arithmetic::Multiply => Ok(Py::Float(one * two)),
            Arithmetic::Divide => Ok(Py::Float(one / two)),
            _ => Err(Stop::Unknown),
        },
        // Python repeats a text or a list, joins lists, or formats; everything else raises.
        _ if matches!(one, Py::Str(_) | Py::List(_)) || matches!(two, Py::Str(_) | Py::List(_)) => {
            let repeats =
                arithmetic == Arithmetic::Multiply && (one.as_int().is_some() || two.as_int().is_some());
            let formats = arithmetic == Arithmetic::Modulo && matches!(one, Py::Str(_));
            let joins = matches!((one, two), (Py::List(_), Py::List(_)));
            Err(if repeats || formats || joins { Stop::Unknown } else { Stop::Error })
        }
        _ => Err(Stop::Error),
    }
}

fn text(text: String) -> std::result::Result<Py, Stop> {
    if text.len() > MAX_BYTES { Err(Stop::Unknown) } else { Ok(Py::Str(text)) }
}

fn floor_divide(one: i128, two: i128) -> Option<i128> {
    let quotient = one.checked_div(two)?;
    let below = one % two != 0 && (one < 0) != (two < 0);
    Some(quotient - i128::from(below))
}

fn compare(one: &Py, comparison: Comparison, two: &Py) -> std::result::Result<bool, Stop> {
    Ok(match comparison {
        Comparison::Equal => one == two,
        Comparison::Unequal => one != two,
        Comparison::In => contains(two, one)?,
        Comparison::NotIn => !contains(two, one)?,
        order => {
            let found = match (one, two) {
                (Py::Str(one), Py::Str(two)) => Some(one.cmp(two)),
                (Py::List(_), Py::List(_)) => return Err(Stop::Unknown),
                _ => match (one.as_int(), two.as_int()) {
                    (Some(one), Some(two)) => Some(one.cmp(&two)),
                    _ => {
                        let one = one.as_number().ok_or(Stop::Error)?;
                        one.partial_cmp(&two.as_number().ok_or(Stop::Error)?)
                    }
                },
            };
            match order {
                Comparison::Less => found.is_some_and(|it| it.is_lt()),
                Comparison::LessOrEqual => found.is_some_and(|it| it.is_le()),
                Comparison::Greater => found.is_some_and(|it| it.is_gt()),
                _ => found.is_some_and(|it| it.is_ge()),
            }
        }
    })
}

fn contains(whole: &Py, part: &Py) -> std::result::Result<bool, Stop> {
    match (whole, part) {
        (Py::Str(whole), Py::Str(part)) => Ok(whole.contains(part.as_str())),
        (Py::List(items), part) => Ok(items.contains(part)),
        (Py::Dict(members), part) => Ok(members.iter().any(|(key, _)| key == part)),
        (Py::Undefined, _) => Ok(false),
        _ => Err(Stop::Error),
    }
}

/// What a Python dict has under its own names.
const DICT_NAMES: &[&str] = &[
    "clear",
    "copy",
    "fromkeys",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
];

/// What Python's texts, lists and numbers have under their own names.
const OTHER_NAMES: &[&str] = &[
    "append",
    "as_integer_ratio",
    "bit_count",
    "bit_length",
    "capitalize",
    "casefold",
    "center",
    "conjugate",
    "count",
    "denominator",
    "encode",
    "endswith",
    "expandtabs",
    "extend",
    "find",
    "format",
    "format_map",
    "from_bytes",
    "fromhex",
    "hex",
    "imag",
    "index",
    "insert",
    "is_integer",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "numerator",
    "partition",
    "real",
    "remove",
    "removeprefix",
    "removesuffix",
    "replace",
    "reverse",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "sort",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "to_bytes",
    "translate",
    "upper",
    "zfill",
];

/// No text grows beyond it: as much as a payload of a device is, and far more than a state.
pub(super) const MAX_BYTES: usize = 256 * 1024;
