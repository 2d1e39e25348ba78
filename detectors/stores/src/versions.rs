//! Values that change in the course of a recording.

/// The values of one thing, each from a sequence number on.
#[derive(Clone, Debug)]
pub(crate) struct Versions<T>(Vec<(u64, T)>);

impl<T> Default for Versions<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Versions<T> {
    /// It is `value` as of event `seq`, which does not come before those of earlier calls. The last value for an event wins.
    pub(crate) fn set(&mut self, seq: u64, value: T) {
        match self.0.last_mut() {
            Some((last, old)) if *last == seq => *old = value,
            _ => self.0.push((seq, value)),
        }
    }

    /// The value as of event `seq`, which does not come before those of earlier calls: a new one unless there is one for this
    /// event.
    pub(crate) fn entry(&mut self, seq: u64) -> &mut T
    where
        T: Default,
    {
        if self.latest().is_none_or(|(last, _)| last != seq) {
            self.0.push((seq, T::default()));
        }
        &mut self.0.last_mut().expect("one has been pushed").1
    }

    /// What it was as of event `seq`; nothing before the first value.
    pub(crate) fn at(&self, seq: u64) -> Option<&T> {
        let after = self.0.partition_point(|(since, _)| *since <= seq);
        Some(&self.0[after.checked_sub(1)?].1)
    }

    /// What it is now, and since when.
    pub(crate) fn latest(&self) -> Option<(u64, &T)> {
        self.0.last().map(|(since, value)| (*since, value))
    }

    /// Number of values that are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is a value at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops the values that no question about event `seq` or a later one is answered with.
    pub(crate) fn compact(&mut self, seq: u64) {
        let after = self.0.partition_point(|(since, _)| *since <= seq);
        self.0.drain(..after.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_from_its_event_until_the_next() {
        let mut versions = Versions::default();
        assert!(versions.is_empty());
        assert_eq!(versions.at(9), None);
        versions.set(3, "wrong");
        versions.set(3, "a");
        versions.set(7, "b");
        let expect = [
            (2, None),
            (3, Some("a")),
            (6, Some("a")),
            (7, Some("b")),
            (u64::MAX, Some("b")),
        ];
        for (seq, value) in expect {
            assert_eq!(versions.at(seq).copied(), value, "{seq}");
        }
        assert_eq!(versions.latest(), Some((7, &"b")));
    }

    #[test]
    fn compaction_keeps_the_answers_from_its_event_on() {
        for cut in 0..12 {
            let mut versions = Versions::default();
            for seq in [3, 5, 9] {
                versions.set(seq, seq);
            }
            let whole = versions.clone();
            versions.compact(cut);
            for seq in cut..15 {
                assert_eq!(versions.at(seq), whole.at(seq), "{seq} after {cut}");
            }
            assert!(versions.0.len() <= whole.0.iter().filter(|(since, _)| *since > cut).count() + 1);
        }
    }
}
