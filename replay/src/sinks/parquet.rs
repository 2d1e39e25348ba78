//! Detections as a Parquet file, with the columns that a capture keeps of detections.
//!
//! The same detections give the same file: what the file depends on besides (the layout of pages, the name of the writer,
//! where row groups end) is fixed here.

use std::{io, mem};

use detectors_engine::Detection;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::rows::{detection_rows, detection_schema};
use super::{Ending, Sink};

/// Detections that become columns together.
const BATCH: usize = 1024;
/// Rows of a row group, at most.
const GROUP_ROWS: usize = 64 * 1024;
/// Bytes of a row group, about, as they are written.
const GROUP_BYTES: usize = 16 << 20;

/// Writes row groups as they fill up.
pub(super) struct Parquet {
    held: Vec<Detection>,
    /// Writes to memory, from which complete row groups are taken.
    writer: ArrowWriter<Vec<u8>>,
}

impl std::fmt::Debug for Parquet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parquet")
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Parquet {
    pub(super) fn new() -> Self {
        let writer = ArrowWriter::try_new(Vec::new(), detection_schema().clone(), Some(properties()))
            .expect("memory takes all, and Parquet has a type for each of these columns");
        Self {
            held: Vec::new(),
            writer,
        }
    }

    /// Makes rows of the detections that wait.
    fn write_held(&mut self) -> Result<(), ParquetError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.writer.write(&detection_rows(&mem::take(&mut self.held)))?;
        if self.writer.in_progress_size() >= GROUP_BYTES {
            self.writer.flush()?;
        }
        Ok(())
    }

    /// Moves what the writer has completed to `out`.
    fn take(&mut self, out: &mut Vec<u8>) {
        out.append(self.writer.inner_mut());
    }
}

fn properties() -> WriterProperties {
    let growing = ColumnPath::from("seq");
    WriterProperties::builder()
        .set_created_by("tracee-cap".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_column_dictionary_enabled(growing.clone(), false)
        .set_column_encoding(growing, Encoding::DELTA_BINARY_PACKED)
        // Nobody looks for a detection by the bytes of its message.
        .set_column_statistics_enabled(ColumnPath::from("event"), EnabledStatistics::None)
        .build()
}

impl Sink for Parquet {
    fn detection(&mut self, detection: Detection, out: &mut Vec<u8>) -> io::Result<()> {
        self.held.push(detection);
        if self.held.len() == BATCH {
            self.write_held().map_err(io::Error::other)?;
            self.take(out);
        }
        Ok(())
    }

    fn end(&mut self, _: &Ending, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_held().map_err(io::Error::other)?;
        self.writer.finish().map_err(io::Error::other)?;
        self.take(out);
        Ok(())
    }
}
