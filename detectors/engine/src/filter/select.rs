//! Filtering a batch, column by column.
//!
//! A selection of rows is thinned out by one test after another, so that later tests only look at what is left. The scope
//! is tested once per process context, text in dictionaries once per distinct value.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Int32Type, Int64Type, UInt32Type, UInt64Type};
use detectors_api::columns::{CTX, THREAD_SYSCALL};
use detectors_api::event::{EventBatch, Value};
use foldhash::{HashMap, HashMapExt as _};

use super::data::{DataFilter, FieldFilter};
use super::scope::ScopeFilter;
use super::test::Test;

pub(super) fn select(data: &DataFilter, scope: &ScopeFilter, batch: &EventBatch) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..batch.len()).collect();
    select_scope(scope, batch, &mut rows);
    if data.fields.is_empty() {
        return rows;
    }
    // Where a row has more to say than its columns, the event decides.
    let mut told = batch.rows_with_extra().peekable();
    let (mut odd, mut plain): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|row| {
        while told.next_if(|extra| extra < row).is_some() {}
        told.peek() == Some(row)
    });
    odd.retain(|row| data.matches(&batch.event(*row)));
    for field in &data.fields {
        select_field(field, batch, &mut plain);
    }
    if !odd.is_empty() {
        plain.extend(odd);
        plain.sort_unstable();
    }
    plain
}

fn select_scope(scope: &ScopeFilter, batch: &EventBatch, rows: &mut Vec<usize>) {
    let (by_context, syscall, by_row) = scope.by_cost();
    if !by_context.is_empty() {
        match batch
            .common_column(CTX)
            .and_then(|column| column.as_primitive_opt::<UInt32Type>())
        {
            Some(contexts) => {
                let mut known: HashMap<Option<u32>, bool> = HashMap::new();
                rows.retain(|row| {
                    let ctx = contexts.is_valid(*row).then(|| contexts.value(*row));
                    *known
                        .entry(ctx)
                        .or_insert_with(|| by_context.matches(&batch.event(*row)))
                });
            }
            None => rows.retain(|row| by_context.matches(&batch.event(*row))),
        }
    }
    if let Some(test) = syscall {
        match batch.common_column(THREAD_SYSCALL) {
            Some(column) => select_dictionary(test, Empty::IsMissing, column, rows),
            None => rows.clear(),
        }
    }
    if !by_row.is_empty() {
        rows.retain(|row| by_row.matches(&batch.event(*row)));
    }
}

fn select_field(field: &FieldFilter, batch: &EventBatch, rows: &mut Vec<usize>) {
    let Some(column) = batch.field_column(&field.name) else {
        rows.clear();
        return;
    };
    match (&field.test, column.data_type()) {
        (Test::Text(_), DataType::Dictionary(..)) => {
            select_dictionary(&field.test, Empty::IsText, column, rows);
        }
        (Test::Integer(_), DataType::Int32) => select_integers::<Int32Type>(&field.test, column, rows),
        (Test::Integer(_), DataType::Int64) => select_integers::<Int64Type>(&field.test, column, rows),
        (Test::Integer(_), DataType::UInt32) => select_integers::<UInt32Type>(&field.test, column, rows),
        (Test::Integer(_), DataType::UInt64) => select_integers::<UInt64Type>(&field.test, column, rows),
        _ => rows.retain(|row| field.matches(&batch.event(*row))),
    }
}

/// What an empty text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    IsText,
    IsMissing,
}

fn select_dictionary(test: &Test, empty: Empty, column: &ArrayRef, rows: &mut Vec<usize>) {
    let dictionary = column.as_dictionary_opt::<Int32Type>();
    let Some((dictionary, values)) =
        dictionary.and_then(|dictionary| Some((dictionary, dictionary.values().as_string_opt::<i32>()?)))
    else {
        rows.clear();
        return;
    };
    let mut known: Vec<Option<bool>> = vec![None; values.len()];
    rows.retain(|row| {
        dictionary.key(*row).is_some_and(|key| {
            *known[key].get_or_insert_with(|| {
                let there = values.is_valid(key) && (empty == Empty::IsText || !values.value(key).is_empty());
                there && test.matches(&Value::Str(values.value(key)))
            })
        })
    });
}

fn select_integers<T: ArrowPrimitiveType<Native: Into<i128>>>(
    test: &Test,
    column: &ArrayRef,
    rows: &mut Vec<usize>,
) {
    let (Test::Integer(conditions), Some(numbers)) = (test, column.as_primitive_opt::<T>()) else {
        rows.clear();
        return;
    };
    rows.retain(|row| numbers.is_valid(*row) && conditions.integer(numbers.value(*row).into()));
}
