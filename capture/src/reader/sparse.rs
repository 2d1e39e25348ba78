//! A few rows of a column.
//!
//! The general reader decodes all values of a page, or passes over some of them at the price of a hundred others. Events that detectors
//! want lie some dozens apart: most of what it would decode is thrown away. Here the wanted values are taken out of the pages where
//! they lie, in the encodings that writers use for numbers and texts (the Parquet format's `Encodings.md`: `PLAIN`, `RLE_DICTIONARY`,
//! `DELTA_BINARY_PACKED`, and the hybrid of runs and packed bits for levels and numbers of values).
//!
//! Whatever is not such a column, or is not as it should be, is left to the general reader, which tells what is wrong with it. So nothing
//! here has an error, and all of it has to be right: a test holds it against the general reader.

mod bits;
mod deltas;
mod found;
mod plain;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::schema::types::ColumnDescriptor;

use bits::{Hybrid, Run};
use deltas::deltas;
use found::{Found, Texts};
use plain::{Dictionary, number, plain_text};

/// A column whose values can be taken out of pages one by one.
#[derive(Debug)]
pub(super) struct Sparse<'a> {
    /// The type of what is taken.
    data_type: &'a DataType,
    /// Bytes of a number; none, for texts and bytes.
    size: Option<usize>,
    nullable: bool,
}

impl<'a> Sparse<'a> {
    /// `None` if it is a column for the general reader.
    pub(super) fn of(column: &ColumnDescriptor, data_type: &'a DataType) -> Option<Self> {
        let size = match (column.physical_type(), data_type) {
            (Type::INT32, DataType::Int32 | DataType::UInt32) => Some(size_of::<i32>()),
            (
                Type::INT64,
                DataType::Int64 | DataType::UInt64 | DataType::Timestamp(TimeUnit::Nanosecond, _),
            ) => Some(size_of::<i64>()),
            (Type::BYTE_ARRAY, DataType::Binary) => None,
            (Type::BYTE_ARRAY, DataType::Dictionary(number, text))
                if **number == DataType::Int32 && **text == DataType::Utf8 =>
            {
                None
            }
            _ => return None,
        };
        (column.max_rep_level() == 0 && column.max_def_level() <= 1).then_some(Self {
            data_type,
            size,
            nullable: column.max_def_level() == 1,
        })
    }

    /// The rows `wanted` of the column whose pages are `pages`; they increase. Bytes, too, come by number. `None` if that is left to the
    /// general reader.
    pub(super) fn take(&self, mut pages: impl PageReader, wanted: &[u32]) -> Option<ArrayRef> {
        let mut found = match self.size {
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
                dictionary = Some(Dictionary::of(buf, num_values as usize, self.size)?);
                continue;
            }
            let end = first.checked_add(next.num_levels.or(next.num_rows)?)?;
            let here = rest.partition_point(|row| (*row as usize) < end);
            if here == 0 {
                pages.skip_next_page().ok()?;
            } else {
                let places: Vec<usize> = rest[..here].iter().map(|row| *row as usize - first).collect();
                let page = pages.get_next_page().ok()??;
                let page = Values::of(&page, self.nullable, end - first)?;
                let ranks = page.ranks(places, &mut valid)?;
                page.take(&ranks, dictionary.as_ref(), &mut found)?;
                rest = &rest[here..];
            }
            first = end;
        }
        found.finish(self.data_type, &valid)
    }
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

#[cfg(test)]
mod tests;
