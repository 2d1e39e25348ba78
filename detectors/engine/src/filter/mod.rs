//! Filters: which events a detector gets.
//!
//! A filter is a field, an operator and a value, such as `pathname=/etc/*`, `flags>=0x80000` or `container=started`.
//! `data` filters test the event's own fields, `scope` filters test who did it and where.
//!
//! * Operators: `=` `!=` `<` `>` `<=` `>=`. The leftmost one counts; nothing is trimmed.
//! * `=` and `!=` take several values, separated by commas.
//! * Text: `*` stands for any text, `?` for one character; `\` takes the next character as it is.
//! * Numbers: decimal, `0x…` or `0o…`, with a sign if need be.
//! * Bytes: hexadecimal, two digits a byte, with `*` for any bytes and `?` for one digit (`bytes=7f454c46*`).
//! * System calls: `syscall=ptrace` where the field is a number, and a number where it is a name; see [`Meaning::Syscall`].
//! * Filters on one field: one of the values of all `=` must match, and every `!=` and every range must hold.
//! * Filters on different fields must all hold.
//! * A field that is missing, or is of another kind than declared, matches nothing, not even `!=`.
//!
//! [`Filter::matches`] says whether one event passes. Whole batches are filtered column by column, for all detectors at
//! once, by a [`Selector`](crate::Selector), which says the same; where the columns of a row are not the whole truth,
//! it asks here.

mod data;
mod glob;
mod rejection;
mod scope;
mod syntax;
mod syscalls;
mod test;

pub(crate) use data::FieldFilter;
pub use data::{FieldInfo, Meaning};
pub(crate) use glob::{Anchor, Glob};
pub use rejection::Rejection;
pub(crate) use rejection::shown;
pub use scope::scopes;
pub(crate) use scope::{Reads, ScopeTest, ScopeTested};
pub use syntax::FilterError;
pub(crate) use test::{Conditions, Test};

use detectors_api::event::{Event, EventBatch};

use crate::selection;
use data::DataFilter;
use scope::ScopeFilter;

/// All filters of one event requirement.
#[derive(Clone, Debug)]
pub struct Filter {
    data: DataFilter,
    scope: ScopeFilter,
}

impl Filter {
    /// Compiles the filters of a requirement on an event with these fields.
    ///
    /// # Errors
    /// Every filter that is wrong.
    pub fn new(
        fields: &[FieldInfo<'_>],
        data: &[String],
        scope: &[String],
    ) -> Result<Self, Vec<FilterError>> {
        match (DataFilter::new(fields, data), ScopeFilter::new(scope)) {
            (Ok(data), Ok(scope)) => Ok(Self { data, scope }),
            (data, scope) => Err([data.err(), scope.err()]
                .into_iter()
                .flatten()
                .flatten()
                .collect()),
        }
    }

    /// Whether `event` passes.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.scope.matches(event) && self.data.matches(event)
    }

    /// What keeps `event` from passing: nothing, if it passes.
    #[must_use]
    pub fn rejections(&self, event: &Event<'_>) -> Vec<Rejection> {
        self.scope
            .rejections(event)
            .chain(self.data.rejections(event))
            .collect()
    }

    /// The rows of `batch` that pass, in order.
    #[must_use]
    pub fn select(&self, batch: &EventBatch) -> Vec<usize> {
        selection::rows(self, batch)
    }

    /// The tests of the event's own fields.
    pub(crate) fn fields(&self) -> &[FieldFilter] {
        &self.data.fields
    }

    /// The tests of who did it, and where.
    pub(crate) fn scopes(&self) -> &[ScopeTest] {
        &self.scope.tests
    }
}
