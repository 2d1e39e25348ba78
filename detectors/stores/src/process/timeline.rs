//! Values that change with events, many of them in one table.
//!
//! A timeline is a chain of entries from the latest back to the first. Every entry also has a jump back, of a length that makes
//! the search for a moment logarithmic however long the chain is (a skew-binary list: E. W. Myers, "An applicative
//! random-access stack", 1983). Untrusted events can make chains of any length.

use super::chunked::Chunked;

/// The latest entry of a timeline; or any other, as the latest one of what was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Head(u32);

impl Default for Head {
    /// A timeline without entries.
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Head {
    fn position(self) -> usize {
        self.0 as usize
    }
}

/// What was from an event on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<T> {
    /// The event.
    pub(super) seq: u64,
    pub(super) value: T,
    /// The entry before, if any.
    pub(super) earlier: Head,
    /// An entry further back; the first one's is itself.
    jump: Head,
    /// Number of entries before.
    depth: u32,
}

/// Timelines of values of one kind.
#[derive(Debug)]
pub(super) struct Timelines<T> {
    entries: Chunked<Entry<T>>,
}

impl<T> Default for Timelines<T> {
    fn default() -> Self {
        Self {
            entries: Chunked::default(),
        }
    }
}

impl<T: Copy> Timelines<T> {
    /// Number of entries of all timelines.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds what is from event `seq` on. Events come in order.
    ///
    /// # Panics
    /// Beyond 2³² − 1 entries, long after memory has run out.
    pub(super) fn push(&mut self, head: &mut Head, seq: u64, value: T) {
        let new = u32::try_from(self.entries.len()).expect("fewer than 2^32 entries");
        assert_ne!(new, u32::MAX, "fewer than 2^32 - 1 entries");
        let (jump, depth) = match self.get(*head) {
            None => (Head(new), 0),
            Some(before) => {
                let far = &self.entries[before.jump.position()];
                let farther = &self.entries[far.jump.position()];
                let even = before.depth - far.depth == far.depth - farther.depth;
                (if even { far.jump } else { *head }, before.depth + 1)
            }
        };
        self.entries.push(Entry {
            seq,
            value,
            earlier: *head,
            jump,
            depth,
        });
        *head = Head(new);
    }

    pub(super) fn get(&self, head: Head) -> Option<&Entry<T>> {
        self.entries.get(head.position())
    }

    /// The latest entry of which `holds` is true. It must be true of all entries before one of which it is.
    #[inline]
    pub(super) fn latest(&self, head: Head, holds: impl Fn(&Entry<T>) -> bool) -> Head {
        let mut at = head;
        while let Some(entry) = self.get(at)
            && !holds(entry)
        {
            let jump = entry.jump;
            let far = self.get(jump).is_some_and(|entry| !holds(entry));
            at = if far && jump != at { jump } else { entry.earlier };
        }
        at
    }

    /// What was as of event `seq`.
    pub(super) fn until(&self, head: Head, seq: u64) -> Head {
        self.latest(head, |entry| entry.seq <= seq)
    }

    /// The entries from the latest back to the first.
    pub(super) fn back(&self, head: Head) -> impl Iterator<Item = &Entry<T>> {
        std::iter::successors(self.get(head), |entry| self.get(entry.earlier))
    }

    /// A table of its own for some entries, with other values: each with its place here and the timeline that it belongs to.
    /// The timelines' heads are set. The order in which entries were made stays.
    pub(super) fn copy(&self, mut kept: Vec<(Head, usize, T)>, heads: &mut [Head]) -> Self {
        kept.sort_unstable_by_key(|(entry, ..)| *entry);
        let mut copy = Self::default();
        for (entry, owner, value) in kept {
            copy.push(&mut heads[owner], self.entries[entry.position()].seq, value);
        }
        copy
    }

    /// The entries that questions about event `seq` and later ones depend on, from the latest back.
    pub(super) fn needed(&self, head: Head, seq: u64) -> impl Iterator<Item = (Head, &Entry<T>)> {
        let mut next = head;
        std::iter::from_fn(move || {
            let (at, entry) = (next, self.get(next)?);
            next = if entry.seq <= seq {
                Head::default()
            } else {
                entry.earlier
            };
            Some((at, entry))
        })
    }

    /// All entries of a timeline, from the latest back.
    pub(super) fn all(&self, head: Head) -> impl Iterator<Item = (Head, &Entry<T>)> {
        let mut next = head;
        std::iter::from_fn(move || {
            let (at, entry) = (next, self.get(next)?);
            next = entry.earlier;
            Some((at, entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_of_a_long_timeline_is_found_in_few_steps() {
        const LENGTH: u64 = 3000;
        let mut timelines = Timelines::default();
        let (mut head, mut other) = (Head::default(), Head::default());
        for seq in 1..=LENGTH {
            timelines.push(&mut head, 2 * seq, seq);
            timelines.push(&mut other, 2 * seq, 0);
        }
        for seq in 0..=2 * LENGTH + 2 {
            let steps = std::cell::Cell::new(0);
            let found = timelines.latest(head, |entry| {
                steps.set(steps.get() + 1);
                entry.seq <= seq
            });
            let value = timelines.get(found).map(|entry| entry.value);
            assert_eq!(value, Some((seq / 2).min(LENGTH)).filter(|value| *value > 0));
            assert!(steps.get() < 100, "{} steps", steps.get());
        }
        assert_eq!(timelines.back(head).count(), 3000);
    }

    #[test]
    fn a_timeline_without_entries_has_nothing_at_any_time() {
        let timelines: Timelines<u8> = Timelines::default();
        assert_eq!(timelines.until(Head::default(), u64::MAX), Head::default());
    }
}
