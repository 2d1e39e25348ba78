//! What was lost while a range was recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use capture::{CaptureReader, Loss, format_time};
use serde::Serialize;

/// Events that happened in a range and are not in the capture, for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LossRecord {
    /// Why, in a short word: `ring_full`, `filter_error` …
    pub cause: String,
    /// How many events.
    pub events: u64,
    /// They were lost after the event with this sequence number …
    pub after_seq: u64,
    /// … and before the one with this.
    pub before_seq: u64,
    /// Not earlier than this, RFC 3339, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_time: Option<String>,
    /// Not later than this, RFC 3339, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_time: Option<String>,
}

impl LossRecord {
    /// What was lost in a range of sequence numbers, by cause. A loss that reaches beyond the range counts with all its events: where
    /// in its stretch they were is not known.
    ///
    /// # Errors
    /// If the capture's losses cannot be read.
    pub fn in_range(reader: &CaptureReader, seq: &RangeInclusive<u64>) -> Result<Vec<Self>, capture::Error> {
        Ok(Self::of(&reader.losses()?, seq))
    }

    fn of(losses: &[Loss], seq: &RangeInclusive<u64>) -> Vec<Self> {
        let mut causes: BTreeMap<&str, Loss> = BTreeMap::new();
        let meets =
            |loss: &&Loss| !seq.is_empty() && loss.seq_from.max(*seq.start()) <= loss.seq_to.min(*seq.end());
        for loss in losses.iter().filter(meets) {
            causes
                .entry(&loss.cause)
                .and_modify(|all| join(all, loss))
                .or_insert_with(|| loss.clone());
        }
        causes
            .into_values()
            .map(|loss| Self {
                events: loss.count,
                after_seq: loss.seq_from,
                before_seq: loss.seq_to,
                from_time: loss.time_from.map(format_time),
                to_time: loss.time_to.map(format_time),
                cause: loss.cause,
            })
            .collect()
    }
}

/// Adds `loss` to `all`. Where a time is not known, nothing bounds the sum.
fn join(all: &mut Loss, loss: &Loss) {
    all.count = all.count.saturating_add(loss.count);
    all.seq_from = all.seq_from.min(loss.seq_from);
    all.seq_to = all.seq_to.max(loss.seq_to);
    all.time_from = all.time_from.zip(loss.time_from).map(|(a, b)| a.min(b));
    all.time_to = all.time_to.zip(loss.time_to).map(|(a, b)| a.max(b));
}

impl fmt::Display for LossRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events between {} and {}",
            self.events, self.after_seq, self.before_seq
        )?;
        match (&self.from_time, &self.to_time) {
            (Some(from), Some(to)) => write!(f, " ({from} to {to})")?,
            (Some(from), None) => write!(f, " (since {from})")?,
            (None, Some(to)) => write!(f, " (until {to})")?,
            (None, None) => {}
        }
        write!(f, ": {}", self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(seq: (u64, u64), time: Option<i64>, cause: &str, count: u64) -> Loss {
        Loss {
            seq_from: seq.0,
            seq_to: seq.1,
            time_from: time,
            time_to: time.map(|time| time + 1_000_000_000),
            cpu: None,
            cause: cause.to_owned(),
            count,
        }
    }

    #[test]
    fn losses_are_added_up_by_cause_and_only_in_the_range() {
        let losses = [
            loss((10, 20), Some(0), "ring_full", 5),
            loss((30, 31), Some(3_000_000_000), "ring_full", 2),
            loss((30, 40), None, "crash", 1),
            loss((90, 99), Some(0), "ring_full", 100),
        ];
        let found = LossRecord::of(&losses, &(15..=50));
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "1 events between 30 and 40: crash",
                "7 events between 10 and 31 (1970-01-01T00:00:00.000000000Z to 1970-01-01T00:00:04.000000000Z): ring_full",
            ]
        );
        assert!(LossRecord::of(&losses, &(41..=89)).is_empty());
        #[expect(clippy::reversed_empty_ranges, reason = "an empty range is the point")]
        let empty = LossRecord::of(&losses, &(1..=0));
        assert!(empty.is_empty());
    }
}
