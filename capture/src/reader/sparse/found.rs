//! Values that have been taken out of pages, and the column that they make.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, DictionaryArray, Int32Array, PrimitiveArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt32Type,
    UInt64Type,
};

use super::plain::{self, Dictionary};

/// What has been taken so far.
pub(super) enum Found {
    /// Of that many bytes in the file, extended by their sign.
    Numbers {
        size: usize,
        values: Vec<i64>,
    },
    Bytes(Texts),
}

/// Texts, or bytes. One that lies in the file once is kept once, however many rows have it: otherwise a small file could take any
/// amount of memory.
#[derive(Default)]
pub(super) struct Texts {
    /// One after the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<i32>,
    /// Which one a value is.
    values: Vec<i32>,
    /// By the numbers that they have in the file.
    known: HashMap<usize, i32>,
}

impl Texts {
    /// Adds one that a value is.
    pub(super) fn push(&mut self, text: &[u8]) -> Option<i32> {
        let number = i32::try_from(self.ends.len()).ok()?;
        self.bytes.extend_from_slice(text);
        self.ends.push(i32::try_from(self.bytes.len()).ok()?);
        self.values.push(number);
        Some(number)
    }

    /// A value is the one with this number in the file.
    pub(super) fn push_number(&mut self, number: usize, dictionary: &Dictionary) -> Option<()> {
        if let Some(known) = self.known.get(&number) {
            self.values.push(*known);
        } else {
            let new = self.push(dictionary.get(number)?)?;
            self.known.insert(number, new);
        }
        Some(())
    }
}

impl Found {
    pub(super) fn push_number(&mut self, value: i64) -> Option<()> {
        let Self::Numbers { values, .. } = self else {
            return None;
        };
        values.push(value);
        Some(())
    }

    /// A value by its number in the file.
    pub(super) fn push_numbered(&mut self, number: usize, dictionary: &Dictionary) -> Option<()> {
        match self {
            Self::Numbers { size, values } => values.push(plain::number(dictionary.get(number)?, *size)?),
            Self::Bytes(texts) => texts.push_number(number, dictionary)?,
        }
        Some(())
    }

    /// The column. `valid` tells which rows have the values, in order.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers were extended, and unsigned ones lie in columns of signed ones"
    )]
    pub(super) fn finish(self, data_type: &DataType, valid: &[bool]) -> Option<ArrayRef> {
        fn numbers<T: ArrowPrimitiveType>(
            size: usize,
            values: &[i64],
            valid: &[bool],
            convert: impl Fn(i64) -> T::Native,
        ) -> Option<PrimitiveArray<T>> {
            let mut values = values.iter();
            let column = valid.iter().map(|valid| {
                let value = valid.then(|| values.next()).flatten();
                value.map(|value| convert(*value))
            });
            (size_of::<T::Native>() == size).then(|| column.collect())
        }
        Some(match self {
            Self::Numbers { size, values } => match data_type {
                DataType::Int32 => {
                    Arc::new(numbers::<Int32Type>(size, &values, valid, |value| value as i32)?)
                }
                DataType::UInt32 => {
                    Arc::new(numbers::<UInt32Type>(size, &values, valid, |value| value as u32)?)
                }
                DataType::Int64 => Arc::new(numbers::<Int64Type>(size, &values, valid, |value| value)?),
                DataType::UInt64 => {
                    Arc::new(numbers::<UInt64Type>(size, &values, valid, |value| value as u64)?)
                }
                DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                    let times = numbers::<TimestampNanosecondType>(size, &values, valid, |value| value)?;
                    Arc::new(times.with_timezone_opt(zone.clone()))
                }
                _ => return None,
            },
            Self::Bytes(Texts {
                bytes, ends, values, ..
            }) => {
                let ends = OffsetBuffer::new(std::iter::once(0).chain(ends).collect());
                let mut values = values.into_iter();
                let numbers = valid.iter().map(|valid| valid.then(|| values.next()).flatten());
                let numbers: Int32Array = numbers.collect();
                let texts: ArrayRef = match data_type {
                    DataType::Dictionary(number, text)
                        if **number == DataType::Int32 && **text == DataType::Utf8 =>
                    {
                        Arc::new(StringArray::try_new(ends, bytes.into(), None).ok()?)
                    }
                    DataType::Binary => Arc::new(BinaryArray::try_new(ends, bytes.into(), None).ok()?),
                    _ => return None,
                };
                Arc::new(DictionaryArray::try_new(numbers, texts).ok()?)
            }
        })
    }
}
