//! What a filter says about sequence numbers, times and event names: enough to leave files unread.
//!
//! Bounds never decide: the filter itself is applied to every row that is read.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use detectors_api::columns::{SEQ, TIMESTAMP};

use crate::columns::NAME;

/// The events that may pass all filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    seq: Option<(i128, i128)>,
    time: Option<(i128, i128)>,
    names: Option<BTreeSet<String>>,
}

impl Bounds {
    /// What `filters` say together.
    pub(crate) fn of<'a>(filters: impl IntoIterator<Item = &'a Expr>) -> Self {
        filters
            .into_iter()
            .map(Self::of_one)
            .fold(Self::default(), Self::and)
    }

    /// Whether they say nothing.
    pub(crate) fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }

    /// Sequence numbers that may pass; `None` for all.
    pub(crate) fn seq(&self) -> Option<RangeInclusive<u64>> {
        let (first, last) = self.seq?;
        if last < 0 {
            return Some(RangeInclusive::new(1, 0));
        }
        let clamp = |seq: i128| u64::try_from(seq.max(0)).unwrap_or(u64::MAX);
        Some(clamp(first)..=clamp(last))
    }

    /// Times that may pass, in ns since the Unix epoch; `None` for all.
    pub(crate) fn time(&self) -> Option<RangeInclusive<i64>> {
        let (first, last) = self.time?;
        let clamp = |ns: i128| ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Some(clamp(first)..=clamp(last))
    }

    /// Whether events called `name` may pass.
    pub(crate) fn allows(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(name))
    }

    /// Names that may pass; `None` for all.
    pub(crate) fn names(&self) -> Option<&BTreeSet<String>> {
        self.names.as_ref()
    }

    fn and(self, other: Self) -> Self {
        let both = |a: Option<(i128, i128)>, b: Option<(i128, i128)>| match (a, b) {
            (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.min(b.1))),
            (one, other) => one.or(other),
        };
        Self {
            seq: both(self.seq, other.seq),
            time: both(self.time, other.time),
            names: match (self.names, other.names) {
                (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
                (one, other) => one.or(other),
            },
        }
    }

    fn or(self, other: Self) -> Self {
        let either = |a: Option<(i128, i128)>, b: Option<(i128, i128)>| {
            a.zip(b).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)))
        };
        Self {
            seq: either(self.seq, other.seq),
            time: either(self.time, other.time),
            names: self
                .names
                .zip(other.names)
                .map(|(a, b)| a.union(&b).cloned().collect()),
        }
    }

    fn of_one(filter: &Expr) -> Self {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And => Self::of_one(left).and(Self::of_one(right)),
                Operator::Or => Self::of_one(left).or(Self::of_one(right)),
                op => match (column(left), literal(right), column(right), literal(left)) {
                    (Some(column), Some(value), ..) => Self::compare(column, *op, value),
                    (.., Some(column), Some(value)) => op
                        .swap()
                        .map(|op| Self::compare(column, op, value))
                        .unwrap_or_default(),
                    _ => Self::default(),
                },
            },
            Expr::Between(Between {
                expr,
                negated: false,
                low,
                high,
            }) => match (column(expr), literal(low), literal(high)) {
                (Some(column), Some(low), Some(high)) => Self::compare(column, Operator::GtEq, low)
                    .and(Self::compare(column, Operator::LtEq, high)),
                _ => Self::default(),
            },
            Expr::InList(list) if !list.negated => {
                let values: Option<Vec<_>> = list.list.iter().map(literal).collect();
                match (column(&list.expr), values) {
                    (Some(column), Some(values)) => values
                        .into_iter()
                        .map(|value| Self::compare(column, Operator::Eq, value))
                        .reduce(Self::or)
                        .unwrap_or_default(),
                    _ => Self::default(),
                }
            }
            _ => Self::default(),
        }
    }

    fn compare(column: &str, op: Operator, value: &ScalarValue) -> Self {
        if column == NAME {
            let names = match (op, value.try_as_str()) {
                (Operator::Eq, Some(Some(name))) => Some(BTreeSet::from([name.to_owned()])),
                _ => None,
            };
            return Self {
                names,
                ..Self::default()
            };
        }
        let Some(number) = number(value) else {
            return Self::default();
        };
        let range = match op {
            Operator::Eq => (number, number),
            Operator::Lt => (i128::MIN, number - 1),
            Operator::LtEq => (i128::MIN, number),
            Operator::Gt => (number + 1, i128::MAX),
            Operator::GtEq => (number, i128::MAX),
            _ => return Self::default(),
        };
        match column {
            SEQ => Self {
                seq: Some(range),
                ..Self::default()
            },
            TIMESTAMP => Self {
                time: Some(range),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        // Text that is compared is cast from its dictionary.
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Column(column) if column.name == NAME => Some(&column.name),
            _ => None,
        },
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// A whole number, or a time in ns.
fn number(value: &ScalarValue) -> Option<i128> {
    Some(match value {
        ScalarValue::UInt64(value) => (*value)?.into(),
        ScalarValue::UInt32(value) => (*value)?.into(),
        ScalarValue::Int64(value) => (*value)?.into(),
        ScalarValue::Int32(value) => (*value)?.into(),
        ScalarValue::TimestampNanosecond(value, _) => (*value)?.into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn bounds(filter: Expr) -> Bounds {
        Bounds::of([&filter])
    }

    #[test]
    fn ranges_meet_and_join() {
        let low = || col(SEQ).gt_eq(lit(5_u64));
        let high = || col(SEQ).lt(lit(9_u64));
        assert_eq!(bounds(low().and(high())).seq(), Some(5..=8));
        assert_eq!(Bounds::of([&low(), &high()]).seq(), Some(5..=8));
        assert_eq!(bounds(low().or(high())).seq(), Some(0..=u64::MAX));
        assert_eq!(bounds(lit(7_u64).eq(col(SEQ))).seq(), Some(7..=7));
        assert_eq!(bounds(lit(7_u64).gt(col(SEQ))).seq(), Some(0..=6));
        assert_eq!(
            bounds(col(SEQ).between(lit(1_i64), lit(2_i64))).seq(),
            Some(1..=2)
        );
        assert!(
            bounds(col(SEQ).lt(lit(0_u64)))
                .seq()
                .is_some_and(|range| range.is_empty())
        );
        assert!(bounds(low().or(col("pid").eq(lit(1_u32)))).is_unbounded());
        assert!(bounds(col(SEQ).not_between(lit(1_i64), lit(2_i64))).is_unbounded());
    }

    #[test]
    fn names_are_gathered() {
        let either = bounds(col(NAME).eq(lit("a")).or(col(NAME).eq(lit("b"))));
        assert!(either.allows("a") && either.allows("b") && !either.allows("c"));
        let list = bounds(col(NAME).in_list(vec![lit("b"), lit("c")], false));
        let both = either.and(list);
        assert!(both.allows("b") && !both.allows("a") && !both.allows("c"));
        assert!(bounds(col(NAME).not_eq(lit("a"))).is_unbounded());
        assert!(bounds(col(NAME).in_list(vec![lit("b")], true)).is_unbounded());
    }
}
