//! Files of detections that stand on their own.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::decode::guard;
use crate::{Error, Stretch};

/// What a Parquet file begins with.
const MAGIC: &[u8; 4] = b"PAR1";

/// Columns without which a file holds no detections; it may have more.
const COLUMNS: [(&str, DataType); 4] = [
    ("seq", DataType::UInt64),
    ("detector_id", DataType::Utf8),
    ("name", DataType::Utf8),
    ("event", DataType::Binary),
];

/// Rows of a batch.
const BATCH: usize = 1024;

/// A Parquet file of detections, as `replay -o parquet` writes it: the rows that captures keep in `detections/`.
#[derive(Debug)]
pub struct DetectionsFile {
    path: PathBuf,
    file: Stretch,
    metadata: ArrowReaderMetadata,
}

impl DetectionsFile {
    /// Whether the file at `path` looks like a Parquet file; false for what cannot be read.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        let mut start = [0; MAGIC.len()];
        // Only of regular files the beginning can be read without consequences.
        path.is_file()
            && File::open(path)
                .and_then(|mut file| file.read_exact(&mut start))
                .is_ok_and(|()| start == *MAGIC)
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, is no Parquet file, or holds something else.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path)
            .and_then(Stretch::whole)
            .map_err(Error::io("open", path))?;
        let broken = |reason: String| Error::Parquet {
            file: path.to_owned(),
            row_group: None,
            column: None,
            reason,
        };
        let metadata = super::footer::check(&file)
            .and_then(|()| guard(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())))
            .map_err(broken)?;
        for (name, data_type) in COLUMNS {
            let found = metadata.schema().field_with_name(name);
            if !found.is_ok_and(|field| *field.data_type() == data_type) {
                return Err(broken(format!(
                    "it holds no detections, which have a column {name} of type {data_type}"
                )));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Its rows, in order.
    ///
    /// # Errors
    /// If they cannot be read; then, too, the iterator's last item is an error.
    pub fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch, Error>> + use<'_>, Error> {
        let reader = guard(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
                .with_batch_size(BATCH)
                .build()
        });
        let mut reader = Some(reader.map_err(|reason| self.broken(reason))?);
        Ok(std::iter::from_fn(move || {
            let batch = next(reader.as_mut()?);
            if batch.is_err() {
                reader = None;
            }
            batch.map_err(|reason| self.broken(reason)).transpose()
        }))
    }

    fn broken(&self, reason: String) -> Error {
        Error::Parquet {
            file: self.path.clone(),
            row_group: None,
            column: None,
            reason,
        }
    }
}

fn next(reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, String> {
    guard(|| reader.next().transpose())
}
