//! What processes were before: a log of superseded versions.
//!
//! The latest version of a process lies in its row. When an event changes it, the one before is put at the end of the log. As
//! the log is in the order in which versions were superseded, what no later question depends on is its beginning, and
//! dropping that costs next to nothing.
//!
//! The earlier versions of a process are a chain, from the latest back. Every entry also has a jump back, of a length that makes
//! the search for a moment logarithmic however long the chain is (a skew-binary list: E. W. Myers, "An applicative
//! random-access stack", 1983). Untrusted events can make chains of any length.

use std::collections::VecDeque;

use super::facts::{Facts, Wide};

/// What is known about a process from an event on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// The event.
    pub(super) seq: Wide,
    /// Event time. It does not go back within a process.
    pub(super) time_ns: Wide,
    pub(super) facts: Facts,
}

/// A superseded version; none, for a process that has been the same since it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Earlier(u32);

impl Default for Earlier {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    version: Version,
    /// The event that superseded it.
    until: Wide,
    earlier: Earlier,
    /// An entry further back; the first one's is itself.
    jump: Earlier,
    /// Number of entries before.
    depth: u32,
}

/// The log.
#[derive(Debug, Default)]
pub(super) struct Past {
    entries: VecDeque<Entry>,
    /// Number of entries that have been dropped.
    dropped: u32,
}

impl Past {
    /// Number of versions that are kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// `version` is superseded by event `until`. Events come in order.
    ///
    /// # Panics
    /// Beyond 2³¹ entries that are kept, long after memory has run out.
    pub(super) fn push(&mut self, head: &mut Earlier, version: Version, until: u64) {
        let kept = u32::try_from(self.entries.len()).ok();
        let new = kept.and_then(|kept| self.dropped.checked_add(kept));
        let new = Earlier(
            new.filter(|new| *new != u32::MAX)
                .expect("fewer than 2^31 entries"),
        );
        let (jump, depth) = match self.entry(*head) {
            None => (new, 0),
            Some(before) => {
                let even = self.entry(before.jump).and_then(|far| {
                    let farther = self.entry(far.jump)?;
                    (before.depth - far.depth == far.depth - farther.depth).then_some(far.jump)
                });
                (even.unwrap_or(*head), before.depth + 1)
            }
        };
        self.entries.push_back(Entry {
            version,
            until: until.into(),
            earlier: *head,
            jump,
            depth,
        });
        *head = new;
    }

    /// The latest version of a chain of which `holds` is true. It must be true of all versions before one of which it is.
    pub(super) fn latest(&self, head: Earlier, holds: impl Fn(&Version) -> bool) -> Option<&Version> {
        let mut at = head;
        while let Some(entry) = self.entry(at) {
            if holds(&entry.version) {
                return Some(&entry.version);
            }
            let far = self.entry(entry.jump).is_some_and(|far| !holds(&far.version));
            at = if far && entry.jump != at {
                entry.jump
            } else {
                entry.earlier
            };
        }
        None
    }

    /// The first version of a chain that is kept.
    pub(super) fn first(&self, head: Earlier) -> Option<&Version> {
        let mut at = head;
        let mut first = self.entry(at)?;
        while let next = if self.entry(first.jump).is_some() && first.jump != at {
            first.jump
        } else {
            first.earlier
        } && let Some(entry) = self.entry(next)
        {
            (at, first) = (next, entry);
        }
        Some(&first.version)
    }

    /// The versions of a chain, from the latest back.
    pub(super) fn back(&self, head: Earlier) -> impl Iterator<Item = &Version> {
        let entries = std::iter::successors(self.entry(head), |entry| self.entry(entry.earlier));
        entries.map(|entry| &entry.version)
    }

    /// All versions.
    pub(super) fn versions_mut(&mut self) -> impl Iterator<Item = &mut Version> {
        self.entries.iter_mut().map(|entry| &mut entry.version)
    }

    /// Drops what was superseded by event `seq` or before.
    pub(super) fn compact(&mut self, seq: u64) {
        let before = self.entries.len();
        let dropped = self.entries.partition_point(|entry| entry.until.get() <= seq);
        self.entries.drain(..dropped);
        // They are fewer than there can be numbers.
        self.dropped += dropped as u32;
        // The next stretch of events will need as much room as this one.
        if self.entries.capacity() / 4 > before.max(MIN_ROOM) {
            self.entries.shrink_to(before * 2);
        }
    }

    /// Whether it is time to [`renumber`](Self::renumber).
    pub(super) fn is_worn(&self) -> bool {
        self.dropped > u32::MAX / 2
    }

    /// Counts entries from 0 again: in here, and in `heads`, which are all heads of chains.
    pub(super) fn renumber<'a>(&mut self, heads: impl Iterator<Item = &'a mut Earlier>) {
        let dropped = std::mem::take(&mut self.dropped);
        let renumbered = |at: &mut Earlier| {
            *at = match *at {
                none if none == Earlier::default() => none,
                Earlier(number) => number.checked_sub(dropped).map(Earlier).unwrap_or_default(),
            }
        };
        for entry in &mut self.entries {
            renumbered(&mut entry.earlier);
            renumbered(&mut entry.jump);
        }
        heads.for_each(renumbered);
    }

    fn entry(&self, at: Earlier) -> Option<&Entry> {
        // No entry has the number of none.
        self.entries.get(at.0.checked_sub(self.dropped)? as usize)
    }
}

/// Entries for which room is kept, however few are there.
const MIN_ROOM: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn version(seq: u64) -> Version {
        Version {
            seq: seq.into(),
            time_ns: Wide::default(),
            facts: Facts::default(),
        }
    }

    /// Two processes that change in turn, at even events.
    fn long(length: u64) -> (Past, [Earlier; 2]) {
        let mut past = Past::default();
        let mut heads = [Earlier::default(); 2];
        for seq in 1..=length {
            for head in &mut heads {
                past.push(head, version(2 * seq), 2 * seq + 2);
            }
        }
        (past, heads)
    }

    fn as_of(past: &Past, head: Earlier, seq: u64) -> (Option<u64>, usize) {
        let steps = std::cell::Cell::new(0);
        let found = past.latest(head, |version| {
            steps.set(steps.get() + 1);
            version.seq.get() <= seq
        });
        (found.map(|version| version.seq.get()), steps.get())
    }

    #[test]
    fn every_moment_of_a_long_chain_is_found_in_few_steps() {
        const LENGTH: u64 = 3000;
        let (past, heads) = long(LENGTH);
        for seq in 0..=2 * LENGTH + 2 {
            for head in heads {
                let (found, steps) = as_of(&past, head, seq);
                assert_eq!(found, Some((seq / 2).min(LENGTH) * 2).filter(|seq| *seq > 0));
                assert!(steps < 100, "{steps} steps");
            }
        }
        assert_eq!(past.first(heads[0]).map(|version| version.seq.get()), Some(2));
        assert_eq!(past.back(heads[1]).count(), 3000);
    }

    #[test]
    fn dropping_the_beginning_changes_no_later_answer() {
        for renumber in [false, true] {
            let (mut past, mut heads) = long(500);
            for floor in (0..1010).step_by(37) {
                past.compact(floor);
                if renumber {
                    past.renumber(heads.iter_mut());
                }
                for seq in floor..1002 {
                    let (found, steps) = as_of(&past, heads[0], seq);
                    assert_eq!(
                        found,
                        Some((seq / 2).min(500) * 2).filter(|seq| *seq > 0),
                        "as of {seq}"
                    );
                    assert!(steps < 100, "{steps} steps");
                }
                let first = past.first(heads[0]).map(|version| version.seq.get());
                assert_eq!(first, Some((floor / 2 * 2).max(2)).filter(|seq| *seq <= 1000));
            }
        }
    }

    #[test]
    fn a_chain_that_was_dropped_begins_anew() {
        let (mut past, mut heads) = long(10);
        past.compact(22);
        assert_eq!((past.len(), past.first(heads[0]).is_none()), (0, true));
        past.push(&mut heads[0], version(22), 30);
        assert_eq!(as_of(&past, heads[0], 29).0, Some(22));
        assert_eq!(as_of(&past, heads[0], 21).0, None);
    }
}
