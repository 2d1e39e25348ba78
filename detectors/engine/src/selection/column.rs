//! The tests of one column.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt32Type,
    UInt64Type,
};
use detectors_api::columns::{Layout, Physical};
use detectors_api::event::EventBatch;

use super::Facts;
use super::rows::Rows;
use super::steps::Steps;
use super::texts::Texts;
use crate::filter::Test;

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// A field of the event, by name.
    Field(&'a str),
    /// A common column, where an empty text stands for none.
    Common(&'static str),
}

/// All tests of one column. A row where it is null passes none of them.
#[derive(Clone, Debug)]
pub(super) struct ColumnTests {
    /// Name of the field, or of the common column.
    name: String,
    is_field: bool,
    /// Its name in the layout.
    column: String,
    /// The requirements that test it.
    tested: u64,
    /// Each with the bit of its requirement, which has only one.
    tests: Vec<(u64, Test)>,
    matcher: Matcher,
}

/// How values are tested.
#[derive(Clone, Debug)]
pub(super) enum Matcher {
    /// All tests together; a row has one text.
    Texts(Texts),
    /// All tests together; a row has one number.
    Steps(Steps),
    /// One test after the other; a row may have a list.
    EachTest,
}

impl ColumnTests {
    /// The tests, each with the bit of its requirement, of something that events of this layout have.
    pub(super) fn new(subject: Subject<'_>, layout: &Layout, tests: Vec<(u64, Test)>) -> Self {
        let (name, is_field, column, single) = match subject {
            Subject::Common(name) => (name, false, name, true),
            Subject::Field(name) => match layout.field(name) {
                Some(field) => (name, true, field.column.as_str(), is_single(field.physical)),
                // Then no row has it.
                None => (name, true, name, false),
            },
        };
        let texts: Option<Vec<_>> = tests
            .iter()
            .map(|(bit, test)| Some((*bit, test.texts()?)))
            .collect();
        let numbers: Option<Vec<_>> = tests
            .iter()
            .map(|(bit, test)| Some((*bit, test.integers()?)))
            .collect();
        let matcher = match (single, texts, numbers) {
            (true, Some(texts), _) => Matcher::Texts(Texts::new(texts.into_iter())),
            (true, None, Some(numbers)) => Matcher::Steps(Steps::new(numbers.into_iter())),
            _ => Matcher::EachTest,
        };
        Self {
            name: name.to_owned(),
            is_field,
            column: column.to_owned(),
            tested: tests.iter().fold(0, |all, (bit, _)| all | bit),
            tests,
            matcher,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_field(&self) -> bool {
        self.is_field
    }

    pub(super) fn column(&self) -> &str {
        &self.column
    }

    pub(super) fn tested(&self) -> u64 {
        self.tested
    }

    pub(super) fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Leaves only those rows, and those requirements, that pass.
    pub(super) fn thin(&self, batch: &EventBatch, rows: &mut Rows) {
        let column = if self.is_field {
            batch.field_column(&self.name)
        } else {
            batch.common_column(&self.name)
        };
        let Some(column) = column else {
            return rows.thin(self.tested, |_| 0);
        };
        match (&self.matcher, column.data_type()) {
            (Matcher::Texts(texts), DataType::Dictionary(..)) => self.thin_dictionary(texts, column, rows),
            (Matcher::Texts(texts), DataType::Utf8) => {
                let values = column.as_string::<i32>();
                rows.thin(self.tested, |row| self.text_mask(texts, values, row));
            }
            (Matcher::Steps(steps), DataType::Int32) => self.thin_numbers::<Int32Type>(steps, column, rows),
            (Matcher::Steps(steps), DataType::Int64) => self.thin_numbers::<Int64Type>(steps, column, rows),
            (Matcher::Steps(steps), DataType::UInt32) => self.thin_numbers::<UInt32Type>(steps, column, rows),
            (Matcher::Steps(steps), DataType::UInt64) => self.thin_numbers::<UInt64Type>(steps, column, rows),
            (Matcher::Steps(steps), DataType::Timestamp(TimeUnit::Nanosecond, _)) => {
                self.thin_numbers::<TimestampNanosecondType>(steps, column, rows);
            }
            _ => rows.thin(self.tested, |row| {
                let event = batch.event(row);
                let value = event.value(&self.name);
                value.map_or(0, |value| {
                    let passed = self.tests.iter().filter(|(_, test)| test.matches(&value));
                    passed.fold(0, |mask, (bit, _)| mask | bit)
                })
            }),
        }
    }

    fn thin_dictionary(&self, texts: &Texts, column: &ArrayRef, rows: &mut Rows) {
        let dictionary = column.as_dictionary_opt::<Int32Type>();
        let Some((dictionary, values)) =
            dictionary.and_then(|dictionary| Some((dictionary, dictionary.values().as_string_opt::<i32>()?)))
        else {
            return rows.thin(self.tested, |_| 0);
        };
        let keys = dictionary.keys();
        // Each distinct value once; but if most values belong to rows of others, only those that are there.
        if values.len() > rows.len() {
            return rows.thin(self.tested, |row| {
                let key = dictionary.key(row);
                key.map_or(0, |key| self.text_mask(texts, values, key))
            });
        }
        let masks: Vec<u64> = (0..values.len())
            .map(|key| self.text_mask(texts, values, key))
            .collect();
        let mask = |row: usize| masks.get(keys.value(row) as usize).copied().unwrap_or_default();
        match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => rows.thin(self.tested, mask),
            Some(nulls) => rows.thin(self.tested, |row| if nulls.is_valid(row) { mask(row) } else { 0 }),
        }
    }

    fn text_mask(&self, texts: &Texts, values: &StringArray, index: usize) -> u64 {
        if values.is_null(index) || (!self.is_field && values.value(index).is_empty()) {
            return 0;
        }
        texts.mask(values.value(index))
    }

    fn thin_numbers<T: ArrowPrimitiveType<Native: Into<i128>>>(
        &self,
        steps: &Steps,
        column: &ArrayRef,
        rows: &mut Rows,
    ) {
        let Some(numbers) = column.as_primitive_opt::<T>() else {
            return rows.thin(self.tested, |_| 0);
        };
        rows.thin(self.tested, |row| {
            if numbers.is_valid(row) {
                steps.mask(numbers.value(row).into())
            } else {
                0
            }
        });
    }

    /// The requirements of `mask` that some value may pass, as far as the facts about the column tell.
    pub(super) fn possible(&self, facts: &dyn Facts, mask: u64) -> u64 {
        let column = self.column();
        if mask & self.tested == 0 {
            return mask;
        }
        match &self.matcher {
            Matcher::Steps(steps) => facts.number_range(column).map_or(mask, |range| {
                mask & (!self.tested | steps.mask_between(*range.start(), *range.end()))
            }),
            Matcher::Texts(_) => {
                // A bloom filter can only say that a whole text is not there.
                let impossible = self.tests.iter().filter(|(bit, test)| {
                    mask & bit != 0
                        && test.literals().is_some_and(|mut literals| {
                            !literals.any(|literal| facts.may_hold(column, literal))
                        })
                });
                impossible.fold(mask, |mask, (bit, _)| mask & !bit)
            }
            Matcher::EachTest => mask,
        }
    }
}

/// Whether a row has one text or number.
fn is_single(physical: Physical) -> bool {
    matches!(
        physical,
        Physical::Text | Physical::Int32 | Physical::Int64 | Physical::UInt32 | Physical::UInt64
    )
}
