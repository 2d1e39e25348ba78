//! What a file's footer and page index tell about sequence numbers.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use arrow::array::{Array, AsArray, UInt64Array};
use arrow::datatypes::UInt64Type;
use detectors_api::columns;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;

use super::decode::{ParquetFile, guard};
use crate::Error;
use crate::manifest::SeqRange;

/// Reads statistics of `column`.
pub(super) fn statistics<T>(
    file: &ParquetFile,
    column: &str,
    read: impl FnOnce(&StatisticsConverter<'_>) -> Result<T, ParquetError>,
) -> Result<T, Error> {
    guard(|| {
        let metadata = &file.metadata;
        let converter = StatisticsConverter::try_new(column, metadata.schema(), metadata.parquet_schema())?;
        read(&converter)
    })
    .map_err(|reason| Error::Parquet {
        file: file.path(),
        row_group: None,
        column: Some(column.to_owned()),
        reason,
    })
}

/// Sequence numbers of every row group, where the footer has them.
pub(super) fn row_group_seqs(file: &ParquetFile) -> Result<Vec<Option<SeqRange>>, Error> {
    statistics(file, columns::SEQ, |converter| {
        let row_groups = || file.metadata.metadata().row_groups().iter();
        let mins = converter.row_group_mins(row_groups())?;
        let maxes = converter.row_group_maxes(row_groups())?;
        let numbers = |array: &Arc<dyn Array>| array.as_primitive_opt::<UInt64Type>().cloned();
        let (Some(mins), Some(maxes)) = (numbers(&mins), numbers(&maxes)) else {
            return Ok(Vec::new());
        };
        let ranges = mins.iter().zip(maxes.iter()).map(|(first, last)| {
            Some(SeqRange {
                first: first?,
                last: last?,
            })
        });
        Ok(ranges.collect())
    })
}

/// The rows of the pages that may hold wanted events; `None` for all, also if the file has no page index.
pub(super) fn page_ranges(
    file: &ParquetFile,
    row_group: usize,
    wanted: &RangeInclusive<u64>,
) -> Result<Option<Vec<Range<u32>>>, Error> {
    let metadata = file.metadata.metadata();
    let (Some(columns), Some(offsets)) = (metadata.column_index(), metadata.offset_index()) else {
        return Ok(None);
    };
    if *wanted == (0..=u64::MAX) {
        return Ok(None);
    }
    statistics(file, columns::SEQ, |converter| {
        let mins = converter.data_page_mins(columns, offsets, [&row_group])?;
        let maxes = converter.data_page_maxes(columns, offsets, [&row_group])?;
        let Some(rows) = converter.data_page_row_counts(offsets, metadata.row_groups(), [&row_group])? else {
            return Ok(None);
        };
        let numbers = |array: &Arc<dyn Array>| array.as_primitive_opt::<UInt64Type>().cloned();
        let (Some(mins), Some(maxes)) = (numbers(&mins), numbers(&maxes)) else {
            return Ok(None);
        };
        let known = |array: &UInt64Array, page: usize| {
            (page < array.len() && array.is_valid(page)).then(|| array.value(page))
        };
        let total = u64::try_from(metadata.row_group(row_group).num_rows()).unwrap_or_default();
        let mut ranges = Vec::new();
        let mut first = 0;
        for (page, rows) in rows.iter().enumerate() {
            let end = rows.unwrap_or_default().saturating_add(first);
            let may_hold = known(&mins, page).is_none_or(|first| first <= *wanted.end())
                && known(&maxes, page).is_none_or(|last| *wanted.start() <= last);
            if end > total {
                return Err(ParquetError::General(
                    "its pages have more rows than the row group".to_owned(),
                ));
            }
            if may_hold {
                let row = |row| {
                    u32::try_from(row).map_err(|_| ParquetError::General(format!("there are {total} rows")))
                };
                ranges.push(row(first)?..row(end)?);
            }
            first = end;
        }
        Ok(Some(ranges))
    })
}
