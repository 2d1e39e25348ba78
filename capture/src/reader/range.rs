//! From times to sequence numbers.

use super::CaptureReader;
use crate::{Error, SeqRange};

impl CaptureReader {
    /// The lowest sequence number of an event that happened at `time_ns` (ns since the Unix epoch) or later; `None` if there is
    /// none.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn first_seq_since(&self, time_ns: i64) -> Result<Option<u64>, Error> {
        let mut first: Option<u64> = None;
        for event_type in self.event_types() {
            let scan = self
                .scan(event_type)
                .columns([])?
                .time_range(time_ns..=i64::MAX)
                .seq_range(0..=first.unwrap_or(u64::MAX));
            if let Some(batch) = scan.batches()?.next() {
                let seq = batch?.seqs().first().copied();
                first = first.into_iter().chain(seq).min();
            }
        }
        Ok(first)
    }

    /// The highest sequence number of an event that happened at `time_ns` (ns since the Unix epoch) or earlier; `None` if
    /// there is none.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn last_seq_until(&self, time_ns: i64) -> Result<Option<u64>, Error> {
        let ranges: Vec<SeqRange> = self.segments().iter().filter_map(|segment| segment.seq).collect();
        for segment in ranges.into_iter().rev() {
            let mut last = None;
            for event_type in self.event_types() {
                let scan = self
                    .scan(event_type)
                    .columns([])?
                    .time_range(i64::MIN..=time_ns)
                    .seq_range(last.unwrap_or(segment.first)..=segment.last);
                for batch in scan.batches()? {
                    last = last.max(batch?.seqs().last().copied());
                }
            }
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }
}
