//! The capture format and the recording pipeline.
//!
//! A capture is a directory, `NAME.tcap/`, specified in `docs/format.md`:
//!
//! ```text
//! manifest.json                              what it is, what it holds, digests        [`Manifest`]
//! events/name=<event>/part-NNNNNN.parquet    one file per event type and segment
//! process/part-NNNNNN.parquet                the process contexts that the events of the segment refer to
//! stores/<store>/part-NNNNNN.parquet         inputs of stores: what events alone do not carry
//! keyframes/<store>/part-NNNNNN.parquet      what the events before a segment made of stores
//! loss/part-NNNNNN.parquet                   what was lost                             [`Loss`]
//! detections/part-NNNNNN.parquet             what was detected while recording
//! journal/                                   the segment being written                 [`journal`]
//! ```
//!
//! or the same files in one: a pack, which is read in place ([`CaptureReader::pack`]); or a [`text`].
//!
//! [`CaptureWriter`] writes captures, [`CaptureReader`] reads them; [`live`] records this machine.
//!
//! Invariants:
//! * what [`CaptureWriter::flush`] acknowledged is read back, exactly once, whenever the recorder dies;
//! * `received = written + lost`, in the manifest and in every journal frame;
//! * sequence numbers grow strictly within a file and from segment to segment;
//! * a capture is untrusted input: a reader stays within its directory and within bounded memory, and a fault becomes an
//!   [`Error`] that names the file, and row group and column where they are known.

pub mod collect;
mod entry;
mod error;
mod files;
mod import;
mod journal;
mod lineage;
pub mod live;
mod loss;
mod manifest;
mod part;
mod reader;
mod records;
mod stores;
mod table;
pub mod text;
mod volume;
mod writer;

pub use entry::{Beginning, Entry};
pub use error::Error;
pub use import::{Import, ImportError, Input, InputFormat, Unreadable};
pub use journal::{Cut, JournalPolicy};
pub use lineage::{Excerpt, MergedPart, Origin, derived_id};
pub use loss::{Loss, loss_schema};
pub use manifest::{
    Clock, FORMAT, Header, Host, ImportedInput, MANIFEST, Manifest, Part, SeqRange, Source, State, TimeRange,
    Totals, format_time,
};
pub use reader::{
    CaptureReader, DetectionsFile, Entries, Events, Fault, Scan, ScanBatches, ScanPart, ScanTask, Segment,
    TaskBatches, Verification,
};
pub use records::{Content, Record};
pub use stores::BEFORE_SEQ;
pub use table::Table;
pub use volume::{Form, Stretch, StretchReader, Temporary, is_pack};
pub use writer::{CaptureWriter, WriterOptions};
