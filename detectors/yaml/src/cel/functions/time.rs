//! Points and spans of time.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::{Function, Run, no_overload};
use crate::cel::EvalError;
use crate::cel::eval::Evaluation;
use crate::cel::types::Type;
use crate::cel::value::Val;

/// 0001-01-01T00:00:00Z, seconds since the Unix epoch: the first time that there is.
const FIRST: i64 = -62_135_596_800;

pub(super) fn functions() -> Vec<Function> {
    let of_time = |name, run: Run| {
        Function::new(name, run)
            .member([Type::Timestamp], Type::Int)
            .member([Type::Timestamp, Type::String], Type::Int)
    };
    let of_both = |name, run: Run| of_time(name, run).member([Type::Duration], Type::Int);
    vec![
        of_time("getFullYear", full_year),
        of_time("getMonth", month),
        of_time("getDate", date),
        of_time("getDayOfMonth", day_of_month),
        of_time("getDayOfWeek", day_of_week),
        of_time("getDayOfYear", day_of_year),
        of_both("getHours", hours),
        of_both("getMinutes", minutes),
        of_both("getSeconds", seconds),
        of_both("getMilliseconds", milliseconds),
    ]
}

/// Defines accessors: of a civil time, and, where there is one, of a span in nanoseconds.
macro_rules! accessors {
    ($($function:ident $name:literal |$time:ident| $of_time:expr $(, |$span:ident| $of_span:expr)?;)*) => {$(
        fn $function<'a>(_: &mut Evaluation<'a>, args: &[Val<'a>]) -> Result<Val<'a>, EvalError> {
            Ok(Val::Int(match args {
                $([Val::Duration(span)] => {
                    let $span = nanoseconds(*span)?;
                    $of_span
                })?
                _ => {
                    let $time = civil($name, args)?;
                    i64::from($of_time)
                }
            }))
        }
    )*};
}
accessors! {
    full_year "getFullYear" |time| time.year();
    month "getMonth" |time| time.month() - 1;
    date "getDate" |time| time.day();
    day_of_month "getDayOfMonth" |time| time.day() - 1;
    day_of_week "getDayOfWeek" |time| time.weekday().to_sunday_zero_offset();
    day_of_year "getDayOfYear" |time| time.day_of_year() - 1;
    hours "getHours" |time| time.hour(), |span| span / 3_600_000_000_000;
    minutes "getMinutes" |time| time.minute(), |span| span / 60_000_000_000;
    seconds "getSeconds" |time| time.second(), |span| span / 1_000_000_000;
    milliseconds "getMilliseconds" |time| time.millisecond(), |span| span / 1_000_000;
}

/// The clock and calendar of a time: in UTC, or at the offset that is given.
fn civil(name: &'static str, args: &[Val<'_>]) -> Result<DateTime, EvalError> {
    let (time, offset) = match args {
        [Val::Timestamp(time)] => (time, Offset::UTC),
        [Val::Timestamp(time), Val::String(zone)] => {
            let zone = zone.as_str();
            let offset = parse_offset(zone).ok_or_else(|| EvalError::Conversion {
                value: format!("{:?}", zone.chars().take(80).collect::<String>()).into(),
                to: "offset from UTC, such as `UTC` or `+02:00`",
            })?;
            (time, offset)
        }
        _ => return Err(no_overload(name, args)),
    };
    Ok(offset.to_datetime(*time))
}

/// `UTC`, `+02:00`, `-08:00` or `02:00`. Names of zones are left out: what they mean differs from machine to machine.
pub(in crate::cel) fn parse_offset(zone: &str) -> Option<Offset> {
    if matches!(zone, "UTC" | "Z" | "") {
        return Some(Offset::UTC);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'-' => (-1, &zone[1..]),
        b'+' => (1, &zone[1..]),
        _ => (1, zone),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        two.then(|| digits.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

/// `time`, unless it is before the year 1.
pub(in crate::cel) fn in_range(time: Timestamp) -> Result<Timestamp, EvalError> {
    if time.as_second() < FIRST {
        Err(EvalError::Overflow("timestamp"))
    } else {
        Ok(time)
    }
}

/// A span in nanoseconds. There are no spans that do not fit.
pub(in crate::cel) fn nanoseconds(span: SignedDuration) -> Result<i64, EvalError> {
    i64::try_from(span.as_nanos()).map_err(|_| EvalError::Overflow("duration"))
}

/// A span in seconds: `5400s`, `1.5s`.
pub(super) fn text(span: SignedDuration) -> String {
    let nanoseconds = span.as_nanos();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (seconds, rest) = (
        nanoseconds.unsigned_abs() / 1_000_000_000,
        nanoseconds.unsigned_abs() % 1_000_000_000,
    );
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}

/// Reads a span: numbers with units, such as `1h30m`, `-1.5s`, `100ms`; or `0`.
pub(super) fn parse_span(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let (scale, len) = [
            ("ns", 1),
            ("us", 1_000),
            ("\u{b5}s", 1_000),
            ("\u{3bc}s", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000_i128),
        ]
        .into_iter()
        .find(|(name, _)| unit.starts_with(name))
        .map(|(name, scale)| (scale, name.len()))?;
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse::<u64>().ok()?.into()
        };
        total += whole * scale;
        // 18 places are more than the largest unit has nanoseconds.
        let digits = &fraction[..fraction.len().min(18)];
        if !digits.is_empty() {
            let numerator: i128 = digits.parse::<u64>().ok()?.into();
            total += numerator * scale / 10_i128.pow(digits.len() as u32);
        }
        if total > i128::from(u64::MAX) {
            return None;
        }
        rest = &unit[len..];
    }
    let total = if negative { -total } else { total };
    i64::try_from(total).ok().map(SignedDuration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (read, written) in [
            ("1h30m", "5400s"),
            ("1.5s", "1.5s"),
            ("-1.5s", "-1.5s"),
            ("100ms", "0.1s"),
            (".5h", "1800s"),
            ("1us", "0.000001s"),
            ("1\u{b5}s", "0.000001s"),
            ("3ns", "0.000000003s"),
            ("0", "0s"),
            ("1.m", "60s"),
        ] {
            assert_eq!(parse_span(read).map(text).as_deref(), Some(written), "{read}");
        }
        for wrong in [
            "",
            "1",
            "-",
            "s",
            ".s",
            "1.2.3s",
            "1d",
            "9999999999h",
            "1s ",
            "h1",
        ] {
            assert_eq!(parse_span(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn offsets() {
        for (zone, seconds) in [
            ("UTC", 0),
            ("+02:00", 7_200),
            ("-08:30", -30_600),
            ("01:00", 3_600),
        ] {
            assert_eq!(parse_offset(zone).map(Offset::seconds), Some(seconds), "{zone}");
        }
        for wrong in ["Europe/Berlin", "+2:00", "+99:00", "02:60", "+0a:00"] {
            assert_eq!(parse_offset(wrong), None, "{wrong}");
        }
    }
}
