//! A batch of events of one type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use prost::Message;

use super::{Contexts, Event, Extra};
use crate::columns::{self, FieldColumns, Layout, Physical, layout};

/// A record batch that cannot be read as events.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A column that every batch has is missing.
    #[error("events of type {event} have no column `{column}`")]
    MissingColumn {
        /// Event type.
        event: String,
        /// Column name.
        column: String,
    },
    /// A column has another type than the layout says.
    #[error("column `{column}` of event type {event} is {found}, not {expected}")]
    ColumnType {
        /// Event type.
        event: String,
        /// Column name.
        column: String,
        /// What the layout says.
        expected: DataType,
        /// What was found.
        found: DataType,
    },
    /// A row refers to a process context that is not there.
    #[error("event {seq} of type {event} refers to process context {ctx}, which is not in the process table")]
    Context {
        /// Event type.
        event: String,
        /// Sequence number of the event.
        seq: u64,
        /// The dangling reference.
        ctx: u32,
    },
    /// What a row keeps beside its columns cannot be read.
    #[error("`_extra` of row {row} of {event} is malformed: {source}")]
    Extra {
        /// Event type.
        event: String,
        /// Row of the batch.
        row: usize,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
    /// A value that must be there is null.
    #[error("column `{column}` of event type {event} has a null in row {row}")]
    Null {
        /// Event type.
        event: String,
        /// Column name.
        column: String,
        /// Row of the batch.
        row: usize,
    },
}

/// Where the columns of a field are in the record batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldIndex {
    pub(super) column: usize,
    /// Family and port of a socket address.
    pub(super) parts: Option<(usize, usize)>,
}

#[derive(Debug)]
pub(super) struct Indexes {
    pub(super) seq: usize,
    pub(super) timestamp: Option<usize>,
    pub(super) ctx: Option<usize>,
    pub(super) event_id: Option<usize>,
    pub(super) thread_syscall: Option<usize>,
    pub(super) user_stack: Option<usize>,
    pub(super) processor: Option<usize>,
    pub(super) name: Option<usize>,
    pub(super) extra: usize,
    /// In the order of the layout's fields; `None` for a column that was not read.
    pub(super) fields: Vec<Option<FieldIndex>>,
}

/// Events of one type, in Arrow columns, with the process contexts they refer to. Cheap to clone.
///
/// Columns that nobody asked for may be missing (all but `seq` and `_extra`); their fields read as absent, so a reader
/// that leaves columns out must know that nobody will ask for them.
#[derive(Clone, Debug)]
pub struct EventBatch {
    pub(super) layout: Arc<Layout>,
    pub(super) columns: RecordBatch,
    pub(super) contexts: Contexts,
    pub(super) indexes: Arc<Indexes>,
}

impl EventBatch {
    /// A batch of events of type `name` (a catalogue name or [`columns::OTHER`]).
    ///
    /// # Errors
    /// If a column is missing or of the wrong type, a row refers to a context that `contexts` does not hold, or its `_extra` is
    /// malformed.
    pub fn try_new(name: &str, columns: RecordBatch, contexts: Contexts) -> Result<Self, BatchError> {
        let batch = Self::of_columns(name, columns, contexts)?;
        batch.check()?;
        Ok(batch)
    }

    /// A batch whose rows need no check, since they have just been built.
    pub(super) fn of_columns(
        name: &str,
        columns: RecordBatch,
        contexts: Contexts,
    ) -> Result<Self, BatchError> {
        let layout = Arc::clone(layout(name));
        let schema = columns.schema();
        let find = |column: &str| -> Result<Option<usize>, BatchError> {
            let Some((index, found)) = schema.column_with_name(column) else {
                return Ok(None);
            };
            let Ok(expected) = layout.schema().field_with_name(column) else {
                return Ok(None);
            };
            if !same_type(expected.data_type(), found.data_type()) {
                return Err(BatchError::ColumnType {
                    event: name.to_owned(),
                    column: column.to_owned(),
                    expected: expected.data_type().clone(),
                    found: found.data_type().clone(),
                });
            }
            Ok(Some(index))
        };
        let required = |column: &str| {
            find(column)?.ok_or_else(|| BatchError::MissingColumn {
                event: name.to_owned(),
                column: column.to_owned(),
            })
        };
        let field = |field: &FieldColumns| -> Result<Option<FieldIndex>, BatchError> {
            let Some(column) = find(&field.column)? else {
                return Ok(None);
            };
            let parts = match field.physical {
                Physical::SockAddr => {
                    Some((required(&field.family_column())?, required(&field.port_column())?))
                }
                _ => None,
            };
            Ok(Some(FieldIndex { column, parts }))
        };
        let indexes = Indexes {
            seq: required(columns::SEQ)?,
            timestamp: find(columns::TIMESTAMP)?,
            ctx: find(columns::CTX)?,
            event_id: find(columns::EVENT_ID)?,
            thread_syscall: find(columns::THREAD_SYSCALL)?,
            user_stack: find(columns::USER_STACK)?,
            processor: find(columns::PROCESSOR)?,
            name: if layout.definition().is_none() {
                Some(required(columns::NAME)?)
            } else {
                None
            },
            extra: required(columns::EXTRA)?,
            fields: layout.fields().iter().map(field).collect::<Result<_, _>>()?,
        };
        let batch = Self {
            layout,
            columns,
            contexts,
            indexes: Arc::new(indexes),
        };
        Ok(batch)
    }

    /// Rows are untrusted: what the accessors rely on is checked once, here.
    fn check(&self) -> Result<(), BatchError> {
        let event = || self.layout.name().to_owned();
        for (column, index) in [
            (columns::SEQ, Some(self.indexes.seq)),
            (columns::NAME, self.indexes.name),
        ] {
            let Some(array) = index.map(|index| self.columns.column(index)) else {
                continue;
            };
            if let Some(row) = (0..array.len()).find(|row| array.is_null(*row)) {
                return Err(BatchError::Null {
                    event: event(),
                    column: column.to_owned(),
                    row,
                });
            }
        }
        let extra = self.columns.column(self.indexes.extra).as_binary::<i32>();
        for row in self.rows_with_extra() {
            Extra::decode(extra.value(row)).map_err(|source| BatchError::Extra {
                event: event(),
                row,
                source,
            })?;
        }
        let Some(ctx) = self
            .indexes
            .ctx
            .map(|index| self.columns.column(index).as_primitive::<UInt32Type>())
        else {
            return Ok(());
        };
        for (row, ctx) in ctx.iter().enumerate() {
            if let Some(ctx) = ctx.filter(|ctx| !self.contexts.contains(*ctx)) {
                return Err(BatchError::Context {
                    event: event(),
                    seq: self.seq(row),
                    ctx,
                });
            }
        }
        Ok(())
    }

    /// Name of the event type: a catalogue name or [`columns::OTHER`].
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.layout.name()
    }

    /// The layout of the event type.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The columns.
    #[must_use]
    pub fn record_batch(&self) -> &RecordBatch {
        &self.columns
    }

    /// The process contexts that the events refer to.
    #[must_use]
    pub fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.num_rows()
    }

    /// Whether there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sequence numbers, in row order.
    #[must_use]
    pub fn seqs(&self) -> &[u64] {
        self.columns
            .column(self.indexes.seq)
            .as_primitive::<UInt64Type>()
            .values()
    }

    /// Sequence number of the event in row `row`.
    #[must_use]
    pub fn seq(&self, row: usize) -> u64 {
        self.seqs()[row]
    }

    /// The column of the field called `field` (the first one, for a socket address); `None` if it was not read.
    #[must_use]
    pub fn field_column(&self, field: &str) -> Option<&ArrayRef> {
        let position = self
            .layout
            .fields()
            .iter()
            .position(|columns| columns.name == field)?;
        self.indexes.fields[position].map(|index| self.columns.column(index.column))
    }

    /// The common column called `name`; `None` if it was not read.
    #[must_use]
    pub fn common_column(&self, name: &str) -> Option<&ArrayRef> {
        self.columns.column_by_name(name)
    }

    /// The rows that keep something in [`columns::EXTRA`]: their data columns may not be the whole truth.
    pub fn rows_with_extra(&self) -> impl Iterator<Item = usize> + '_ {
        let extra = self.columns.column(self.indexes.extra);
        (0..if extra.null_count() == extra.len() {
            0
        } else {
            extra.len()
        })
            .filter(|row| extra.is_valid(*row))
    }

    /// The event in row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn event(&self, row: usize) -> Event<'_> {
        assert!(row < self.len(), "row {row} of a batch of {} events", self.len());
        Event::row(self, row)
    }

    /// The events in row order.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        (0..self.len()).map(|row| self.event(row))
    }

    /// `len` events from row `offset` on, without copying.
    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Self {
        Self {
            columns: self.columns.slice(offset, len),
            ..self.clone()
        }
    }

    pub(super) fn ctx(&self, row: usize) -> Option<u32> {
        let array = self
            .columns
            .column(self.indexes.ctx?)
            .as_primitive::<UInt32Type>();
        array.is_valid(row).then(|| array.value(row))
    }

    pub(super) fn timestamp(&self, row: usize) -> Option<i64> {
        let array = self
            .columns
            .column(self.indexes.timestamp?)
            .as_primitive::<TimestampNanosecondType>();
        array.is_valid(row).then(|| array.value(row))
    }

    pub(super) fn event_id(&self, row: usize) -> i32 {
        let Some(index) = self.indexes.event_id else {
            return 0;
        };
        self.columns.column(index).as_primitive::<Int32Type>().value(row)
    }

    pub(super) fn processor(&self, row: usize) -> Option<u32> {
        let array = self
            .columns
            .column(self.indexes.processor?)
            .as_primitive::<UInt32Type>();
        array.is_valid(row).then(|| array.value(row))
    }
}

/// Text may be plain or dictionary-encoded; all else is as the layout has it.
fn same_type(expected: &DataType, found: &DataType) -> bool {
    match (expected, found) {
        (DataType::Dictionary(..), DataType::Utf8) => true,
        (DataType::List(expected), DataType::List(found)) => {
            same_type(expected.data_type(), found.data_type())
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::BinaryArray;

    use super::*;
    use crate::event::{BatchBuilder, RecordedEvent};
    use crate::proto;

    #[test]
    fn malformed_extra_is_refused_not_ignored() {
        let event = proto::Event {
            name: "no_such_event".to_owned(),
            ..Default::default()
        };
        let mut builder = BatchBuilder::new(0);
        builder.push(0, &RecordedEvent::from(event));
        let built = builder.finish().batches.remove(0);
        let mut arrays = built.columns.columns().to_vec();
        arrays[built.indexes.extra] = Arc::new(BinaryArray::from_vec(vec![&[0xff, 0xff]]));
        let columns = RecordBatch::try_new(built.columns.schema(), arrays).expect("same types");
        let refused = EventBatch::try_new(built.event_type(), columns, Contexts::default());
        assert!(
            matches!(refused, Err(BatchError::Extra { row: 0, .. })),
            "{refused:?}"
        );
    }
}
