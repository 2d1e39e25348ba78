//! Which texts a column chunk surely does not have, without decoding its rows: bloom filters.

use std::sync::{Arc, Mutex, PoisonError};

use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use super::decode::{ParquetFile, guard};
use crate::Error;

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
