//! Things as columns: what is told about them, what it is called, and what type it has, in one place.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result};

/// Columns about `things`, one row for each. Made of none, it tells the schema.
pub(crate) struct Facts<'r, T> {
    things: &'r [T],
    fields: Vec<FieldRef>,
    columns: Vec<ArrayRef>,
}

impl<'r, T> Facts<'r, T> {
    pub(crate) fn about(things: &'r [T]) -> Self {
        Self {
            things,
            fields: Vec::new(),
            columns: Vec::new(),
        }
    }

    pub(crate) fn u32(self, name: &str, fact: impl Fn(&'r T) -> Option<u32>) -> Self {
        let column = self.things.iter().map(fact).collect::<UInt32Array>();
        self.with(name, column)
    }

    pub(crate) fn u64(self, name: &str, fact: impl Fn(&'r T) -> Option<u64>) -> Self {
        let column = self.things.iter().map(fact).collect::<UInt64Array>();
        self.with(name, column)
    }

    pub(crate) fn i32(self, name: &str, fact: impl Fn(&'r T) -> Option<i32>) -> Self {
        let column = self.things.iter().map(fact).collect::<Int32Array>();
        self.with(name, column)
    }

    pub(crate) fn flag(self, name: &str, fact: impl Fn(&'r T) -> Option<bool>) -> Self {
        let column = self.things.iter().map(fact).collect::<BooleanArray>();
        self.with(name, column)
    }

    /// Empty text is null.
    pub(crate) fn text(self, name: &str, fact: impl Fn(&'r T) -> &'r str) -> Self {
        let texts = self.things.iter().map(fact);
        let column = texts
            .map(|text| (!text.is_empty()).then_some(text))
            .collect::<StringArray>();
        self.with(name, column)
    }

    /// A time: ns since the Unix epoch. What is beyond the year 2262 is null.
    pub(crate) fn time(self, name: &str, fact: impl Fn(&'r T) -> Option<u64>) -> Self {
        self.signed_time(name, |thing| fact(thing).and_then(|ns| i64::try_from(ns).ok()))
    }

    /// A time: ns since the Unix epoch.
    pub(crate) fn signed_time(self, name: &str, fact: impl Fn(&'r T) -> Option<i64>) -> Self {
        let column = self.things.iter().map(fact).collect::<TimestampNanosecondArray>();
        self.with(name, column.with_timezone("UTC"))
    }

    /// A column that is made already, one value for each of `things`.
    pub(crate) fn with(mut self, name: &str, column: impl Array + 'static) -> Self {
        self.fields
            .push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        self.columns.push(Arc::new(column));
        self
    }

    pub(crate) fn things(&self) -> &'r [T] {
        self.things
    }

    pub(crate) fn schema(self) -> SchemaRef {
        Arc::new(Schema::new(self.fields))
    }

    pub(crate) fn fields(self) -> Fields {
        self.fields.into()
    }

    /// The columns as a table.
    pub(crate) fn batch(self) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.things.len()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(self.fields)), self.columns, &options)
            .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
    }

    /// The columns as one, of structs.
    pub(crate) fn structs(self) -> Result<StructArray> {
        StructArray::try_new_with_length(self.fields.into(), self.columns, None, self.things.len())
            .map_err(|error| DataFusionError::ArrowError(Box::new(error), None))
    }
}
