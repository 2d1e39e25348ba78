//! Macros: calls that are more than their arguments' values.

use super::{Checked, Checker};
use crate::cel::CelError;
use crate::cel::model::{Descriptor, event_descriptor};
use crate::cel::program::{Comprehension, Node, Quantifier, ReadFn};
use crate::cel::syntax::{Expr, Kind};
use crate::cel::types::Type;
use crate::cel::value::Val;

/// The names of the macros.
pub(super) const NAMES: [&str; 8] = [
    "all",
    "exists",
    "exists_one",
    "filter",
    "getEventData",
    "has",
    "hasData",
    "map",
];

impl Checker<'_> {
    /// What a call stands for, if it is a macro.
    pub(super) fn expand(
        &mut self,
        offset: usize,
        target: Option<&Expr>,
        name: &str,
        args: &[Expr],
    ) -> Option<Checked> {
        let Some(target) = target else {
            return match name {
                "has" => Some(self.has(offset, args)),
                "getEventData" => Some(self.data(offset, name, args, Node::Data, Type::Dyn)),
                "hasData" => Some(self.data(offset, name, args, Node::HasData, Type::Bool)),
                _ => None,
            };
        };
        let kind = match name {
            "all" => Quantifier::All,
            "exists" => Quantifier::Exists,
            "exists_one" | "existsOne" => Quantifier::ExistsOne,
            "filter" => Quantifier::Filter,
            "map" => Quantifier::Map,
            _ => return None,
        };
        Some(self.comprehension(offset, kind, target, args))
    }

    /// `has(operand.member)`
    fn has(&mut self, offset: usize, args: &[Expr]) -> Checked {
        let [arg] = args else {
            return self.refuse(CelError::new(offset, "`has` takes one argument: has(x.member)"));
        };
        let Kind::Select(operand, member) = &arg.kind else {
            let error = CelError::new(arg.offset, "`has` takes a member of something: has(x.member)");
            return self.refuse(error.hint("`hasData(\"name\")` tells whether the event has a field"));
        };
        let operand = self.check(operand);
        let node = match operand.ty {
            Type::Message(descriptor) => match self.presence(operand, descriptor, member) {
                Ok(node) => node,
                Err(()) => {
                    return self.refuse(super::no_member(descriptor, arg.offset, member));
                }
            },
            Type::Map(..) | Type::Dyn => Node::HasKey(Box::new(operand.node), member.as_str().into()),
            other => {
                let message = format!("{other} has no members, so no `{member}`");
                return self.refuse(CelError::new(arg.offset, message));
            }
        };
        Checked::new(node, Type::Bool)
    }

    /// Whether a member of a message, or what an alias stands for, is set. An error if there is no such member.
    fn presence(
        &mut self,
        operand: Checked,
        descriptor: &'static Descriptor,
        member: &str,
    ) -> Result<Node, ()> {
        if let Some([path @ .., last]) = descriptor.alias(member) {
            let mut operand = operand;
            for step in path {
                operand = match operand.ty {
                    Type::Message(descriptor) => self.member(operand, descriptor, step).map_err(drop)?,
                    _ => return Err(()),
                };
            }
            return match operand.ty {
                Type::Message(descriptor) => self.presence(operand, descriptor, last),
                _ => Err(()),
            };
        }
        let position = descriptor.position(member).ok_or(())?;
        Ok(match (&operand.node, member) {
            (Node::Event, "workload") => Node::Read {
                read: ReadFn(|event| Val::Bool(event.has_workload())),
                of_workload: false,
            },
            _ => Node::HasMember(Box::new(operand.node), position),
        })
    }

    fn comprehension(&mut self, offset: usize, kind: Quantifier, target: &Expr, args: &[Expr]) -> Checked {
        let name = kind.name();
        let (variable, filter, body) = match args {
            [variable, body] => (variable, None, body),
            [variable, filter, body] if kind == Quantifier::Map => (variable, Some(filter), body),
            _ => {
                let message = format!("`{name}` takes a variable and an expression: list.{name}(x, …)");
                return self.refuse(CelError::new(offset, message));
            }
        };
        let Kind::Ident(variable_name) = &variable.kind else {
            let message = format!("the first argument of `{name}` must be a name, the variable");
            return self.refuse(CelError::new(variable.offset, message));
        };
        let range = self.check(target);
        let item = match &range.ty {
            Type::List(item) | Type::Map(item, _) => (**item).clone(),
            Type::Dyn => Type::Dyn,
            other => {
                let message = format!("`{name}` goes through a list or the keys of a map, not {other}");
                return self.refuse(CelError::new(target.offset, message));
            }
        };
        self.locals.push((variable_name.clone(), item.clone()));
        let (predicate, transform, ty) = if kind == Quantifier::Map {
            let filter = filter.map(|filter| self.bool(filter, name));
            let body = self.check(body);
            (filter, Some(body.node), Type::list(body.ty))
        } else {
            let ty = if kind == Quantifier::Filter {
                Type::list(item)
            } else {
                Type::Bool
            };
            (Some(self.bool(body, name)), None, ty)
        };
        self.locals.pop();
        let comprehension = Comprehension {
            kind,
            range: range.node,
            predicate,
            transform,
        };
        Checked::new(Node::Comprehension(Box::new(comprehension)), ty)
    }

    /// `getEventData(name)`, `hasData(event, name)`
    fn data(
        &mut self,
        offset: usize,
        function: &str,
        args: &[Expr],
        node: fn(Box<[Node; 2]>) -> Node,
        ty: Type,
    ) -> Checked {
        let (event, name) = match args {
            [name] => (Node::Event, name),
            [event, name] => {
                let event_offset = event.offset;
                let event = self.check(event);
                if !Type::Message(event_descriptor()).accepts(&event.ty) || matches!(event.ty, Type::Null) {
                    let message = format!(
                        "the first of two arguments must be an event, this is {}",
                        event.ty
                    );
                    return self.refuse(CelError::new(event_offset, message));
                }
                (event.node, name)
            }
            _ => {
                let message = format!("`{function}` takes the name of a field: {function}(\"pathname\")");
                return self.refuse(CelError::new(offset, message));
            }
        };
        let name_offset = name.offset;
        if let Kind::String(field) = &name.kind {
            self.fields.push((name_offset, field.as_str().into()));
        }
        let name = self.check(name);
        if !Type::String.accepts(&name.ty) {
            let message = format!("the name of a field must be a string, this is {}", name.ty);
            return self.refuse(CelError::new(name_offset, message));
        }
        Checked::new(node(Box::new([event, name.node])), ty)
    }
}
