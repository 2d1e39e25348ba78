//! Calls: macros, functions, and functions with dotted names.

use super::names::dotted;
use super::{Checked, Checker};
use crate::cel::CelError;
use crate::cel::functions::{self, Form, Function, time};
use crate::cel::program::Node;
use crate::cel::syntax::Expr;
use crate::cel::types::Type;
use crate::error::did_you_mean;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        offset: usize,
        target: Option<&Expr>,
        name: &str,
        args: &[Expr],
    ) -> Checked {
        if let Some(checked) = self.expand(offset, target, name, args) {
            return checked;
        }
        let Some(target) = target else {
            return match functions::function(name) {
                Some(function) => self.apply(offset, function, false, args.iter()),
                None => self.unknown(offset, name),
            };
        };
        if let Some(prefix) = dotted(target)
            && !self.declares(prefix.split('.').next().unwrap_or_default())
        {
            let full = format!("{prefix}.{name}");
            return match functions::function(&full) {
                Some(function) => self.apply(offset, function, false, args.iter()),
                None => self.unknown(target.offset, &full),
            };
        }
        match functions::function(name) {
            Some(function) => self.apply(offset, function, true, std::iter::once(target).chain(args)),
            None => self.unknown(offset, name),
        }
    }

    fn unknown(&mut self, offset: usize, name: &str) -> Checked {
        let error = CelError::new(offset, format!("there is no function `{name}`"));
        let known = functions::names().chain(super::macros::NAMES);
        let hint = did_you_mean(name, known);
        self.refuse(CelError { hint, ..error })
    }

    fn apply<'x>(
        &mut self,
        offset: usize,
        function: &'static Function,
        member: bool,
        args: impl Iterator<Item = &'x Expr>,
    ) -> Checked {
        let args: Vec<_> = args.map(|arg| self.check(arg)).collect();
        let mut forms = function.forms.iter().filter(|form| {
            let accepted = form
                .params
                .iter()
                .zip(&args)
                .all(|(param, arg)| param.accepts(&arg.ty));
            form.member == member && form.params.len() == args.len() && accepted
        });
        let Some(form) = forms.next() else {
            let error = mismatch(offset, function, member, &args);
            return self.refuse(error);
        };
        let ty = forms.fold(form.result.clone(), |ty, form| ty.join(&form.result));
        match (function.name, args.as_slice()) {
            ("matches", [_, pattern]) => {
                if let Some(pattern) = pattern.constant_text() {
                    return match functions::regex(pattern) {
                        Ok(regex) => {
                            let text = args.into_iter().next().map(|arg| arg.node);
                            let text = Box::new(text.unwrap_or(Node::Event));
                            Checked::new(Node::Matches(text, Box::new(regex)), ty)
                        }
                        Err(error) => self.refuse(CelError::new(offset, error.to_string())),
                    };
                }
            }
            (name, [_, zone]) if name.starts_with("get") => {
                if let Some(zone) = zone.constant_text()
                    && time::parse_offset(zone).is_none()
                {
                    let message = format!("`{zone}` is no offset from UTC");
                    let hint = "write `UTC` or an offset, such as `+02:00`: names of time zones mean different things on different machines";
                    return self.refuse(CelError::new(offset, message).hint(hint));
                }
            }
            _ => {}
        }
        let nodes = args.into_iter().map(|arg| arg.node).collect();
        Checked::new(Node::Call(function, nodes), ty)
    }
}

/// The error of a call that no form of the function fits: with the types that were given, and the forms that there are.
fn mismatch(offset: usize, function: &Function, member: bool, args: &[Checked]) -> CelError {
    let name = function.name;
    let given: Vec<_> = args.iter().map(|arg| arg.ty.to_string()).collect();
    let written = write(name, member, &given);
    let forms: Vec<_> = function.forms.iter().map(|form| form.show(name)).collect();
    let error = CelError::new(offset, format!("there is no {written}"));
    let signed = |(param, arg): (&Type, &Checked)| matches!((param, &arg.ty), (Type::UInt, Type::Int));
    let unsigned = function
        .forms
        .iter()
        .any(|form| form.params.iter().zip(args).any(signed));
    let hint = format!("there is {}", forms.join(", "));
    if unsigned && function.forms.len() == 1 {
        return error.hint(format!("{hint}; an unsigned number ends in `u`: 1u, or uint(x)"));
    }
    error.hint(hint)
}

fn write(name: &str, member: bool, types: &[String]) -> String {
    match (member, types) {
        (true, [target, rest @ ..]) => format!("{target}.{name}({})", rest.join(", ")),
        _ => format!("{name}({})", types.join(", ")),
    }
}

impl Form {
    fn show(&self, name: &str) -> String {
        let types: Vec<_> = self.params.iter().map(Type::to_string).collect();
        write(name, self.member, &types)
    }
}
