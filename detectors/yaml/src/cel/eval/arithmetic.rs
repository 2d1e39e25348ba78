//! Arithmetic: both operands of one type, and an error instead of an overflow.

use jiff::SignedDuration;

use super::{Evaluated, Evaluation};
use crate::cel::EvalError;
use crate::cel::functions::{no_overload, time};
use crate::cel::syntax::Operator;
use crate::cel::value::{Blob, Val};

/// `-value`
pub(super) fn negate(value: Val<'_>) -> Evaluated<'_> {
    match value {
        Val::Int(value) => value.checked_neg().map(Val::Int).ok_or(EvalError::Overflow("-")),
        Val::Double(value) => Ok(Val::Double(-value)),
        Val::Duration(span) => Ok(Val::Duration(-span)),
        other => Err(no_overload("-", &[other])),
    }
}

/// A number without a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only used where it has no fraction and is in range"
)]
pub(super) fn whole(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Int(value) => Some(*value),
        Val::UInt(value) => i64::try_from(*value).ok(),
        Val::Double(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
        _ => None,
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn arithmetic(&mut self, operator: Operator, left: Val<'a>, right: Val<'a>) -> Evaluated<'a> {
        let symbol = operator.symbol();
        let overflow = || EvalError::Overflow(symbol);
        match (&left, &right) {
            (Val::Int(a), Val::Int(b)) => match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                _ if *b == 0 => return Err(EvalError::DivisionByZero),
                Operator::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            }
            .map(Val::Int)
            .ok_or_else(overflow),
            (Val::UInt(a), Val::UInt(b)) => match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                _ if *b == 0 => return Err(EvalError::DivisionByZero),
                Operator::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            }
            .map(Val::UInt)
            .ok_or_else(overflow),
            (Val::Double(a), Val::Double(b)) => match operator {
                Operator::Add => Ok(Val::Double(a + b)),
                Operator::Subtract => Ok(Val::Double(a - b)),
                Operator::Multiply => Ok(Val::Double(a * b)),
                Operator::Divide => Ok(Val::Double(a / b)),
                _ => Err(no_overload(symbol, &[left, right])),
            },
            _ => match operator {
                Operator::Add => self.add(left, right),
                Operator::Subtract => subtract(left, right),
                _ => Err(no_overload(symbol, &[left, right])),
            },
        }
    }

    /// Concatenation, and times with spans.
    fn add(&mut self, left: Val<'a>, right: Val<'a>) -> Evaluated<'a> {
        match (&left, &right) {
            (Val::String(a), Val::String(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                self.charge_built(a.len() + b.len())?;
                Ok(Val::built([a, b].concat()))
            }
            (Val::Bytes(a), Val::Bytes(b)) => {
                let (a, b) = (a.as_slice(), b.as_slice());
                self.charge_built(a.len() + b.len())?;
                Ok(Val::Bytes(Blob::Built([a, b].concat().into())))
            }
            (Val::List(a), Val::List(b)) => {
                self.charge((a.len() + b.len()).saturating_mul(super::BUILT))?;
                Ok(Val::list(a.iter().chain(b.iter())))
            }
            (Val::Duration(a), Val::Duration(b)) => span(a.checked_add(*b), "+"),
            (Val::Timestamp(at), Val::Duration(by)) | (Val::Duration(by), Val::Timestamp(at)) => at
                .checked_add(*by)
                .map_err(|_| EvalError::Overflow("+"))
                .and_then(time::in_range)
                .map(Val::Timestamp),
            _ => Err(no_overload("+", &[left, right])),
        }
    }
}

fn subtract<'a>(left: Val<'a>, right: Val<'a>) -> Evaluated<'a> {
    match (&left, &right) {
        (Val::Duration(a), Val::Duration(b)) => span(a.checked_sub(*b), "-"),
        (Val::Timestamp(a), Val::Timestamp(b)) => span(Some(a.duration_since(*b)), "-"),
        (Val::Timestamp(at), Val::Duration(by)) => at
            .checked_sub(*by)
            .map_err(|_| EvalError::Overflow("-"))
            .and_then(time::in_range)
            .map(Val::Timestamp),
        _ => Err(no_overload("-", &[left, right])),
    }
}

/// A span, if it fits into 64 bits of nanoseconds.
fn span<'a>(span: Option<SignedDuration>, operator: &'static str) -> Evaluated<'a> {
    let span = span.filter(|span| time::nanoseconds(*span).is_ok());
    span.map(Val::Duration).ok_or(EvalError::Overflow(operator))
}
