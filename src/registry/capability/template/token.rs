//! The words of an expression.

/// One word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Str(String),
    Int(i128),
    Float(f64),
    /// `+`, `==`, `(` and so on.
    Sign(&'static str),
}

/// The words of `text`; None where one of them is unknown.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' | '"' => string(rest, first)?,
            '0'..='9' => number(rest)?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let name = take(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Name(name.to_owned()), name.len())
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// The text between two `quote`s at the start of `rest`, and its length with them.
fn string(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((Token::Str(text), at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                c @ ('\'' | '"' | '\\') => text.push(c),
                _ => return None,
            },
            c => text.push(c),
        }
    }
    None
}

fn number(rest: &str) -> Option<(Token, usize)> {
    let whole = take(rest, |c| c.is_ascii_digit());
    let mut length = whole.len();
    let decimals = rest[length..].strip_prefix('.').map_or("", |after| take(after, |c| c.is_ascii_digit()));
    if !decimals.is_empty() {
        length += 1 + decimals.len();
    }
    let follows = rest[length..].chars().next();
    if follows.is_some_and(|c| c.is_alphanumeric() || c == '_') || (whole.len() > 1 && whole.starts_with('0'))
    {
        return None; // 1e3, 0x1f, 1_000, 007: not seen in the wild.
    }
    let text = &rest[..length];
    let token =
        if decimals.is_empty() { Token::Int(text.parse().ok()?) } else { Token::Float(text.parse().ok()?) };
    Some((token, length))
}

fn take(text: &str, wanted: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !wanted(c)).unwrap_or(text.len())]
}

/// The longer first where one begins another.
const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "//", "**", "<", ">", "+", "-", "*", "/", "%", "~", "|", "(", ")", "[", "]", "{",
    "}", ",", ":", ".", "=",
];
