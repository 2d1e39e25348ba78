//! Everything that a capture says, in order.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::RangeInclusive;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use arrow::error::ArrowError;
use detectors_stores::Input;

use super::{CaptureReader, Events};
use crate::{Beginning, Entry, Error, Loss, Table};

/// The entries of a capture. After an error there are no more.
#[derive(Debug)]
pub struct Entries {
    beginning: Option<Beginning>,
    inputs: VecDeque<Input>,
    events: Peekable<Events>,
    losses: std::vec::IntoIter<Loss>,
    detections: std::vec::IntoIter<RecordBatch>,
}

impl CaptureReader {
    /// Everything that the capture says: what was before it; events and inputs of stores by their sequence numbers, inputs first;
    /// losses; detections. Written with [`CaptureWriter::write_entry`](crate::CaptureWriter::write_entry), it is the same again.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn entries(&self) -> Result<Entries, Error> {
        self.entries_of(&self.event_types(), 0..=u64::MAX)
    }

    /// The part of [`entries`](Self::entries) that is about a range of sequence numbers, with the events of some types: the
    /// [`beginning`](Self::beginning) of the range, the inputs that take effect in it, losses that reach into it, and detections
    /// that were found in it.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn entries_of(&self, event_types: &[&str], seq: RangeInclusive<u64>) -> Result<Entries, Error> {
        let beginning = self.beginning(*seq.start())?;
        let from = beginning.as_ref().map_or(0, |beginning| beginning.seq);
        let mut inputs = Vec::new();
        for store in self.input_stores() {
            inputs.extend(self.inputs(&store)?);
        }
        inputs.retain(|input| (from..=*seq.end()).contains(&input.seq));
        inputs.sort_by_key(|input| input.seq);
        let mut losses = self.losses()?;
        losses.retain(|loss| loss.seq_from <= *seq.end() && loss.seq_to >= *seq.start());
        let mut detections = Vec::new();
        for rows in self.detections()? {
            let rows = within(&rows, &seq)?;
            if rows.num_rows() > 0 {
                detections.push(rows);
            }
        }
        Ok(Entries {
            beginning,
            inputs: inputs.into(),
            events: self.events_of(event_types, seq)?.peekable(),
            losses: losses.into_iter(),
            detections: detections.into_iter(),
        })
    }

    /// What the stores knew before event `seq`, if it is more than what they are told from then on: there are events before, or
    /// the capture itself was cut out of another one.
    ///
    /// # Errors
    /// If a file cannot be read, or what is kept for stores makes no sense.
    pub fn beginning(&self, seq: u64) -> Result<Option<Beginning>, Error> {
        let first = self.segments().iter().find_map(|segment| segment.seq);
        let first = first.map(|seq| seq.first);
        // A keyframe that stands for events which are not here.
        let own = self.keyframe_seqs().first().copied();
        let own = own.filter(|own| *own > 0 && first.is_none_or(|first| *own <= first));
        let (seq, mut frames) = match own {
            Some(own) if seq <= own || first.is_none_or(|first| seq <= first) => (own, self.keyframe(own)?),
            None if first.is_none_or(|first| seq <= first) => return Ok(None),
            _ => {
                let mut stores = self.stores(seq)?;
                self.fold(&mut stores, seq)?;
                let frames = stores.keyframes().into_iter();
                // A table without rows is not in a capture either.
                let frames = frames.filter(|(_, rows)| rows.num_rows() > 0);
                (
                    seq,
                    frames
                        .map(|(name, rows)| (name.to_owned(), rows))
                        .collect::<Vec<_>>(),
                )
            }
        };
        frames.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut inputs = Vec::new();
        for store in self.input_stores() {
            if !frames.iter().any(|(name, _)| *name == store) {
                inputs.extend(self.inputs(&store)?);
            }
        }
        inputs.retain(|input| input.seq < seq);
        inputs.sort_by_key(|input| input.seq);
        Ok(Some(Beginning { seq, frames, inputs }))
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(beginning) = self.beginning.take() {
            return Some(Ok(Entry::Beginning(beginning)));
        }
        let next = self.events.peek().and_then(|event| event.as_ref().ok());
        let next = next.map_or(u64::MAX, |(seq, _)| *seq);
        if let Some(input) = self.inputs.pop_front_if(|input| input.seq <= next) {
            return Some(Ok(Entry::Input(input)));
        }
        match self.events.next() {
            Some(Ok((seq, event))) => {
                let event = Box::new(event);
                return Some(Ok(Entry::Event { seq, event }));
            }
            Some(Err(error)) => {
                self.inputs.clear();
                self.losses = Vec::new().into_iter();
                self.detections = Vec::new().into_iter();
                return Some(Err(error));
            }
            None => {}
        }
        let loss = self.losses.next().map(Entry::Loss);
        loss.or_else(|| self.detections.next().map(Entry::Detections))
            .map(Ok)
    }
}

/// The rows whose `seq` is in a range.
fn within(rows: &RecordBatch, range: &RangeInclusive<u64>) -> Result<RecordBatch, Error> {
    if *range == (0..=u64::MAX) {
        return Ok(rows.clone());
    }
    let seqs = rows
        .column_by_name("seq")
        .and_then(|column| column.as_primitive_opt::<UInt64Type>())
        .ok_or_else(|| ArrowError::SchemaError("there is no column `seq` of UInt64".to_owned()));
    let seqs = seqs.map_err(Error::table(&Table::Detections))?;
    let wanted: BooleanArray = seqs
        .iter()
        .map(|seq| Some(seq.is_some_and(|seq| range.contains(&seq))))
        .collect();
    arrow::compute::filter_record_batch(rows, &wanted).map_err(Error::table(&Table::Detections))
}
