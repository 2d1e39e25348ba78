//! What may have been meant by a name that does not exist.

/// Up to five of `names` that are like `name`: the nearest in spelling, and those that contain it.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<_> = names
        .into_iter()
        .map(|candidate| {
            let contained = candidate.contains(name) && !name.is_empty();
            let edits = if contained { 1 } else { edits(name, candidate) };
            (edits, candidate)
        })
        .filter(|(edits, _)| *edits <= name.len().div_ceil(3))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(5).map(|(_, candidate)| candidate).collect()
}

/// How many bytes must be put in, taken out or replaced to make one text of the other (the Levenshtein distance).
fn edits(from: &str, to: &str) -> usize {
    let mut costs: Vec<usize> = (0..=to.len()).collect();
    for (row, have) in from.bytes().enumerate() {
        let mut diagonal = row;
        costs[0] = row + 1;
        for (column, want) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(have != want);
            diagonal = costs[column + 1];
            costs[column + 1] = replaced.min(diagonal + 1).min(costs[column] + 1);
        }
    }
    costs[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first() {
        let names = ["ld_preload", "proc_mem_read", "proc_mem_write", "TRC-105"];
        assert_eq!(nearest("ld_prelod", names), ["ld_preload"]);
        assert_eq!(nearest("proc_mem", names), ["proc_mem_read", "proc_mem_write"]);
        assert_eq!(nearest("TRC-106", names), ["TRC-105"]);
        assert!(nearest("xyz", names).is_empty());
    }
}
