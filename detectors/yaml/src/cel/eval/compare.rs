//! Equality, order and membership.
//!
//! Numbers compare by value, whatever their types. Values of different types are not equal, and have no order.

use std::cmp::Ordering;

use super::Evaluation;
use crate::cel::EvalError;
use crate::cel::functions::no_overload;
use crate::cel::model::Message;
use crate::cel::value::{Map, Val};

impl<'a> Evaluation<'a> {
    pub(super) fn equal(&mut self, left: &Val<'a>, right: &Val<'a>) -> Result<bool, EvalError> {
        if let Some(order) = numbers(left, right) {
            return Ok(order == Some(Ordering::Equal));
        }
        Ok(match (left, right) {
            (Val::Null, Val::Null) => true,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::String(a), Val::String(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                self.charge_bytes(a.len().min(b.len()))?;
                a == b
            }
            (Val::Bytes(a), Val::Bytes(b)) => {
                let (a, b) = (a.as_slice(), b.as_slice());
                self.charge_bytes(a.len().min(b.len()))?;
                a == b
            }
            (Val::Timestamp(a), Val::Timestamp(b)) => a == b,
            (Val::Duration(a), Val::Duration(b)) => a == b,
            (Val::Type(a), Val::Type(b)) => a == b,
            (Val::List(a), Val::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b.iter()) {
                    self.charge(1)?;
                    if !self.equal(&a, &b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Val::Map(a), Val::Map(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for key in a.keys() {
                    self.charge(1 + a.search() + b.search())?;
                    let (Some(a), Some(b)) = (lookup(a, &key), lookup(b, &key)) else {
                        return Ok(false);
                    };
                    if !self.equal(&a, &b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Val::Message(a), Val::Message(b)) => self.equal_messages(*a, *b)?,
            _ => false,
        })
    }

    fn equal_messages(&mut self, left: &'a dyn Message, right: &'a dyn Message) -> Result<bool, EvalError> {
        let descriptor = left.descriptor();
        if descriptor.name != right.descriptor().name {
            return Ok(false);
        }
        for member in 0..descriptor.members.len() {
            self.charge(1)?;
            match (left.has(member), right.has(member)) {
                (false, false) => {}
                (true, true) if self.equal(&left.get(member), &right.get(member))? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// How two values are ordered; `None` if one is no number, though it is a double.
    pub(super) fn order(
        &mut self,
        operator: &'static str,
        left: &Val<'a>,
        right: &Val<'a>,
    ) -> Result<Option<Ordering>, EvalError> {
        if let Some(order) = numbers(left, right) {
            return Ok(order);
        }
        Ok(Some(match (left, right) {
            (Val::Bool(a), Val::Bool(b)) => a.cmp(b),
            (Val::String(a), Val::String(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                self.charge_bytes(a.len().min(b.len()))?;
                a.cmp(b)
            }
            (Val::Bytes(a), Val::Bytes(b)) => {
                let (a, b) = (a.as_slice(), b.as_slice());
                self.charge_bytes(a.len().min(b.len()))?;
                a.cmp(b)
            }
            (Val::Timestamp(a), Val::Timestamp(b)) => a.cmp(b),
            (Val::Duration(a), Val::Duration(b)) => a.cmp(b),
            _ => return Err(no_overload(operator, &[left.clone(), right.clone()])),
        }))
    }

    /// Whether a list has an element equal to `item`, or a map such a key.
    pub(super) fn contains(&mut self, item: &Val<'a>, collection: &Val<'a>) -> Result<bool, EvalError> {
        match collection {
            Val::List(list) => {
                for element in list.iter() {
                    self.charge(1)?;
                    if self.equal(item, &element)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Val::Map(map) => {
                self.charge(map.search())?;
                Ok(lookup(map, item).is_some())
            }
            _ => Err(no_overload("in", &[item.clone(), collection.clone()])),
        }
    }
}

impl Map<'_> {
    /// Steps that looking for a key counts as.
    pub(super) fn search(&self) -> usize {
        match self {
            Self::Borrowed(_) | Self::Record(..) => 1,
            Self::Built(entries) => entries.len(),
        }
    }
}

/// The value under `key`.
pub(in crate::cel) fn lookup<'a>(map: &Map<'a>, key: &Val<'_>) -> Option<Val<'a>> {
    match (map, key) {
        (_, Val::String(key)) => map.member(key.as_str()),
        (Map::Built(entries), key) => entries
            .iter()
            .find(|(other, _)| same_key(other, key))
            .map(|(_, value)| value.clone()),
        _ => None,
    }
}

/// Whether two keys of a map are the same.
pub(super) fn same_key(left: &Val<'_>, right: &Val<'_>) -> bool {
    match (left, right) {
        (Val::String(a), Val::String(b)) => a.as_str() == b.as_str(),
        (Val::Bool(a), Val::Bool(b)) => a == b,
        _ => numbers(left, right) == Some(Some(Ordering::Equal)),
    }
}

/// How two numbers are ordered: `Some(None)` if one is not a number, `None` if they are no numbers.
#[expect(clippy::option_option, reason = "both can be missing")]
fn numbers(left: &Val<'_>, right: &Val<'_>) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::UInt(a), Val::UInt(b)) => Some(a.cmp(b)),
        (Val::Double(a), Val::Double(b)) => a.partial_cmp(b),
        (Val::Int(a), Val::UInt(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Val::UInt(a), Val::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Val::Int(a), Val::Double(b)) => whole_with_double((*a).into(), *b),
        (Val::UInt(a), Val::Double(b)) => whole_with_double((*a).into(), *b),
        (Val::Double(a), Val::Int(b)) => whole_with_double((*b).into(), *a).map(Ordering::reverse),
        (Val::Double(a), Val::UInt(b)) => whole_with_double((*b).into(), *a).map(Ordering::reverse),
        _ => return None,
    })
}

/// How a whole number of at most 65 bits and a double are ordered, exactly.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of floats saturates, far beyond the whole number"
)]
fn whole_with_double(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    let floor = double.floor();
    // What is equal to the part before the fraction is less than the double if there is a fraction.
    Some(whole.cmp(&(floor as i128)).then_with(|| {
        if floor < double {
            Ordering::Less
        } else {
            Ordering::Equal
        }
    }))
}
