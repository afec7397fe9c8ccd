//! What was meant by a misspelt name.

/// The one of the names `known` that `found` was probably meant to be, if any is near enough.
pub(super) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, name) = known.iter().map(|name| (distance(name, found), *name)).min()?;
    (distance <= name.len() / 3).then_some(name)
}

/// How many bytes are to be added, left out or changed to make one of the two texts the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_what_takes_the_fewest_changes() {
        for (a, b, expected) in
            [("", "abc", 3), ("abc", "abc", 0), ("abc", "axc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected);
        }
    }

    #[test]
    fn what_is_far_from_all_is_none_of_them() {
        for (found, expected) in [("humidty", Some("humidity")), ("humid", None), ("", None)] {
            assert_eq!(nearest(found, &["temperature", "humidity"]), expected);
        }
    }
}
