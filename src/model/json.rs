//! JSON from strangers, read on small stacks: [`from_slice`].

use serde::Deserialize;
use serde::de::Error;

/// What the JSON in `bytes` is, as [`serde_json::from_slice`] has it, but for what is nested deeper than [`MOST_LEVELS`].
///
/// # Errors
///
/// It is no JSON, no such thing, or nested too deep.
pub(crate) fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, serde_json::Error> {
    if is_deep(bytes) {
        return Err(Error::custom(format_args!("nested deeper than {MOST_LEVELS} levels")));
    }
    serde_json::from_slice(bytes)
}

/// Whether arrays and objects in `json` are nested deeper than [`MOST_LEVELS`]; anything where it is no JSON.
pub(crate) fn is_deep(json: &[u8]) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_LEVELS {
            return true;
        }
    }
    false
}

/// Deeper than anything that Home Assistant knows. Each level takes up to 2 kB of a thread's stack of 256 kB, and serde_json
/// alone would go down to 127.
pub(crate) const MOST_LEVELS: usize = 32;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_refused_before_it_is_read() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for (json, is_taken) in [
            (nested(32), true),
            (nested(33), false),
            (nested(100_000), false),
            ("[".repeat(100_000), false),
            (format!("[{}{}]", nested(31), format!(",{}", nested(31)).repeat(9)), true),
            (format!(r#"["{}\"{}"]"#, "[".repeat(99), "{".repeat(99)), true),
            ("]]]]".to_owned(), false),
        ] {
            assert_eq!(from_slice::<Value>(json.as_bytes()).is_ok(), is_taken, "{}", json.len());
        }
        let error = from_slice::<Value>(nested(33).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "nested deeper than 32 levels");
    }
}
