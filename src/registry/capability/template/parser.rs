//! From the text of a template to what it computes, by Jinja's grammar and precedence.

use std::vec::IntoIter;

use super::expression::{Arithmetic, Comparison, Expression, Filter, Method, Test};
use super::py::Py;
use super::token::{Token, tokens};

/// One part of a template.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Output(Expression),
    /// Each branch with its condition, and what is there `else`.
    If(Vec<(Expression, Vec<Part>)>, Vec<Part>),
    Set(String, Expression),
}

/// The parts of the template `text`; None where anything in it is not understood.
pub(super) fn parts(text: &str) -> Option<Vec<Part>> {
    let mut pieces = pieces(text)?.into_iter();
    match block(&mut pieces, 0)? {
        (mut parts, None) => {
            // Most templates have one, and are kept by the thousand.
            parts.shrink_to_fit();
            Some(parts)
        }
        _ => None,
    }
}

/// A template before its tags are matched up.
enum Piece<'a> {
    Text(&'a str),
    Output(&'a str),
    Statement(&'a str),
}

fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim = false;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        let (before, tag) = rest.split_at(start);
        let (kind, tag) = tag.split_at(2);
        let end = end_of(tag, kind)?;
        let (inner, after) = (&tag[..end], &tag[end + 2..]);
        let before = if trim { before.trim_start() } else { before };
        let (inner, before) = match inner.strip_prefix('-') {
            Some(inner) => (inner, before.trim_end()),
            None => (inner, before),
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let cut = inner.strip_suffix('-');
        trim = cut.is_some();
        let inner = cut.unwrap_or(inner).trim();
        match kind {
            "{{" => pieces.push(Piece::Output(inner)),
            "{%" => pieces.push(Piece::Statement(inner)),
            _ => {}
        }
        // Jinja takes nothing away after a tag of its own accord, as Home Assistant sets it up.
        rest = after;
    }
    let last = if trim { rest.trim_start() } else { rest };
    if !last.is_empty() {
        pieces.push(Piece::Text(last));
    }
    Some(pieces)
}

/// Where the tag that began with `kind` ends: outside of quotes and, for `}}`, of the braces of a dict.
fn end_of(tag: &str, kind: &str) -> Option<usize> {
    if kind == "{#" {
        return tag.find("#}");
    }
    let (mut quote, mut escaped, mut braces) = (None, false, 0usize);
    let bytes = tag.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'{') => braces += 1,
            (None, b'}') if braces > 0 => braces -= 1,
            (None, b'}') if kind == "{{" && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (None, b'%') if kind == "{%" && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (None, _) => {}
        }
    }
    None
}

/// The parts up to the end of a block, and the statement that ends it.
fn block<'a>(pieces: &mut IntoIter<Piece<'a>>, depth: usize) -> Option<(Vec<Part>, Option<&'a str>)> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut parts = Vec::new();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(text) => parts.push(Part::Text(text.to_owned())),
            Piece::Output(text) => parts.push(Part::Output(expression(text)?)),
            Piece::Statement(text) => match word(text) {
                ("elif" | "else" | "endif", _) => return Some((parts, Some(text))),
                ("if", condition) => parts.push(choice(condition, pieces, depth)?),
                ("set", assignment) => parts.push(set(assignment)?),
                _ => return None,
            },
        }
    }
    Some((parts, None))
}

fn choice(first: &str, pieces: &mut IntoIter<Piece<'_>>, depth: usize) -> Option<Part> {
    let mut branches = Vec::new();
    let mut condition = expression(first)?;
    loop {
        let (parts, end) = block(pieces, depth + 1)?;
        branches.push((condition, parts));
        match word(end?) {
            ("elif", next) => condition = expression(next)?,
            ("else", "") => {
                let (otherwise, end) = block(pieces, depth + 1)?;
                return (end == Some("endif")).then_some(Part::If(branches, otherwise));
            }
            ("endif", "") => return Some(Part::If(branches, Vec::new())),
            _ => return None,
        }
    }
}

fn set(assignment: &str) -> Option<Part> {
    let (name, value) = assignment.split_once('=')?;
    match tokens(name)?.as_slice() {
        [Token::Name(name)] => Some(Part::Set(name.clone(), expression(value)?)),
        _ => None,
    }
}

/// The first word of `text`, and what follows.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

fn expression(text: &str) -> Option<Expression> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expression = parser.choice()?;
    (parser.at == parser.tokens.len()).then_some(expression)
}

/// Descends as Jinja's own parser does; each method is one level of precedence.
struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn choice(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut value = self.or()?;
        while self.takes_name("if") {
            let condition = self.or()?;
            let otherwise = if self.takes_name("else") { Some(Box::new(self.choice()?)) } else { None };
            value = Expression::Choice(Box::new(condition), Box::new(value), otherwise);
            self.grown()?;
        }
        self.depth -= 1;
        Some(value)
    }

    fn or(&mut self) -> Option<Expression> {
        let mut value = self.and()?;
        while self.takes_name("or") {
            value = Expression::Or(Box::new(value), Box::new(self.and()?));
            self.grown()?;
        }
        Some(value)
    }

    fn and(&mut self) -> Option<Expression> {
        let mut value = self.not()?;
        while self.takes_name("and") {
            value = Expression::And(Box::new(value), Box::new(self.not()?));
            self.grown()?;
        }
        Some(value)
    }

    fn not(&mut self) -> Option<Expression> {
        if self.takes_name("not") {
            self.grown()?;
            return Some(Expression::Not(Box::new(self.not()?)));
        }
        let first = self.sum()?;
        let mut others = Vec::new();
        while let Some(comparison) = self.comparison() {
            others.push((comparison, self.sum()?));
        }
        Some(if others.is_empty() { first } else { Expression::Compare(Box::new(first), others) })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        for (sign, comparison) in COMPARISONS {
            if self.takes(sign) {
                return Some(*comparison);
            }
        }
        if self.takes_name("in") {
            return Some(Comparison::In);
        }
        let not_in = self.is_name(self.at, "not") && self.is_name(self.at + 1, "in");
        self.at += if not_in { 2 } else { 0 };
        not_in.then_some(Comparison::NotIn)
    }

    fn sum(&mut self) -> Option<Expression> {
        self.chain(&[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)], Parser::joined)
    }

    fn joined(&mut self) -> Option<Expression> {
        self.chain(&[("~", Arithmetic::Join)], Parser::product)
    }

    fn product(&mut self) -> Option<Expression> {
        self.chain(
            &[
                ("*", Arithmetic::Multiply),
                ("/", Arithmetic::Divide),
                ("//", Arithmetic::FloorDivide),
                ("%", Arithmetic::Modulo),
            ],
            |parser| parser.signed(true),
        )
    }

    fn chain(
        &mut self,
        signs: &[(&'static str, Arithmetic)],
        below: fn(&mut Parser) -> Option<Expression>,
    ) -> Option<Expression> {
        let mut value = below(self)?;
        while let Some((_, arithmetic)) = signs.iter().find(|(sign, _)| self.takes(sign)) {
            value = Expression::Arithmetic(Box::new(value), *arithmetic, Box::new(below(self)?));
            self.grown()?;
        }
        Some(value)
    }

    fn signed(&mut self, filtered: bool) -> Option<Expression> {
        let mut value = if self.takes("-") {
            self.grown()?;
            Expression::Negative(Box::new(self.signed(false)?))
        } else {
            self.primary()?
        };
        value = self.postfix(value)?;
        if filtered {
            value = self.filtered(value)?;
        }
        Some(value)
    }

    fn primary(&mut self) -> Option<Expression> {
        match self.next()? {
            Token::Str(text) => Some(Expression::Constant(Py::Str(text))),
            Token::Int(it) => Some(Expression::Constant(Py::Int(it))),
            Token::Float(it) => Some(Expression::Constant(Py::Float(it))),
            Token::Sign("(") => {
                let value = self.choice()?;
                self.takes(")").then_some(value)
            }
            Token::Sign("[") => Some(Expression::List(self.until("]", Parser::choice)?)),
            Token::Sign("{") => Some(Expression::Dict(self.until("}", |parser| {
                let key = parser.choice()?;
                if !parser.takes(":") {
                    return None;
                }
                Some((key, parser.choice()?))
            })?)),
            Token::Name(name) => match name.as_str() {
                "true" | "True" => Some(Expression::Constant(Py::Bool(true))),
                "false" | "False" => Some(Expression::Constant(Py::Bool(false))),
                "none" | "None" => Some(Expression::Constant(Py::None)),
                "and" | "else" | "if" | "in" | "is" | "not" | "or" => None,
                _ if self.takes("(") => {
                    let (filter, needed, names) = Filter::function(&name)?;
                    let mut values = vec![self.choice()?];
                    if self.takes(",") {
                        values.extend(self.arguments(names)?);
                    } else if !self.takes(")") {
                        return None;
                    }
                    (values.len() > needed).then_some(Expression::Filter(filter, values))
                }
                _ => Some(Expression::Name(name)),
            },
            Token::Sign(_) => None,
        }
    }

    fn postfix(&mut self, mut value: Expression) -> Option<Expression> {
        loop {
            if self.takes("[") {
                let key = self.choice()?;
                if !self.takes("]") {
                    return None;
                }
                value = Expression::Item(Box::new(value), Box::new(key));
            } else if self.takes(".") {
                let name = match self.next()? {
                    Token::Name(name) if !name.starts_with('_') => name,
                    _ => return None,
                };
                if self.takes("(") {
                    let (method, needed, allowed) = Method::named(&name)?;
                    let mut values = vec![value];
                    values.extend(self.until(")", Parser::choice)?);
                    if values.len() <= needed || values.len() > allowed + 1 {
                        return None;
                    }
                    value = Expression::Method(method, values);
                } else {
                    value = Expression::Attribute(Box::new(value), name);
                }
            } else {
                return Some(value);
            }
            self.grown()?;
        }
    }

    fn filtered(&mut self, mut value: Expression) -> Option<Expression> {
        loop {
            if self.takes("|") {
                let Token::Name(name) = self.next()? else { return None };
                let (filter, needed, names) = Filter::named(&name)?;
                let mut values = vec![value];
                if self.takes("(") {
                    values.extend(self.arguments(names)?);
                }
                if values.len() <= needed {
                    return None;
                }
                value = Expression::Filter(filter, values);
            } else if self.takes_name("is") {
                let negated = self.takes_name("not");
                let Token::Name(name) = self.next()? else { return None };
                value = Expression::Test(Box::new(value), Test::named(&name)?);
                if negated {
                    value = Expression::Not(Box::new(value));
                }
            } else {
                return Some(value);
            }
            self.grown()?;
        }
    }

    /// What stands before `)`: at most as many as there are `names`, any of which may say the next one's name.
    fn arguments(&mut self, names: &[&str]) -> Option<Vec<Expression>> {
        let mut taken = names.iter();
        self.until(")", |parser| {
            let name = taken.next()?;
            if parser.tokens.get(parser.at + 1) == Some(&Token::Sign("=")) && !parser.takes_name(name) {
                return None;
            }
            parser.takes("=");
            parser.choice()
        })
    }

    fn until<T>(
        &mut self,
        end: &'static str,
        mut one: impl FnMut(&mut Parser) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items = Vec::new();
        loop {
            if self.takes(end) {
                return Some(items);
            }
            if !items.is_empty() && !self.takes(",") {
                return None;
            }
            if !items.is_empty() && self.takes(end) {
                return Some(items);
            }
            items.push(one(self)?);
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn takes_name(&mut self, name: &str) -> bool {
        let found = self.is_name(self.at, name);
        self.at += usize::from(found);
        found
    }

    fn is_name(&self, at: usize, name: &str) -> bool {
        matches!(self.tokens.get(at), Some(Token::Name(found)) if found == name)
    }

    /// Counts one more level of the tree: a long chain is as deep as a nested one, and is computed, copied and
    /// dropped level by level.
    fn grown(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }
}

const COMPARISONS: &[(&str, Comparison)] = &[
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Far more than a template that a person wrote has, and little enough for any thread's stack. Counts each
/// operator of an expression.
const MAX_DEPTH: usize = 64;
