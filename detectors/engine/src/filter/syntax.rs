//! How filters are written.

use std::borrow::Cow;
use std::fmt;

/// A filter that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The filter as written.
    pub filter: String,
    /// Byte offset in `filter` of what is wrong.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl FilterError {
    pub(super) fn new(filter: &str, offset: usize, message: impl Into<String>) -> Self {
        Self {
            filter: filter.to_owned(),
            offset,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for FilterError {
    /// The filter, a mark under what is wrong, the problem and the hint, in three or four lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self
            .filter
            .get(..self.offset)
            .map_or(self.offset, |before| before.chars().count());
        writeln!(f, "{}", self.filter)?;
        write!(f, "{:column$}^ {}", "", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{:column$}  {hint}", "")?;
        }
        Ok(())
    }
}

impl std::error::Error for FilterError {}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(super) const fn is_range(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// A filter, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression<'a> {
    pub(super) filter: &'a str,
    pub(super) field: &'a str,
    /// The operator and the values; `None` for a bare field.
    pub(super) comparison: Option<Comparison<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison<'a> {
    pub(super) operator: Operator,
    /// Byte offset of the operator.
    pub(super) offset: usize,
    /// The values, each with its byte offset, escapes still in place.
    pub(super) values: Vec<(usize, Cow<'a, str>)>,
}

impl Comparison<'_> {
    /// The value, if there is only one.
    pub(super) fn single_value(&self) -> Option<&str> {
        match self.values.as_slice() {
            [(_, value)] => Some(value),
            _ => None,
        }
    }
}

impl<'a> Expression<'a> {
    pub(super) fn parse(filter: &'a str) -> Result<Self, FilterError> {
        let Some(offset) = filter.find(['=', '!', '<', '>']) else {
            return Ok(Self {
                filter,
                field: filter,
                comparison: None,
            });
        };
        let (field, rest) = filter.split_at(offset);
        if field.is_empty() {
            return Err(FilterError::new(
                filter,
                0,
                "a field name must come before the operator",
            ));
        }
        let (operator, length) = match rest.as_bytes() {
            [b'!', b'=', ..] => (Operator::NotEqual, 2),
            [b'<', b'=', ..] => (Operator::LessOrEqual, 2),
            [b'>', b'=', ..] => (Operator::GreaterOrEqual, 2),
            [b'=', ..] => (Operator::Equal, 1),
            [b'<', ..] => (Operator::Less, 1),
            [b'>', ..] => (Operator::Greater, 1),
            _ => {
                return Err(
                    FilterError::new(filter, offset, "`!` is no operator").hint("`!=` means not equal")
                );
            }
        };
        let values = split(&rest[length..], offset + length);
        if operator.is_range() && values.len() > 1 {
            return Err(FilterError::new(
                filter,
                values[1].0,
                "a range takes one value, not a list",
            ));
        }
        Ok(Self {
            filter,
            field,
            comparison: Some(Comparison {
                operator,
                offset,
                values,
            }),
        })
    }

    pub(super) fn error(&self, offset: usize, message: impl Into<String>) -> FilterError {
        FilterError::new(self.filter, offset, message)
    }
}

/// Splits at commas that are not escaped.
fn split(text: &str, start: usize) -> Vec<(usize, Cow<'_, str>)> {
    let mut values = Vec::new();
    let (mut from, mut escaped) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                values.push((start + from, text[from..at].into()));
                from = at + 1;
            }
            _ => {}
        }
    }
    values.push((start + from, text[from..].into()));
    values
}

/// A whole number: decimal, `0x…` or `0o…`, with an optional sign.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x" | "0X") => (&digits[2..], 16),
        Some("0o" | "0O") => (&digits[2..], 8),
        _ => (digits, 10),
    };
    // The parser would take a second sign.
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leftmost_operator_counts() {
        let parsed = Expression::parse("a<b=c").expect("well-formed");
        let comparison = parsed.comparison.expect("there is an operator");
        assert_eq!((parsed.field, comparison.operator), ("a", Operator::Less));
        assert_eq!(comparison.values, [(2, "b=c".into())]);
    }

    #[test]
    fn escaped_commas_do_not_separate() {
        let parsed = Expression::parse(r"f=a\,b,c,").expect("well-formed");
        let comparison = parsed.comparison.expect("there is an operator");
        assert_eq!(
            comparison.values,
            [(2, r"a\,b".into()), (7, "c".into()), (9, "".into())]
        );
    }

    #[test]
    fn integers() {
        for (text, number) in [
            ("0", Some(0)),
            ("-12", Some(-12)),
            ("0x80000", Some(0x80000)),
            ("0o17", Some(15)),
            ("017", Some(17)),
            ("--1", None),
            ("0x", None),
            ("0x+1", None),
            ("1 ", None),
            ("é0", None),
            ("", None),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
    }

    #[test]
    fn errors_point_at_the_place() {
        let error = FilterError::new("naïve!x", 6, "`!` is no operator").hint("`!=` means not equal");
        assert_eq!(
            error.to_string(),
            "naïve!x\n     ^ `!` is no operator\n       `!=` means not equal"
        );
    }
}
