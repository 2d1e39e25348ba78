//! Facts about the rows of a task, for readers that want to know whether a task is worth reading.
//!
//! None of them decodes rows. What is not known never denies anything: a missing statistic or bloom filter is no
//! fault.

use std::ops::RangeInclusive;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use detectors_api::columns;

use super::decode::ParquetFile;
use super::statistics::statistics;
use super::task::{ScanTask, TaskSource};

impl ScanTask {
    /// Bounds of the numbers in `column`, by the file's statistics; empty if it is null everywhere. `None` if they are not
    /// known, or the column holds no whole numbers.
    #[must_use]
    pub fn number_range(&self, column: &str) -> Option<RangeInclusive<i128>> {
        let (file, row_group) = self.row_group()?;
        if nulls(file, row_group, column)? == self.rows as u64 {
            #[expect(clippy::reversed_empty_ranges, reason = "no number is in it")]
            return Some(1..=0);
        }
        statistics(file, column, |converter| {
            let group = || [file.metadata.metadata().row_group(row_group)];
            let bounds = (
                number(&converter.row_group_mins(group())?),
                number(&converter.row_group_maxes(group())?),
            );
            Ok(bounds)
        })
        .ok()
        .and_then(|(first, last)| Some(first?..=last?))
    }

    /// Whether `column` may hold the text `value`: `false` only if a bloom filter proves that it does not.
    #[must_use]
    pub fn may_hold(&self, column: &str, value: &str) -> bool {
        self.row_group()
            .is_none_or(|(file, row_group)| file.may_hold(row_group, column, value))
    }

    /// Whether rows may keep something in [`columns::EXTRA`]: `false` only if none does, so that the other columns are the
    /// whole truth.
    #[must_use]
    pub fn has_extra(&self) -> bool {
        match &self.source {
            TaskSource::RowGroup { file, row_group } => {
                nulls(file, *row_group, columns::EXTRA) != Some(self.rows as u64)
            }
            TaskSource::Memory(batches) => batches
                .iter()
                .any(|batch| batch.rows_with_extra().next().is_some()),
        }
    }

    /// Whether only some of the events may be wanted, by their sequence number or time: then the others, too, shape what is
    /// told of the task.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let seq = &self.scan.seq;
        let in_time = |wanted: crate::TimeRange| {
            let (file, row_group) = self.row_group()?;
            let times = self.number_range(columns::TIMESTAMP)?;
            let all = nulls(file, row_group, columns::TIMESTAMP)? == 0
                && i128::from(wanted.first) <= *times.start()
                && *times.end() <= i128::from(wanted.last);
            all.then_some(())
        };
        !(seq.contains(&self.seq.first) && seq.contains(&self.seq.last))
            || self.scan.time.is_some_and(|wanted| in_time(wanted).is_none())
    }

    /// Bytes that `column` takes in the file, compressed. 0 if the file does not have it, or the events are in the journal.
    #[must_use]
    pub fn column_bytes(&self, column: &str) -> u64 {
        self.row_group()
            .map_or(0, |(file, row_group)| file.column_bytes(row_group, column))
    }

    fn row_group(&self) -> Option<(&ParquetFile, usize)> {
        match &self.source {
            TaskSource::RowGroup { file, row_group } => Some((file, *row_group)),
            TaskSource::Memory(_) => None,
        }
    }
}

/// How many values of `column` are null, where the footer tells.
fn nulls(file: &ParquetFile, row_group: usize, column: &str) -> Option<u64> {
    let counts = statistics(file, column, |converter| {
        converter.row_group_null_counts([file.metadata.metadata().row_group(row_group)])
    });
    let counts = counts.ok()?;
    counts.is_valid(0).then(|| counts.value(0))
}

/// The number that an array of statistics has.
fn number(array: &ArrayRef) -> Option<i128> {
    fn first<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef) -> Option<i128> {
        let numbers = array.as_primitive_opt::<T>()?;
        (numbers.len() == 1 && numbers.is_valid(0)).then(|| numbers.value(0).into())
    }
    match array.data_type() {
        DataType::Int32 => first::<Int32Type>(array),
        DataType::Int64 => first::<Int64Type>(array),
        DataType::UInt32 => first::<UInt32Type>(array),
        DataType::UInt64 => first::<UInt64Type>(array),
        DataType::Timestamp(..) => first::<TimestampNanosecondType>(array),
        _ => None,
    }
}
