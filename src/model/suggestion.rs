//! The known word that a misspelt one was probably meant to be.

/// The one of `known` that `word` was probably meant to be, if any is near enough: within a third
/// of its letters, at most three, or the beginning of the other. Case does not count.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .filter_map(|it| {
            let other = it.to_ascii_lowercase();
            let distance = distance(&word, &other);
            let begins = word.len().min(other.len()) >= SHORTEST_BEGINNING
                && (word.starts_with(&other) || other.starts_with(&word));
            (distance <= limit || begins).then_some((distance, it))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// How many letters must be changed, added, left out or swapped with their neighbour to make `b`
/// of `a` (the distance of Damerau and Levenshtein, no letter edited twice).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().max(b.len()) > LONGEST_WORD {
        return usize::MAX;
    }
    let mut costs = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            costs[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = costs[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let best = changed.min(costs[i - 1][j] + 1).min(costs[i][j - 1] + 1);
                if swapped { best.min(costs[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    costs[a.len()][b.len()]
}

/// Shorter beginnings say too little.
const SHORTEST_BEGINNING: usize = 3;
/// No word of ours is longer; keeps a line of a megabyte cheap.
const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let known = ["HOST", "PORT", "TLS_ENABLED", "USERNAME", "PASSWORD", "PASSWORD_FILE", "QOS"];
        assert_eq!(nearest(word, known.into_iter()), expected);
    }

    #[test]
    fn a_slip_of_the_finger_finds_the_word() {
        check("PROT", Some("PORT"));
        check("pasword", Some("PASSWORD"));
        check("PASSWROD", Some("PASSWORD"));
        check("TLS_ENABLE", Some("TLS_ENABLED"));
        check("USERNAMES", Some("USERNAME"));
    }

    #[test]
    fn the_beginning_of_a_word_finds_it() {
        check("USER", Some("USERNAME"));
        check("HOSTNAME", Some("HOST"));
        check("PASS", Some("PASSWORD"));
    }

    #[test]
    fn a_word_like_none_has_no_suggestion() {
        check("COLOUR", None);
        check("", None);
        check(&"P".repeat(1_000_000), None);
    }
}
