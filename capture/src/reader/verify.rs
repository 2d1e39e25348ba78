//! Checking that a capture is what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use detectors_api::event::{Contexts, EventBatch};
use rayon::prelude::*;

use super::decode::ParquetFile;
use super::{CaptureReader, Inner};
use crate::manifest::{Part, SeqRange, chain};
use crate::{Error, Form, Table, journal, manifest};

/// What a check of a capture has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Number of files.
    pub parts: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Number of events, those in the journal included.
    pub events: u64,
    /// See [`Manifest::digest`](crate::Manifest::digest).
    pub digest: String,
    /// What is wrong, by file.
    pub faults: Vec<Fault>,
}

/// Something in a capture that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, from the capture's directory.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    fn new(path: impl Into<String>, reason: impl ToString) -> Self {
        Self {
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}

impl CaptureReader {
    /// Checks everything: digests and their chain, every row of every file against the manifest, the totals, and that there
    /// are no other files. Files of a segment are checked in parallel. `progress` is told the bytes of each checked file.
    #[must_use]
    pub fn verify(&self, progress: &(dyn Fn(u64) + Sync)) -> Verification {
        let manifest = self.manifest();
        let mut verification = Verification {
            parts: manifest.parts.len(),
            bytes: manifest.bytes(),
            events: manifest.totals.written,
            digest: manifest.digest(),
            faults: Vec::new(),
        };
        self.inner.check_segments(progress, &mut verification.faults);
        check_chain(&manifest.parts, &mut verification.faults);
        self.check_totals(&mut verification.faults);
        self.inner.check_listing(&mut verification.faults);
        verification
    }

    fn check_totals(&self, faults: &mut Vec<Fault>) {
        let manifest = self.manifest();
        let mut wrong = |reason: String| faults.push(Fault::new(manifest::MANIFEST, reason));
        let mut found: BTreeMap<&str, u64> = BTreeMap::new();
        for part in &manifest.parts {
            if let Table::Events(name) = part.table {
                *found.entry(name).or_default() += part.rows;
            }
        }
        for segment in self.inner.journal.values() {
            for (name, batches) in &segment.events {
                *found.entry(name).or_default() +=
                    batches.iter().map(|batch| batch.len() as u64).sum::<u64>();
            }
        }
        let names: BTreeSet<&str> = manifest
            .events
            .keys()
            .map(String::as_str)
            .chain(found.keys().copied())
            .collect();
        for name in names {
            let (says, has) = (
                manifest.events.get(name).copied().unwrap_or_default(),
                found.get(name).copied().unwrap_or_default(),
            );
            // Types that this version does not know are counted by their digest alone.
            if says != has && (has > 0 || Table::events(name) == Table::Events(name_of(name))) {
                wrong(format!("says {says} events of type {name}, and there are {has}"));
            }
        }
        let sum = manifest
            .events
            .values()
            .fold(0_u64, |sum, count| sum.saturating_add(*count));
        if sum != manifest.totals.written {
            wrong(format!(
                "says {} events in all, and {sum} by type",
                manifest.totals.written
            ));
        }
        match self.losses() {
            Ok(losses) => {
                let sum = losses
                    .iter()
                    .fold(0_u64, |sum, loss| sum.saturating_add(loss.count));
                if sum != manifest.totals.lost {
                    wrong(format!(
                        "says {} lost events, and the loss table {sum}",
                        manifest.totals.lost
                    ));
                }
            }
            Err(error) => wrong(error.explain()),
        }
    }
}

fn name_of(name: &str) -> &'static str {
    detectors_api::columns::layout(name).name()
}

impl Inner {
    fn check_segments(&self, progress: &(dyn Fn(u64) + Sync), faults: &mut Vec<Fault>) {
        for segment in &self.segments {
            let parts: Vec<_> = self
                .manifest
                .parts
                .iter()
                .filter(|part| part.segment == segment.number)
                .collect();
            let contexts = self.contexts(segment.number);
            let checked: Vec<_> = parts
                .par_iter()
                .map(|part| {
                    let checked = self.check_part(part, contexts.as_ref().ok());
                    progress(part.bytes);
                    checked
                })
                .collect();
            let mut seqs = Vec::new();
            for (part, checked) in parts.iter().zip(checked) {
                match checked {
                    Ok(found) => seqs.extend(found),
                    Err(reason) => faults.push(Fault::new(&part.path, reason)),
                }
            }
            seqs.sort_unstable();
            if let Some(twice) = seqs.windows(2).find(|pair| pair[0] == pair[1]) {
                faults.push(Fault::new(
                    manifest::MANIFEST,
                    format!("segment {} has two events {}", segment.number, twice[0]),
                ));
            }
        }
    }

    /// Checks one file; gives the sequence numbers of its events.
    fn check_part(&self, part: &Part, contexts: Option<&Contexts>) -> Result<Vec<u64>, String> {
        let digest = self.digest(part).map_err(|error| error.explain())?;
        if digest != part.digest {
            return Err("the digest is wrong: the file was changed".to_owned());
        }
        if let Table::Unknown(_) = part.table {
            return Ok(Vec::new());
        }
        let decoded = self.decode(part, contexts).map_err(|error| error.explain())?;
        if decoded.rows != part.rows {
            return Err(format!(
                "the file has {} rows, and the manifest says {}",
                decoded.rows, part.rows
            ));
        }
        // Without its process contexts an event cannot be read; that is said at the file of the process table.
        if matches!(part.table, Table::Events(_)) && contexts.is_none() {
            return Ok(Vec::new());
        }
        let found = decoded
            .seqs
            .first()
            .zip(decoded.seqs.last())
            .map(|(first, last)| SeqRange {
                first: *first,
                last: *last,
            });
        if let Table::Events(_) = part.table
            && found != part.seq
        {
            return Err(format!(
                "the file has events {found:?}, and the manifest says {:?}",
                part.seq
            ));
        }
        if decoded.time != part.time {
            return Err(format!(
                "the file has times {:?}, and the manifest says {:?}",
                decoded.time, part.time
            ));
        }
        Ok(decoded.seqs)
    }

    fn digest(&self, part: &Part) -> Result<String, Error> {
        let path = self.volume.file_name(&part.path);
        let mut file = self.volume.file(&part.path)?.reader(0);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).map_err(Error::io("read", &path))?;
            if read == 0 {
                return Ok(hasher.finalize().to_hex().to_string());
            }
            hasher.update(&buffer[..read]);
        }
    }

    fn decode(&self, part: &Part, contexts: Option<&Contexts>) -> Result<Decoded, Error> {
        let file = ParquetFile::open(&self.volume, part, false)?;
        let mut decoded = Decoded::default();
        for row_group in 0..file.row_groups() {
            for rows in file.batches(row_group, None, None, 8192)? {
                let rows = rows?;
                decoded.rows += rows.num_rows() as u64;
                if let (Table::Events(name), Some(contexts)) = (&part.table, contexts)
                    && rows.num_rows() > 0
                {
                    let batch = EventBatch::try_new(name, rows, contexts.clone())
                        .map_err(Error::rows(&file.path(), Some(row_group)))?;
                    super::scan::check_order(&file.path(), decoded.seqs.last().copied(), batch.seqs())?;
                    decoded.seqs.extend(batch.seqs());
                    decoded.time = manifest::join(decoded.time, crate::writer::ranges(&batch).1);
                }
            }
        }
        Ok(decoded)
    }

    fn check_listing(&self, faults: &mut Vec<Fault>) {
        match self.unlisted() {
            Ok(paths) => faults.extend(
                paths
                    .into_iter()
                    .map(|path| Fault::new(path, "the manifest does not list this file")),
            ),
            Err(error) => faults.push(Fault::new("", error)),
        }
    }

    /// Files that the manifest does not list: tools that go by file names would read them.
    pub(super) fn unlisted(&self) -> std::io::Result<Vec<String>> {
        let listed: BTreeSet<&str> = self
            .manifest
            .parts
            .iter()
            .map(|part| part.path.as_str())
            .collect();
        let is_journal = |path: &str| match self.volume.form() {
            Form::Pack => journal::segment_of(path).is_some_and(|segment| segment >= self.manifest.segments),
            Form::Directory | Form::Text | Form::Temporary => path.starts_with(journal::DIRECTORY),
        };
        let mut paths = self.volume.list()?;
        paths.retain(|path| {
            let ours = path == manifest::MANIFEST
                || path == manifest::TEMPORARY
                || (is_journal(path) && self.manifest.state != crate::State::Closed)
                || listed.contains(path.as_str());
            !ours
        });
        Ok(paths)
    }
}

#[derive(Default)]
struct Decoded {
    rows: u64,
    seqs: Vec<u64>,
    time: Option<crate::TimeRange>,
}

fn check_chain(parts: &[Part], faults: &mut Vec<Fault>) {
    let mut before: Option<&str> = None;
    for part in parts {
        if chain(before, &part.digest, &part.path).as_deref() != Some(&part.chain) {
            faults.push(Fault::new(
                &part.path,
                "the hash chain is broken here: parts were added, removed, changed or moved",
            ));
        }
        before = Some(&part.chain);
    }
}
