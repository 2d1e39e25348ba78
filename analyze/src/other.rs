//! Tables that are not event tables: process contexts, losses, detections.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray, UInt32Array,
    UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use capture::{CaptureReader, Loss, Table, loss_schema};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use detectors_api::columns::EXTRA;
use detectors_api::event::context_schema;

use crate::columns::{CAPTURE, text_type};
use crate::rows::constant;
use crate::scan::from_capture;
use crate::table::Named;

/// Batches as they are made.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Makes the rows of a capture.
type Make = dyn Fn(&CaptureReader) -> Result<Batches> + Send + Sync;

/// Rows that are made anew for every query, capture by capture.
struct Made {
    captures: Arc<[Named]>,
    schema: SchemaRef,
    make: Box<Make>,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl PartitionStream for Made {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches: Vec<Batches> = self
            .captures
            .iter()
            .map(|capture| match (self.make)(&capture.reader) {
                Err(error) => Box::new(std::iter::once(Err(error))) as Batches,
                Ok(batches) => {
                    let (name, schema) = (Arc::clone(&capture.name), Arc::clone(&self.schema));
                    Box::new(batches.map(move |batch| fit(&batch?, &schema, &name)))
                }
            })
            .collect();
        let stream = futures::stream::iter(batches.into_iter().flatten());
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}

/// A table of rows that are made by `make`, with `schema` and a column for the capture.
pub(crate) fn made(
    captures: &Arc<[Named]>,
    schema: &Schema,
    make: impl Fn(&CaptureReader) -> Result<Batches> + Send + Sync + 'static,
) -> Result<Arc<dyn TableProvider>> {
    let mut fields: Vec<_> = schema
        .fields()
        .iter()
        .filter(|field| field.name() != EXTRA && field.name() != CAPTURE)
        .cloned()
        .collect();
    fields.push(Arc::new(Field::new(CAPTURE, text_type(), false)));
    let schema = Arc::new(Schema::new(fields));
    let rows = Made {
        captures: Arc::clone(captures),
        schema: Arc::clone(&schema),
        make: Box::new(make),
    };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(rows)])?))
}

/// The columns of `schema` out of `batch`; what it has not is null.
fn fit(batch: &RecordBatch, schema: &SchemaRef, capture: &str) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            _ if field.name() == CAPTURE => constant(capture, batch.num_rows()),
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => cast(column, field.data_type()),
            None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))?;
    RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )
    .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
}

/// The process-context table.
pub(crate) fn contexts(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, context_schema(), |reader| {
        let reader = reader.clone();
        let segments: Vec<_> = reader.segments().iter().map(|segment| segment.number).collect();
        Ok(Box::new(segments.into_iter().flat_map(
            move |segment| match reader.contexts(segment) {
                Ok(contexts) => contexts.batches().cloned().map(Ok).collect(),
                Err(error) => vec![Err(from_capture(error))],
            },
        )))
    })
}

/// What was lost.
pub(crate) fn losses(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, loss_schema(), |reader| {
        let losses = reader.losses().map_err(from_capture)?;
        Ok(Box::new(std::iter::once(loss_rows(&losses))))
    })
}

fn loss_rows(losses: &[Loss]) -> Result<RecordBatch> {
    let numbers =
        |of: fn(&Loss) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(losses.iter().map(of))) };
    let times = |of: fn(&Loss) -> Option<i64>| -> ArrayRef {
        let times: TimestampNanosecondArray = losses.iter().map(of).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let columns = vec![
        numbers(|loss| loss.seq_from),
        numbers(|loss| loss.seq_to),
        times(|loss| loss.time_from),
        times(|loss| loss.time_to),
        Arc::new(losses.iter().map(|loss| loss.cpu).collect::<UInt32Array>()),
        Arc::new(StringArray::from_iter_values(
            losses.iter().map(|loss| &loss.cause),
        )),
        numbers(|loss| loss.count),
    ];
    RecordBatch::try_new(Arc::clone(loss_schema()), columns)
        .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
}

/// What was detected while recording; `None` if no capture has detections.
///
/// The columns are those of the first capture that has some.
pub(crate) fn detections(captures: &Arc<[Named]>) -> Result<Option<Arc<dyn TableProvider>>> {
    for capture in captures.iter() {
        if !capture.reader.tables().contains(&Table::Detections) {
            continue;
        }
        let found = capture.reader.detections().map_err(from_capture)?;
        if let Some(first) = found.first() {
            return made(captures, &first.schema(), |reader| {
                let batches = reader.detections().map_err(from_capture)?;
                Ok(Box::new(batches.into_iter().map(Ok)))
            })
            .map(Some);
        }
    }
    Ok(None)
}
