//! Moments in a capture, as people write them.

use std::fmt;
use std::str::FromStr;

use capture::{CaptureReader, format_time};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::exit::Failure;
use crate::opened;

/// How moments are written, for help texts.
pub(crate) const HELP: &str = "`2026-05-01T12:00` (UTC unless it has an offset), `+90s` after the first event, `10m ago` or `-10m`: before the last \
                               event, or `seq:12345`";

/// A moment in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// An event, by its sequence number.
    Seq(u64),
    /// ns since the Unix epoch.
    Time(i64),
    /// So many ns after the first event.
    AfterFirst(i64),
    /// So many ns before the last event.
    BeforeLast(i64),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(number) = text.strip_prefix("seq:") {
            return number
                .parse()
                .map(Self::Seq)
                .map_err(|_| format!("`{number}` is no sequence number"));
        }
        let span = |text: &str| -> Result<i64, String> {
            let span: SignedDuration = text
                .trim()
                .parse()
                .map_err(|_| format!("`{text}` is no time span such as 90s, 10m or 1h30m"))?;
            i64::try_from(span.as_nanos())
                .ok()
                .filter(|ns| *ns >= 0)
                .ok_or_else(|| format!("`{text}` is too long, or negative"))
        };
        if let Some(after) = text.strip_prefix('+') {
            return span(after).map(Self::AfterFirst);
        }
        if let Some(before) = text.strip_suffix("ago").or_else(|| text.strip_prefix('-')) {
            return span(before).map(Self::BeforeLast);
        }
        let time = match text.parse::<jiff::Timestamp>() {
            Ok(time) => time,
            Err(_) => text
                .parse::<DateTime>()
                .and_then(|time| time.to_zoned(TimeZone::UTC))
                .map(|time| time.timestamp())
                .map_err(|_| format!("write {HELP}"))?,
        };
        i64::try_from(time.as_nanosecond())
            .map(Self::Time)
            .map_err(|_| format!("{text} is out of range"))
    }
}

impl fmt::Display for Moment {
    /// As it can be written; times in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |ns: &i64| SignedDuration::from_nanos(*ns);
        match self {
            Self::Seq(seq) => write!(f, "seq:{seq}"),
            Self::Time(ns) => f.write_str(&format_time(*ns)),
            Self::AfterFirst(ns) => write!(f, "+{:#}", span(ns)),
            Self::BeforeLast(ns) => write!(f, "-{:#}", span(ns)),
        }
    }
}

impl Moment {
    /// The first event at this moment or later; `u64::MAX` if there is none.
    pub(crate) fn first(self, reader: &CaptureReader) -> Result<u64, Failure> {
        match self.resolve(reader) {
            Ok(seq) => Ok(seq),
            Err(time) => Ok(reader
                .first_seq_since(time)
                .map_err(opened::failure)?
                .unwrap_or(u64::MAX)),
        }
    }

    /// The last event at this moment or earlier; `None` if there is none.
    pub(crate) fn last(self, reader: &CaptureReader) -> Result<Option<u64>, Failure> {
        match self.resolve(reader) {
            Ok(seq) => Ok(Some(seq)),
            Err(time) => reader.last_seq_until(time).map_err(opened::failure),
        }
    }

    /// Whether it is later than `other` in the capture, whatever happened between the two.
    pub(crate) fn is_after(self, other: Self, reader: &CaptureReader) -> bool {
        match (self.resolve(reader), other.resolve(reader)) {
            (Ok(seq), Ok(other)) => seq > other,
            (Err(time), Err(other)) => time > other,
            // A number and a time cannot be compared without looking.
            _ => false,
        }
    }

    /// A sequence number, or else a time.
    fn resolve(self, reader: &CaptureReader) -> Result<u64, i64> {
        let time = reader.manifest().time;
        match self {
            Self::Seq(seq) => Ok(seq),
            Self::Time(time) => Err(time),
            Self::AfterFirst(ns) => Err(time.map_or(0, |time| time.first.saturating_add(ns))),
            Self::BeforeLast(ns) => Err(time.map_or(0, |time| time.last.saturating_sub(ns))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let noon = 1_777_636_800_000_000_000;
        for (text, moment) in [
            ("seq:12345", Moment::Seq(12345)),
            ("2026-05-01T12:00", Moment::Time(noon)),
            ("2026-05-01 12:00:00", Moment::Time(noon)),
            ("2026-05-01T12:00:00.000000001Z", Moment::Time(noon + 1)),
            ("2026-05-01T14:00:00+02:00", Moment::Time(noon)),
            ("2026-05-01", Moment::Time(noon - 12 * 3_600_000_000_000)),
            ("+90s", Moment::AfterFirst(90_000_000_000)),
            ("10m ago", Moment::BeforeLast(600_000_000_000)),
            ("-1h30m", Moment::BeforeLast(5_400_000_000_000)),
        ] {
            assert_eq!(text.parse(), Ok(moment), "{text}");
            assert_eq!(moment.to_string().parse(), Ok(moment), "{moment}");
        }
        for wrong in [
            "",
            "seq:",
            "seq:-1",
            "+",
            "yesterday",
            "--5m",
            "+99999999999h",
            "2026-13-01",
        ] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
