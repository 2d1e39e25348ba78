//! The stores of a capture, as of a place in it.

use arrow::error::ArrowError;
use detectors_api::event::EventBatch;
use detectors_api::stores::Store;
use detectors_stores::{FoldError, Input, Stores};
use rayon::prelude::*;

use super::CaptureReader;
use crate::{Error, Table, stores};

/// Sequence numbers of which the events for stores are in memory at a time.
const WINDOW: u64 = 1 << 18;

impl CaptureReader {
    /// The stores that the capture has inputs for, sorted.
    #[must_use]
    pub fn input_stores(&self) -> Vec<String> {
        let stores = self.tables().into_iter().filter_map(|table| match table {
            Table::Store(store) => Some(store),
            _ => None,
        });
        stores.collect()
    }

    /// What a store was told beside events, in order.
    ///
    /// # Errors
    /// If a file cannot be read, or the name cannot be that of a store.
    pub fn inputs(&self, store: &str) -> Result<Vec<Input>, Error> {
        let table = Table::store(store)?;
        let rows = stores::stretches(self.path(), &table, &self.inner.table(&table)?)?;
        Ok(rows
            .into_iter()
            .map(|(seq, rows)| Input {
                store: store.to_owned(),
                seq,
                rows,
            })
            .collect())
    }

    /// The sequence numbers at which there are keyframes, in order: each stands for all events before it.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn keyframes(&self) -> Result<Vec<u64>, Error> {
        let table = Table::keyframe(Stores::KEYFRAME)?;
        let rows = stores::stretches(self.path(), &table, &self.inner.table(&table)?)?;
        let mut seqs: Vec<_> = rows.into_iter().map(|(seq, _)| seq).collect();
        seqs.sort_unstable();
        seqs.dedup();
        Ok(seqs)
    }

    /// The same as the manifest has it, without reading a file: that costs little, however many there are. Of a part that holds
    /// more than two, the first and the last are told.
    #[must_use]
    pub fn keyframe_seqs(&self) -> Vec<u64> {
        let is_keyframe = |table: &Table| matches!(table, Table::Keyframe(name) if name == Stores::KEYFRAME);
        let parts = self.manifest().parts.iter();
        let parts = parts
            .filter(|part| is_keyframe(&part.table))
            .filter_map(|part| part.seq);
        let tables = self.tables().into_iter().filter(is_keyframe).collect::<Vec<_>>();
        let journal = tables.iter().flat_map(|table| self.journal_batches(table));
        let journal = journal.filter_map(|(_, batch)| stores::seq_range(batch));
        let mut seqs: Vec<_> = parts
            .chain(journal)
            .flat_map(|seq| [seq.first, seq.last])
            .collect();
        seqs.sort_unstable();
        seqs.dedup();
        seqs
    }

    /// Stores for questions about events from `seq` on. They have taken the last keyframe at or before `seq`, and wait for
    /// the events from [`Stores::settled`] on; events of other types than [`Stores::event_types`] may be left out.
    ///
    /// # Errors
    /// If a file cannot be read, or what is kept for stores makes no sense.
    pub fn stores(&self, seq: u64) -> Result<Stores, Error> {
        self.stores_with(seq, Vec::new())
    }

    /// [`stores`](Self::stores) that are also told what the capture does not have: `more`, of stores without keyframes, such
    /// as those that the user brings along.
    /// Of several machines, all are told.
    ///
    /// # Errors
    /// As [`stores`](Self::stores).
    pub fn stores_with(&self, seq: u64, more: Vec<Input>) -> Result<Stores, Error> {
        let mut settings = self.manifest().header.store_settings(self.event_types());
        let mut inputs = Vec::new();
        for store in self.input_stores() {
            inputs.extend(self.inputs(&store)?);
        }
        let machines = settings.len() as u64;
        for input in more {
            // It is known on every machine.
            inputs.extend((0..machines).map(|more| Input {
                seq: input.seq.saturating_add(more),
                ..input.clone()
            }));
        }
        let keyframe = self
            .keyframe_seqs()
            .into_iter()
            .rfind(|keyframe| *keyframe <= seq);
        let frames = match keyframe {
            Some(keyframe) => self.keyframe(keyframe)?,
            None => Vec::new(),
        };
        // Whatever was cut away, answers were seen before.
        let dns = frames.iter().any(|(name, _)| name == Store::Dns.name());
        settings.iter_mut().for_each(|machine| machine.dns |= dns);
        let mut stores = Stores::of_machines(settings);
        stores
            .restore(keyframe.unwrap_or_default(), &frames, inputs)
            .map_err(|source| self.stores_error(source))?;
        Ok(stores)
    }

    /// The stores with their whole history: they can be asked about every event of the capture. Events are read on the
    /// current rayon pool.
    ///
    /// # Errors
    /// If a file cannot be read, or what is kept for stores makes no sense.
    pub fn history(&self) -> Result<Stores, Error> {
        let first = self.segments().iter().find_map(|segment| segment.seq);
        let mut stores = self.stores(first.map_or(0, |seq| seq.first))?;
        self.fold(&mut stores, u64::MAX)?;
        Ok(stores)
    }

    /// Lets the stores take all events before `end`, and what they were told until then. Events are read on the current rayon pool.
    pub(super) fn fold(&self, stores: &mut Stores, end: u64) -> Result<(), Error> {
        let types = Stores::event_types();
        let last = end.saturating_sub(u64::from(end < u64::MAX));
        for window in self.windows(stores.settled()..=last, WINDOW) {
            let batches: Vec<Vec<EventBatch>> = types
                .par_iter()
                .map(|event_type| {
                    self.scan(event_type)
                        .seq_range(window.clone())
                        .batches()?
                        .collect()
                })
                .collect::<Result<_, Error>>()?;
            let batches: Vec<_> = batches.into_iter().flatten().collect();
            stores
                .advance(&batches, window.end().saturating_add(1))
                .map_err(|source| self.stores_error(source))?;
        }
        // What stores were told after the last event.
        stores
            .advance(&[], end)
            .map_err(|source| self.stores_error(source))
    }

    fn stores_error(&self, source: FoldError) -> Error {
        Error::Stores {
            path: self.path().to_owned(),
            source,
        }
    }

    /// The tables of a keyframe.
    pub(super) fn keyframe(&self, wanted: u64) -> Result<Vec<(String, arrow::array::RecordBatch)>, Error> {
        let mut frames = Vec::new();
        for table in self.tables() {
            let Table::Keyframe(name) = &table else { continue };
            let parts = self.parts(&table).filter(|part| {
                part.seq
                    .is_none_or(|seq| (seq.first..=seq.last).contains(&wanted))
            });
            let mut batches = Vec::new();
            for part in parts {
                batches.extend(self.inner.part(part, None)?);
            }
            batches.extend(self.journal_batches(&table).map(|(_, batch)| batch.clone()));
            let rows: Vec<_> = stores::stretches(self.path(), &table, &batches)?
                .into_iter()
                .filter(|(seq, _)| *seq == wanted)
                .map(|(_, rows)| rows)
                .collect();
            if let Some(first) = rows.first() {
                let rows =
                    arrow::compute::concat_batches(&first.schema(), &rows).map_err(Error::table(&table))?;
                frames.push((name.clone(), rows));
            }
        }
        if !frames.iter().any(|(name, _)| name == Stores::KEYFRAME) {
            return Err(Error::Table {
                table: format!(
                    "{} of {}",
                    Table::keyframe(Stores::KEYFRAME)?,
                    self.path().display()
                ),
                source: ArrowError::SchemaError(format!(
                    "the manifest tells of a keyframe of the events before {wanted}, but no row is of it"
                )),
            });
        }
        Ok(frames)
    }
}
