//! What is tested of one field.

use detectors_api::event::Value;

use super::glob::Glob;
use super::syntax::{Comparison, Expression, FilterError, Operator, integer};

/// The kinds of values that filters can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers from … to.
    Integer(i128, i128),
    Float,
    Bool,
    Text,
    Bytes,
}

/// All filters on one field, merged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Integer(Conditions<i128>),
    Float(Conditions<f64>),
    Bool(Conditions<bool>),
    Text(Conditions<Glob>),
    /// Patterns of the hexadecimal form.
    Bytes(Conditions<Glob>),
}

/// One of `any` if there are any, none of `none`, and inside every range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conditions<T> {
    pub(crate) any: Vec<T>,
    pub(crate) none: Vec<T>,
    ranges: Vec<(Operator, T)>,
}

// By hand: a derive would ask that the values have a default.
impl<T> Default for Conditions<T> {
    fn default() -> Self {
        Self {
            any: Vec::new(),
            none: Vec::new(),
            ranges: Vec::new(),
        }
    }
}

impl Kind {
    pub(super) fn test(self) -> Test {
        match self {
            Self::Integer(..) => Test::Integer(Conditions::default()),
            Self::Float => Test::Float(Conditions::default()),
            Self::Bool => Test::Bool(Conditions::default()),
            Self::Text => Test::Text(Conditions::default()),
            Self::Bytes => Test::Bytes(Conditions::default()),
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Self::Integer(..) | Self::Float)
    }
}

impl Test {
    /// Adds a filter on the same field.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        expression: &Expression<'_>,
        comparison: &Comparison<'_>,
    ) -> Result<(), FilterError> {
        if comparison.operator.is_range() && !kind.is_number() {
            return Err(expression
                .error(comparison.offset, format!("`{}` is no number", expression.field))
                .hint("only numbers can be larger or smaller; use `=` or `!=`"));
        }
        for (offset, text) in &comparison.values {
            let problem = |message: String| expression.error(*offset, message);
            match self {
                Self::Integer(conditions) => {
                    let number = integer(text).ok_or_else(|| {
                        problem(format!("`{text}` is no whole number"))
                            .hint("decimal, 0x… or 0o…, without blanks")
                    })?;
                    if let Kind::Integer(from, to) = kind
                        && !(from..=to).contains(&number)
                    {
                        return Err(problem(format!(
                            "`{}` is from {from} to {to}, so it is never {text}",
                            expression.field
                        )));
                    }
                    conditions.add(comparison.operator, number);
                }
                Self::Float(conditions) => {
                    let number: f64 = text
                        .parse()
                        .map_err(|_| problem(format!("`{text}` is no number")))?;
                    conditions.add(comparison.operator, number);
                }
                Self::Bool(conditions) => {
                    let flag = match text.as_ref() {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        _ => return Err(problem(format!("`{text}` is neither true nor false"))),
                    };
                    conditions.add(comparison.operator, flag);
                }
                Self::Text(conditions) => {
                    let glob = Glob::parse(text).ok_or_else(|| {
                        problem("a lone `\\` at the end escapes nothing".to_owned())
                            .hint("write `\\\\` for a backslash")
                    })?;
                    conditions.add(comparison.operator, glob);
                }
                Self::Bytes(conditions) => {
                    let glob = hexadecimal(text).ok_or_else(|| {
                        problem(format!("`{text}` is no pattern of bytes")).hint(
                            "two hexadecimal digits a byte, such as `7f454c46*`; `?` stands for a digit",
                        )
                    })?;
                    conditions.add(comparison.operator, glob);
                }
            }
        }
        Ok(())
    }

    /// What is tested of texts, if that is what it tests.
    pub(crate) const fn texts(&self) -> Option<&Conditions<Glob>> {
        match self {
            Self::Text(conditions) => Some(conditions),
            _ => None,
        }
    }

    /// What is tested of whole numbers, if that is what it tests.
    pub(crate) const fn integers(&self) -> Option<&Conditions<i128>> {
        match self {
            Self::Integer(conditions) => Some(conditions),
            _ => None,
        }
    }

    /// The texts of which a value must be one; `None` if others pass as well.
    pub(crate) fn literals(&self) -> Option<impl Iterator<Item = &str>> {
        let conditions = self.texts()?;
        let literal = |glob: &Glob| matches!(glob, Glob::Literal(_));
        let all = !conditions.any.is_empty() && conditions.any.iter().all(literal);
        all.then(|| {
            conditions.any.iter().filter_map(|glob| match glob {
                Glob::Literal(text) => Some(text.as_str()),
                _ => None,
            })
        })
    }

    /// Whether a value passes. Lists pass `=` if an element does, and `!=` if no element is equal.
    pub(crate) fn matches(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(conditions), Value::Str(text)) => conditions.text(text),
            (Self::Bytes(conditions), Value::Bytes(bytes)) => conditions.text(&hex(bytes)),
            (Self::Text(conditions), Value::StrArray(list)) => {
                let (any, none) = (&conditions.any, &conditions.none);
                (any.is_empty() || list.iter().any(|text| any.iter().any(|glob| glob.matches(text))))
                    && !list.iter().any(|text| none.iter().any(|glob| glob.matches(text)))
            }
            (Self::Integer(conditions), Value::Int32Array(list)) => {
                conditions.integers(list.iter().map(|number| i128::from(*number)))
            }
            (Self::Integer(conditions), Value::UInt64Array(list)) => {
                conditions.integers(list.iter().map(|number| i128::from(*number)))
            }
            (Self::Integer(conditions), value) => value
                .as_integer()
                .is_some_and(|number| conditions.integer(number)),
            (Self::Float(conditions), Value::Timespec(number)) => conditions.number(*number),
            (Self::Bool(conditions), Value::Bool(flag)) => conditions.equality(flag),
            _ => false,
        }
    }
}

/// A pattern of the hexadecimal form of bytes, `0x` in front of it or not.
fn hexadecimal(text: &str) -> Option<Glob> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let well_formed = digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'*' || byte == b'?');
    // Without a `*` the number of digits is fixed, and bytes have two each.
    let whole_bytes = digits.contains('*') || digits.len().is_multiple_of(2);
    (well_formed && whole_bytes)
        .then(|| Glob::parse(&digits.to_ascii_lowercase()))
        .flatten()
}

/// Bytes as two lower-case hexadecimal digits each.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a text does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl<T> Conditions<T> {
    fn add(&mut self, operator: Operator, value: T) {
        match operator {
            Operator::Equal => self.any.push(value),
            Operator::NotEqual => self.none.push(value),
            range => self.ranges.push((range, value)),
        }
    }
}

impl<T: PartialEq> Conditions<T> {
    fn equality(&self, value: &T) -> bool {
        (self.any.is_empty() || self.any.contains(value)) && !self.none.contains(value)
    }
}

impl<T: PartialOrd + Copy> Conditions<T> {
    fn number(&self, value: T) -> bool {
        self.equality(&value) && self.in_ranges(value)
    }

    fn in_ranges(&self, value: T) -> bool {
        self.ranges.iter().all(|(operator, bound)| match operator {
            Operator::Less => value < *bound,
            Operator::LessOrEqual => value <= *bound,
            Operator::Greater => value > *bound,
            Operator::GreaterOrEqual => value >= *bound,
            Operator::Equal => value == *bound,
            Operator::NotEqual => value != *bound,
        })
    }
}

impl Conditions<i128> {
    fn integer(&self, value: i128) -> bool {
        self.number(value)
    }

    /// The numbers that hold: inclusive stretches, in order, without overlap.
    pub(crate) fn stretches(&self) -> Vec<(i128, i128)> {
        let (mut low, mut high) = (i128::from(i64::MIN), i128::from(u64::MAX));
        for (operator, bound) in &self.ranges {
            match operator {
                Operator::Less => high = high.min(bound - 1),
                Operator::LessOrEqual => high = high.min(*bound),
                Operator::Greater => low = low.max(bound + 1),
                Operator::GreaterOrEqual => low = low.max(*bound),
                Operator::Equal | Operator::NotEqual => {}
            }
        }
        let sorted = |numbers: &[i128]| {
            let mut numbers = numbers.to_vec();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let none = sorted(&self.none);
        if !self.any.is_empty() {
            let mut any = sorted(&self.any);
            any.retain(|number| (low..=high).contains(number) && none.binary_search(number).is_err());
            return any.into_iter().map(|number| (number, number)).collect();
        }
        let mut stretches = Vec::new();
        for number in none {
            if (low..=high).contains(&number) {
                stretches.push((low, number - 1));
                low = number + 1;
            }
        }
        stretches.push((low, high));
        stretches.retain(|(low, high)| low <= high);
        stretches
    }

    /// As for lists of texts; ranges hold if one element is inside all of them.
    fn integers(&self, mut list: impl Iterator<Item = i128> + Clone) -> bool {
        (self.any.is_empty() || list.clone().any(|number| self.any.contains(&number)))
            && !list.clone().any(|number| self.none.contains(&number))
            && (self.ranges.is_empty() || list.any(|number| self.in_ranges(number)))
    }
}

impl Conditions<Glob> {
    pub(super) fn text(&self, text: &str) -> bool {
        (self.any.is_empty() || self.any.iter().any(|glob| glob.matches(text)))
            && !self.none.iter().any(|glob| glob.matches(text))
    }
}
