//! Keyframes of several machines: each row says of which machine it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use detectors_api::stores::Store;

use crate::FoldError;
use crate::process::part;
use crate::rows::RowsError;

/// The column that tells machines apart.
const MACHINE: &str = "machine";

/// What messages call the tables.
const TABLE: &str = "keyframes";

/// The tables of a keyframe, by name.
pub(crate) type Frames<N> = Vec<(N, RecordBatch)>;

/// The tables of the keyframes of some machines as one keyframe. Those of a single one stay as they are.
///
/// # Errors
/// If tables of one name have other columns.
pub fn join_keyframes<N: Ord>(machines: Vec<Frames<N>>) -> Result<Frames<N>, FoldError> {
    if machines.len() < 2 {
        return Ok(machines.into_iter().next().unwrap_or_default());
    }
    let mut tables: BTreeMap<N, Vec<RecordBatch>> = BTreeMap::new();
    for (machine, frames) in (0..).zip(machines) {
        for (name, rows) in frames {
            tables.entry(name).or_default().push(stamp(&rows, machine)?);
        }
    }
    let joined = tables.into_iter().map(|(name, rows)| {
        let schema = rows
            .first()
            .map(RecordBatch::schema)
            .unwrap_or_else(|| Arc::new(Schema::empty()));
        Ok((name, concat_batches(&schema, &rows).map_err(malformed)?))
    });
    joined.collect()
}

/// The tables of each machine.
pub(crate) fn split_keyframes(
    frames: &[(String, RecordBatch)],
    machines: usize,
) -> Result<Vec<Frames<String>>, FoldError> {
    let mut all: Vec<Frames<String>> = vec![Vec::new(); machines];
    for (name, rows) in frames {
        let (found, rest) = unstamp(rows)?.ok_or(RowsError::MissingColumn {
            table: TABLE,
            column: MACHINE,
        })?;
        for (machine, frames) in (0..).zip(&mut all) {
            let own = of_machine(&found, machine);
            let own = filter_record_batch(&rest, &own).map_err(malformed)?;
            if own.num_rows() > 0 {
                frames.push((name.clone(), own));
            }
        }
    }
    Ok(all)
}

/// The `kept` rows of a table, as [`Stores::part_of_keyframe`](crate::Stores::part_of_keyframe) has it.
pub(crate) fn part_of_keyframe(
    name: &str,
    rows: &RecordBatch,
    kept: &[u32],
) -> Result<RecordBatch, FoldError> {
    let Some((found, rest)) = unstamp(rows)? else {
        return part_of_machine(name, rows, kept);
    };
    // Rows name others of their own machine.
    let machines: BTreeSet<u64> = found.values().iter().copied().collect();
    let mut parts = Vec::new();
    for machine in machines {
        let own = of_machine(&found, machine);
        let places: Vec<usize> = (0..found.len()).filter(|row| own.value(*row)).collect();
        let kept: Vec<u32> = (0..)
            .zip(&places)
            .filter(|(_, row)| u32::try_from(**row).is_ok_and(|row| kept.binary_search(&row).is_ok()))
            .map(|(place, _)| place)
            .collect();
        let own = filter_record_batch(&rest, &own).map_err(malformed)?;
        parts.push(stamp(&part_of_machine(name, &own, &kept)?, machine)?);
    }
    concat_batches(rows.schema_ref(), &parts).map_err(malformed)
}

fn part_of_machine(name: &str, rows: &RecordBatch, kept: &[u32]) -> Result<RecordBatch, FoldError> {
    if name == Store::Process.name() {
        return Ok(part(rows, kept)?);
    }
    let kept = kept.iter().filter(|row| (**row as usize) < rows.num_rows());
    let kept: UInt32Array = kept.copied().collect();
    take_record_batch(rows, &kept).map_err(malformed)
}

/// The machines of the rows, and the rows without them; `None` if they are of the only machine.
fn unstamp(rows: &RecordBatch) -> Result<Option<(UInt64Array, RecordBatch)>, FoldError> {
    let Ok(index) = rows.schema_ref().index_of(MACHINE) else {
        return Ok(None);
    };
    let mut rest = rows.clone();
    let column = rest.remove_column(index);
    let found = column
        .as_primitive_opt::<UInt64Type>()
        .ok_or_else(|| RowsError::ColumnType {
            table: TABLE,
            column: MACHINE,
            expected: DataType::UInt64,
            found: column.data_type().clone(),
        })?;
    Ok(Some((found.clone(), rest)))
}

fn of_machine(found: &UInt64Array, machine: u64) -> BooleanArray {
    found.iter().map(|found| Some(found == Some(machine))).collect()
}

fn stamp(rows: &RecordBatch, machine: u64) -> Result<RecordBatch, FoldError> {
    let mut fields = vec![Arc::new(Field::new(MACHINE, DataType::UInt64, false))];
    fields.extend(rows.schema().fields().iter().cloned());
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(vec![machine; rows.num_rows()]))];
    columns.extend(rows.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(malformed)
}

fn malformed(error: arrow::error::ArrowError) -> FoldError {
    FoldError::Keyframe(error.to_string())
}
