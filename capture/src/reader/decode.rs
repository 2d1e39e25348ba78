//! Decoding untrusted files: every fault, panics included, becomes an error that says where.

use std::cell::Cell;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError, Weak};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use detectors_api::event::context_schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelectionPolicy,
};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::serialized_reader::SerializedPageReader;

use super::bloom::BloomCache;
use super::chunks::Chunks;
use super::sparse::Sparse;
use crate::part::ROW_GROUP_ROWS;
use crate::volume::Volume;
use crate::{Error, Part, Stretch};

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder. A panic in it is an error like any other, and prints nothing.
pub(super) fn guard<T, E: ToString>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !DECODING.get() {
                before(info);
            }
        }));
    });
    let outer = DECODING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(outer);
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let reason = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            Err(format!("the decoder gave up: {reason}"))
        }
    }
}

/// A Parquet file whose footer has been read.
#[derive(Debug)]
pub(super) struct ParquetFile {
    volume: Volume,
    pub(super) part: Part,
    pub(super) metadata: ArrowReaderMetadata,
    /// The same with bytes, and texts in lists, as numbers of values.
    numbered: OnceLock<Option<ArrowReaderMetadata>>,
    pub(super) blooms: BloomCache,
    /// The file, while somebody reads it.
    handle: Mutex<Weak<Stretch>>,
}

impl ParquetFile {
    pub(super) fn open(volume: &Volume, part: &Part, page_index: bool) -> Result<Arc<Self>, Error> {
        let file = volume.file(&part.path)?;
        let broken = |reason: String| Error::Parquet {
            file: volume.file_name(&part.path),
            row_group: None,
            column: None,
            reason,
        };
        if file.bytes() != part.bytes {
            return Err(broken(format!(
                "the file has {} bytes, and the manifest says {}",
                file.bytes(),
                part.bytes
            )));
        }
        let policy = if page_index {
            PageIndexPolicy::Optional
        } else {
            PageIndexPolicy::Skip
        };
        let options = ArrowReaderOptions::new().with_page_index_policy(policy);
        let metadata = super::footer::check(&file)
            .and_then(|()| guard(|| ArrowReaderMetadata::load(&file, options)))
            .map_err(broken)?;
        Ok(Arc::new(Self {
            volume: volume.clone(),
            part: part.clone(),
            metadata,
            numbered: OnceLock::new(),
            blooms: BloomCache::default(),
            handle: Mutex::default(),
        }))
    }

    /// The open file. It stays open while somebody holds it: a capture may have more files than can be open together.
    pub(super) fn handle(&self) -> Result<Arc<Stretch>, Error> {
        // A panic while the lock was held left it as it was.
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = handle.upgrade() {
            return Ok(file);
        }
        let file = Arc::new(self.volume.file(&self.part.path)?);
        *handle = Arc::downgrade(&file);
        Ok(file)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.volume.file_name(&self.part.path)
    }

    pub(super) fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Rows of a row group, as the footer has it; never negative.
    pub(super) fn rows(&self, row_group: usize) -> usize {
        usize::try_from(self.metadata.metadata().row_group(row_group).num_rows()).unwrap_or(0)
    }

    /// Whether the file has a column called `column`.
    pub(super) fn has(&self, column: &str) -> bool {
        self.metadata.schema().column_with_name(column).is_some()
    }

    /// Number of the Parquet column that `column` is, if it is not made of several.
    pub(super) fn leaf(&self, column: &str) -> Option<usize> {
        let mut leaves = self.leaves(column);
        leaves.next().filter(|_| leaves.next().is_none())
    }

    fn leaves(&self, column: &str) -> impl Iterator<Item = usize> {
        let schema = self.metadata.parquet_schema();
        (0..schema.num_columns()).filter(move |leaf| schema.get_column_root(*leaf).name() == column)
    }

    /// Bytes that `column` takes, compressed.
    pub(super) fn column_bytes(&self, row_group: usize, column: &str) -> u64 {
        let group = self.metadata.metadata().row_group(row_group);
        let bytes = self
            .leaves(column)
            .map(|leaf| group.column(leaf).compressed_size());
        bytes.fold(0, |sum, bytes| {
            sum.saturating_add(u64::try_from(bytes).unwrap_or_default())
        })
    }

    /// Whether every row of the row group is null in `column`, as the footer tells: all that it has is of the lowest definition
    /// level.
    pub(super) fn is_null(&self, row_group: usize, column: &str) -> bool {
        let field = self.metadata.schema().field_with_name(column);
        let leaf = self.leaf(column);
        let (Ok(field), Some(leaf)) = (field, leaf) else {
            return false;
        };
        let group = self.metadata.metadata().row_group(row_group);
        let chunk = group.column(leaf);
        let levels = chunk.definition_level_histogram();
        field.is_nullable()
            && has_small_nulls(field.data_type())
            && chunk.num_values() == group.num_rows()
            && levels.and_then(|levels| levels.get(0)) == Some(group.num_rows())
    }

    /// The file with the values of `column` by number, where that is how they lie in the row group: then each is decoded once, and not
    /// copied for every row. Texts outside of lists always are.
    fn numbered(&self, row_group: usize, column: &str) -> Option<&ArrowReaderMetadata> {
        let (_, field) = self.metadata.schema().fields().find(column)?;
        with_numbers(field)?;
        if !self.is_numbered(row_group, column) {
            return None;
        }
        let numbered = self.numbered.get_or_init(|| {
            let fields = self.metadata.schema().fields().iter();
            let fields: Vec<_> = fields
                .map(|field| with_numbers(field).unwrap_or_else(|| Arc::clone(field)))
                .collect();
            let schema = Schema::new_with_metadata(fields, self.metadata.schema().metadata().clone());
            let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
            // Where the file cannot be read like this, it is read as it says.
            guard(|| ArrowReaderMetadata::try_new(Arc::clone(self.metadata.metadata()), options)).ok()
        });
        numbered.as_ref()
    }

    /// Whether all values of `column` in the row group lie there by number, as the footer tells.
    fn is_numbered(&self, row_group: usize, column: &str) -> bool {
        let group = self.metadata.metadata().row_group(row_group);
        let leaf = self.leaf(column);
        let encodings = leaf.and_then(|leaf| group.column(leaf).page_encoding_stats_mask());
        encodings.is_some_and(|encodings| encodings.is_only(Encoding::RLE_DICTIONARY))
    }

    /// All rows of a process-context table. Texts come by number, where the whole file has them so: most contexts share theirs with
    /// many others.
    pub(super) fn contexts(self: &Arc<Self>) -> Result<Vec<RecordBatch>, Error> {
        let numbered_field = |field: &FieldRef| {
            let text = text_by_number(field)?;
            let mut groups = 0..self.row_groups();
            let all = groups
                .all(|group| self.is_numbered(group, field.name()) || self.is_null(group, field.name()));
            all.then_some(text)
        };
        let numbered = |schema: &SchemaRef| {
            let fields = schema.fields().iter();
            let fields = fields.map(|field| numbered_field(field).unwrap_or_else(|| Arc::clone(field)));
            let fields: Vec<_> = fields.collect();
            Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
        };
        let options = ArrowReaderOptions::new().with_schema(numbered(self.metadata.schema()));
        // Where the file cannot be read like this, it is read as it says.
        let read = guard(|| ArrowReaderMetadata::try_new(Arc::clone(self.metadata.metadata()), options));
        let (metadata, expected) = match &read {
            Ok(metadata) => (metadata, numbered(context_schema())),
            Err(_) => (&self.metadata, Arc::clone(context_schema())),
        };
        let columns = context_schema().fields().iter().map(|field| field.name().clone());
        let columns: Arc<[String]> = columns.collect();
        let mut tables = Vec::new();
        for group in 0..self.row_groups() {
            for batch in self.batches_of(metadata, group, Some(Arc::clone(&columns)), None, ROW_GROUP_ROWS)? {
                tables.push(select(&self.path(), &batch?, &expected)?);
            }
        }
        Ok(tables)
    }

    /// The columns that are `wanted`.
    fn projection(&self, wanted: impl Fn(&FieldRef) -> bool) -> ProjectionMask {
        let fields = self.metadata.schema().fields().iter().enumerate();
        let roots = fields.filter(|(_, field)| wanted(field)).map(|(index, _)| index);
        ProjectionMask::roots(self.metadata.parquet_schema(), roots)
    }

    /// Some rows of one column of a row group, as one batch at best. Bytes, and texts in lists, may come by number.
    pub(super) fn column(
        self: &Arc<Self>,
        row_group: usize,
        column: &str,
        rows: &[Range<u32>],
        batch_size: usize,
    ) -> Result<RowGroupBatches, Error> {
        let metadata = self.numbered(row_group, column).unwrap_or(&self.metadata);
        let only = Some([column.to_owned()].into());
        self.batches_of(metadata, row_group, only, Some(rows), batch_size)
    }

    /// These rows of one column of a row group, in order; `None` if they are better read as others are.
    pub(super) fn few_rows(
        &self,
        row_group: usize,
        column: &str,
        rows: &[u32],
    ) -> Result<Option<ArrayRef>, Error> {
        let field = self.metadata.schema().field_with_name(column);
        let (Ok(field), Some(leaf)) = (field, self.leaf(column)) else {
            return Ok(None);
        };
        let group = self.metadata.metadata().row_group(row_group);
        let chunk = group.column(leaf);
        let Some(sparse) = Sparse::of(chunk.column_descr(), field.data_type()) else {
            return Ok(None);
        };
        let (start, bytes) = chunk.byte_range();
        let file = self.handle()?;
        let read = guard(|| {
            let chunks = Chunks::read(&*file, Some(start..start.saturating_add(bytes)))?;
            let pages = SerializedPageReader::new(Arc::new(chunks), chunk, self.rows(row_group), None)?;
            Ok::<_, ParquetError>(sparse.take(pages, rows))
        });
        // What is wrong with it, the general reader tells.
        Ok(read.unwrap_or_default())
    }

    /// The batches of one row group, or of some rows of it. Of the columns that are named, those that are null are made, not
    /// decoded.
    pub(super) fn batches(
        self: &Arc<Self>,
        row_group: usize,
        columns: Option<Arc<[String]>>,
        rows: Option<&[Range<u32>]>,
        batch_size: usize,
    ) -> Result<RowGroupBatches, Error> {
        self.batches_of(&self.metadata, row_group, columns, rows, batch_size)
    }

    fn batches_of(
        self: &Arc<Self>,
        metadata: &ArrowReaderMetadata,
        row_group: usize,
        columns: Option<Arc<[String]>>,
        rows: Option<&[Range<u32>]>,
        batch_size: usize,
    ) -> Result<RowGroupBatches, Error> {
        let selection = rows.map(|rows| {
            let ranges = rows.iter().map(|rows| rows.start as usize..rows.end as usize);
            RowSelection::from_consecutive_ranges(ranges, self.rows(row_group))
        });
        let file = self.handle()?;
        let named = columns.iter().flat_map(|columns| columns.iter());
        let mut nulls: Vec<FieldRef> = named
            .filter(|column| self.is_null(row_group, column))
            .filter_map(|column| metadata.schema().column_with_name(column))
            .map(|(place, _)| Arc::clone(&metadata.schema().fields()[place]))
            .collect();
        let is_wanted = |field: &FieldRef| {
            columns
                .as_deref()
                .is_none_or(|columns| columns.contains(field.name()))
        };
        let is_made =
            |nulls: &[FieldRef], field: &FieldRef| nulls.iter().any(|null| null.name() == field.name());
        // Something must be decoded: a footer alone may tell of any number of rows.
        let mut fields = metadata.schema().fields().iter();
        if !fields.any(|field| is_wanted(field) && !is_made(&nulls, field)) {
            nulls.clear();
        }
        let projection = self.projection(|field| is_wanted(field) && !is_made(&nulls, field));
        let reader = guard(|| Self::reader(metadata, &file, row_group, projection, selection, batch_size))
            .map_err(|reason| self.broken(row_group, columns.as_deref(), reason))?;
        Ok(RowGroupBatches {
            file: Arc::clone(self),
            row_group,
            columns,
            nulls,
            reader: Some(reader),
        })
    }

    fn reader(
        metadata: &ArrowReaderMetadata,
        file: &Stretch,
        row_group: usize,
        projection: ProjectionMask,
        selection: Option<RowSelection>,
        batch_size: usize,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        let columns = metadata
            .metadata()
            .row_group(row_group)
            .columns()
            .iter()
            .enumerate();
        let wanted = columns.filter(|(leaf, _)| projection.leaf_included(*leaf));
        let chunks = Chunks::read(
            file,
            wanted.map(|(_, column)| {
                let (start, bytes) = column.byte_range();
                start..start.saturating_add(bytes)
            }),
        )?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata.clone())
            .with_row_groups(vec![row_group])
            .with_projection(projection)
            .with_batch_size(batch_size);
        if let Some(selection) = selection {
            // Where rows lie close together, callers ask for all rows between them: that is faster than a mask.
            builder = builder
                .with_row_selection(selection)
                .with_row_selection_policy(RowSelectionPolicy::Selectors);
        }
        builder.build()
    }

    /// A fault in a row group.
    pub(super) fn fault(&self, row_group: usize, column: Option<String>, reason: String) -> Error {
        Error::Parquet {
            file: self.path(),
            row_group: Some(row_group),
            column,
            reason,
        }
    }

    /// A fault in one of `columns`.
    fn broken(&self, row_group: usize, columns: Option<&[String]>, reason: String) -> Error {
        let column = match columns {
            Some([only]) => Some(only.clone()),
            _ => self.broken_column(row_group, columns),
        };
        self.fault(row_group, column, reason)
    }

    /// The first column of the row group that cannot be decoded alone.
    fn broken_column(&self, row_group: usize, columns: Option<&[String]>) -> Option<String> {
        let fields = self.metadata.schema().fields();
        fields
            .iter()
            .map(|field| field.name())
            .filter(|name| {
                columns.is_none_or(|columns| columns.contains(name) && !self.is_null(row_group, name))
            })
            .find(|name| {
                let projection = self.projection(|field| field.name() == *name);
                let decoded = guard(|| -> Result<(), String> {
                    let file = self.handle().map_err(|error| error.to_string())?;
                    let reader = Self::reader(&self.metadata, &file, row_group, projection, None, 1024)
                        .map_err(|error| error.to_string())?;
                    reader
                        .into_iter()
                        .try_for_each(|batch| batch.map(drop))
                        .map_err(|error| error.to_string())
                });
                decoded.is_err()
            })
            .cloned()
    }
}

/// The batches of one row group.
#[derive(Debug)]
pub(super) struct RowGroupBatches {
    file: Arc<ParquetFile>,
    row_group: usize,
    columns: Option<Arc<[String]>>,
    /// Columns that are null everywhere: they are not decoded.
    nulls: Vec<FieldRef>,
    /// `None` after an error.
    reader: Option<ParquetRecordBatchReader>,
}

impl Iterator for RowGroupBatches {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        match guard(|| reader.next().transpose()) {
            Ok(Some(batch)) if self.nulls.is_empty() => Some(Ok(batch)),
            Ok(batch) => batch.map(|batch| Ok(with_nulls(&batch, &self.nulls))),
            Err(reason) => {
                self.reader = None;
                Some(Err(self.file.broken(
                    self.row_group,
                    self.columns.as_deref(),
                    reason,
                )))
            }
        }
    }
}

/// Whether nulls of this type take a few bytes each, as those of all types that captures have do. The type is that of a file,
/// which may ask for any number.
fn has_small_nulls(data_type: &DataType) -> bool {
    use DataType::{
        Binary, Boolean, Dictionary, Float64, Int32, Int64, List, Timestamp, UInt32, UInt64, Utf8,
    };
    match data_type {
        Boolean | Int32 | Int64 | UInt32 | UInt64 | Float64 | Timestamp(..) | Utf8 | Binary => true,
        Dictionary(_, texts) => **texts == Utf8,
        List(items) => has_small_nulls(items.data_type()),
        _ => false,
    }
}

fn by_number(data_type: &DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(data_type.clone()))
}

/// The field with texts by number; `None` if it has others.
fn text_by_number(field: &FieldRef) -> Option<FieldRef> {
    let text = field.data_type() == &DataType::Utf8;
    text.then(|| {
        let numbered = by_number(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(numbered))
    })
}

/// The field with bytes, or texts in a list, by number; `None` if it has others.
fn with_numbers(field: &FieldRef) -> Option<FieldRef> {
    let data_type = match field.data_type() {
        DataType::Binary => by_number(&DataType::Binary),
        DataType::List(items) if *items.data_type() == DataType::Utf8 => {
            let items = items.as_ref().clone().with_data_type(by_number(&DataType::Utf8));
            DataType::List(Arc::new(items))
        }
        _ => return None,
    };
    Some(Arc::new(field.as_ref().clone().with_data_type(data_type)))
}

/// `batch` with these columns, too, which are null everywhere.
pub(super) fn with_nulls(batch: &RecordBatch, nulls: &[FieldRef]) -> RecordBatch {
    let fields = batch.schema_ref().fields().iter().chain(nulls).cloned();
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = nulls
        .iter()
        .map(|field| new_null_array(field.data_type(), batch.num_rows()));
    let columns = batch.columns().iter().cloned().chain(arrays).collect();
    RecordBatch::try_new(schema, columns)
        .expect("columns of their types, nullable and equally long, are added")
}

/// All rows of an Arrow IPC stream. The stream may lack its end marker.
pub(super) fn ipc_batches(stream: &[u8]) -> Result<Vec<RecordBatch>, String> {
    check_ipc(stream)?;
    guard(|| -> Result<Vec<RecordBatch>, ArrowError> { StreamReader::try_new(stream, None)?.collect() })
}

/// The decoder allocates what lengths ask for, before it finds that the bytes are not there; and compressed buffers may
/// become as large as they like. So lengths are checked first, and compression, which a journal does not have, is refused.
fn check_ipc(stream: &[u8]) -> Result<(), String> {
    let mut rest = stream;
    while !rest.is_empty() {
        let torn = || "the Arrow IPC stream is torn".to_owned();
        let (header, after) = rest.split_at_checked(8).ok_or_else(torn)?;
        if header[..4] != [0xff; 4] {
            return Err("there is no Arrow IPC message".to_owned());
        }
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let (metadata, after) = after.split_at_checked(length).ok_or_else(torn)?;
        if metadata.is_empty() {
            return Ok(());
        }
        let message = guard(|| arrow::ipc::root_as_message(metadata))?;
        let compressed = message
            .header_as_record_batch()
            .or_else(|| message.header_as_dictionary_batch()?.data())
            .is_some_and(|batch| batch.compression().is_some());
        if compressed {
            return Err("the Arrow IPC stream is compressed".to_owned());
        }
        let body = usize::try_from(message.bodyLength()).map_err(|_| torn())?;
        rest = after.split_at_checked(body).ok_or_else(torn)?.1;
    }
    Ok(())
}

/// The columns of `schema`, by name and in its order, out of a batch that may have others.
pub(super) fn select(path: &Path, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let broken = |column: &str, reason: String| Error::Parquet {
        file: path.to_owned(),
        row_group: None,
        column: Some(column.to_owned()),
        reason,
    };
    let columns = schema.fields().iter().map(|field| {
        let column = batch
            .column_by_name(field.name())
            .ok_or_else(|| broken(field.name(), "the column is missing".to_owned()))?;
        if !same_type(column.data_type(), field.data_type()) {
            return Err(broken(
                field.name(),
                format!("the column is {}, not {}", column.data_type(), field.data_type()),
            ));
        }
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(broken(field.name(), "the column has nulls".to_owned()));
        }
        Ok(Arc::clone(column))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| broken("", error.to_string()))
}

fn same_type(found: &DataType, expected: &DataType) -> bool {
    found == expected
}
