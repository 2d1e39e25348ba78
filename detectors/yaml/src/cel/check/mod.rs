//! The checker: types every node, resolves every name, and compiles what is right.
//!
//! It goes on after a problem, treating what has no type as `dyn`, so that all problems of an expression are told at once.

mod calls;
mod macros;
mod names;
mod operators;

use std::sync::Arc;

use super::model::Descriptor;
use super::program::{Constant, Node, Part, ReadFn, Texts};
use super::syntax::{Expr, Kind};
use super::types::Type;
use super::{CelError, Environment, model};
use crate::error::did_you_mean;

/// Most problems that are told.
const MAX_ERRORS: usize = 20;

/// Compiles `expr`, and tells its type and the event's fields that it names, with their places.
pub(super) fn check(expr: &Expr, environment: &Environment) -> Result<(Node, Type, Fields), Vec<CelError>> {
    let mut checker = Checker {
        environment,
        locals: Vec::new(),
        fields: Vec::new(),
        errors: Vec::new(),
    };
    let checked = checker.check(expr);
    checker.finish()?;
    Ok((checked.node, checked.ty, checker.fields))
}

/// Names of fields, each with its byte offset.
pub(super) type Fields = Vec<(usize, Box<str>)>;

struct Checker<'e> {
    environment: &'e Environment,
    /// Variables of comprehensions, the innermost last.
    locals: Vec<(String, Type)>,
    /// What `getEventData` and `hasData` ask for by name.
    fields: Fields,
    errors: Vec<CelError>,
}

/// A node that was checked.
struct Checked {
    node: Node,
    ty: Type,
    /// The members that lead to it from the workload, if it is part of it.
    path: Option<Path>,
}

/// The way from the workload to one of its members.
#[derive(Clone)]
struct Path {
    /// It starts at the variable `workload`, not at `event`.
    variable: bool,
    members: Vec<&'static str>,
}

impl Checked {
    fn new(node: Node, ty: Type) -> Self {
        Self { node, ty, path: None }
    }

    fn constant(constant: Constant, ty: Type) -> Self {
        Self::new(Node::Constant(constant), ty)
    }
}

impl Checker<'_> {
    fn finish(&mut self) -> Result<(), Vec<CelError>> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let mut errors = std::mem::take(&mut self.errors);
        errors.sort_by_key(|error| error.offset);
        errors.truncate(MAX_ERRORS);
        Err(errors)
    }

    /// Notes a problem. What has it is of any type, so that no other problem follows from it.
    fn refuse(&mut self, error: CelError) -> Checked {
        self.errors.push(error);
        Checked::constant(Constant::Null, Type::Dyn)
    }

    fn check(&mut self, expr: &Expr) -> Checked {
        match &expr.kind {
            Kind::Null => Checked::constant(Constant::Null, Type::Null),
            Kind::Bool(value) => Checked::constant(Constant::Bool(*value), Type::Bool),
            Kind::Int(value) => Checked::constant(Constant::Int(*value), Type::Int),
            Kind::UInt(value) => Checked::constant(Constant::UInt(*value), Type::UInt),
            Kind::Double(value) => Checked::constant(Constant::Double(*value), Type::Double),
            Kind::String(value) => Checked::constant(Constant::String(value.as_str().into()), Type::String),
            Kind::Bytes(value) => Checked::constant(Constant::Bytes(value.as_slice().into()), Type::Bytes),
            Kind::Ident(name) => self.name(expr.offset, name),
            Kind::Select(operand, member) => match self.qualified(expr) {
                Some(checked) => checked,
                None => {
                    let operand = self.check(operand);
                    self.select(operand, expr.offset, member)
                }
            },
            Kind::Index(operand, index) => self.index(expr.offset, operand, index),
            Kind::Call {
                target,
                function,
                args,
            } => self.call(expr.offset, target.as_deref(), function, args),
            Kind::List(items) => self.list(items),
            Kind::Map(entries) => self.map(entries),
            Kind::Not(operand) => {
                let operand = self.bool(operand, "!");
                Checked::new(Node::Not(Box::new(operand)), Type::Bool)
            }
            Kind::Negate(operand) => self.negate(expr.offset, operand),
            Kind::Binary(operator, left, right) => self.binary(expr.offset, *operator, left, right),
            Kind::All(operands) => {
                let operands = operands.iter().map(|operand| self.bool(operand, "&&")).collect();
                Checked::new(Node::All(operands), Type::Bool)
            }
            Kind::Any(operands) => {
                let operands = operands.iter().map(|operand| self.bool(operand, "||")).collect();
                Checked::new(Node::Any(operands), Type::Bool)
            }
            Kind::Conditional(parts) => self.conditional(expr.offset, parts),
        }
    }

    /// A node that is a truth value, as far as is known.
    fn bool(&mut self, expr: &Expr, operator: &str) -> Node {
        let checked = self.check(expr);
        if !Type::Bool.accepts(&checked.ty) {
            self.errors.push(CelError::new(
                expr.offset,
                format!("`{operator}` takes bool, this is {}", checked.ty),
            ));
        }
        checked.node
    }

    fn conditional(&mut self, offset: usize, parts: &[Expr; 3]) -> Checked {
        let [condition, this, that] = parts;
        let condition = self.bool(condition, "?:");
        let (this, that) = (self.check(this), self.check(that));
        let (a, b) = (&this.ty, &that.ty);
        if !a.accepts(b) && !b.accepts(a) {
            let message = format!("both branches of `?:` must be of one type; these are {a} and {b}");
            self.errors
                .push(CelError::new(offset, message).hint("`dyn(x)` is of any type"));
        }
        let ty = this.ty.join(&that.ty);
        let parts = Box::new([condition, this.node, that.node]);
        Checked::new(Node::Conditional(parts), ty)
    }

    fn list(&mut self, items: &[Expr]) -> Checked {
        let items: Vec<_> = items.iter().map(|item| self.check(item)).collect();
        let ty = items
            .iter()
            .map(|item| item.ty.clone())
            .reduce(|a, b| a.join(&b))
            .unwrap_or(Type::Dyn);
        let nodes: Vec<_> = items.into_iter().map(|item| item.node).collect();
        Checked::new(fold_list(nodes), Type::list(ty))
    }

    fn map(&mut self, entries: &[(Expr, Expr)]) -> Checked {
        let mut types: Option<(Type, Type)> = None;
        let mut nodes = Vec::with_capacity(entries.len());
        for (key_expr, value) in entries {
            let (key, value) = (self.check(key_expr), self.check(value));
            if !matches!(
                key.ty,
                Type::Bool | Type::Int | Type::UInt | Type::Double | Type::String | Type::Dyn
            ) {
                let message = format!("a key of a map cannot be {}", key.ty);
                self.errors.push(CelError::new(key_expr.offset, message));
            }
            types = Some(match types {
                None => (key.ty, value.ty),
                Some((keys, values)) => (keys.join(&key.ty), values.join(&value.ty)),
            });
            nodes.push((key.node, value.node));
        }
        let (key, value) = types.unwrap_or((Type::Dyn, Type::Dyn));
        Checked::new(Node::Map(nodes.into()), Type::map(key, value))
    }

    /// `operand.member`
    fn select(&mut self, operand: Checked, offset: usize, member: &str) -> Checked {
        match operand.ty.clone() {
            Type::Message(descriptor) => match self.member(operand, descriptor, member) {
                Ok(checked) => checked,
                Err(_) => self.refuse(no_member(descriptor, offset, member)),
            },
            Type::Map(_, value) => {
                let node = Node::Key(Box::new(operand.node), member.into());
                Checked::new(node, *value)
            }
            Type::Dyn => Checked::new(Node::Key(Box::new(operand.node), member.into()), Type::Dyn),
            other => {
                let message = format!("{other} has no members, so no `{member}`");
                self.refuse(CelError::new(offset, message))
            }
        }
    }

    /// A member of a message, or what an alias stands for; the operand, if there is none.
    fn member(
        &mut self,
        mut operand: Checked,
        descriptor: &'static Descriptor,
        member: &str,
    ) -> Result<Checked, Checked> {
        if let Some(path) = descriptor.alias(member) {
            for step in path {
                operand = match operand.ty {
                    Type::Message(descriptor) => self.member(operand, descriptor, step)?,
                    _ => return Err(operand),
                };
            }
            return Ok(operand);
        }
        let Some(position) = descriptor.position(member) else {
            return Err(operand);
        };
        let member = &descriptor.members[position];
        let ty = (member.ty)();
        let mut path = operand.path.take();
        if let Some(path) = &mut path {
            path.members.push(member.name);
        }
        let read = path.as_ref().and_then(|path| model::read(&path.members));
        let node = match (read, &operand.node) {
            (Some(read), _) => Node::Read {
                read: ReadFn(read),
                of_workload: path.as_ref().is_some_and(|path| path.variable),
            },
            (None, Node::Event) => {
                if member.name == "workload" {
                    path = Some(Path {
                        variable: false,
                        members: Vec::new(),
                    });
                }
                event_member(operand.node, member.name, position)
            }
            (None, _) => Node::Member(Box::new(operand.node), position),
        };
        Ok(Checked { node, ty, path })
    }

    fn index(&mut self, offset: usize, operand: &Expr, index: &Expr) -> Checked {
        let (operand, index_offset) = (self.check(operand), index.offset);
        let index = self.check(index);
        let (wanted, ty) = match &operand.ty {
            Type::List(element) => (Type::Int, (**element).clone()),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            other => {
                let message = format!("{other} has no elements");
                return self.refuse(CelError::new(offset, message));
            }
        };
        let both_numbers = wanted.is_number() && index.ty.is_number();
        if !both_numbers && !wanted.accepts(&index.ty) {
            let message = format!("the index must be {wanted}, this is {}", index.ty);
            return self.refuse(CelError::new(index_offset, message));
        }
        Checked::new(Node::Index(Box::new([operand.node, index.node])), ty)
    }
}

/// A member of `event`, without making a message of all of it where that can be done without.
fn event_member(event: Node, member: &str, position: usize) -> Node {
    let read = |read| Node::Read {
        read: ReadFn(read),
        of_workload: false,
    };
    match member {
        "id" => read(model::event_id),
        "name" => read(model::event_name),
        "timestamp" => Node::Part(Part::Timestamp),
        "workload" => Node::Part(Part::Workload),
        "data" => Node::Part(Part::Data),
        "threat" => Node::Part(Part::Threat),
        "detected_from" => Node::Part(Part::DetectedFrom),
        _ => Node::Member(Box::new(event), position),
    }
}

/// A list; as a constant if all elements are.
fn fold_list(nodes: Vec<Node>) -> Node {
    if !nodes.iter().all(|node| matches!(node, Node::Constant(_))) {
        return Node::List(nodes.into());
    }
    let constants = nodes
        .into_iter()
        .filter_map(|node| match node {
            Node::Constant(constant) => Some(constant),
            _ => None,
        })
        .collect();
    Node::Constant(Constant::List(constants))
}

/// The texts of a constant list that has only texts.
fn texts(node: &Node) -> Option<Arc<Texts>> {
    match node {
        Node::Constant(Constant::Texts(texts)) => Some(Arc::clone(texts)),
        Node::Constant(Constant::List(items)) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| match item {
                    Constant::String(text) => Some(text.as_ref().to_owned()),
                    _ => None,
                })
                .collect();
            Some(Arc::new(Texts::new(texts?.into())))
        }
        _ => None,
    }
}

fn no_member(descriptor: &Descriptor, offset: usize, member: &str) -> CelError {
    let names = || descriptor.members.iter().map(|member| member.name);
    let aliases = descriptor.aliases.iter().map(|(alias, _)| *alias);
    let hint = did_you_mean(member, names().chain(aliases))
        .unwrap_or_else(|| format!("it has: {}", names().collect::<Vec<_>>().join(", ")));
    CelError::new(offset, format!("{} has no member `{member}`", descriptor.name)).hint(hint)
}
