//! What a capture keeps for stores: inputs and keyframes.
//!
//! *Inputs* are what events alone do not carry: snapshots at the start, and what was found out later. *Keyframes* are what all
//! events before a sequence number made of the stores; they could be made again, and let a replay start in the middle.
//! Both have the column [`BEFORE_SEQ`].

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use arrow::error::ArrowError;
use detectors_api::event::EventBatch;
use detectors_stores::{FoldError, Input, Settings, Stores};

use crate::{Beginning, Error, SeqRange, Table};

/// Column of inputs and keyframes: an input takes effect before the event with this sequence number; a keyframe stands for
/// all events before it.
pub const BEFORE_SEQ: &str = "before_seq";

/// What [`BEFORE_SEQ`] was called in format 1.0.
const SNAPSHOT_SEQ: &str = "snapshot_seq";

/// The stores of a capture that is being written: they know what has been flushed.
#[derive(Debug)]
pub(crate) struct Keeper {
    stores: Stores,
    /// Events that the stores had seen at the last keyframe.
    keyframed: u64,
    due: bool,
}

impl Keeper {
    pub(crate) fn new(settings: Vec<Settings>) -> Self {
        Self {
            stores: Stores::of_machines(settings),
            keyframed: 0,
            due: false,
        }
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// Takes an input; gives its rows for the capture.
    pub(crate) fn input(&mut self, input: Input) -> Result<(Table, RecordBatch), FoldOrArrow> {
        let rows = stamp(&input.rows, input.seq)?;
        let table = Table::Store(input.store.clone());
        self.stores.add_input(input)?;
        Ok((table, rows))
    }

    /// Begins with what was before the first event; gives its rows for the capture.
    pub(crate) fn begin(&mut self, beginning: Beginning) -> Result<Vec<(Table, RecordBatch)>, FoldOrArrow> {
        let Beginning { seq, frames, inputs } = beginning;
        let mut rows = Vec::new();
        for input in &inputs {
            rows.push((Table::Store(input.store.clone()), stamp(&input.rows, input.seq)?));
        }
        for (name, frame) in &frames {
            rows.push((Table::Keyframe(name.clone()), stamp(frame, seq)?));
        }
        self.stores.restore(seq, &frames, inputs)?;
        Ok(rows)
    }

    /// Applies the events of a flush. Gives the rows of a keyframe that stands for what came before, if one is due.
    pub(crate) fn advance(
        &mut self,
        batches: &[EventBatch],
        end: u64,
    ) -> Result<Vec<(Table, RecordBatch)>, FoldOrArrow> {
        let mut frames = Vec::new();
        let seq = self.stores.settled();
        if self.due && !batches.is_empty() {
            self.due = false;
            self.keyframed = self.stores.applied();
            for (name, rows) in self.stores.keyframes() {
                frames.push((Table::Keyframe(name.to_owned()), stamp(&rows, seq)?));
            }
        }
        // Nobody asks the writer about what has been flushed before.
        self.stores.compact(seq);
        self.stores.advance(batches, end)?;
        Ok(frames)
    }

    /// A segment has ended: the next may begin with a keyframe. It does when the stores have seen at least as many events since
    /// the last one as it has rows, so that all keyframes together are no larger than what they stand for.
    pub(crate) fn segment_ended(&mut self) {
        let since = self.stores.applied() - self.keyframed;
        self.due = since > 0 && since >= self.stores.keyframe_rows();
    }
}

/// A fault of the stores or of their rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldOrArrow {
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl FoldOrArrow {
    pub(crate) fn at(self, directory: &Path) -> Error {
        match self {
            Self::Fold(source) => Error::Stores {
                path: directory.to_owned(),
                source,
            },
            Self::Arrow(source) => Error::Table {
                table: "stores".to_owned(),
                source,
            },
        }
    }
}

/// `rows` with the column [`BEFORE_SEQ`] in front.
fn stamp(rows: &RecordBatch, seq: u64) -> Result<RecordBatch, ArrowError> {
    let schema = rows.schema();
    let mut fields = vec![Arc::new(Field::new(BEFORE_SEQ, DataType::UInt64, false))];
    fields.extend(schema.fields().iter().cloned());
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(vec![seq; rows.num_rows()]))];
    columns.extend(rows.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The stretches of rows with equal [`BEFORE_SEQ`], without that column; `None` if the batch has no such column.
pub(crate) fn split(batch: &RecordBatch) -> Option<Vec<(u64, RecordBatch)>> {
    let mut rows = batch.clone();
    let index = |name| batch.schema_ref().index_of(name);
    let column = rows.remove_column(index(BEFORE_SEQ).or_else(|_| index(SNAPSHOT_SEQ)).ok()?);
    let seqs = column.as_primitive_opt::<UInt64Type>()?;
    if seqs.null_count() > 0 {
        return None;
    }
    let mut stretches = Vec::new();
    let mut from = 0;
    for chunk in seqs.values().chunk_by(|one, other| one == other) {
        stretches.push((chunk[0], rows.slice(from, chunk.len())));
        from += chunk.len();
    }
    Some(stretches)
}

/// Rows of inputs or keyframes, cut where their sequence number changes.
pub(crate) fn stretches(
    directory: &Path,
    table: &Table,
    batches: &[RecordBatch],
) -> Result<Vec<(u64, RecordBatch)>, Error> {
    let mut all = Vec::new();
    for batch in batches {
        let stretches = split(batch).ok_or_else(|| Error::Table {
            table: format!("{} of {}", table, directory.display()),
            source: ArrowError::SchemaError(format!(
                "there is no column `{BEFORE_SEQ}` of UInt64 without nulls"
            )),
        })?;
        all.extend(stretches);
    }
    Ok(all)
}

/// The sequence numbers in the column [`BEFORE_SEQ`], for the manifest.
pub(crate) fn seq_range(batch: &RecordBatch) -> Option<SeqRange> {
    let seqs = batch
        .column_by_name(BEFORE_SEQ)?
        .as_primitive_opt::<UInt64Type>()?;
    Some(SeqRange {
        first: min(seqs)?,
        last: max(seqs)?,
    })
}
