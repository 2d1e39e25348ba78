//! `all`, `exists`, `exists_one`, `map` and `filter`.

use super::{Evaluated, Evaluation};
use crate::cel::EvalError;
use crate::cel::functions::no_overload;
use crate::cel::program::{Comprehension, Node, Quantifier};
use crate::cel::value::{List, Val};

impl<'a> Evaluation<'a> {
    pub(super) fn comprehension(&mut self, node: &'a Comprehension) -> Evaluated<'a> {
        let range = match self.eval(&node.range)? {
            Val::List(list) => list,
            Val::Map(map) => {
                self.charge(map.len())?;
                List::Built(map.keys().into())
            }
            other => return Err(no_overload(node.kind.name(), &[other])),
        };
        let outer = self.locals.len();
        let result = match node.kind {
            Quantifier::All => self.quantify(node, &range, false),
            Quantifier::Exists => self.quantify(node, &range, true),
            Quantifier::ExistsOne => self.count(node, &range),
            Quantifier::Filter | Quantifier::Map => self.collect(node, &range),
        };
        self.locals.truncate(outer);
        result
    }

    /// The value of `node` with `item` as the innermost variable.
    fn eval_with(&mut self, node: &'a Node, item: Val<'a>) -> Evaluated<'a> {
        self.charge(1)?;
        let outer = self.locals.len();
        self.locals.push(item);
        let value = self.eval(node);
        self.locals.truncate(outer);
        value
    }

    /// Whether the predicate holds for `item`; without a predicate, it does.
    fn holds(&mut self, node: &'a Comprehension, item: &Val<'a>) -> Result<bool, EvalError> {
        let Some(predicate) = &node.predicate else {
            return Ok(true);
        };
        match self.eval_with(predicate, item.clone())? {
            Val::Bool(holds) => Ok(holds),
            other => Err(no_overload(node.kind.name(), &[other])),
        }
    }

    /// An element that decides ends it, and outweighs errors of others.
    fn quantify(&mut self, node: &'a Comprehension, range: &List<'a>, decides: bool) -> Evaluated<'a> {
        let mut failed = None;
        for item in range.iter() {
            match self.holds(node, &item) {
                Ok(holds) if holds == decides => return Ok(Val::Bool(holds)),
                Ok(_) => {}
                Err(error @ EvalError::Budget { .. }) => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn count(&mut self, node: &'a Comprehension, range: &List<'a>) -> Evaluated<'a> {
        let mut count = 0_usize;
        for item in range.iter() {
            count += usize::from(self.holds(node, &item)?);
        }
        Ok(Val::Bool(count == 1))
    }

    fn collect(&mut self, node: &'a Comprehension, range: &List<'a>) -> Evaluated<'a> {
        let mut items = Vec::new();
        for item in range.iter() {
            if self.holds(node, &item)? {
                self.charge_built(0)?;
                items.push(match &node.transform {
                    Some(transform) => self.eval_with(transform, item)?,
                    None => item,
                });
            }
        }
        Ok(Val::list(items))
    }
}

impl Quantifier {
    pub(in crate::cel) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map => "map",
        }
    }
}
