//! The journal: what has been acknowledged and is not yet Parquet.
//!
//! One file a segment, `journal/segment-NNNNNN.journal`: a sequence of frames, one a flush. A frame is
//!
//! ```text
//! magic "TCJ1" · length of the payload (u32) · first 8 bytes of the payload's BLAKE3 · payload
//! ```
//!
//! and its payload is the counters after the flush (received, written, lost, next sequence number; u64 each), then for
//! each table that got rows: length of its name (u16), name, length of its bytes (u32), bytes. The bytes of one table over all
//! frames are one Arrow IPC stream, so the schema is written once. All numbers are little-endian. Buffers are not compressed.
//!
//! A frame counts if its digest is right and all frames before it count. What follows the last such frame was being
//! written when the recorder died: it had not been acknowledged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;

use crate::volume::Volume;
use crate::{Error, Table, files};

/// The directory of journals and of unfinished files.
pub(crate) const DIRECTORY: &str = "journal";

/// Locked by the recorder as long as it lives.
pub(crate) const LOCK: &str = "journal/lock";

/// Bytes of the largest journal that is read. A writer ends a segment at half of it.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// Bytes of the largest payload.
const MAX_PAYLOAD: u64 = MAX_BYTES / 2;

const MAGIC: &[u8; 4] = b"TCJ1";
const FRAME_HEADER: usize = 16;

/// When a flush is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalPolicy {
    /// At once, without a journal: what is not yet Parquet is lost with the process. For imports, whose source still exists.
    Off,
    /// When the kernel has it: survives the death of the process, not of the machine.
    #[default]
    NoSync,
    /// When the disk has it: survives the death of the machine, too. Costs one fsync a flush.
    Sync,
}

/// Counters as of a flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) received: u64,
    pub(crate) written: u64,
    pub(crate) lost: u64,
    pub(crate) next_seq: u64,
}

/// Path of the journal of a segment, from the capture's directory.
pub(crate) fn journal_path(segment: u32) -> String {
    format!("{DIRECTORY}/segment-{segment:06}.journal")
}

/// The segment whose journal is at `path`.
pub(crate) fn segment_of(path: &str) -> Option<u32> {
    let name = path.strip_prefix(DIRECTORY)?.strip_prefix("/segment-")?;
    let segment = name.strip_suffix(".journal")?.parse().ok()?;
    (journal_path(segment) == path).then_some(segment)
}

/// Appends frames.
pub(crate) struct JournalWriter {
    path: PathBuf,
    file: File,
    sync: bool,
    streams: BTreeMap<Table, StreamWriter<Vec<u8>>>,
    bytes: u64,
}

// By hand: stream writers have no `Debug`.
impl std::fmt::Debug for JournalWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalWriter")
            .field("path", &self.path)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl JournalWriter {
    pub(crate) fn create(directory: &Path, segment: u32, sync: bool) -> Result<Self, Error> {
        let path = directory.join(journal_path(segment));
        let file = files::create(&path)?;
        if sync {
            files::sync_dir(&directory.join(DIRECTORY))?;
        }
        Ok(Self {
            path,
            file,
            sync,
            streams: BTreeMap::new(),
            bytes: 0,
        })
    }

    /// Adds rows of a table to the frame being made.
    pub(crate) fn add(&mut self, table: &Table, schema: &SchemaRef, rows: &RecordBatch) -> Result<(), Error> {
        let stream = match self.streams.entry(table.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(StreamWriter::try_new(Vec::new(), schema).map_err(Error::table(table))?)
            }
        };
        stream.write(rows).map_err(Error::table(table))
    }

    /// Appends the frame: when this returns, its rows are acknowledged.
    pub(crate) fn commit(&mut self, counters: Counters) -> Result<(), Error> {
        let mut frame = vec![0; FRAME_HEADER];
        for number in [
            counters.received,
            counters.written,
            counters.lost,
            counters.next_seq,
        ] {
            frame.extend(number.to_le_bytes());
        }
        for (table, stream) in &mut self.streams {
            let bytes = std::mem::take(stream.get_mut());
            if bytes.is_empty() {
                continue;
            }
            let name = table.to_string();
            // Names of tables are short, and the sum of the lengths is checked below.
            frame.extend((name.len() as u16).to_le_bytes());
            frame.extend(name.as_bytes());
            frame.extend((bytes.len() as u32).to_le_bytes());
            frame.extend(bytes);
        }
        let payload = (frame.len() - FRAME_HEADER) as u64;
        if payload > MAX_PAYLOAD {
            return Err(Error::FlushTooLarge {
                bytes: payload,
                limit: MAX_PAYLOAD,
            });
        }
        let digest = blake3::hash(&frame[FRAME_HEADER..]);
        frame[..4].copy_from_slice(MAGIC);
        frame[4..8].copy_from_slice(&(payload as u32).to_le_bytes());
        frame[8..16].copy_from_slice(&digest.as_bytes()[..8]);
        self.file
            .write_all(&frame)
            .and_then(|()| if self.sync { self.file.sync_data() } else { Ok(()) })
            .map_err(Error::io("write", &self.path))?;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The end of a journal that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The journal.
    pub file: PathBuf,
    /// Where the first frame begins that does not count.
    pub offset: u64,
    /// How many bytes follow from there.
    pub bytes: u64,
    /// Why it does not count.
    pub reason: String,
}

/// What the frames of a journal hold.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// The Arrow IPC stream of each table.
    pub(crate) streams: BTreeMap<Table, Vec<u8>>,
    /// As of the last frame that counts.
    pub(crate) counters: Option<Counters>,
    pub(crate) cut: Option<Cut>,
}

/// Reads the journal of `segment`, if there is one.
pub(crate) fn replay(volume: &Volume, segment: u32) -> Result<Option<Replayed>, Error> {
    let path = journal_path(segment);
    let file = volume.file_name(&path);
    if !volume.contains(&path) {
        return Ok(None);
    }
    let content = volume.read(&path, MAX_BYTES)?;
    let mut replayed = Replayed::default();
    let mut rest = content.as_slice();
    while !rest.is_empty() {
        let offset = (content.len() - rest.len()) as u64;
        match frame(rest) {
            Ok(payload) => {
                let broken = |reason: &str| Error::Journal {
                    file: file.clone(),
                    offset,
                    reason: reason.to_owned(),
                };
                // The digest is right: a fault in here is the writer's, not a torn end.
                replayed
                    .take(payload)
                    .ok_or_else(|| broken("the payload is malformed"))?;
                rest = &rest[FRAME_HEADER + payload.len()..];
            }
            Err(reason) => {
                replayed.cut = Some(Cut {
                    file,
                    offset,
                    bytes: rest.len() as u64,
                    reason: reason.to_owned(),
                });
                break;
            }
        }
    }
    Ok(Some(replayed))
}

/// The payload of the frame that `bytes` begins with.
fn frame(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let torn = "the frame is torn";
    let (header, rest) = bytes.split_at_checked(FRAME_HEADER).ok_or(torn)?;
    if &header[..4] != MAGIC {
        return Err("there is no frame");
    }
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    let payload = rest.get(..length).ok_or(torn)?;
    if blake3::hash(payload).as_bytes()[..8] != header[8..16] {
        return Err("the digest is wrong");
    }
    Ok(payload)
}

impl Replayed {
    fn take(&mut self, mut payload: &[u8]) -> Option<()> {
        let input = &mut payload;
        let mut number = || Some(u64::from_le_bytes(take(input, 8)?.try_into().ok()?));
        let counters = Counters {
            received: number()?,
            written: number()?,
            lost: number()?,
            next_seq: number()?,
        };
        while !input.is_empty() {
            let length = u16::from_le_bytes(take(input, 2)?.try_into().ok()?);
            let name = std::str::from_utf8(take(input, length.into())?).ok()?;
            let table = name.parse().ok()?;
            let length = u32::from_le_bytes(take(input, 4)?.try_into().ok()?);
            let bytes = take(input, length as usize)?;
            self.streams.entry(table).or_default().extend(bytes);
        }
        self.counters = Some(counters);
        Some(())
    }
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}
