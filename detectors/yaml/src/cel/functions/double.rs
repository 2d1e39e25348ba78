//! Doubles to whole numbers and to text.

/// `value` without its fraction; `None` outside of the open range of 64-bit integers.
#[expect(
    clippy::cast_possible_truncation,
    reason = "that is what is asked for; the range is checked"
)]
pub(super) fn to_int(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (value > -LIMIT && value < LIMIT).then_some(value as i64)
}

/// `value` without its fraction; `None` if it is negative, or does not fit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "that is what is asked for; the range is checked"
)]
pub(super) fn to_uint(value: f64) -> Option<u64> {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    (0.0..LIMIT).contains(&value).then_some(value as u64)
}

/// The shortest decimal that reads as `value`: like `1.5`, and like `1e+06` where the exponent is below -4 or above 5.
pub(super) fn text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_go_formats_them() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1.25e-7, "1.25e-07"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn only_what_fits_becomes_whole() {
        assert_eq!(to_int(-2.9), Some(-2));
        assert_eq!(to_int(9_223_372_036_854_775_808.0), None);
        assert_eq!(to_int(f64::NAN), None);
        assert_eq!(to_uint(2.9), Some(2));
        assert_eq!(to_uint(-1.0), None);
    }
}
