//! Writing the Parquet files of a segment.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use detectors_api::columns::{self, Physical, layout};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::manifest::{SeqRange, TOOL, TimeRange, join};
use crate::{Error, Table, WriterOptions, files};

/// Rows of a row group, unless told otherwise.
pub(crate) const ROW_GROUP_ROWS: usize = 64 * 1024;

/// A file being written: rows go in, a [`Finished`] comes out.
pub(crate) struct PartWriter {
    table: Table,
    temporary: PathBuf,
    writer: ArrowWriter<Hashing>,
    rows: u64,
    seq: Option<SeqRange>,
    time: Option<TimeRange>,
}

/// A file that is complete and durable, but not yet under its final name.
pub(crate) struct Finished {
    pub(crate) table: Table,
    pub(crate) temporary: PathBuf,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) seq: Option<SeqRange>,
    pub(crate) time: Option<TimeRange>,
    pub(crate) digest: String,
}

// By hand: the Arrow writer would print what it has buffered.
impl std::fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartWriter")
            .field("table", &self.table)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl PartWriter {
    /// Begins a file for `table` in the directory `scratch`.
    pub(crate) fn create(
        table: Table,
        schema: &SchemaRef,
        scratch: &Path,
        options: &WriterOptions,
    ) -> Result<Self, Error> {
        let temporary = scratch.join(format!("{}.parquet.tmp", table.to_string().replace('/', ".")));
        let file = files::create(&temporary)?;
        let properties = properties(&table, schema, options);
        let writer = ArrowWriter::try_new(Hashing::new(file), Arc::clone(schema), Some(properties))
            .map_err(|error| parquet_error(&temporary, error))?;
        Ok(Self {
            table,
            temporary,
            writer,
            rows: 0,
            seq: None,
            time: None,
        })
    }

    pub(crate) fn write(
        &mut self,
        batch: &RecordBatch,
        seq: Option<SeqRange>,
        time: Option<TimeRange>,
    ) -> Result<(), Error> {
        self.writer
            .write(batch)
            .map_err(|error| parquet_error(&self.temporary, error))?;
        self.rows += batch.num_rows() as u64;
        self.seq = match (self.seq, seq) {
            (Some(all), Some(seq)) => Some(all.join(seq)),
            (all, seq) => all.or(seq),
        };
        self.time = join(self.time, time);
        Ok(())
    }

    /// Bytes that wait in memory for the row group to fill.
    pub(crate) fn buffered(&self) -> usize {
        self.writer.memory_size()
    }

    /// Bytes that the file will have, about.
    pub(crate) fn size(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    /// Ends the row group, so that its memory is free.
    pub(crate) fn end_row_group(&mut self) -> Result<(), Error> {
        self.writer
            .flush()
            .map_err(|error| parquet_error(&self.temporary, error))
    }

    /// Ends the file and makes it durable.
    pub(crate) fn finish(self) -> Result<Finished, Error> {
        let temporary = self.temporary;
        let hashing = self
            .writer
            .into_inner()
            .map_err(|error| parquet_error(&temporary, error))?;
        let (bytes, digest) = hashing.finish().map_err(Error::io("write", &temporary))?;
        Ok(Finished {
            table: self.table,
            temporary,
            rows: self.rows,
            bytes,
            seq: self.seq,
            time: self.time,
            digest,
        })
    }
}

impl Finished {
    /// Puts the file where it belongs.
    pub(crate) fn publish(&self, directory: &Path, path: &str) -> Result<(), Error> {
        let target = directory.join(path);
        // The path is a table's directory and a file name.
        if let Some(parent) = target.parent() {
            files::make_dir(parent)?;
        }
        fs::rename(&self.temporary, &target).map_err(Error::io("make", &target))
    }
}

/// How the columns of a table are written.
fn properties(table: &Table, schema: &Schema, options: &WriterOptions) -> WriterProperties {
    let level = ZstdLevel::try_new(options.compression).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_created_by(TOOL.to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(options.row_group_rows.clamp(1, ROW_GROUP_ROWS)));
    // Numbers that grow from row to row: differences are small.
    let growing: &[&str] = match table {
        Table::Events(_) => &[columns::SEQ, columns::TIMESTAMP],
        Table::Process => &["ctx"],
        _ => &[],
    };
    for column in growing {
        if schema.column_with_name(column).is_some() {
            properties = delta(properties, column);
        }
    }
    if let Table::Events(name) = table {
        for field in layout(name).fields() {
            if matches!(field.physical, Physical::Text | Physical::SockAddr) {
                properties =
                    properties.set_column_bloom_filter_enabled(ColumnPath::from(field.column.as_str()), true);
            }
        }
    }
    properties.build()
}

fn delta(properties: WriterPropertiesBuilder, column: &str) -> WriterPropertiesBuilder {
    properties
        .set_column_dictionary_enabled(ColumnPath::from(column), false)
        .set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED)
}

/// A file whose content is hashed on the way.
struct Hashing {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Hashing {
    fn new(file: File) -> Self {
        Self {
            file: BufWriter::new(file),
            hasher: blake3::Hasher::new(),
            bytes: 0,
        }
    }

    /// Makes the content durable; its size in bytes and its BLAKE3.
    fn finish(mut self) -> io::Result<(u64, String)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.bytes, self.hasher.finalize().to_hex().to_string()))
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A failure to write is nearly always the disk's.
fn parquet_error(path: &Path, error: ParquetError) -> Error {
    Error::io("write", path)(io::Error::other(error))
}
