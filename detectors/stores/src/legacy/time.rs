//! Times as Tracee's language prints them.

use jiff::Timestamp;

/// What that language prints for a time that was never set.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 in UTC, with as many digits of the second as are needed.
pub(super) fn rfc3339(ns: i64) -> String {
    let time = Timestamp::from_nanosecond(ns.into()).expect("every 64-bit number of ns is in range");
    time.to_string()
}

/// The same for a time that may be unknown, which is shown as the Unix epoch.
pub(super) fn known(ns: Option<u64>) -> String {
    rfc3339(ns.map_or(0, |ns| i64::try_from(ns).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_as_many_digits_as_they_need() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
            (1_700_000_000_500_000_000, "2023-11-14T22:13:20.5Z"),
            (1_700_000_000_000_000_001, "2023-11-14T22:13:20.000000001Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(rfc3339(ns), text);
        }
        assert_eq!(known(None), "1970-01-01T00:00:00Z");
    }
}
