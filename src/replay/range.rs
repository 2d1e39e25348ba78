//! `--from` and `--to`: which part of a capture is looked at.

use std::ops::RangeInclusive;

use capture::CaptureReader;
use replay::provenance::RangeRecord;

use crate::exit::Failure;
use crate::moment::{self, Moment};
use crate::opened;

/// The part of a capture that is looked at.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Range {
    /// Look at events from this moment on. Stores know what happened before
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true, long_help = from_help())]
    from: Option<Moment>,
    /// Look at events up to this moment
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    to: Option<Moment>,
}

fn from_help() -> String {
    format!(
        "Look at events from this moment on; stores know what happened before, and what is found is what a run over all of the \
         capture finds from then on. A moment is {}",
        moment::HELP
    )
}

impl Range {
    /// From one moment to the other.
    pub(crate) fn new(from: Option<Moment>, to: Option<Moment>) -> Self {
        Self { from, to }
    }

    /// The sequence numbers of the events to look at.
    pub(crate) fn of(self, reader: &CaptureReader) -> Result<RangeInclusive<u64>, Failure> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from.is_after(to, reader)
        {
            return Err(Failure::usage(
                "--from is after --to: there is nothing between them",
            ));
        }
        let from = self.from.map_or(Ok(0), |moment| moment.first(reader))?;
        let to = self.to.map_or(Ok(Some(u64::MAX)), |moment| moment.last(reader))?;
        // Empty, if nothing happened until then.
        Ok(to.map_or(RangeInclusive::new(1, 0), |to| from..=to))
    }

    /// What was asked for, and what is there.
    pub(crate) fn record(
        self,
        reader: &CaptureReader,
        seq: &RangeInclusive<u64>,
    ) -> Result<RangeRecord, Failure> {
        let found = RangeRecord::measure(reader, seq).map_err(opened::failure)?;
        Ok(RangeRecord {
            asked_from: self.from.map(|moment| moment.to_string()),
            asked_to: self.to.map(|moment| moment.to_string()),
            ..found
        })
    }
}
