//! CEL, the Common Expression Language, as conditions and outputs of YAML detectors have it.
//!
//! An [`Environment`] knows the names that expressions may use. It turns a text into a [`Program`]: parsed, checked
//! against static types, and compiled, so that whatever can be wrong is told before the first event. A program is then
//! evaluated for events, over values that are borrowed from where they lie. Invariants:
//!
//! * No text and no event makes this panic, recurse without bound, or take more than [`STEPS`] steps.
//! * The same program, event and state of the stores give the same value.
//!
//! The language is CEL's: `docs/cel.md` tells what there is, and where it is more lenient than Tracee.

mod check;
mod error;
mod eval;
mod functions;
mod model;
mod output;
mod program;
mod syntax;
mod types;
mod value;

pub use error::{CelError, EvalError};
pub use output::to_output;
pub use syntax::{MAX_DEPTH, MAX_LEN, MAX_NODES};
pub use value::Value;

use std::collections::BTreeMap;
use std::sync::Arc;

use detectors_api::detector::Context;
use detectors_api::event::Event;

use eval::{Evaluation, Scope};
use program::{Node, Texts};
use types::Type;
use value::Val;

/// Steps that one evaluation may take: nodes and elements looked at, and bytes read and built, by rates of a few to a step.
pub const STEPS: u64 = 1_000_000;

/// The names that expressions may use besides the language's own: lists of texts.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    lists: BTreeMap<String, Arc<Texts>>,
}

impl Environment {
    /// An environment with these lists, by name.
    #[must_use]
    pub fn new(lists: BTreeMap<String, Arc<[String]>>) -> Self {
        let lists = lists
            .into_iter()
            .map(|(name, list)| (name, Arc::new(Texts::new(list))))
            .collect();
        Self { lists }
    }

    /// Compiles a condition: an expression whose type is bool.
    ///
    /// # Errors
    /// Every problem of the text, in its order.
    pub fn condition(&self, source: &str) -> Result<Program, Vec<CelError>> {
        let (program, ty) = self.compile(source)?;
        if matches!(ty, Type::Bool) {
            return Ok(program);
        }
        let error = CelError::new(0, format!("a condition must be bool, this is {ty}"));
        Err(vec![match ty {
            Type::Dyn => error.hint("compare it, such as with `== true`"),
            Type::String => error.hint("compare it, such as with `!= \"\"`"),
            _ => error.hint("compare it with something"),
        }])
    }

    /// Compiles an expression of any type.
    ///
    /// # Errors
    /// Every problem of the text, in its order.
    pub fn expression(&self, source: &str) -> Result<Program, Vec<CelError>> {
        self.compile(source).map(|(program, _)| program)
    }

    fn compile(&self, source: &str) -> Result<(Program, Type), Vec<CelError>> {
        let expr = syntax::parse(source).map_err(|error| vec![error])?;
        let (root, ty, fields) = check::check(&expr, self)?;
        Ok((Program { root, fields }, ty))
    }

    fn list(&self, name: &str) -> Option<&Arc<Texts>> {
        self.lists.get(name)
    }

    fn lists(&self) -> impl Iterator<Item = &str> {
        self.lists.keys().map(String::as_str)
    }
}

/// A compiled expression.
#[derive(Debug)]
pub struct Program {
    root: Node,
    fields: check::Fields,
}

impl Program {
    /// The fields of the event that it asks for by name, as in `getEventData("pathname")`, each with the byte offset of its
    /// name in the text.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (usize, &str)> {
        self.fields.iter().map(|(offset, name)| (*offset, &**name))
    }

    /// Whether it is true for `event`.
    ///
    /// # Errors
    /// If it has no value for this event, or one that is no truth value.
    pub fn holds(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<bool, EvalError> {
        self.run(event, cx, STEPS, |value| match value {
            Val::Bool(holds) => Ok(holds),
            other => Err(functions::no_overload("condition", &[other])),
        })
    }

    /// Its value for `event`.
    ///
    /// # Errors
    /// If it has none for this event.
    pub fn value(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Value, EvalError> {
        self.run(event, cx, STEPS, |value| Ok(value.into_owned()))
    }

    fn run<T>(
        &self,
        event: &Event<'_>,
        cx: &Context<'_>,
        steps: u64,
        finish: impl FnOnce(Val<'_>) -> Result<T, EvalError>,
    ) -> Result<T, EvalError> {
        let scope = Scope::new(event, cx);
        let value = Evaluation::new(&scope, steps).eval(&self.root)?;
        finish(value)
    }
}
