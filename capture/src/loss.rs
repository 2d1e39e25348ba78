//! What was lost, as rows.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, AsArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampNanosecondType, UInt32Type, UInt64Type};
use detectors_api::columns::timestamp_type;

/// Events that happened and are not in the capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The events were lost after the event with this sequence number …
    pub seq_from: u64,
    /// … and before the one with this number.
    pub seq_to: u64,
    /// Not earlier than this, in ns since the Unix epoch, where it is known.
    pub time_from: Option<i64>,
    /// Not later than this, in ns since the Unix epoch, where it is known.
    pub time_to: Option<i64>,
    /// CPU on which they were lost, where it is known.
    pub cpu: Option<u32>,
    /// Why, in a short word: `ring_full`, `filter_error` …
    pub cause: String,
    /// How many.
    pub count: u64,
}

/// The columns of the loss table.
#[must_use]
pub fn loss_schema() -> &'static SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(vec![
            Field::new("seq_from", DataType::UInt64, false),
            Field::new("seq_to", DataType::UInt64, false),
            Field::new("time_from", timestamp_type(), true),
            Field::new("time_to", timestamp_type(), true),
            Field::new("cpu", DataType::UInt32, true),
            Field::new("cause", DataType::Utf8, false),
            Field::new("count", DataType::UInt64, false),
        ]))
    });
    &SCHEMA
}

impl Loss {
    pub(crate) fn to_batch(losses: &[Self]) -> RecordBatch {
        let time = |of: fn(&Self) -> Option<i64>| {
            losses
                .iter()
                .map(of)
                .collect::<TimestampNanosecondArray>()
                .with_timezone("UTC")
        };
        let number = |of: fn(&Self) -> u64| losses.iter().map(of).collect::<Vec<_>>();
        RecordBatch::try_new(
            Arc::clone(loss_schema()),
            vec![
                Arc::new(UInt64Array::from(number(|loss| loss.seq_from))),
                Arc::new(UInt64Array::from(number(|loss| loss.seq_to))),
                Arc::new(time(|loss| loss.time_from)),
                Arc::new(time(|loss| loss.time_to)),
                Arc::new(losses.iter().map(|loss| loss.cpu).collect::<UInt32Array>()),
                Arc::new(
                    losses
                        .iter()
                        .map(|loss| Some(loss.cause.as_str()))
                        .collect::<StringArray>(),
                ),
                Arc::new(UInt64Array::from(number(|loss| loss.count))),
            ],
        )
        .expect("the columns are built in the schema's order")
    }

    /// The rows of a batch whose columns have been checked against [`loss_schema`].
    pub(crate) fn from_batch(batch: &RecordBatch) -> Vec<Self> {
        let u64 = |column: usize| batch.column(column).as_primitive::<UInt64Type>();
        let time = |column: usize, row: usize| {
            let array = batch.column(column).as_primitive::<TimestampNanosecondType>();
            array.is_valid(row).then(|| array.value(row))
        };
        let cpu = batch.column(4).as_primitive::<UInt32Type>();
        let cause = batch.column(5).as_string::<i32>();
        (0..batch.num_rows())
            .map(|row| Self {
                seq_from: u64(0).value(row),
                seq_to: u64(1).value(row),
                time_from: time(2, row),
                time_to: time(3, row),
                cpu: cpu.is_valid(row).then(|| cpu.value(row)),
                cause: cause.value(row).to_owned(),
                count: u64(6).value(row),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let losses = vec![
            Loss {
                seq_from: 3,
                seq_to: 9,
                time_from: Some(-1),
                time_to: Some(i64::MAX),
                cpu: Some(7),
                cause: "ring_full".to_owned(),
                count: u64::MAX,
            },
            Loss {
                seq_from: 0,
                seq_to: 0,
                time_from: None,
                time_to: None,
                cpu: None,
                cause: String::new(),
                count: 0,
            },
        ];
        assert_eq!(Loss::from_batch(&Loss::to_batch(&losses)), losses);
    }
}
