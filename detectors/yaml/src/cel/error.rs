//! What can be wrong with an expression, before and while it is evaluated.

use detectors_api::stores::StoreError;

/// A problem of an expression's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CelError {
    /// Where it is: byte offset in the text.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where we have an idea.
    pub hint: Option<String>,
}

impl CelError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why an expression has no value for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// It takes too long. See [`STEPS`](super::STEPS).
    #[error("gave up after {limit} steps: the expression looks at too much")]
    Budget {
        /// How many steps were allowed.
        limit: u64,
    },
    /// A variable that this event does not have.
    #[error("the event has no {0}; guard with `has(event.{0})`")]
    Unset(&'static str),
    /// A member of a map, or of null.
    #[error("no such key: {0}")]
    NoSuchKey(Box<str>),
    /// An operator or function does not take values of these types.
    #[error("`{operation}` does not take ({})", types.join(", "))]
    NoOverload {
        /// Operator or function.
        operation: &'static str,
        /// Types of its operands.
        types: Vec<&'static str>,
    },
    /// The result of arithmetic or of a conversion does not fit.
    #[error("`{0}` overflows")]
    Overflow(&'static str),
    /// Division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// No such element of a list.
    #[error("index {index} is out of range: the list has {len} elements")]
    Index {
        /// What was asked for.
        index: i64,
        /// Number of elements.
        len: usize,
    },
    /// Two entries of a map have one key.
    #[error("two entries of a map have the key {0}")]
    DuplicateKey(Box<str>),
    /// A store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A text that is no regular expression.
    #[error("no regular expression: {0}")]
    Regex(Box<str>),
    /// A value that cannot be converted.
    #[error("{value} is no {to}")]
    Conversion {
        /// The value.
        value: Box<str>,
        /// The type.
        to: &'static str,
    },
    /// A value that an output field cannot carry.
    #[error("a value of type {actual} cannot be put into {expected}")]
    Output {
        /// Type of the value.
        actual: &'static str,
        /// What was to take it.
        expected: &'static str,
    },
}
