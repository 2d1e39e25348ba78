//! The text of an expression and its tree.
//!
//! Grammar: the Common Expression Language's. Invariants of a tree that was parsed: at most [`MAX_DEPTH`] levels, at most
//! [`MAX_NODES`] nodes, from a text of at most [`MAX_LEN`] bytes. So whatever walks it may recurse.

mod convert;
mod parse;
mod problem;

pub(super) use parse::parse;

use super::CelError;

/// Longest text of an expression, in bytes.
pub const MAX_LEN: usize = 16 * 1024;
/// Deepest tree of an expression. A chain of `&&` or `||` is one level, however long.
pub const MAX_DEPTH: u16 = 100;
/// Most nodes of an expression.
pub const MAX_NODES: usize = 8_192;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    /// Where errors about it point: byte offset of its name or operator.
    pub offset: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
    Ident(String),
    Select(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call {
        target: Option<Box<Expr>>,
        function: String,
        args: Vec<Expr>,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a && b && …`
    All(Vec<Expr>),
    /// `a || b || …`
    Any(Vec<Expr>),
    Conditional(Box<[Expr; 3]>),
}

/// An operator with two operands that needs both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

fn too_deep(offset: usize) -> CelError {
    let message = format!("the expression is nested more than {MAX_DEPTH} levels deep");
    CelError::new(offset, message)
}
