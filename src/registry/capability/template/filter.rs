//! Filters and methods, as Jinja, Home Assistant and Python have them.

use std::borrow::Cow;

use super::compute::{MAX_BYTES, Stop};
use super::expression::{Filter, Method};
use super::json::{Style, json};
use super::py::Py;

type Result<'a> = std::result::Result<Cow<'a, Py>, Stop>;

/// What `filter` makes of `value`; `rest` are its arguments, as many as the parser let through.
pub(super) fn filter<'s>(filter: Filter, value: Cow<'s, Py>, rest: &[Cow<'s, Py>]) -> Result<'s> {
    let undefined = matches!(*value, Py::Undefined);
    match filter {
        Filter::Default => {
            let falsy = rest.get(1).is_some_and(|it| it.truth()) && !value.truth();
            let missing = undefined || falsy;
            if !missing {
                return Ok(value);
            }
            Ok(rest.first().cloned().unwrap_or(Cow::Owned(Py::Str(String::new()))))
        }
        Filter::IsDefined => {
            if undefined {
                Err(Stop::Error)
            } else {
                Ok(value)
            }
        }
        Filter::Iif => {
            let flag =
                |at: usize, otherwise| rest.get(at).cloned().unwrap_or(Cow::Owned(Py::Bool(otherwise)));
            Ok(if value.truth() { flag(0, true) } else { flag(1, false) })
        }
        Filter::First | Filter::Last => match value.as_ref() {
            Py::List(items) => {
                let item = if filter == Filter::First { items.first() } else { items.last() };
                Ok(Cow::Owned(item.cloned().unwrap_or(Py::Undefined)))
            }
            Py::Str(_) => Err(Stop::Unknown),
            _ => Err(Stop::Error),
        },
        Filter::Join => join(&value, rest.first()),
        Filter::Float => number(&value, rest.first(), |it| Some(Py::Float(it))),
        Filter::Int => integer(&value, rest.first()),
        Filter::Round => round(&value, rest.first()),
        Filter::Multiply | Filter::Add => {
            let amount = rest[0].as_number().ok_or(Stop::Error)?;
            let multiplied = filter == Filter::Multiply;
            number(&value, rest.get(1), |it| {
                Some(Py::Float(if multiplied { it * amount } else { it + amount }))
            })
        }
        Filter::FromJson => {
            let text = value.as_str().ok_or(Stop::Error)?;
            Py::parse(text).map(Cow::Owned).ok_or(Stop::Error)
        }
        Filter::ToJson { html } => {
            if undefined {
                return Err(Stop::Error);
            }
            let style = if html { Style::Html } else { Style::Compact };
            json(&value, style).map(|it| Cow::Owned(Py::Str(it))).ok_or(Stop::Unknown)
        }
        Filter::Abs => match value.as_ref() {
            Py::Float(it) => Ok(Cow::Owned(Py::Float(it.abs()))),
            other => {
                let it = other.as_int().ok_or(Stop::Error)?;
                Ok(Cow::Owned(Py::Int(it.checked_abs().ok_or(Stop::Unknown)?)))
            }
        },
        Filter::Length => {
            let length = match value.as_ref() {
                Py::Undefined => 0,
                Py::Str(text) => text.chars().count(),
                Py::List(items) => items.len(),
                Py::Dict(members) => members.len(),
                _ => return Err(Stop::Error),
            };
            Ok(Cow::Owned(Py::Int(length as i128)))
        }
        Filter::String => Ok(Cow::Owned(Py::Str(value.print()))),
        Filter::Capitalize => {
            let text = value.print();
            let mut chars = text.chars();
            let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
            Ok(Cow::Owned(Py::Str(first + &chars.as_str().to_lowercase())))
        }
        Filter::Lower => Ok(Cow::Owned(Py::Str(value.print().to_lowercase()))),
        Filter::Upper => Ok(Cow::Owned(Py::Str(value.print().to_uppercase()))),
        Filter::Trim => Ok(Cow::Owned(Py::Str(value.print().trim().to_owned()))),
        Filter::Replace => replace(&value.print(), &rest[0].print(), &rest[1].print()),
    }
}

/// What `method` of `value` returns; `rest` are its arguments, as many as the parser let through.
pub(super) fn method<'s>(method: Method, value: Cow<'s, Py>, rest: &[Cow<'s, Py>]) -> Result<'s> {
    if matches!(method, Method::Lookup | Method::Keys) {
        let Py::Dict(members) = value.as_ref() else { return Err(Stop::Error) };
        if method == Method::Keys {
            return Ok(Cow::Owned(Py::List(members.iter().map(|(key, _)| key.clone()).collect())));
        }
        let found = members.iter().rev().find(|(key, _)| *key == *rest[0]).map(|(_, it)| it.clone());
        let missing = || rest.get(1).map_or(Py::None, |it| it.clone().into_owned());
        return Ok(Cow::Owned(found.unwrap_or_else(missing)));
    }
    let text = value.as_str().ok_or(Stop::Error)?;
    let argument = |at: usize| rest[at].as_str().ok_or(Stop::Error);
    let value = match method {
        Method::Lower => Py::Str(text.to_lowercase()),
        Method::Upper => Py::Str(text.to_uppercase()),
        Method::Strip => Py::Str(text.trim().to_owned()),
        Method::StartsWith => Py::Bool(text.starts_with(argument(0)?)),
        Method::EndsWith => Py::Bool(text.ends_with(argument(0)?)),
        Method::Split => match argument(0)? {
            "" => return Err(Stop::Error),
            separator => Py::List(text.split(separator).map(|it| Py::Str(it.to_owned())).collect()),
        },
        _ => return replace(text, argument(0)?, argument(1)?),
    };
    Ok(Cow::Owned(value))
}

fn replace<'s>(text: &str, old: &str, new: &str) -> Result<'s> {
    let grown = text.matches(old).count().saturating_mul(new.len());
    if grown > MAX_BYTES {
        return Err(Stop::Unknown);
    }
    Ok(Cow::Owned(Py::Str(text.replace(old, new))))
}

/// The items of `value` with `between` between them.
fn join<'s>(value: &Py, between: Option<&Cow<'s, Py>>) -> Result<'s> {
    let items: Vec<String> = match value {
        Py::List(items) => items.iter().map(Py::print).collect(),
        Py::Dict(members) => members.iter().map(|(key, _)| key.print()).collect(),
        Py::Str(text) => text.chars().map(String::from).collect(),
        Py::Undefined => Vec::new(),
        _ => return Err(Stop::Error),
    };
    let between = between.map(|it| it.print()).unwrap_or_default();
    if items.len().saturating_mul(between.len()) > MAX_BYTES {
        return Err(Stop::Unknown);
    }
    Ok(Cow::Owned(Py::Str(items.join(&between))))
}

/// What `make` makes of the number that `value` is or names, else `default`.
fn number<'s>(value: &Py, default: Option<&Cow<'s, Py>>, make: impl Fn(f64) -> Option<Py>) -> Result<'s> {
    match value {
        // Not a ValueError but Jinja's own: no default is asked for.
        Py::Undefined => Err(Stop::Error),
        Py::Str(text) if !text.is_ascii() || text.contains('_') => Err(Stop::Unknown),
        value => match value.as_f64().and_then(make) {
            Some(number) => Ok(Cow::Owned(number)),
            None => default.cloned().ok_or(Stop::Error),
        },
    }
}

fn integer<'s>(value: &Py, default: Option<&Cow<'s, Py>>) -> Result<'s> {
    let exact = match value {
        Py::Str(text) => text.trim().parse().ok(),
        other => other.as_int(),
    };
    match exact {
        Some(it) => Ok(Cow::Owned(Py::Int(it))),
        None => number(value, default, whole),
    }
}

/// The integer part of `number`.
fn whole(number: f64) -> Option<Py> {
    // Beyond that an i128 does not hold it; no device counts so far.
    (number.abs() < 1e38).then_some(Py::Int(number.trunc() as i128))
}

fn round<'s>(value: &Py, precision: Option<&Cow<'s, Py>>) -> Result<'s> {
    match precision.map_or(Some(0), |it| it.as_int()) {
        Some(0) => number(value, None, |it| whole(it.round_ties_even())),
        Some(decimals @ 1..=20) => {
            let decimals = decimals as usize;
            number(value, None, |it| format!("{it:.decimals$}").parse().ok().map(Py::Float))
        }
        _ => Err(Stop::Unknown),
    }
}
