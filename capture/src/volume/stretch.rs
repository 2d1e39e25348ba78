//! Bytes of a file: all of them, or those of one entry of a pack.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

/// A stretch of an open file. Reads give their position, so that threads can share the file; Parquet readers take a stretch
/// as they take a file.
#[derive(Clone, Debug)]
pub struct Stretch {
    file: Arc<File>,
    offset: u64,
    length: u64,
}

impl Stretch {
    /// The whole file, as long as it is now.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self {
            file: Arc::new(file),
            offset: 0,
            length,
        })
    }

    /// `length` bytes from `offset` on, which the caller has found in the file.
    pub(super) fn within(file: &Arc<File>, offset: u64, length: u64) -> Self {
        Self {
            file: Arc::clone(file),
            offset,
            length,
        }
    }

    /// Number of bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` with the bytes from `position` on.
    ///
    /// # Errors
    /// If they are not all there, or cannot be read.
    pub fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        self.check(position, buffer.len() as u64)?;
        self.file.read_exact_at(buffer, self.offset + position)
    }

    /// Reads from `position` to the end of the stretch.
    #[must_use]
    pub fn reader(&self, position: u64) -> StretchReader {
        StretchReader {
            stretch: self.clone(),
            position: position.min(self.length),
        }
    }

    fn check(&self, position: u64, length: u64) -> io::Result<()> {
        match position.checked_add(length) {
            Some(end) if end <= self.length => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "{length} bytes are wanted at byte {position}, and there are {} in all",
                    self.length
                ),
            )),
        }
    }
}

/// Reads a stretch in order.
#[derive(Debug)]
pub struct StretchReader {
    stretch: Stretch,
    position: u64,
}

impl Read for StretchReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.stretch.length - self.position;
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self
            .stretch
            .file
            .read_at(&mut buffer[..wanted], self.stretch.offset + self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Length for Stretch {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Stretch {
    type T = BufReader<StretchReader>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.check(start, 0)?;
        Ok(BufReader::new(self.reader(start)))
    }

    // The bytes are known to be there before memory is reserved for them.
    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.check(start, length as u64)?;
        let mut buffer = vec![0; length];
        self.read_exact_at(&mut buffer, start)
            .map_err(|error| ParquetError::EOF(error.to_string()))?;
        Ok(buffer.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn nothing_outside_of_the_stretch_is_read() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before|inside|after").unwrap();
        let inside = Stretch::within(&Arc::new(file), 7, 6);
        let mut text = String::new();
        inside.reader(2).read_to_string(&mut text).unwrap();
        assert_eq!(text, "side");
        assert_eq!(inside.get_bytes(0, 6).unwrap().as_ref(), b"inside");
        assert!(inside.get_bytes(0, 7).is_err());
        assert!(inside.get_bytes(7, 0).is_err());
        assert!(inside.get_bytes(u64::MAX, 1).is_err());
        assert!(inside.get_bytes(0, usize::MAX).is_err());
        assert!(inside.read_exact_at(&mut [0; 3], 4).is_err());
        assert_eq!(inside.reader(99).read(&mut [0; 1]).unwrap(), 0);
    }
}
