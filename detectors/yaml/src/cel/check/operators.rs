//! Which operators take which types.

use super::{Checked, Checker, texts};
use crate::cel::CelError;
use crate::cel::program::{Constant, Node};
use crate::cel::syntax::{Expr, Kind, Operator};
use crate::cel::types::Type;

impl Checker<'_> {
    pub(super) fn negate(&mut self, offset: usize, operand: &Expr) -> Checked {
        let operand = self.check(operand);
        let ty = [Type::Int, Type::Double, Type::Duration]
            .into_iter()
            .find(|ty| ty.accepts(&operand.ty));
        match (ty, &operand.ty) {
            (_, Type::Dyn) => Checked::new(Node::Negate(Box::new(operand.node)), Type::Dyn),
            (Some(ty), _) => Checked::new(Node::Negate(Box::new(operand.node)), ty),
            (None, other) => {
                let message = format!("`-` does not take {other}");
                self.refuse(CelError::new(offset, message))
            }
        }
    }

    pub(super) fn binary(&mut self, offset: usize, operator: Operator, left: &Expr, right: &Expr) -> Checked {
        let (left_expr, right_expr) = (left, right);
        let (left, right) = (self.check(left), self.check(right));
        let (a, b) = (&left.ty, &right.ty);
        let result = match operator {
            Operator::Equal | Operator::NotEqual => a.comparable(b).then_some(Type::Bool),
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                a.ordered(b).then_some(Type::Bool)
            }
            Operator::In => match b {
                Type::List(item) | Type::Map(item, _) => item.comparable(a).then_some(Type::Bool),
                Type::Dyn => Some(Type::Bool),
                _ => None,
            },
            _ => arithmetic(operator, a, b),
        };
        let Some(ty) = result else {
            let error = CelError::new(
                offset,
                format!("`{}` does not take {a} and {b}", operator.symbol()),
            );
            let hint = hint(operator, (a, left_expr), (b, right_expr));
            return self.refuse(CelError { hint, ..error });
        };
        let node = match (operator, texts(&right.node)) {
            (Operator::In, Some(texts)) => Node::InTexts(Box::new(left.node), texts),
            _ => Node::Binary(operator, Box::new([left.node, right.node])),
        };
        Checked::new(node, ty)
    }
}

/// The type of the result; `None` if there is none.
fn arithmetic(operator: Operator, a: &Type, b: &Type) -> Option<Type> {
    use Type::{Bytes, Double, Duration, Dyn, Int, String, Timestamp, UInt};
    let forms: &[(Type, Type, Type)] = match operator {
        Operator::Add => &[
            (Int, Int, Int),
            (UInt, UInt, UInt),
            (Double, Double, Double),
            (String, String, String),
            (Bytes, Bytes, Bytes),
            (Duration, Duration, Duration),
            (Timestamp, Duration, Timestamp),
            (Duration, Timestamp, Timestamp),
        ],
        Operator::Subtract => &[
            (Int, Int, Int),
            (UInt, UInt, UInt),
            (Double, Double, Double),
            (Duration, Duration, Duration),
            (Timestamp, Duration, Timestamp),
            (Timestamp, Timestamp, Duration),
        ],
        Operator::Remainder => &[(Int, Int, Int), (UInt, UInt, UInt)],
        _ => &[(Int, Int, Int), (UInt, UInt, UInt), (Double, Double, Double)],
    };
    if operator == Operator::Add {
        match (a, b) {
            (Type::List(_), Type::List(_)) => return Some(a.clone().join(b)),
            (Type::List(_), Dyn) | (Dyn, Type::List(_)) => return Some(Type::list(Dyn)),
            _ => {}
        }
    }
    let mut results = forms
        .iter()
        .filter(|(left, right, _)| left.accepts(a) && right.accepts(b))
        .map(|(_, _, result)| result);
    let first = results.next()?.clone();
    Some(results.fold(first, Type::join))
}

fn hint(operator: Operator, left: (&Type, &Expr), right: (&Type, &Expr)) -> Option<String> {
    let ((a, left), (b, right)) = (left, right);
    if matches!(a, Type::Null) || matches!(b, Type::Null) {
        let other = if matches!(a, Type::Null) { b } else { a };
        let empty = match other {
            Type::String => "\"\"",
            Type::Bool => "false",
            _ => "0",
        };
        return Some(format!("{other} is never null: what is unset reads as {empty}"));
    }
    if operator != Operator::In && a.is_number() && b.is_number() {
        let literal =
            [(a, right), (b, left)]
                .into_iter()
                .find_map(|(other, literal)| match (other, &literal.kind) {
                    (Type::Nullable(inner), Kind::Int(value)) if matches!(**inner, Type::UInt) => Some(value),
                    (Type::UInt, Kind::Int(value)) => Some(value),
                    _ => None,
                });
        return Some(match literal {
            Some(value) => format!("write {value}u"),
            None => "convert one of them: int(x), uint(x), double(x)".to_owned(),
        });
    }
    match operator {
        Operator::In => Some("`in` looks for an element of a list, or a key of a map".to_owned()),
        Operator::Add if matches!(a, Type::String) || matches!(b, Type::String) => {
            Some("string(x) makes a text of a number".to_owned())
        }
        _ => None,
    }
}

impl Checked {
    /// The text, if it is a constant one.
    pub(super) fn constant_text(&self) -> Option<&str> {
        match &self.node {
            Node::Constant(Constant::String(text)) => Some(text),
            _ => None,
        }
    }
}
