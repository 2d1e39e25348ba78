//! Which texts a column chunk has, without decoding its rows: bloom filters and dictionaries.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{StringArray, StringBuilder};
use parquet::basic::{Encoding, Type};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, SerializedPageReader};

use super::chunks::Chunks;
use super::decode::{ParquetFile, guard};
use crate::Error;

/// Bytes of the largest dictionary that is decoded. Writers begin to write plain values far earlier.
const MAX_DICTIONARY: usize = 64 << 20;

/// The bloom filter that was asked last: a reader asks one about many texts.
#[derive(Debug, Default)]
pub(super) struct BloomCache(Mutex<Option<Bloom>>);

#[derive(Debug)]
struct Bloom {
    row_group: usize,
    leaf: usize,
    /// `None` if the column has none.
    filter: Option<Arc<Sbbf>>,
}

impl ParquetFile {
    /// `false` only if a bloom filter proves that no value of `column` is `value`.
    pub(super) fn may_hold(&self, row_group: usize, column: &str, value: &str) -> bool {
        let Some(leaf) = self.leaf(column) else {
            return true;
        };
        // What a fault in a filter hides is not lost: the rows are read then.
        let filter = self.bloom(row_group, leaf).unwrap_or_default();
        filter.is_none_or(|filter| guard(|| Ok::<_, String>(filter.check(value))).unwrap_or(true))
    }

    fn bloom(&self, row_group: usize, leaf: usize) -> Result<Option<Arc<Sbbf>>, Error> {
        // A panic while the lock was held left the cache as it was.
        let mut cache = self.blooms.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bloom) = &*cache
            && (bloom.row_group, bloom.leaf) == (row_group, leaf)
        {
            return Ok(bloom.filter.clone());
        }
        let meta = self.metadata.metadata().row_group(row_group).column(leaf);
        let filter = match meta.bloom_filter_offset() {
            None => None,
            Some(_) => {
                let file = self.handle()?;
                guard(|| read_bloom(&*file, meta, self.part.bytes))
                    .map_err(|reason| self.fault(row_group, Some(meta.column_path().string()), reason))?
                    .map(Arc::new)
            }
        };
        *cache = Some(Bloom {
            row_group,
            leaf,
            filter: filter.clone(),
        });
        Ok(filter)
    }

    /// The texts in the dictionary of `column`, if all its values are in the dictionary.
    pub(super) fn dictionary(&self, row_group: usize, column: &str) -> Result<Option<StringArray>, Error> {
        let Some(leaf) = self.leaf(column) else {
            return Ok(None);
        };
        let meta = self.metadata.metadata().row_group(row_group).column(leaf);
        let only_dictionary = meta.page_encoding_stats_mask().is_some_and(|encodings| {
            encodings.is_only(Encoding::RLE_DICTIONARY) || encodings.is_only(Encoding::PLAIN_DICTIONARY)
        });
        if !only_dictionary || meta.column_type() != Type::BYTE_ARRAY {
            return Ok(None);
        }
        let Some(start) = meta
            .dictionary_page_offset()
            .and_then(|offset| u64::try_from(offset).ok())
        else {
            return Ok(None);
        };
        let file = self.handle()?;
        guard(|| {
            let end = u64::try_from(meta.data_page_offset()).unwrap_or_default();
            let chunks = Chunks::read(&*file, std::iter::once(start..end))?;
            check_page_sizes(&chunks.get_bytes(start, (end - start) as usize)?)?;
            let mut pages = SerializedPageReader::new(Arc::new(chunks), meta, self.rows(row_group), None)?;
            match pages.get_next_page()? {
                Some(Page::DictionaryPage { buf, num_values, .. }) => {
                    texts(&buf, num_values as usize).map(Some)
                }
                _ => Ok(None),
            }
        })
        .map_err(|reason| self.fault(row_group, Some(column.to_owned()), reason))
    }
}

fn general(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}

/// The decoder reserves what the file says that a filter takes.
fn read_bloom(
    file: &impl ChunkReader,
    meta: &ColumnChunkMetaData,
    bytes: u64,
) -> Result<Option<Sbbf>, ParquetError> {
    let length = meta.bloom_filter_length().map(u64::try_from);
    // Without a length it is in the filter's own header; our writer gives it.
    match length {
        Some(Ok(length)) if length <= bytes => Sbbf::read_from_column_chunk(meta, file),
        Some(_) => Err(general("the bloom filter is longer than the file")),
        None => Ok(None),
    }
}

/// Fails if the dictionary page at the beginning of `chunk` says that it is too large: the decoder reserves as much. A page
/// header is a struct in Thrift's compact encoding, which begins with its type, its size and its compressed size.
fn check_page_sizes(chunk: &[u8]) -> Result<(), ParquetError> {
    let mut rest = chunk;
    let mut field = || {
        let ([0x15], after) = rest.split_at_checked(1)? else {
            return None;
        };
        rest = after;
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let (byte, after) = rest.split_first()?;
            rest = after;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                // Zigzag; a size is not negative.
                return (number & 1 == 0).then_some(number >> 1);
            }
        }
        None
    };
    let (_, size) = field()
        .zip(field())
        .ok_or_else(|| general("the header of the dictionary is malformed"))?;
    if size > MAX_DICTIONARY as u64 {
        return Err(general("the dictionary is too large"));
    }
    Ok(())
}

/// The values of a dictionary page: each a length in 4 bytes, little-endian, and as many bytes.
fn texts(mut page: &[u8], values: usize) -> Result<StringArray, ParquetError> {
    let torn = || general("the dictionary is torn");
    if values > page.len() / 4 {
        return Err(torn());
    }
    let mut texts = StringBuilder::with_capacity(values, page.len() - 4 * values);
    for _ in 0..values {
        let (length, after) = page.split_first_chunk().ok_or_else(torn)?;
        let (text, after) = after
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or_else(torn)?;
        texts.append_value(std::str::from_utf8(text).map_err(|error| general(&error.to_string()))?);
        page = after;
    }
    Ok(texts.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_dictionaries_are_not_trusted() {
        // A dictionary page of 16 bytes, then one of 2³⁰, then headers that are none.
        assert!(check_page_sizes(&[0x15, 4, 0x15, 32, 0x15, 32]).is_ok());
        assert!(check_page_sizes(&[0x15, 4, 0x15, 0x80, 0x80, 0x80, 0x80, 8]).is_err());
        for malformed in [
            &[][..],
            &[0x15],
            &[0x15, 4],
            &[0x25, 4, 0x15, 2],
            &[0x15, 4, 0x15, 3],
            &[0x15; 3],
        ] {
            assert!(check_page_sizes(malformed).is_err(), "{malformed:?}");
        }
    }

    #[test]
    fn a_dictionary_has_as_many_texts_as_it_says() {
        let page = [&2_u32.to_le_bytes()[..], b"ab", &0_u32.to_le_bytes()].concat();
        let read = texts(&page, 2).unwrap();
        assert_eq!(read.iter().flatten().collect::<Vec<_>>(), ["ab", ""]);
        assert!(texts(&page, 3).is_err());
        assert!(texts(&page, usize::MAX).is_err());
        assert!(texts(&[1, 0, 0, 0, 0xff], 1).is_err());
    }
}
