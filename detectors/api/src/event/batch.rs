//! A batch of events of one type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, UInt32Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Field, UInt64Type};
use prost::Message;

use super::late::{Late, take_column};
use super::{ColumnSource, Contexts, Event, Extra, Rows};
use crate::columns::{Layout, Physical, layout};

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

/// Positions of the common columns in every layout. Its tests hold them.
pub(super) mod slot {
    pub(crate) const SEQ: usize = 0;
    pub(crate) const TIMESTAMP: usize = 1;
    pub(crate) const CTX: usize = 2;
    pub(crate) const EVENT_ID: usize = 3;
    pub(crate) const THREAD_SYSCALL: usize = 4;
    pub(crate) const USER_STACK: usize = 5;
    pub(crate) const PROCESSOR: usize = 6;
    /// Only in the layout of [`OTHER`](crate::columns::OTHER).
    pub(crate) const NAME: usize = 7;
}

/// Events of one type, in Arrow columns, with the process contexts they refer to. Cheap to clone.
///
/// Columns that nobody asked for may be missing (all but `seq` and `_extra`); their fields read as absent, so a reader
/// that leaves columns out must know that nobody will ask for them. Or they come [later](Self::with_late_columns): then they
/// are decoded when first asked for.
#[derive(Clone, Debug)]
pub struct EventBatch {
    pub(super) layout: Arc<Layout>,
    pub(super) columns: RecordBatch,
    /// The values of `seq`, which every event is asked for.
    seqs: ScalarBuffer<u64>,
    contexts: Contexts,
    /// Where the columns of the layout are in the record batch; `None` for one that was not read at once.
    places: Arc<[Option<usize>]>,
    late: Option<Late>,
}

impl EventBatch {
    /// A batch of events of type `name` (a catalogue name or [`OTHER`](crate::columns::OTHER)).
    ///
    /// # Errors
    /// If a column is missing or of the wrong type, a row refers to a context that `contexts` does not hold, or its `_extra` is
    /// malformed.
    pub fn try_new(name: &str, columns: RecordBatch, contexts: Contexts) -> Result<Self, BatchError> {
        let batch = Self::of_columns(name, columns, contexts)?;
        batch.check()?;
        Ok(batch)
    }

    /// The same events; columns that they lack come from `source`, whose `rows` they are, when first asked for. So do their
    /// process contexts, if the column that refers to them does.
    ///
    /// # Panics
    /// If there are more or fewer `rows` than events.
    #[must_use]
    pub fn with_late_columns(self, source: Arc<dyn ColumnSource>, rows: Rows) -> Self {
        assert_eq!(rows.len(), self.len(), "a row of the source for every event");
        let late = Some(Late::new(&self.layout, source, rows));
        Self { late, ..self }
    }

    /// A batch whose rows need no check, since they have just been built.
    pub(super) fn of_columns(
        name: &str,
        columns: RecordBatch,
        contexts: Contexts,
    ) -> Result<Self, BatchError> {
        let layout = Arc::clone(layout(name));
        let schema = columns.schema_ref();
        let find = |expected: &Arc<Field>| -> Result<Option<usize>, BatchError> {
            let Some((index, found)) = schema.column_with_name(expected.name()) else {
                return Ok(None);
            };
            if !same_type(expected.data_type(), found.data_type()) {
                return Err(BatchError::ColumnType {
                    event: name.to_owned(),
                    column: expected.name().clone(),
                    expected: expected.data_type().clone(),
                    found: found.data_type().clone(),
                });
            }
            Ok(Some(index))
        };
        let places: Arc<[_]> = layout
            .schema()
            .fields()
            .iter()
            .map(find)
            .collect::<Result<_, _>>()?;
        let mut required = vec![slot::SEQ, places.len() - 1];
        if layout.definition().is_none() {
            required.push(slot::NAME);
        }
        for (field, slot) in layout.fields().iter().zip(layout.slots()) {
            // An address is nothing without its family and port.
            if field.physical == Physical::SockAddr && places[*slot].is_some() {
                required.extend([slot + 1, slot + 2]);
            }
        }
        if let Some(missing) = required.into_iter().find(|slot| places[*slot].is_none()) {
            return Err(BatchError::MissingColumn {
                event: name.to_owned(),
                column: layout.schema().field(missing).name().clone(),
            });
        }
        Ok(Self {
            layout,
            seqs: seqs(&columns, &places),
            columns,
            contexts,
            places,
            late: None,
        })
    }

    /// Rows are untrusted: what the accessors rely on is checked once, here.
    fn check(&self) -> Result<(), BatchError> {
        let event = || self.layout.name().to_owned();
        let name = self.layout.definition().is_none().then_some(slot::NAME);
        for slot in [Some(slot::SEQ), name].into_iter().flatten() {
            let Some(nulls) = self.read_column(slot).and_then(|column| column.nulls()) else {
                continue;
            };
            if let Some(row) = (0..nulls.len()).find(|row| nulls.is_null(*row)) {
                return Err(BatchError::Null {
                    event: event(),
                    column: self.layout.schema().field(slot).name().clone(),
                    row,
                });
            }
        }
        let extra = self.extra_column();
        for row in self.rows_with_extra() {
            Extra::decode(extra.value(row)).map_err(|source| BatchError::Extra {
                event: event(),
                row,
                source,
            })?;
        }
        let ctx = self.read_column(slot::CTX);
        match ctx.and_then(|ctx| dangling(ctx.as_primitive(), &self.contexts)) {
            Some((row, ctx)) => Err(BatchError::Context {
                event: event(),
                seq: self.seq(row),
                ctx,
            }),
            None => Ok(()),
        }
    }

    /// The column of the layout at `slot`, if it was read at once.
    fn read_column(&self, slot: usize) -> Option<&ArrayRef> {
        self.places[slot].map(|place| self.columns.column(place))
    }

    /// The column of the layout at `slot`, `None` if there is none; or why it cannot be decoded.
    pub(super) fn column(&self, slot: usize) -> Result<Option<&ArrayRef>, &str> {
        match (self.places[slot], &self.late) {
            (Some(place), _) => Ok(Some(self.columns.column(place))),
            (None, Some(late)) => late.column(&self.layout, slot),
            (None, None) => Ok(None),
        }
    }

    pub(super) fn extra_column(&self) -> &BinaryArray {
        let place = self.places.last().copied().flatten();
        self.columns
            .column(place.expect("a batch without `_extra` is refused"))
            .as_binary()
    }

    /// Name of the event type: a catalogue name or [`OTHER`](crate::columns::OTHER).
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.layout.name()
    }

    /// The layout of the event type.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The columns that were read at once.
    #[must_use]
    pub fn record_batch(&self) -> &RecordBatch {
        &self.columns
    }

    /// The process contexts that the events refer to.
    #[must_use]
    pub fn contexts(&self) -> &Contexts {
        match &self.late {
            Some(late) if self.places[slot::CTX].is_none() => late.contexts(),
            _ => &self.contexts,
        }
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
        &self.seqs
    }

    /// Sequence number of the event in row `row`.
    #[must_use]
    pub fn seq(&self, row: usize) -> u64 {
        self.seqs[row]
    }

    /// The column of the field called `field` (the first one, for a socket address); `None` if it was not read, or cannot be
    /// decoded.
    #[must_use]
    pub fn field_column(&self, field: &str) -> Option<&ArrayRef> {
        let position = self
            .layout
            .fields()
            .iter()
            .position(|columns| columns.name == field)?;
        self.column(self.layout.slots()[position]).ok().flatten()
    }

    /// The common column called `name`; `None` if it was not read, or cannot be decoded.
    #[must_use]
    pub fn common_column(&self, name: &str) -> Option<&ArrayRef> {
        let (slot, _) = self.layout.schema().column_with_name(name)?;
        self.column(slot).ok().flatten()
    }

    /// Why columns could not be decoded when they were asked for: a text for each, in the order of the layout.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.late.iter().flat_map(Late::faults)
    }

    /// Places in the layout of columns that were not read at once, and that somebody asked for since.
    #[must_use]
    pub fn late_columns_asked_for(&self) -> Vec<usize> {
        self.late
            .as_ref()
            .map_or_else(Vec::new, |late| late.asked().collect())
    }

    /// Decodes columns, by their places in the layout, in case somebody will ask for them: whoever asks while another decodes has to
    /// wait. What is wrong with them does not matter unless somebody asks.
    pub fn read_ahead(&self, columns: &[usize]) {
        if let Some(late) = &self.late {
            let late_columns = columns
                .iter()
                .filter(|slot| self.places.get(**slot) == Some(&None));
            late.read_ahead(&self.layout, late_columns.copied());
        }
    }

    /// Why the column at `slot` could not be decoded.
    pub(super) fn fault_at(&self, slot: usize) -> Option<&str> {
        self.late.as_ref()?.fault(slot)
    }

    /// The rows that keep something in [`EXTRA`](crate::columns::EXTRA): their data columns may not be the whole truth.
    pub fn rows_with_extra(&self) -> impl Iterator<Item = usize> + '_ {
        let extra = self.extra_column();
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
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Self {
        Self {
            columns: self.columns.slice(offset, len),
            seqs: self.seqs.slice(offset, len),
            late: self.late.as_ref().map(|late| late.slice(offset, len)),
            ..self.clone()
        }
    }

    /// The events in `rows`, whose numbers must increase. Columns that are still to be decoded will be so for these only.
    ///
    /// # Panics
    /// If there is no such row, or the numbers do not increase.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        assert!(rows.is_sorted_by(|row, next| row < next), "rows increase");
        assert!(
            rows.last().is_none_or(|row| (*row as usize) < self.len()),
            "rows of a batch of {} events",
            self.len()
        );
        let rows = UInt32Array::from(rows.to_vec());
        let columns = self
            .columns
            .columns()
            .iter()
            .map(|column| take_column(column, &rows));
        let columns = RecordBatch::try_new(self.columns.schema(), columns.collect())
            .expect("types stay, and the columns are equally long");
        Self {
            seqs: seqs(&columns, &self.places),
            columns,
            late: self.late.as_ref().map(|late| late.take(&rows)),
            ..self.clone()
        }
    }
}

/// The values of `seq`, without copying.
fn seqs(columns: &RecordBatch, places: &[Option<usize>]) -> ScalarBuffer<u64> {
    let place = places[slot::SEQ].expect("a batch without `seq` is refused");
    columns
        .column(place)
        .as_primitive::<UInt64Type>()
        .values()
        .clone()
}

/// The first row of `ctx` that refers to a context that is not there, and the reference.
pub(super) fn dangling(ctx: &UInt32Array, contexts: &Contexts) -> Option<(usize, u32)> {
    let bounds = [min(ctx), max(ctx)];
    // There are no gaps between contexts.
    if bounds.into_iter().flatten().all(|ctx| contexts.contains(ctx)) {
        return None;
    }
    let references = ctx.iter().enumerate();
    let mut present = references.filter_map(|(row, ctx)| Some((row, ctx?)));
    present.find(|(_, ctx)| !contexts.contains(*ctx))
}

/// Text may be plain or dictionary-encoded; all else is as the layout has it.
pub(super) fn same_type(expected: &DataType, found: &DataType) -> bool {
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
        *arrays.last_mut().expect("`_extra` is the last column") =
            Arc::new(BinaryArray::from_vec(vec![&[0xff, 0xff]]));
        let columns = RecordBatch::try_new(built.columns.schema(), arrays).expect("same types");
        let refused = EventBatch::try_new(built.event_type(), columns, Contexts::default());
        assert!(
            matches!(refused, Err(BatchError::Extra { row: 0, .. })),
            "{refused:?}"
        );
    }
}
