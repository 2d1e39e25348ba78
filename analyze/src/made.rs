//! Tables whose rows are made for every query.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use detectors_api::columns::EXTRA;
use tokio::sync::mpsc::Sender;

use crate::columns::{CAPTURE, text_type};
use crate::facts::Facts;
use crate::rows::constant;
use crate::table::Named;

/// Rows of a batch.
const BATCH: usize = 8192;
/// Batches that are made ahead of the query.
const AHEAD: usize = 2;

/// What rows are made of: a capture, or something like it.
pub(crate) trait Source: Send + Sync + 'static {
    /// What it is called in the column for the capture.
    fn name(&self) -> &str;
}

impl Source for Named {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Makes the rows of a source.
type Make<S> = dyn Fn(&S, &Rows<'_>) -> Result<()> + Send + Sync;

/// Where rows go as they are made.
pub(crate) struct Rows<'a> {
    schema: &'a SchemaRef,
    capture: &'a str,
    to: &'a Sender<Result<RecordBatch>>,
}

impl Rows<'_> {
    /// Adds rows. Columns are found by name; those that `batch` lacks are null.
    ///
    /// # Errors
    /// If they do not fit, or the query has enough.
    pub(crate) fn add(&self, batch: &RecordBatch) -> Result<()> {
        let batch = fit(batch, self.schema, self.capture)?;
        self.to
            .blocking_send(Ok(batch))
            .map_err(|_| DataFusionError::Execution("the query has enough rows".to_owned()))
    }

    /// Adds a row for each of `things`, some at a time.
    pub(crate) fn add_all<T>(
        &self,
        things: impl IntoIterator<Item = T>,
        facts: impl for<'r> Fn(&'r [T]) -> Facts<'r, T>,
    ) -> Result<()> {
        let mut things = things.into_iter();
        loop {
            let some: Vec<T> = things.by_ref().take(BATCH).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.add(&facts(&some).batch()?)?;
        }
    }
}

/// A table of the rows that `make` makes, capture by capture: with `schema` and a column for the capture.
pub(crate) fn made<S: Source>(
    captures: &Arc<[S]>,
    schema: &Schema,
    make: impl Fn(&S, &Rows<'_>) -> Result<()> + Send + Sync + 'static,
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
        make: Arc::new(make),
    };
    Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(rows)])?))
}

struct Made<S> {
    captures: Arc<[S]>,
    schema: SchemaRef,
    make: Arc<Make<S>>,
}

impl<S> fmt::Debug for Made<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl<S: Source> PartitionStream for Made<S> {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows are made on a thread of their own.
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), AHEAD);
        let (to, captures) = (builder.tx(), Arc::clone(&self.captures));
        let (schema, make) = (Arc::clone(&self.schema), Arc::clone(&self.make));
        builder.spawn_blocking(move || {
            captures.iter().try_for_each(|capture| {
                let rows = Rows {
                    schema: &schema,
                    capture: capture.name(),
                    to: &to,
                };
                make(capture, &rows)
            })
        });
        builder.build()
    }
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
