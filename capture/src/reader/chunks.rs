//! Column chunks in memory: what a row group's columns are decoded from.
//!
//! A chunk is read in one piece; page by page, through a file, each page would take half a dozen system calls. It also
//! keeps the decoder, which follows what the file says, within the chunks that were asked for.

use std::ops::Range;

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Stretches of a file, in memory.
#[derive(Debug)]
pub(super) struct Chunks {
    /// Bytes of the file.
    len: u64,
    chunks: Vec<(u64, Bytes)>,
}

impl Chunks {
    /// Reads the stretches `wanted` of `file`. They may not lie outside of the file, or be longer than it altogether, as they
    /// would have to be if they overlapped: then a small file would take much memory.
    pub(super) fn read(
        file: &impl ChunkReader,
        wanted: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<Self, ParquetError> {
        let len = file.len();
        let mut left = len;
        let chunks = wanted.into_iter().map(|range| {
            let bytes = range.end.checked_sub(range.start).filter(|_| range.end <= len);
            let bytes = bytes.filter(|bytes| *bytes <= left);
            let bytes = bytes.ok_or_else(|| {
                ParquetError::General(format!("bytes {range:?} of a file of {len} bytes make no column"))
            })?;
            left -= bytes;
            Ok((range.start, file.get_bytes(range.start, bytes as usize)?))
        });
        Ok(Self {
            chunks: chunks.collect::<Result<_, ParquetError>>()?,
            len,
        })
    }

    /// The bytes from `start` to the end of the chunk that has them.
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let found = self.chunks.iter().find_map(|(first, bytes)| {
            let offset = usize::try_from(start.checked_sub(*first)?).ok()?;
            (offset < bytes.len()).then(|| bytes.slice(offset..))
        });
        found.ok_or_else(|| ParquetError::EOF(format!("byte {start} is outside of the column")))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Chunks {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF(format!(
                "{length} bytes from byte {start} on reach beyond the column"
            )));
        }
        Ok(bytes.slice(..length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_chunks_can_be_read() {
        let file = Bytes::from_static(b"0123456789");
        let chunks = Chunks::read(&file, [2..4, 6..9]).unwrap();
        assert_eq!(chunks.get_bytes(2, 2).unwrap(), "23");
        assert_eq!(chunks.get_bytes(7, 1).unwrap(), "7");
        assert_eq!(chunks.get_bytes(0, 0).unwrap(), "");
        for (start, length) in [(1, 1), (3, 2), (4, 1), (9, 1), (u64::MAX, 1), (6, usize::MAX)] {
            assert!(chunks.get_bytes(start, length).is_err(), "{length} from {start}");
        }
        assert!(chunks.get_read(5).is_err());
    }

    #[test]
    fn chunks_lie_in_the_file_and_are_not_longer() {
        let file = Bytes::from_static(b"0123456789");
        assert!(Chunks::read(&file, [2..4, 4..11]).is_err());
        assert!(Chunks::read(&file, [0..8, 1..9]).is_err());
        #[expect(clippy::reversed_empty_ranges, reason = "what a footer may say")]
        let reversed = 5..4;
        assert!(Chunks::read(&file, Some(reversed)).is_err());
    }
}
