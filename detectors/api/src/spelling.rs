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
            let distance = strsim::levenshtein(name, candidate);
            (distance <= tolerated).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
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
}
