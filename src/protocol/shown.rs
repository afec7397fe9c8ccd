//! What was found, for people.

/// `found`, a piece of a line, cut where it is long.
pub(super) fn shown(found: &str) -> String {
    let clean = |it: char| if it.is_control() { '\u{fffd}' } else { it };
    let short: String = found.trim().chars().take(FOUND_CHARS).map(clean).collect();
    if short.is_empty() {
        return "empty".to_owned();
    }
    let is_cut = found.trim().chars().nth(FOUND_CHARS).is_some();
    if is_cut { format!("{short}…") } else { short }
}

/// As much as says what it is.
const FOUND_CHARS: usize = 60;
