//! What strangers wrote, for a terminal: nothing of it moves the cursor or turns the order of letters.

use std::fmt::Write as _;

/// `text` with a sign in the place of each letter that would: for names, in tables and sentences.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// `text` with each letter that would spelt out, so that nothing of it is lost: `one\ntwo`.
pub(super) fn spelt_out(text: &str) -> String {
    let mut spelt = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if !is_obeyed(c) => spelt.push(c),
            _ if c.is_control() => spelt.extend(c.escape_default()),
            _ => {
                let _ = write!(spelt, "{}", c.escape_unicode());
            }
        }
    }
    spelt
}

/// How many columns of a terminal `text` takes: two for a letter of East Asia and for most pictures, none for an accent that
/// combines. Roughly: what the tables of Unicode (UAX 11) say of ranges, not of each sign.
pub(super) fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '\u{300}'..='\u{36f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe00}'..='\u{fe0f}' => 0,
            '\u{1100}'..='\u{115f}'
            | '\u{2e80}'..='\u{a4cf}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}'
            | '\u{ff00}'..='\u{ff60}'
            | '\u{ffe0}'..='\u{ffe6}'
            | '\u{1f300}'..='\u{1f64f}'
            | '\u{1f680}'..='\u{1f6ff}'
            | '\u{1f900}'..='\u{1f9ff}'
            | '\u{20000}'..='\u{3fffd}' => 2,
            _ => 1,
        })
        .sum()
}

/// Whether a terminal would do something rather than show it.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_shown_and_not_obeyed() {
        for (text, shown, spelt) in [
            ("21.5 °C", "21.5 °C", "21.5 °C"),
            ("a\nb\t", "a\u{fffd}b\u{fffd}", r"a\nb\t"),
            ("\u{1b}[2J\u{9b}31m", "\u{fffd}[2J\u{fffd}31m", r"\u{1b}[2J\u{9b}31m"),
            ("a\u{202e}b\u{2066}", "a\u{fffd}b\u{fffd}", r"a\u{202e}b\u{2066}"),
        ] {
            assert_eq!((printable(text).as_str(), spelt_out(text).as_str()), (shown, spelt));
        }
    }
}
