//! What a detector can ask and say while it looks at an event.

use std::cell::{Cell, RefCell};
use std::fmt;

use crate::stores::{ContainerStore, DnsStore, ProcessStore, Stores};

/// What a detector can ask, and say, while it looks at an event.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    stores: &'a dyn Stores,
    notes: Option<&'a Notes>,
}

impl<'a> Context<'a> {
    /// A context whose stores are `stores`. Warnings go to the log.
    #[must_use]
    pub const fn new(stores: &'a dyn Stores) -> Self {
        Self { stores, notes: None }
    }

    /// The same, but that warnings go to `notes`.
    #[must_use]
    pub const fn noting(self, notes: &'a Notes) -> Self {
        Self {
            notes: Some(notes),
            ..self
        }
    }

    /// The stores as of the event.
    #[must_use]
    pub const fn stores(&self) -> &'a dyn Stores {
        self.stores
    }

    /// The process store as of the event.
    #[must_use]
    pub fn processes(&self) -> &'a dyn ProcessStore {
        self.stores.processes()
    }

    /// The container store as of the event.
    #[must_use]
    pub fn containers(&self) -> &'a dyn ContainerStore {
        self.stores.containers()
    }

    /// The DNS store as of the event.
    #[must_use]
    pub fn dns(&self) -> &'a dyn DnsStore {
        self.stores.dns()
    }

    /// Says that something about the event is not as it should be, though it does not keep the detector from going on.
    ///
    /// Every warning is counted, and the first ones of a detector are kept with their events: `--stats` shows them, and the
    /// record of the run has them.
    pub fn warn(&self, text: impl fmt::Display) {
        match self.notes {
            Some(notes) => notes.take(&text),
            None => tracing::warn!("{text}"),
        }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// The warnings of one call.
#[derive(Debug, Default)]
pub struct Notes {
    count: Cell<u64>,
    kept: RefCell<Vec<String>>,
}

impl Notes {
    /// How many texts are kept. All are counted.
    pub const KEPT: usize = 8;

    fn take(&self, text: &dyn fmt::Display) {
        self.count.set(self.count.get() + 1);
        let mut kept = self.kept.borrow_mut();
        if kept.len() < Self::KEPT {
            kept.push(text.to_string());
        }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// The first of them, in order.
    #[must_use]
    pub fn into_kept(self) -> Vec<String> {
        self.kept.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::NullStores;

    #[test]
    fn every_warning_counts_and_the_first_are_kept() {
        let notes = Notes::default();
        let cx = Context::new(&NullStores).noting(&notes);
        for number in 0..10 {
            cx.warn(format_args!("number {number}"));
        }
        assert_eq!(notes.count(), 10);
        let kept = notes.into_kept();
        assert_eq!(kept.len(), Notes::KEPT);
        assert_eq!(kept[0], "number 0");
    }
}
