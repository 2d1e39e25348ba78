//! `--from` and `--to`: which part of a capture is looked at.

use std::ops::RangeInclusive;

use capture::CaptureReader;

use super::args::Args;
use crate::exit::Failure;

/// The sequence numbers of the events to look at.
pub(super) fn range(args: &Args, reader: &CaptureReader) -> Result<RangeInclusive<u64>, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from.is_after(to, reader)
    {
        return Err(Failure::usage(
            "--from is after --to: there is nothing between them",
        ));
    }
    let from = args.from.map_or(Ok(0), |moment| moment.first(reader))?;
    let to = args.to.map_or(Ok(Some(u64::MAX)), |moment| moment.last(reader))?;
    // Empty, if nothing happened until then.
    Ok(to.map_or(RangeInclusive::new(1, 0), |to| from..=to))
}
