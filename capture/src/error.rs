//! What can go wrong with a capture.

use crate::manifest::SeqRange;
use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use detectors_api::event::BatchError;
use detectors_stores::FoldError;

/// A capture could not be written or read. The text says what failed, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The place where a capture should be made is taken.
    #[error("{} exists already: choose another name, or say that it may be replaced", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// The path holds no capture.
    #[error("{} is no capture: {reason}", path.display())]
    NotACapture {
        /// The path.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The capture has a format that this version cannot read.
    #[error(
        "{} has capture format {found}, and this version reads {supported}: use a newer tracee-cap",
        path.display()
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// Version of the capture.
        found: String,
        /// The newest version that can be read.
        supported: &'static str,
    },
    /// The manifest contradicts itself or its format.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A pack is not what `tracee-cap pack` writes, or only the beginning of it.
    #[error("{}, {place} at byte {offset}: {reason}", pack.display())]
    Pack {
        /// The pack.
        pack: PathBuf,
        /// The entry in which the fault is or, if its name is unknown, the one before.
        place: String,
        /// Where the header of the entry begins, in bytes from the beginning of the pack.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A pack has an entry that does not belong to the capture.
    #[error("{}: the manifest does not list entry `{}`", pack.display(), entry.escape_debug())]
    Unlisted {
        /// The pack.
        pack: PathBuf,
        /// The entry.
        entry: String,
    },
    /// A line of a capture as a text is not what one may say.
    #[error("{}, line {line}: {reason}", file.display())]
    Text {
        /// The text.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A capture holds what a text has no way to say.
    #[error("{} cannot be written as a text: {reason}", path.display())]
    NoText {
        /// The capture.
        path: PathBuf,
        /// What it holds.
        reason: String,
    },
    /// A file is not the one that the manifest has the digest of.
    #[error("{}: the digest is wrong: the file was changed", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The capture is still being written: part of it would be missing from a copy.
    #[error("{} is still being recorded: end the recording first", path.display())]
    BeingRecorded {
        /// The capture.
        path: PathBuf,
    },
    /// A file of the capture is a link, or no regular file: it might lie outside of the capture.
    #[error("{} is {what}: a capture holds only directories and regular files of its own", path.display())]
    Escape {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file that the manifest lists is not there.
    #[error("{} is missing, and the manifest lists it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A Parquet file cannot be decoded.
    #[error("{}{}{}: {reason}", file.display(), RowGroup(*row_group), Column(column.as_deref()))]
    Parquet {
        /// The file.
        file: PathBuf,
        /// The row group, from 0, if the fault is in one.
        row_group: Option<usize>,
        /// The column, if it is known.
        column: Option<String>,
        /// What the decoder said.
        reason: String,
    },
    /// The rows of a file are not what the table holds.
    #[error("{}{}", file.display(), RowGroup(*row_group))]
    Rows {
        /// The file.
        file: PathBuf,
        /// The row group, from 0, if it is known.
        row_group: Option<usize>,
        /// What is wrong.
        source: Box<BatchError>,
    },
    /// Sequence numbers do not grow.
    #[error("{}: event {seq} comes after event {before}", file.display())]
    Order {
        /// The file.
        file: PathBuf,
        /// Sequence number before.
        before: u64,
        /// The number that should be higher.
        seq: u64,
    },
    /// Events do not lie where the manifest, or the file's statistics, say.
    #[error("{}: events {first} to {last} lie outside of {} to {}, where they should be", file.display(), expected.first, expected.last)]
    Elsewhere {
        /// The file.
        file: PathBuf,
        /// First sequence number found.
        first: u64,
        /// Last sequence number found.
        last: u64,
        /// Where they should be.
        expected: SeqRange,
    },
    /// Rows do not fit the columns that the table has.
    #[error("table {table}: {source}")]
    Table {
        /// The table.
        table: String,
        /// What Arrow said.
        source: ArrowError,
    },
    /// What the capture keeps for stores makes no sense.
    #[error("the stores of {}: {source}", path.display())]
    Stores {
        /// The capture.
        path: PathBuf,
        /// What is wrong.
        source: FoldError,
    },
    /// The journal cannot be read.
    #[error("{}, frame at byte {offset}: {reason}", file.display())]
    Journal {
        /// The journal.
        file: PathBuf,
        /// Where the frame begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// Too much was pushed between two flushes.
    #[error("{bytes} bytes in one flush, and a journal frame holds {limit}: flush more often")]
    FlushTooLarge {
        /// Bytes of the flush.
        bytes: u64,
        /// Bytes that a frame holds.
        limit: u64,
    },
    /// A name that cannot become part of a path.
    #[error("`{name}` cannot name a {what}: use letters, digits, `_` and `-`")]
    Name {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The sequence number of an event is not higher than that of the one before.
    #[error("event {seq} was pushed after event {}", next - 1)]
    SeqOrder {
        /// Sequence number pushed.
        seq: u64,
        /// The lowest that was possible.
        next: u64,
    },
    /// The numbers of process contexts are used up.
    #[error("the capture has 2^32 process contexts and cannot take more: begin a new one")]
    ContextsUsedUp,
    /// A column that no event of this type has.
    #[error("events of type {event} have no column `{column}`")]
    UnknownColumn {
        /// Event type.
        event: String,
        /// Column asked for.
        column: String,
    },
}

impl Error {
    /// For `map_err`: `action` on `path` failed.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err`: rows do not fit `table`.
    pub(crate) fn table(table: impl ToString) -> impl FnOnce(ArrowError) -> Self {
        let table = table.to_string();
        move |source| Self::Table { table, source }
    }

    /// For `map_err`: the rows of `file` are not what its table holds.
    pub(crate) fn rows(file: &Path, row_group: Option<usize>) -> impl Fn(BatchError) -> Self {
        let file = file.to_owned();
        move |source| Self::Rows {
            file: file.clone(),
            row_group,
            source: Box::new(source),
        }
    }

    /// The error and its causes in one line.
    #[must_use]
    pub fn explain(&self) -> String {
        let causes = std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    /// Whether the fault lies in the capture, rather than in the machine or the caller.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        !matches!(
            self,
            Self::Io { .. }
                | Self::Exists { .. }
                | Self::BeingRecorded { .. }
                | Self::FlushTooLarge { .. }
                | Self::UnknownColumn { .. }
        )
    }
}

struct RowGroup(Option<usize>);

impl std::fmt::Display for RowGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |number| write!(f, ", row group {number}"))
    }
}

struct Column<'a>(Option<&'a str>);

impl std::fmt::Display for Column<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, ", column `{name}`"))
    }
}
