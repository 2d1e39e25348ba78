//! What a misspelt name was probably meant to be, for hints.

/// The candidate that `name` was probably meant to be: the nearest one, if at most a third of it is wrong. Between equals the
/// one that comes first in the alphabet.
///
/// ```
/// use detectors_api::spelling::similar;
///
/// assert_eq!(similar("pathnam", ["flags", "pathname"]), Some("pathname"));
/// assert_eq!(similar("something", ["flags", "pathname"]), None);
/// ```
#[must_use]
pub fn similar<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let tolerated = candidate.len().max(3) / 3;
            // Names that differ more in length differ more, however long they are.
            if name.len().abs_diff(candidate.len()) > tolerated {
                return None;
            }
            let distance = distance(name, candidate);
            (distance <= tolerated).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognised() {
        let names = ["pathname", "flags", "inode"];
        assert_eq!(similar("pathnam", names), Some("pathname"));
        assert_eq!(similar("flag", names), Some("flags"));
        assert_eq!(similar("something", names), None);
        assert_eq!(similar(&"pathname".repeat(1 << 20), names), None);
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
