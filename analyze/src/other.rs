//! Tables that a capture has beside events and stores: process contexts, losses, detections.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use capture::{CaptureReader, DetectionsFile, Loss, Table};
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use detectors_api::event::context_schema;

use crate::facts::Facts;
use crate::json;
use crate::made::{Source, made};
use crate::scan::from_capture;
use crate::table::Named;

/// The column of detections that holds all of one.
const EVENT: &str = "event";

/// The process-context table.
pub(crate) fn contexts(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, context_schema(), |capture: &Named, rows| {
        for segment in capture.reader.segments() {
            let contexts = capture.reader.contexts(segment.number).map_err(from_capture)?;
            contexts.tables().try_for_each(|table| rows.add(&table?))?;
        }
        Ok(())
    })
}

/// What was lost.
pub(crate) fn losses(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &loss_facts(&[]).schema(), |capture: &Named, rows| {
        rows.add_all(capture.reader.losses().map_err(from_capture)?, loss_facts)
    })
}

fn loss_facts(losses: &[Loss]) -> Facts<'_, Loss> {
    Facts::about(losses)
        .u64("seq_from", |loss| Some(loss.seq_from))
        .u64("seq_to", |loss| Some(loss.seq_to))
        .signed_time("time_from", |loss| loss.time_from)
        .signed_time("time_to", |loss| loss.time_to)
        .u32("cpu", |loss| loss.cpu)
        .text("cause", |loss| &loss.cause)
        .u64("count", |loss| Some(loss.count))
}

/// Where detections are: in a capture that was made while detectors ran, or in a file of their own.
pub(crate) struct Detections {
    name: Arc<str>,
    held: Held,
}

enum Held {
    Capture(CaptureReader),
    File(DetectionsFile),
}

impl Detections {
    /// Those of a capture.
    pub(crate) fn of(capture: &Named) -> Self {
        Self {
            name: Arc::clone(&capture.name),
            held: Held::Capture(capture.reader.clone()),
        }
    }

    /// Those of a file.
    pub(crate) fn in_file(name: String, file: DetectionsFile) -> Self {
        Self {
            name: name.into(),
            held: Held::File(file),
        }
    }

    /// Gives all rows to `take`, some at a time.
    fn each(&self, mut take: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        match &self.held {
            Held::Capture(reader) => {
                let batches = reader.detections().map_err(from_capture)?;
                batches.iter().try_for_each(take)
            }
            Held::File(file) => file
                .batches()
                .map_err(from_capture)?
                .try_for_each(|batch| take(&batch.map_err(from_capture)?)),
        }
    }

    /// The columns; `None` for a capture without detections.
    fn schema(&self) -> Result<Option<SchemaRef>> {
        match &self.held {
            Held::Capture(reader) if !reader.tables().contains(&Table::Detections) => Ok(None),
            Held::Capture(reader) => {
                let batches = reader.detections().map_err(from_capture)?;
                Ok(batches.first().map(RecordBatch::schema))
            }
            Held::File(file) => Ok(Some(Arc::clone(file.schema()))),
        }
    }
}

impl Source for Detections {
    fn name(&self) -> &str {
        &self.name
    }
}

/// What was detected, while recording or by a replay; `None` if there is nowhere anything.
///
/// The columns are those of the first place that has some; the whole detection is shown as JSON.
pub(crate) fn detections(places: Vec<Detections>) -> Result<Option<Arc<dyn TableProvider>>> {
    for place in &places {
        if let Some(schema) = place.schema()? {
            let schema = readable(&RecordBatch::new_empty(schema))?.schema();
            return made(&places.into(), &schema, |place: &Detections, rows| {
                place.each(|batch| rows.add(&readable(batch)?))
            })
            .map(Some);
        }
    }
    Ok(None)
}

/// Detections with their events, which are kept in protobuf, as JSON. What cannot be decoded is null.
fn readable(detections: &RecordBatch) -> Result<RecordBatch> {
    let columns = detections.schema_ref().fields().iter().zip(detections.columns());
    let columns = columns.map(|(field, column)| match column.as_binary_opt::<i32>() {
        Some(events) if field.name() == EVENT => {
            let events = events.iter().map(|event| event.and_then(json::event));
            (EVENT, Arc::new(events.collect::<StringArray>()) as ArrayRef)
        }
        _ => (field.name().as_str(), Arc::clone(column)),
    });
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
}
