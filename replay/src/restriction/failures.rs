//! Counting what had no value, from any number of threads, with the same result.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use detectors_api::event::Event;

/// How many events a condition had no value for, and the first of them.
#[derive(Debug)]
pub(super) struct Failures {
    count: AtomicU64,
    /// Sequence number of the first one so far.
    seq: AtomicU64,
    first: Mutex<Option<First>>,
}

/// The first event without a value, by sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) seq: u64,
    pub(super) event: String,
    pub(super) reason: String,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            seq: AtomicU64::new(u64::MAX),
            first: Mutex::new(None),
        }
    }
}

impl Failures {
    /// Counts that there is no value for `event`.
    pub(super) fn count(&self, event: &Event<'_>, reason: &impl ToString) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let seq = event.seq();
        // Threads come in any order: the lowest number decides. The text is only made for what may become the first.
        if self.seq.fetch_min(seq, Ordering::Relaxed) < seq {
            return;
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|first| seq < first.seq) {
            *first = Some(First {
                seq,
                event: event.name().to_owned(),
                reason: reason.to_string(),
            });
        }
    }

    /// How many there were, and the first one; `None` without any.
    pub(super) fn get(&self) -> Option<(u64, First)> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        Some((self.count.load(Ordering::Relaxed), first.clone()?))
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::testkit::{TestEvent, batches};

    use super::*;

    #[test]
    fn the_first_event_is_that_with_the_lowest_number() {
        let batches = batches(&[
            TestEvent::new("openat"),
            TestEvent::new("openat"),
            TestEvent::new("openat"),
        ]);
        let events: Vec<_> = batches.iter().flat_map(|batch| batch.events()).collect();
        let failures = Failures::default();
        assert_eq!(failures.get(), None);
        for index in [1, 0, 2] {
            failures.count(&events[index], &index);
        }
        let (count, first) = failures.get().expect("there were some");
        assert_eq!(
            (count, first.seq, first.reason.as_str()),
            (3, events[0].seq(), "0")
        );
    }
}
