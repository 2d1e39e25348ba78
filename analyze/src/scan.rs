//! The physical scan of event tables.
//!
//! One partition, rows in the order of their sequence numbers: what a query answers must not depend on the number of
//! threads or on their timing. Row groups are decoded side by side all the same, ahead of the query.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use capture::{Scan, ScanBatches, ScanTask};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::{RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use detectors_api::columns::{SEQ, layout};
use detectors_api::event::EventBatch;
use futures::StreamExt;

use crate::merge::{Merge, Numbered};
use crate::rows::Projection;

/// Events of a merged batch, per type: small, as there may be hundreds of types.
const MERGED_BATCH: usize = 4096;
/// Merged batches that are made ahead of the query.
const AHEAD: usize = 2;

/// The events that a query needs of one capture.
#[derive(Clone, Debug)]
pub(crate) struct CaptureScan {
    /// One for each event type.
    pub(crate) scans: Vec<Scan>,
    pub(crate) projection: Projection,
}

/// Reads events of one or several captures, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct EventsExec {
    captures: Vec<CaptureScan>,
    limit: Option<usize>,
    /// Rows without the limit.
    rows: Precision<usize>,
    threads: usize,
    /// For people who ask for the plan.
    described: String,
    properties: Arc<PlanProperties>,
}

impl EventsExec {
    /// `captures` have one schema, and are never empty.
    pub(crate) fn new(
        captures: Vec<CaptureScan>,
        limit: Option<usize>,
        rows: Precision<usize>,
        threads: usize,
        described: String,
    ) -> Result<Self> {
        let Some(schema) = captures
            .first()
            .map(|capture| Arc::clone(capture.projection.schema()))
        else {
            return internal_err!("a scan of no captures");
        };
        let mut equivalence = EquivalenceProperties::new(Arc::clone(&schema));
        if let ([_], Ok(seq)) = (captures.as_slice(), schema.index_of(SEQ)) {
            equivalence.add_ordering([PhysicalSortExpr::new(
                Arc::new(Column::new(SEQ, seq)),
                SortOptions {
                    descending: false,
                    nulls_first: false,
                },
            )]);
        }
        let properties = PlanProperties::new(
            equivalence,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            captures,
            limit,
            rows,
            threads,
            described,
            properties: Arc::new(properties),
        })
    }
}

impl DisplayAs for EventsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventsExec: {}", self.described)?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for EventsExec {
    fn name(&self) -> &str {
        "EventsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("event scans have one partition, not {partition}");
        }
        let schema = self.schema();
        let batch_size = context.session_config().batch_size();
        let streams = self
            .captures
            .iter()
            .map(|capture| match capture.scans.as_slice() {
                [scan] => one_type(scan, &capture.projection, self.threads, batch_size),
                _ => several_types(capture.clone()),
            })
            .collect::<Result<Vec<_>>>()?;
        let batches = futures::stream::iter(streams).flatten();
        let mut left = self.limit;
        let limited = batches.scan((), move |(), batch| {
            let cut = match (&mut left, batch) {
                (Some(0), _) => None,
                (Some(left), Ok(batch)) => {
                    let rows = batch.num_rows().min(*left);
                    *left -= rows;
                    Some(Ok(batch.slice(0, rows)))
                }
                (_, batch) => Some(batch),
            };
            futures::future::ready(cut)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, limited)))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self {
            limit,
            ..self.clone()
        }))
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let rows = match self.limit {
            Some(limit) => self.rows.min(&Precision::Exact(limit)),
            None => self.rows,
        };
        Ok(Arc::new(
            Statistics::new_unknown(&self.schema()).with_num_rows(rows),
        ))
    }
}

/// Row groups are decoded on as many threads as there are, and given in order.
fn one_type(
    scan: &Scan,
    projection: &Projection,
    threads: usize,
    batch_size: usize,
) -> Result<SendableRecordBatchStream> {
    let scan = read_only_needed(scan.clone(), projection)?.batch_size(batch_size);
    let tasks = scan.tasks().map_err(from_capture)?;
    let decoder = projection.clone();
    let decoded = futures::stream::iter(tasks)
        .map(move |task| {
            let projection = decoder.clone();
            async move {
                tokio::task::spawn_blocking(move || decode(&task, &projection))
                    .await
                    .unwrap_or_else(|error| Err(DataFusionError::ExecutionJoin(Box::new(error))))
            }
        })
        .buffered(threads.max(1));
    let mut before = None;
    let batches = decoded.flat_map(move |decoded| {
        let batches = decoded.and_then(|task| match task.seqs {
            Some((first, _)) if before.is_some_and(|before| before >= first) => {
                Err(DataFusionError::Execution(format!(
                    "event {first} comes after event {}: the capture is damaged",
                    before.unwrap_or_default()
                )))
            }
            seqs => {
                before = seqs.map(|(_, last)| last).or(before);
                Ok(task.rows)
            }
        });
        futures::stream::iter(match batches {
            Ok(batches) => batches.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        Arc::clone(projection.schema()),
        batches,
    )))
}

/// A decoded task.
struct Decoded {
    /// First and last sequence number.
    seqs: Option<(u64, u64)>,
    rows: Vec<RecordBatch>,
}

fn decode(task: &ScanTask, projection: &Projection) -> Result<Decoded> {
    let mut decoded = Decoded {
        seqs: None,
        rows: Vec::new(),
    };
    for batch in task.batches().map_err(from_capture)? {
        let batch = batch.map_err(from_capture)?;
        if let ([first, ..], [.., last]) = (batch.seqs(), batch.seqs()) {
            let first = decoded.seqs.map_or(*first, |(first, _)| first);
            decoded.seqs = Some((first, *last));
        }
        decoded.rows.push(rows(projection, &batch)?);
    }
    Ok(decoded)
}

/// The types are merged on a thread of their own.
fn several_types(capture: CaptureScan) -> Result<SendableRecordBatchStream> {
    let schema = Arc::clone(capture.projection.schema());
    let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&schema), AHEAD);
    let sender = builder.tx();
    builder.spawn_blocking(move || {
        let sources = capture
            .scans
            .iter()
            .map(|scan| {
                let scan = read_only_needed(scan.clone(), &capture.projection)?.batch_size(MERGED_BATCH);
                Ok(Numbering {
                    batches: scan.batches().map_err(from_capture)?,
                    projection: capture.projection.clone(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        for batch in Merge::new(schema, sources).batches() {
            // Nobody listens any more: the query has enough.
            if sender.blocking_send(batch).is_err() {
                break;
            }
        }
        Ok(())
    });
    Ok(builder.build())
}

struct Numbering {
    batches: ScanBatches,
    projection: Projection,
}

impl Iterator for Numbering {
    type Item = Result<Numbered>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        Some(
            batch
                .map_err(from_capture)
                .and_then(|batch| Ok((batch.seqs().to_vec(), rows(&self.projection, &batch)?))),
        )
    }
}

fn read_only_needed(scan: Scan, projection: &Projection) -> Result<Scan> {
    let stored = projection.stored(layout(scan.event_type()));
    scan.columns(stored).map_err(from_capture)
}

fn rows(projection: &Projection, batch: &EventBatch) -> Result<RecordBatch> {
    projection
        .rows(batch)
        .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
}

/// An error of the capture on its way through the query engine.
pub(crate) fn from_capture(error: capture::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
