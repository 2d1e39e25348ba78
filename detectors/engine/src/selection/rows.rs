//! The rows of a batch that are still wanted.

/// Rows, and who still wants them: one bit for each requirement.
#[derive(Debug)]
pub(super) enum Rows {
    /// That many from the first on, all with this mask.
    All(usize, u64),
    /// These, in order; no mask is empty.
    Some(Vec<(u32, u64)>),
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(rows, _) => *rows,
            Self::Some(rows) => rows.len(),
        }
    }

    /// Whether no row is left.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::All(rows, mask) => *rows == 0 || *mask == 0,
            Self::Some(rows) => rows.is_empty(),
        }
    }

    /// Lets the requirements `tested` look at a row only if they are in its mask; all others stay.
    pub(super) fn thin(&mut self, tested: u64, mask_of: impl Fn(usize) -> u64) {
        let (untested, everything) = (!tested, self.mask());
        match self {
            Self::All(rows, all) if everything & tested != 0 => {
                let all = *all;
                let kept = (0..*rows).filter_map(|row| {
                    let mask = all & (mask_of(row) | untested);
                    (mask != 0).then_some((row as u32, mask))
                });
                *self = Self::Some(kept.collect());
            }
            Self::All(..) => {}
            Self::Some(rows) => rows.retain_mut(|(row, mask)| {
                if *mask & tested != 0 {
                    *mask &= mask_of(*row as usize) | untested;
                }
                *mask != 0
            }),
        }
    }

    /// Gives the rows `odd`, which are in order, the masks that `mask_of` says, whatever they have.
    pub(super) fn replace(&mut self, odd: &[u32], mask_of: impl Fn(usize) -> u64) {
        if odd.is_empty() {
            return;
        }
        let mut rows = std::mem::replace(self, Self::Some(Vec::new())).into_vec();
        rows.retain(|(row, _)| odd.binary_search(row).is_err());
        rows.extend(odd.iter().map(|row| (*row, mask_of(*row as usize))));
        rows.retain(|(_, mask)| *mask != 0);
        rows.sort_unstable_by_key(|(row, _)| *row);
        *self = Self::Some(rows);
    }

    pub(super) fn into_vec(self) -> Vec<(u32, u64)> {
        match self {
            Self::All(_, 0) => Vec::new(),
            Self::All(rows, mask) => (0..rows as u32).map(|row| (row, mask)).collect(),
            Self::Some(rows) => rows,
        }
    }

    fn mask(&self) -> u64 {
        match self {
            Self::All(_, mask) => *mask,
            Self::Some(_) => u64::MAX,
        }
    }
}
