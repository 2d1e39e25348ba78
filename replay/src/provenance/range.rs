//! Which part of a capture was asked for, and what is there.

use std::ops::RangeInclusive;

use capture::{CaptureReader, Error, ScanTask, format_time};
use detectors_api::columns::TIMESTAMP;
use detectors_api::event::EventBatch;
use serde::Serialize;

/// The part of a capture that a run was over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RangeRecord {
    /// Where it should begin, as asked for; absent for the beginning of the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_from: Option<String>,
    /// Where it should end, as asked for; absent for the end of the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_to: Option<String>,
    /// Number of events in it, of all types, that can be read.
    pub events: u64,
    /// Sequence number of the first of them; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// Sequence number of the last of them; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// When the first of them happened, RFC 3339; absent if it does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    /// When the last of them happened, RFC 3339; absent if it does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
}

impl RangeRecord {
    /// What a capture has in a range of sequence numbers. Of most row groups only the statistics are read. Those that cannot be
    /// read have no events; the run tells about them.
    ///
    /// # Errors
    /// If the capture cannot be read for another reason than what is in it.
    pub fn measure(reader: &CaptureReader, seq: &RangeInclusive<u64>) -> Result<Self, Error> {
        let mut found = Self::default();
        for event_type in reader.event_types() {
            let scan = reader
                .scan(event_type)
                .columns([TIMESTAMP])?
                .seq_range(seq.clone());
            let Some(tasks) = readable(scan.tasks())? else {
                continue;
            };
            for task in tasks {
                found.take(&task, seq)?;
            }
        }
        found.first_time = found.first_seq.map_or(Ok(None), |seq| time_of(reader, seq))?;
        found.last_time = found.last_seq.map_or(Ok(None), |seq| time_of(reader, seq))?;
        Ok(found)
    }

    fn take(&mut self, task: &ScanTask, seq: &RangeInclusive<u64>) -> Result<(), Error> {
        let stretch = task.seq();
        if seq.contains(&stretch.first) && seq.contains(&stretch.last) {
            self.add(task.rows() as u64, stretch.first, stretch.last);
            return Ok(());
        }
        let batches = task
            .batches()
            .and_then(Iterator::collect::<Result<Vec<EventBatch>, _>>);
        for batch in readable(batches)?.unwrap_or_default() {
            if let [first, .., last] | [first @ last] = batch.seqs() {
                self.add(batch.len() as u64, *first, *last);
            }
        }
        Ok(())
    }

    fn add(&mut self, events: u64, first: u64, last: u64) {
        self.events += events;
        self.first_seq = Some(self.first_seq.map_or(first, |known| known.min(first)));
        self.last_seq = Some(self.last_seq.map_or(last, |known| known.max(last)));
    }
}

/// When an event happened.
fn time_of(reader: &CaptureReader, seq: u64) -> Result<Option<String>, Error> {
    for event_type in reader.event_types() {
        let scan = reader.scan(event_type).columns([TIMESTAMP])?.seq_range(seq..=seq);
        let batches = scan
            .batches()
            .and_then(Iterator::collect::<Result<Vec<EventBatch>, _>>);
        let batches = readable(batches)?.unwrap_or_default();
        if let Some(batch) = batches.iter().find(|batch| !batch.is_empty()) {
            return Ok(batch.event(0).timestamp_ns().map(format_time));
        }
    }
    Ok(None)
}

/// Nothing, of what cannot be read because of what the capture holds.
fn readable<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_bad_input() => Ok(None),
        Err(error) => Err(error),
    }
}
