//! What names mean.

use std::sync::Arc;

use super::{Checked, Checker, Path};
use crate::cel::model::{ENUMS, TYPES, event_descriptor, workload_descriptor};
use crate::cel::program::{Constant, Node};
use crate::cel::syntax::{Expr, Kind};
use crate::cel::types::Type;
use crate::cel::{CelError, functions};
use crate::error::did_you_mean;

/// The variables that are always declared.
pub(super) const VARIABLES: [&str; 3] = ["event", "workload", "timestamp"];

/// Names of types, as values.
const TYPE_NAMES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
];

impl Checker<'_> {
    pub(super) fn name(&mut self, offset: usize, name: &str) -> Checked {
        if let Some(slot) = self.locals.iter().rposition(|(local, _)| local == name) {
            return Checked::new(Node::Local(slot), self.locals[slot].1.clone());
        }
        match name {
            "event" => return Checked::new(Node::Event, Type::Message(event_descriptor())),
            "workload" => {
                return Checked {
                    node: Node::Workload,
                    ty: Type::Message(workload_descriptor()),
                    path: Some(Path {
                        variable: true,
                        members: Vec::new(),
                    }),
                };
            }
            "timestamp" => return Checked::new(Node::Timestamp, Type::Timestamp),
            _ => {}
        }
        if let Some(list) = self.environment.list(name) {
            return Checked::constant(Constant::Texts(Arc::clone(list)), Type::list(Type::String));
        }
        if let Some(checked) = type_name(name) {
            return checked;
        }
        let lists = self.environment.lists();
        let hint = if functions::function(name).is_some() {
            Some(format!("`{name}` is a function: write `{name}(…)`"))
        } else {
            let known = VARIABLES.into_iter().chain(lists);
            let known = known.chain(self.locals.iter().map(|(local, _)| local.as_str()));
            did_you_mean(name, known)
        };
        let hint = hint.or_else(|| list_hint(name));
        let error = CelError::new(offset, format!("undeclared reference to `{name}`"));
        self.refuse(CelError { hint, ..error })
    }

    /// What a dotted name stands for as a whole: a type or a constant of an enumeration.
    pub(super) fn qualified(&self, expr: &Expr) -> Option<Checked> {
        let name = dotted(expr)?;
        let root = name.split('.').next()?;
        if self.declares(root) {
            return None;
        }
        if let Some(checked) = type_name(&name) {
            return Some(checked);
        }
        let (enumeration, constant) = name.rsplit_once('.')?;
        let (_, find) = ENUMS.iter().find(|(name, _)| *name == enumeration)?;
        let value = find(constant)?;
        Some(Checked::constant(Constant::Int(value.into()), Type::Int))
    }

    /// Whether `name` is a variable.
    pub(super) fn declares(&self, name: &str) -> bool {
        VARIABLES.contains(&name)
            || self.environment.list(name).is_some()
            || self.locals.iter().any(|(local, _)| local == name)
    }
}

/// `a.b.c`, if that is all that `expr` is.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Ident(name) => Some(name.clone()),
        Kind::Select(operand, member) => {
            let mut name = dotted(operand)?;
            name.push('.');
            name.push_str(member);
            Some(name)
        }
        _ => None,
    }
}

fn type_name(name: &str) -> Option<Checked> {
    let messages = TYPES.iter().map(|descriptor| descriptor().name);
    let name = TYPE_NAMES
        .iter()
        .copied()
        .chain(messages)
        .find(|known| *known == name)?;
    Some(Checked::constant(Constant::Type(name), Type::Kind))
}

/// What may be missing if `name` looks like the name of a list.
fn list_hint(name: &str) -> Option<String> {
    let shouted = name
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    shouted.then(|| format!("a list `{name}` would be a file of type string_list next to the detector"))
}
