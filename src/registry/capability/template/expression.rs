//! What a template computes.

use super::py::Py;

/// An expression, every word of which we understand.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Constant(Py),
    Name(String),
    /// `a.b`: in Jinja an attribute before a key.
    Attribute(Box<Expression>, String),
    /// `a['b']`, `a[0]`: in Jinja a key before an attribute.
    Item(Box<Expression>, Box<Expression>),
    List(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    /// `a | filter(…)`, or the function of the same name; what is filtered comes first.
    Filter(Filter, Vec<Expression>),
    /// `a.method(…)`; what it is called on comes first.
    Method(Method, Vec<Expression>),
    /// `a is test`.
    Test(Box<Expression>, Test),
    Negative(Box<Expression>),
    Arithmetic(Box<Expression>, Arithmetic, Box<Expression>),
    /// `a < b < c`.
    Compare(Box<Expression>, Vec<(Comparison, Expression)>),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    /// `a if b else c`: the condition, then both.
    Choice(Box<Expression>, Box<Expression>, Option<Box<Expression>>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Join,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// What follows a `|`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    Abs,
    Add,
    Capitalize,
    Default,
    First,
    Float,
    FromJson,
    Iif,
    Int,
    IsDefined,
    Join,
    Last,
    Length,
    Lower,
    Multiply,
    Replace,
    Round,
    String,
    /// `tojson` of Jinja, safe in HTML, or `to_json` of Home Assistant.
    ToJson {
        html: bool,
    },
    Trim,
    Upper,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    EndsWith,
    Keys,
    Lookup,
    Lower,
    Replace,
    Split,
    StartsWith,
    Strip,
    Upper,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Test {
    Defined,
    Undefined,
    None,
    Number,
    String,
    Mapping,
    Boolean,
}

impl Filter {
    /// The filter called `name`, how many arguments it needs and takes, and the names of those.
    pub(super) fn named(name: &str) -> Option<(Filter, usize, &'static [&'static str])> {
        Some(match name {
            "abs" => (Filter::Abs, 0, &[]),
            "add" => (Filter::Add, 1, &["amount", "default"]),
            "capitalize" => (Filter::Capitalize, 0, &[]),
            "default" | "d" => (Filter::Default, 0, &["default_value", "boolean"]),
            "first" => (Filter::First, 0, &[]),
            "float" => (Filter::Float, 0, &["default"]),
            "from_json" => (Filter::FromJson, 0, &[]),
            "iif" => (Filter::Iif, 0, &["if_true", "if_false"]),
            "int" => (Filter::Int, 0, &["default"]),
            "is_defined" => (Filter::IsDefined, 0, &[]),
            "join" => (Filter::Join, 0, &["d"]),
            "last" => (Filter::Last, 0, &[]),
            "length" | "count" => (Filter::Length, 0, &[]),
            "lower" => (Filter::Lower, 0, &[]),
            "multiply" => (Filter::Multiply, 1, &["amount", "default"]),
            "replace" => (Filter::Replace, 2, &["old", "new"]),
            "round" => (Filter::Round, 0, &["precision"]),
            "string" => (Filter::String, 0, &[]),
            "to_json" => (Filter::ToJson { html: false }, 0, &[]),
            "tojson" => (Filter::ToJson { html: true }, 0, &[]),
            "trim" => (Filter::Trim, 0, &[]),
            "upper" => (Filter::Upper, 0, &[]),
            _ => return None,
        })
    }

    /// The function called `name`, where it does what the filter does.
    pub(super) fn function(name: &str) -> Option<(Filter, usize, &'static [&'static str])> {
        match name {
            "float" | "int" | "iif" => Filter::named(name),
            _ => None,
        }
    }
}

impl Method {
    /// The method called `name`, and how many arguments it needs and takes.
    pub(super) fn named(name: &str) -> Option<(Method, usize, usize)> {
        Some(match name {
            "endswith" => (Method::EndsWith, 1, 1),
            "keys" => (Method::Keys, 0, 0),
            "get" => (Method::Lookup, 1, 2),
            "lower" => (Method::Lower, 0, 0),
            "replace" => (Method::Replace, 2, 2),
            "split" => (Method::Split, 1, 1),
            "startswith" => (Method::StartsWith, 1, 1),
            "strip" => (Method::Strip, 0, 0),
            "upper" => (Method::Upper, 0, 0),
            _ => return None,
        })
    }
}

impl Test {
    /// The test called `name`.
    pub(super) fn named(name: &str) -> Option<Test> {
        Some(match name {
            "defined" => Test::Defined,
            "undefined" => Test::Undefined,
            "none" => Test::None,
            "number" => Test::Number,
            "string" => Test::String,
            "mapping" => Test::Mapping,
            "boolean" => Test::Boolean,
            _ => return None,
        })
    }
}
