//! What one mock store keeps.

use crate::stores::{Cause, DataStore, Entity, Health, Metrics, StoreError};

/// One mock store: what it keeps, and whether it is there and well.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    pub(super) name: String,
    pub(super) there: bool,
    /// Why it cannot answer.
    pub(super) broken: Option<String>,
    pub(super) items: Vec<T>,
}

impl<T> Shelf<T> {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            there: false,
            broken: None,
            items: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, item: T) {
        self.there = true;
        self.items.push(item);
    }

    pub(super) fn state(&mut self) -> (&mut bool, &mut Option<String>) {
        (&mut self.there, &mut self.broken)
    }

    pub(super) fn error(&self, operation: &'static str, cause: Cause) -> StoreError {
        StoreError {
            store: self.name.clone().into(),
            operation,
            cause,
        }
    }

    /// All there is, unless the store is broken.
    pub(super) fn items(&self, operation: &'static str) -> Result<&[T], StoreError> {
        match &self.broken {
            None => Ok(&self.items),
            Some(reason) => Err(self.error(operation, Cause::Unhealthy(reason.clone().into()))),
        }
    }

    /// The last item that is wanted: what is put in later counts.
    pub(super) fn find(
        &self,
        operation: &'static str,
        entity: impl FnOnce() -> Entity,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<&T, StoreError> {
        let found = self.items(operation)?.iter().rev().find(|item| wanted(item));
        found.ok_or_else(|| self.error(operation, Cause::NotFound(entity())))
    }
}

impl<T> DataStore for Shelf<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn health(&self) -> Health {
        match &self.broken {
            None => Health::healthy(0),
            Some(reason) => Health::unhealthy(0, reason.clone()),
        }
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            item_count: self.items.len() as u64,
        }
    }
}
