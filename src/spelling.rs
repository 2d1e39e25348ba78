//! What may have been meant by a name that does not exist.

/// Up to five of `names` that are like `name`: the nearest in spelling, and those that contain it.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<_> = names
        .into_iter()
        .map(|candidate| {
            let contained = candidate.contains(name) && !name.is_empty();
            let edits = if contained {
                1
            } else {
                strsim::levenshtein(name, candidate)
            };
            (edits, candidate)
        })
        .filter(|(edits, _)| *edits <= name.len().div_ceil(3))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(5).map(|(_, candidate)| candidate).collect()
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
