//! Tables that a capture has beside events and stores: process contexts, losses, detections.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use capture::{Loss, Table};
use datafusion::catalog::TableProvider;
use datafusion::error::{DataFusionError, Result};
use detectors_api::event::context_schema;

use crate::facts::Facts;
use crate::json;
use crate::made::made;
use crate::scan::from_capture;
use crate::table::Named;

/// The column of detections that holds all of one.
const EVENT: &str = "event";

/// The process-context table.
pub(crate) fn contexts(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, context_schema(), |capture, rows| {
        for segment in capture.reader.segments() {
            let contexts = capture.reader.contexts(segment.number).map_err(from_capture)?;
            contexts.batches().try_for_each(|batch| rows.add(batch))?;
        }
        Ok(())
    })
}

/// What was lost.
pub(crate) fn losses(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &loss_facts(&[]).schema(), |capture, rows| {
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

/// What was detected while recording; `None` if no capture has detections.
///
/// The columns are those of the first capture that has some; the whole detection is shown as JSON.
pub(crate) fn detections(captures: &Arc<[Named]>) -> Result<Option<Arc<dyn TableProvider>>> {
    for capture in captures.iter() {
        if !capture.reader.tables().contains(&Table::Detections) {
            continue;
        }
        let found = capture.reader.detections().map_err(from_capture)?;
        if let Some(first) = found.first() {
            return made(captures, &readable(first)?.schema(), |capture, rows| {
                let batches = capture.reader.detections().map_err(from_capture)?;
                batches.iter().try_for_each(|batch| rows.add(&readable(batch)?))
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
