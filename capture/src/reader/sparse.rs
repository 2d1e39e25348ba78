//! A few rows of a column.
//!
//! The general reader decodes all values of a page, or passes over some of them at the price of a hundred others. Events that detectors
//! want lie some dozens apart: most of what it would decode is thrown away. Here the wanted values are taken out of the pages where
//! they lie, in the encodings that writers use for numbers and texts (the Parquet format's `Encodings.md`: `PLAIN`, `RLE_DICTIONARY`,
//! `DELTA_BINARY_PACKED`, and the hybrid of runs and packed bits for levels and numbers of values).
//!
//! Whatever is not such a column, or is not as it should be, is left to the general reader, which tells what is wrong with it. So nothing
//! here has an error, and all of it has to be right: a test holds it against the general reader.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, DictionaryArray, Int32Array, PrimitiveArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimeUnit, TimestampNanosecondType, UInt32Type,
    UInt64Type,
};
use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::schema::types::ColumnDescriptor;

/// The rows `wanted` of a column whose pages are `pages`; they increase. Bytes, too, come by number. `None` if that is left to the general
/// reader.
pub(super) fn take(
    mut pages: impl PageReader,
    column: &ColumnDescriptor,
    data_type: &DataType,
    wanted: &[u32],
) -> Option<ArrayRef> {
    let numbers = match column.physical_type() {
        Type::INT32 => Some(size_of::<i32>()),
        Type::INT64 => Some(size_of::<i64>()),
        Type::BYTE_ARRAY => None,
        _ => return None,
    };
    if column.max_rep_level() > 0 || column.max_def_level() > 1 {
        return None;
    }
    let nullable = column.max_def_level() == 1;
    let mut found = match numbers {
        Some(size) => Found::Numbers {
            size,
            values: Vec::with_capacity(wanted.len()),
        },
        None => Found::Bytes(Texts::default()),
    };
    let mut valid = Vec::with_capacity(wanted.len());
    let mut dictionary = None;
    let (mut rest, mut first) = (wanted, 0_usize);
    while !rest.is_empty() {
        let next = pages.peek_next_page().ok()??;
        if next.is_dict {
            let Page::DictionaryPage {
                buf,
                num_values,
                encoding,
                ..
            } = pages.get_next_page().ok()??
            else {
                return None;
            };
            if dictionary.is_some() || !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
                return None;
            }
            dictionary = Some(Dictionary::of(buf, num_values as usize, numbers)?);
            continue;
        }
        let end = first.checked_add(next.num_levels.or(next.num_rows)?)?;
        let here = rest.partition_point(|row| (*row as usize) < end);
        if here == 0 {
            pages.skip_next_page().ok()?;
        } else {
            let places: Vec<usize> = rest[..here].iter().map(|row| *row as usize - first).collect();
            let page = pages.get_next_page().ok()??;
            let page = Values::of(&page, nullable, end - first)?;
            let ranks = page.ranks(places, &mut valid)?;
            page.take(&ranks, dictionary.as_ref(), &mut found)?;
            rest = &rest[here..];
        }
        first = end;
    }
    found.finish(data_type, &valid)
}

/// What has been taken so far.
enum Found {
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
struct Texts {
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
    fn push(&mut self, text: &[u8]) -> Option<i32> {
        let number = i32::try_from(self.ends.len()).ok()?;
        self.bytes.extend_from_slice(text);
        self.ends.push(i32::try_from(self.bytes.len()).ok()?);
        self.values.push(number);
        Some(number)
    }

    /// A value is the one with this number in the file.
    fn push_number(&mut self, number: usize, dictionary: &Dictionary) -> Option<()> {
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
    fn push_number(&mut self, value: i64) -> Option<()> {
        let Self::Numbers { values, .. } = self else {
            return None;
        };
        values.push(value);
        Some(())
    }

    /// A value by its number in the file.
    fn push_numbered(&mut self, number: usize, dictionary: &Dictionary) -> Option<()> {
        match self {
            Self::Numbers { size, values } => values.push(self::number(dictionary.get(number)?, *size)?),
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
    fn finish(self, data_type: &DataType, valid: &[bool]) -> Option<ArrayRef> {
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

/// A number of `size` bytes.
fn number(value: &[u8], size: usize) -> Option<i64> {
    if size == size_of::<i32>() {
        Some(i32::from_le_bytes(value.try_into().ok()?).into())
    } else {
        Some(i64::from_le_bytes(value.try_into().ok()?))
    }
}

/// The values that numbers in pages stand for.
struct Dictionary {
    bytes: Bytes,
    /// Where each of the texts lies; empty for numbers.
    texts: Vec<(u32, u32)>,
    size: Option<usize>,
}

impl Dictionary {
    fn of(bytes: Bytes, values: usize, size: Option<usize>) -> Option<Self> {
        let mut texts = Vec::new();
        if size.is_none() {
            // Each takes four bytes at least, so that no more than what is there is asked for.
            texts.reserve(values.min(bytes.len() / 4));
            let mut at = 0;
            for _ in 0..values {
                let text = plain_text(&bytes, &mut at)?;
                texts.push((
                    u32::try_from(at - text.len()).ok()?,
                    u32::try_from(text.len()).ok()?,
                ));
            }
        }
        Some(Self { bytes, texts, size })
    }

    fn get(&self, number: usize) -> Option<&[u8]> {
        if let Some(size) = self.size {
            let start = number.checked_mul(size)?;
            return self.bytes.get(start..start.checked_add(size)?);
        }
        let (start, length) = *self.texts.get(number)?;
        self.bytes.get(start as usize..start as usize + length as usize)
    }
}

/// A text at `at`, with its length in front.
fn plain_text<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let start = at.checked_add(4)?;
    let length = u32::from_le_bytes(bytes.get(*at..start)?.try_into().ok()?);
    let end = start.checked_add(length as usize)?;
    *at = end;
    bytes.get(start..end)
}

/// A page of data.
struct Values<'a> {
    /// Which rows have a value; `None` if all have.
    levels: Option<Hybrid<'a>>,
    encoding: Encoding,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    fn of(page: &'a Page, nullable: bool, rows: usize) -> Option<Self> {
        let (levels, encoding, bytes) = match page {
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                ..
            } => {
                if *num_values as usize != rows || nullable && *def_level_encoding != Encoding::RLE {
                    return None;
                }
                let mut after = 0;
                let levels = if nullable {
                    plain_text(buf, &mut after)?
                } else {
                    &[]
                };
                (levels, *encoding, buf.get(after..)?)
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                if *num_values as usize != rows || *rep_levels_byte_len != 0 {
                    return None;
                }
                let (levels, bytes) = buf.split_at_checked(*def_levels_byte_len as usize)?;
                (levels, *encoding, bytes)
            }
            Page::DictionaryPage { .. } => return None,
        };
        let levels = Hybrid {
            bytes: levels,
            width: 1,
        };
        let all = match levels.clone().next() {
            Some(Run::Same { number: 1, length }) => length >= rows,
            _ => false,
        };
        Some(Self {
            levels: (nullable && !all).then_some(levels),
            encoding,
            bytes,
        })
    }

    /// Where the values of these rows lie among the values of the page. `valid` learns which rows have one.
    fn ranks(&self, places: Vec<usize>, valid: &mut Vec<bool>) -> Option<Vec<usize>> {
        let Some(levels) = &self.levels else {
            valid.extend(std::iter::repeat_n(true, places.len()));
            return Some(places);
        };
        let mut ranks = Vec::with_capacity(places.len());
        let mut places = places.into_iter().peekable();
        let (mut first, mut before) = (0_usize, 0_usize);
        for run in levels.clone() {
            if places.peek().is_none() {
                break;
            }
            let end = first.checked_add(run.len())?;
            let (mut counted, mut values) = (first, before);
            while let Some(place) = places.next_if(|place| *place < end) {
                values += run.ones(counted - first, place - first);
                counted = place;
                let is_valid = run.get(place - first)? == 1;
                valid.push(is_valid);
                if is_valid {
                    ranks.push(values);
                }
            }
            before = values + run.ones(counted - first, run.len());
            first = end;
        }
        places.peek().is_none().then_some(ranks)
    }

    /// Takes the values at these places.
    fn take(&self, ranks: &[usize], dictionary: Option<&Dictionary>, found: &mut Found) -> Option<()> {
        let size = match found {
            Found::Numbers { size, .. } => Some(*size),
            Found::Bytes(_) => None,
        };
        match (self.encoding, size) {
            (Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY, _) => {
                let dictionary = dictionary?;
                let Some((width, bytes)) = self.bytes.split_first() else {
                    // There are no values.
                    return ranks.is_empty().then_some(());
                };
                let runs = Hybrid {
                    bytes,
                    width: Some(u32::from(*width)).filter(|width| *width <= 32)?,
                };
                let mut ranks = ranks.iter().peekable();
                let mut first = 0_usize;
                for run in runs {
                    if ranks.peek().is_none() {
                        break;
                    }
                    let end = first.checked_add(run.len())?;
                    while let Some(rank) = ranks.next_if(|rank| **rank < end) {
                        let number = usize::try_from(run.get(rank - first)?).ok()?;
                        found.push_numbered(number, dictionary)?;
                    }
                    first = end;
                }
                ranks.peek().is_none().then_some(())
            }
            (Encoding::PLAIN, Some(size)) => ranks.iter().try_for_each(|rank| {
                let start = rank.checked_mul(size)?;
                let value = self.bytes.get(start..start.checked_add(size)?)?;
                found.push_number(number(value, size)?)
            }),
            (Encoding::PLAIN, None) => {
                let Found::Bytes(texts) = found else { return None };
                let (mut at, mut next) = (0, 0);
                ranks.iter().try_for_each(|rank| {
                    while next < *rank {
                        plain_text(self.bytes, &mut at)?;
                        next += 1;
                    }
                    next += 1;
                    texts.push(plain_text(self.bytes, &mut at)?).map(drop)
                })
            }
            (Encoding::DELTA_BINARY_PACKED, Some(size)) => deltas(self.bytes, size, ranks, found),
            _ => None,
        }
    }
}

/// Takes numbers that lie as differences, in blocks of packed bits.
fn deltas(mut bytes: &[u8], size: usize, ranks: &[usize], found: &mut Found) -> Option<()> {
    let of_size = |number: i64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "sums of small numbers wrap around"
        )]
        if size == size_of::<i32>() {
            i64::from(number as i32)
        } else {
            number
        }
    };
    let block = usize::try_from(varint(&mut bytes)?).ok()?;
    let miniblocks = usize::try_from(varint(&mut bytes)?).ok()?;
    let count = usize::try_from(varint(&mut bytes)?).ok()?;
    let mut number = zigzag(&mut bytes)?;
    let per_miniblock = block.checked_div(miniblocks)?;
    if per_miniblock == 0 || per_miniblock % 8 != 0 {
        return None;
    }
    let Some(last) = ranks.last() else { return Some(()) };
    // A file may say that there are any number of values.
    let last = count.checked_sub(1).filter(|end| end >= last).and(Some(*last))?;
    let mut ranks = ranks.iter().peekable();
    let mut at = 0_usize;
    while ranks.next_if(|rank| **rank == at).is_some() {
        found.push_number(of_size(number))?;
    }
    while ranks.peek().is_some() {
        let least = zigzag(&mut bytes)?;
        let widths;
        (widths, bytes) = bytes.split_at_checked(miniblocks)?;
        for width in widths {
            let width = u32::from(*width);
            if width > 64 {
                return None;
            }
            let packed;
            (packed, bytes) = bytes.split_at_checked((per_miniblock / 8).checked_mul(width as usize)?)?;
            let end = at.checked_add(per_miniblock)?.min(last);
            for place in 0..end - at {
                #[expect(clippy::cast_possible_wrap, reason = "differences wrap around")]
                let delta = bits(packed, place, width) as i64;
                number = number.wrapping_add(least).wrapping_add(delta);
                if ranks.next_if(|rank| **rank == at + place + 1).is_some() {
                    found.push_number(of_size(number))?;
                }
            }
            at = end;
            if ranks.peek().is_none() {
                return Some(());
            }
        }
    }
    Some(())
}

/// A whole number in groups of seven bits.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A number whose sign is its lowest bit.
#[expect(clippy::cast_possible_wrap, reason = "both halves fit")]
fn zigzag(bytes: &mut &[u8]) -> Option<i64> {
    let number = varint(bytes)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// The number at a place, of those that lie in `bytes` with `width` bits each, up to 64; bits that are not there are 0.
fn bits(bytes: &[u8], place: usize, width: u32) -> u64 {
    let first = place * width as usize;
    let (start, shift) = (first / 8, first % 8);
    let word = match bytes.get(start..start + 8) {
        Some(word) => u64::from_le_bytes(word.try_into().expect("these are eight bytes")),
        None => {
            let rest = bytes.get(start..).unwrap_or_default();
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(word)
        }
    };
    let mut number = word >> shift;
    if shift + width as usize > 64 {
        let more = bytes.get(start + 8).copied().unwrap_or_default();
        number |= u64::from(more) << (64 - shift);
    }
    match width {
        64 => number,
        _ => number & ((1 << width) - 1),
    }
}

/// Numbers in runs: of one number, or of packed bits.
#[derive(Clone)]
struct Hybrid<'a> {
    bytes: &'a [u8],
    /// Bits of a number, up to 32.
    width: u32,
}

enum Run<'a> {
    Same {
        number: u64,
        length: usize,
    },
    Packed {
        bytes: &'a [u8],
        width: u32,
        length: usize,
    },
}

impl<'a> Iterator for Hybrid<'a> {
    type Item = Run<'a>;

    /// Ends where the bytes make no sense.
    fn next(&mut self) -> Option<Run<'a>> {
        let header = varint(&mut self.bytes)?;
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let (number, rest) = self.bytes.split_at_checked(self.width.div_ceil(8) as usize)?;
            self.bytes = rest;
            let number = bits(number, 0, self.width);
            return Some(Run::Same { number, length });
        }
        // The last run may be cut short.
        let size = length.checked_mul(self.width as usize)?.min(self.bytes.len());
        let (bytes, rest) = self.bytes.split_at(size);
        self.bytes = rest;
        Some(Run::Packed {
            bytes,
            width: self.width,
            length: length.checked_mul(8)?,
        })
    }
}

impl Run<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Same { length, .. } | Self::Packed { length, .. } => *length,
        }
    }

    /// The number at a place in the run; `None` if it is not there.
    fn get(&self, place: usize) -> Option<u64> {
        match self {
            Self::Same { number, .. } => Some(*number),
            Self::Packed { bytes, width, .. } => {
                let end = (place + 1).checked_mul(*width as usize)?;
                (end <= bytes.len() * 8).then(|| bits(bytes, place, *width))
            }
        }
    }

    /// How many of the numbers at places from `from` to before `to` are 1; they are 0 or 1.
    fn ones(&self, from: usize, to: usize) -> usize {
        match self {
            Self::Same { number: 1, .. } => to - from,
            Self::Same { .. } => 0,
            Self::Packed { bytes, .. } => (from..to).filter(|place| bits(bytes, *place, 1) == 1).count(),
        }
    }
}

#[cfg(test)]
mod tests;
