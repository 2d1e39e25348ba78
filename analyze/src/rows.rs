//! From event batches to the rows of a table.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions,
    StringArray, UInt32Array,
};
use arrow::compute::{cast, interleave, take};
use arrow::datatypes::{DataType, Int32Type, SchemaRef, UInt32Type};
use arrow::error::ArrowError;
use detectors_api::columns::{self, Layout, Physical};
use detectors_api::event::EventBatch;

use crate::columns::{Column, Source, schema_of};
use crate::json;

/// The columns that a query needs of an event table, for the events of one capture.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    columns: Arc<[Column]>,
    schema: SchemaRef,
    capture: Arc<str>,
}

impl Projection {
    pub(crate) fn new(columns: Vec<Column>, capture: &str) -> Self {
        Self {
            schema: schema_of(&columns),
            columns: columns.into(),
            capture: capture.into(),
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns that must be read for it, of events of `layout`.
    pub(crate) fn stored(&self, layout: &'static Layout) -> Vec<&'static str> {
        let mut stored = Vec::new();
        for column in self.columns.iter() {
            match column.source {
                Source::Common(name) => stored.push(name),
                // The columns of a socket address are read together.
                Source::Field(field) | Source::Family(field) | Source::Port(field) => {
                    stored.push(field.column.as_str());
                }
                Source::Process(_) => stored.push(columns::CTX),
                Source::Data => stored.extend(layout.fields().iter().map(|field| field.column.as_str())),
                // The names of unknown events are always read; those of others are in the path.
                Source::Name | Source::Capture => {}
            }
        }
        stored
    }

    /// The rows of `batch`.
    pub(crate) fn rows(&self, batch: &EventBatch) -> Result<RecordBatch, ArrowError> {
        let mut actors = None;
        let columns = self
            .columns
            .iter()
            .map(|column| {
                let array = match column.source {
                    Source::Common(name) => stored(batch, name)?,
                    Source::Field(field) if field.physical == Physical::Message => {
                        messages(&stored(batch, &field.column)?)?
                    }
                    Source::Field(field) => stored(batch, &field.column)?,
                    Source::Family(field) => stored(batch, &field.family_column())?,
                    Source::Port(field) => stored(batch, &field.port_column())?,
                    Source::Process(position) => match &mut actors {
                        Some(actors) => actors,
                        none => none.insert(Actors::of(batch)?),
                    }
                    .column(position, column.field.data_type())?,
                    Source::Name if batch.layout().definition().is_none() => stored(batch, columns::NAME)?,
                    Source::Name => constant(batch.event_type(), batch.len())?,
                    Source::Data => data(batch),
                    Source::Capture => constant(&self.capture, batch.len())?,
                };
                if array.data_type() == column.field.data_type() {
                    Ok(array)
                } else {
                    cast(&array, column.field.data_type())
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &RecordBatchOptions::new().with_row_count(Some(batch.len())),
        )
    }
}

fn stored(batch: &EventBatch, column: &str) -> Result<ArrayRef, ArrowError> {
    batch
        .record_batch()
        .column_by_name(column)
        .cloned()
        .ok_or_else(|| {
            ArrowError::SchemaError(format!(
                "events of type {} have no column `{column}`",
                batch.event_type()
            ))
        })
}

/// The same text in all rows.
pub(crate) fn constant(text: &str, rows: usize) -> Result<ArrayRef, ArrowError> {
    let keys = Int32Array::from(vec![0; rows]);
    let values = Arc::new(StringArray::from(vec![text]));
    Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
}

fn messages(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let bytes: &BinaryArray = array.as_binary_opt().ok_or_else(|| {
        ArrowError::SchemaError(format!(
            "messages are kept as bytes, not as {}",
            array.data_type()
        ))
    })?;
    Ok(Arc::new(
        bytes
            .iter()
            .map(|bytes| bytes.and_then(json::message))
            .collect::<StringArray>(),
    ))
}

fn data(batch: &EventBatch) -> ArrayRef {
    Arc::new(
        batch
            .events()
            .map(|event| Some(json::data(&event)))
            .collect::<StringArray>(),
    )
}

/// The process contexts of a batch: each distinct one once, and which row has which.
struct Actors {
    /// The stretches of the context table.
    table: Vec<RecordBatch>,
    /// Stretch and row of each distinct context.
    distinct: Vec<(usize, usize)>,
    /// For each event, the position of its context in `distinct`.
    keys: Int32Array,
}

impl Actors {
    fn of(batch: &EventBatch) -> Result<Self, ArrowError> {
        let table: Vec<_> = batch.contexts().batches().cloned().collect();
        let firsts: Vec<u32> = table
            .iter()
            .map(|stretch| stretch.column(0).as_primitive::<UInt32Type>().value(0))
            .collect();
        let ctx = stored(batch, columns::CTX)?;
        let ctx: &UInt32Array = ctx
            .as_primitive_opt()
            .ok_or_else(|| ArrowError::SchemaError("`ctx` is no u32 column".to_owned()))?;
        // An event batch refers only to contexts that it has, so the span is at most the size of the table.
        let low = ctx.iter().flatten().min().unwrap_or_default();
        let high = ctx.iter().flatten().max().unwrap_or_default();
        let mut positions: Vec<Option<i32>> = vec![None; (high - low) as usize + 1];
        let mut distinct = Vec::new();
        let keys = ctx
            .iter()
            .map(|ctx| {
                let ctx = ctx?;
                let position = &mut positions[(ctx - low) as usize];
                if position.is_none() {
                    let stretch = firsts.partition_point(|first| *first <= ctx).checked_sub(1)?;
                    *position = i32::try_from(distinct.len()).ok();
                    distinct.push((stretch, (ctx - firsts[stretch]) as usize));
                }
                *position
            })
            .collect();
        Ok(Self {
            table,
            distinct,
            keys,
        })
    }

    fn column(&self, position: usize, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        if self.table.is_empty() {
            return Ok(arrow::array::new_null_array(data_type, self.keys.len()));
        }
        let stretches: Vec<&dyn Array> = self
            .table
            .iter()
            .map(|stretch| stretch.column(position).as_ref())
            .collect();
        let mut values = interleave(&stretches, &self.distinct)?;
        if values.as_dictionary_opt::<Int32Type>().is_some() {
            values = cast(&values, &DataType::Utf8)?;
        }
        if values.data_type() != &DataType::Utf8 {
            return take(&values, &self.keys, None);
        }
        let keys: Int32Array = if values.null_count() == 0 {
            self.keys.clone()
        } else {
            // A null is a null key, so that nobody needs to look into the dictionary for it.
            self.keys
                .iter()
                .map(|key| key.filter(|key| values.is_valid(*key as usize)))
                .collect()
        };
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?))
    }
}
