//! Functions that ask the stores of a capture as of an event.
//!
//! The first arguments say what is asked for, as of which event. With several captures open the last one, text, says in which;
//! with a single one it may be left out. An argument that is null, or that names what cannot exist (such as a negative id), makes
//! the answer null.

mod call;
mod questions;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::table::Named;
use call::Call;

/// All functions.
pub(crate) fn all(captures: &Arc<[Named]>) -> impl Iterator<Item = ScalarUDF> {
    questions::ALL.iter().map(|question| {
        ScalarUDF::from(Function {
            question,
            captures: Arc::clone(captures),
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    })
}

/// What a function asks.
struct Question {
    name: &'static str,
    parameters: &'static [Parameter],
    returns: fn() -> DataType,
    /// The answers, one for each row.
    answer: fn(&Call<'_>) -> Result<ArrayRef>,
}

struct Parameter {
    name: &'static str,
    takes: Takes,
    optional: bool,
}

#[derive(Clone, Copy)]
enum Takes {
    WholeNumber,
    Text,
    Either,
}

impl Takes {
    fn accepts(self, data_type: &DataType) -> bool {
        let number = data_type.is_integer() || matches!(data_type, DataType::Decimal128(_, 0));
        let text = match data_type {
            DataType::Dictionary(_, value) => value.is_string(),
            other => other.is_string(),
        };
        match self {
            _ if data_type.is_null() => true,
            Self::WholeNumber => number,
            Self::Text => text,
            Self::Either => number || text,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::WholeNumber => "a whole number",
            Self::Text => "text",
            Self::Either => "a whole number or text",
        }
    }
}

/// What each argument is.
struct Binding {
    /// For each parameter, the position of its argument.
    parameters: Vec<Option<usize>>,
    /// Position of the capture's name.
    capture: Option<usize>,
}

impl Question {
    /// How it is written: `symbol_at(address[, seq][, capture])`.
    fn usage(&self) -> String {
        let mut usage = format!("{}(", self.name);
        for (index, parameter) in self.parameters.iter().enumerate() {
            match (index, parameter.optional) {
                (0, _) => usage.push_str(parameter.name),
                (_, false) => usage.push_str(&format!(", {}", parameter.name)),
                (_, true) => usage.push_str(&format!("[, {}]", parameter.name)),
            }
        }
        usage + "[, capture])"
    }

    fn bind(&self, arguments: &[DataType], captures: &[Named]) -> Result<Binding> {
        let mut next = 0;
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for parameter in self.parameters {
            match arguments.get(next) {
                Some(argument) if parameter.takes.accepts(argument) => {
                    parameters.push(Some(next));
                    next += 1;
                }
                _ if parameter.optional => parameters.push(None),
                Some(argument) => {
                    return plan_err!(
                        "`{}` of {} is {}, not {argument}",
                        parameter.name,
                        self.usage(),
                        parameter.takes.describe()
                    );
                }
                None => return plan_err!("{} has no `{}` here", self.usage(), parameter.name),
            }
        }
        let capture = match &arguments[next..] {
            [] if captures.len() > 1 => {
                return plan_err!(
                    "{} captures are open: the last argument of {} must say which one is asked, such as the column `capture`",
                    captures.len(),
                    self.usage()
                );
            }
            [] => None,
            [argument] if Takes::Text.accepts(argument) => Some(next),
            [argument, ..] => {
                return plan_err!("{} does not take this argument: {argument}", self.usage());
            }
        };
        Ok(Binding { parameters, capture })
    }
}

struct Function {
    question: &'static Question,
    captures: Arc<[Named]>,
    signature: Signature,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.question.name).finish()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.question.name == other.question.name && Arc::ptr_eq(&self.captures, &other.captures)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.question.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.question.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.question.bind(arguments, &self.captures)?;
        Ok((self.question.returns)())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let types: Vec<_> = arrays.iter().map(|array| array.data_type().clone()).collect();
        let binding = self.question.bind(&types, &self.captures)?;
        let call = Call::new(&arrays, &binding, &self.captures)?;
        let answer = (self.question.answer)(&call)?;
        if constant {
            return ScalarValue::try_from_array(&answer, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(answer))
    }
}

fn from_arrow(error: arrow::error::ArrowError) -> DataFusionError {
    DataFusionError::ArrowError(Box::new(error), None)
}
