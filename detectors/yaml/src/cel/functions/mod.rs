//! The functions: what they take, what they give, and how.

mod convert;
mod double;
mod paths;
mod re2;
mod sizes;
mod stores;
mod texts;
pub(super) mod time;

pub(super) use re2::regex;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::EvalError;
use super::eval::Evaluation;
use super::types::Type;
use super::value::Val;

/// How a function works. It gets as many values as one of its forms has parameters, of any type.
pub(super) type Run = for<'a> fn(&mut Evaluation<'a>, &[Val<'a>]) -> Result<Val<'a>, EvalError>;

/// A function.
pub(super) struct Function {
    pub name: &'static str,
    pub forms: Vec<Form>,
    pub run: Run,
}

/// One way to call a function.
pub(super) struct Form {
    /// Called on its first parameter: `x.f(…)`, not `f(x, …)`.
    pub member: bool,
    pub params: Vec<Type>,
    pub result: Type,
}

impl Function {
    fn new(name: &'static str, run: Run) -> Self {
        Self {
            name,
            forms: Vec::new(),
            run,
        }
    }

    /// Adds `name(params…)`.
    fn global(mut self, params: impl Into<Vec<Type>>, result: Type) -> Self {
        self.forms.push(Form {
            member: false,
            params: params.into(),
            result,
        });
        self
    }

    /// Adds `params[0].name(params[1..]…)`.
    fn member(mut self, params: impl Into<Vec<Type>>, result: Type) -> Self {
        self.forms.push(Form {
            member: true,
            params: params.into(),
            result,
        });
        self
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

static FUNCTIONS: LazyLock<BTreeMap<&'static str, Function>> = LazyLock::new(|| {
    [
        sizes::functions(),
        texts::functions(),
        paths::functions(),
        convert::functions(),
        time::functions(),
        stores::functions(),
    ]
    .into_iter()
    .flatten()
    .map(|function| (function.name, function))
    .collect()
});

/// The function called `name`, such as `size` or `process.get`.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.get(name)
}

/// The names of all functions, sorted.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.keys().copied()
}

/// The error of an operation that does not take these values.
pub(super) fn no_overload(operation: &'static str, values: &[Val<'_>]) -> EvalError {
    EvalError::NoOverload {
        operation,
        types: values.iter().map(Val::type_name).collect(),
    }
}
