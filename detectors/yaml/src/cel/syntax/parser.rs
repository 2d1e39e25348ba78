//! Tokens to tree: recursive descent, with the limits of the module.

use super::lexer::{Token, tokens};
use super::{Expr, Kind, MAX_DEPTH, MAX_NODES, Operator};
use crate::cel::CelError;

/// Names that the language keeps for itself. Fields may have them.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// The tree of `source`.
pub(in crate::cel) fn parse(source: &str) -> Result<Expr, CelError> {
    let mut parser = Parser {
        tokens: tokens(source)?.into_iter().peekable(),
        depth: 0,
        nodes: 0,
    };
    let expr = parser.expression()?;
    match parser.next() {
        (_, Token::End) => Ok(expr),
        (offset, token) => Err(unexpected(offset, &token, "an operator or the end")),
    }
}

type Parsed = Result<Expr, CelError>;

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<(usize, Token)>>,
    /// Expressions that are being read, one in another.
    depth: u16,
    nodes: usize,
}

impl Parser {
    fn peek(&mut self) -> &Token {
        self.tokens.peek().map_or(&Token::End, |(_, token)| token)
    }

    fn offset(&mut self) -> usize {
        self.tokens.peek().map_or(0, |(offset, _)| *offset)
    }

    fn next(&mut self) -> (usize, Token) {
        self.tokens.next().unwrap_or((0, Token::End))
    }

    fn take(&mut self, token: &Token) -> Option<usize> {
        if self.peek() == token {
            Some(self.next().0)
        } else {
            None
        }
    }

    fn expect(&mut self, token: &Token) -> Result<usize, CelError> {
        let (offset, found) = self.next();
        if found == *token {
            Ok(offset)
        } else {
            Err(unexpected(offset, &found, &describe(token)))
        }
    }

    fn node(&mut self, offset: usize, kind: Kind) -> Parsed {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(
                CelError::new(offset, format!("the expression has more than {MAX_NODES} parts"))
                    .hint("split it into several conditions"),
            );
        }
        let depth = 1 + kind.deepest_child();
        if depth > MAX_DEPTH {
            return Err(too_deep(offset));
        }
        Ok(Expr { offset, depth, kind })
    }

    /// `condition ? this : that`, or less.
    fn expression(&mut self) -> Parsed {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep(self.offset()));
        }
        self.depth += 1;
        let condition = self.any()?;
        let expr = match self.take(&Token::Question) {
            None => condition,
            Some(offset) => {
                let this = self.any()?;
                self.expect(&Token::Colon)?;
                let that = self.expression()?;
                self.node(offset, Kind::Conditional(Box::new([condition, this, that])))?
            }
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn any(&mut self) -> Parsed {
        self.chain(&Token::Or, Self::all, Kind::Any)
    }

    fn all(&mut self) -> Parsed {
        self.chain(&Token::And, |parser| parser.binary(1), Kind::All)
    }

    fn chain(
        &mut self,
        operator: &Token,
        mut operand: impl FnMut(&mut Self) -> Parsed,
        kind: fn(Vec<Expr>) -> Kind,
    ) -> Parsed {
        let first = operand(self)?;
        let Some(offset) = self.take(operator) else {
            return Ok(first);
        };
        let mut operands = vec![first, operand(self)?];
        while self.take(operator).is_some() {
            operands.push(operand(self)?);
        }
        self.node(offset, kind(operands))
    }

    /// Operators that bind at least as tightly as `precedence`; all of them group from the left.
    fn binary(&mut self, precedence: u8) -> Parsed {
        let mut left = self.unary()?;
        while let Token::Operator(operator) = *self.peek() {
            if operator.precedence() < precedence {
                break;
            }
            let (offset, _) = self.next();
            let right = self.binary(operator.precedence() + 1)?;
            left = self.node(offset, Kind::Binary(operator, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let minus = Token::Operator(Operator::Subtract);
        let Some(wrap) = (match self.peek() {
            Token::Not => Some(Kind::Not as fn(Box<Expr>) -> Kind),
            token if *token == minus => Some(Kind::Negate as fn(Box<Expr>) -> Kind),
            _ => None,
        }) else {
            return self.member();
        };
        let (offset, operator) = self.next();
        if operator == minus {
            // The smallest number has no positive counterpart, so the sign belongs to the literal.
            match *self.peek() {
                Token::Int(value) => {
                    self.next();
                    let value = 0_i64
                        .checked_sub_unsigned(value)
                        .ok_or_else(|| too_large(offset))?;
                    let literal = self.node(offset, Kind::Int(value))?;
                    return self.suffixes(literal);
                }
                Token::Double(value) => {
                    self.next();
                    let literal = self.node(offset, Kind::Double(-value))?;
                    return self.suffixes(literal);
                }
                _ => {}
            }
        }
        if self.depth >= MAX_DEPTH {
            return Err(too_deep(offset));
        }
        self.depth += 1;
        let operand = self.unary()?;
        self.depth -= 1;
        self.node(offset, wrap(Box::new(operand)))
    }

    fn member(&mut self) -> Parsed {
        let primary = self.primary()?;
        self.suffixes(primary)
    }

    /// `.field`, `.function(…)` and `[index]` after `expr`.
    fn suffixes(&mut self, mut expr: Expr) -> Parsed {
        loop {
            if self.take(&Token::Dot).is_some() {
                let (offset, token) = self.next();
                let Token::Name(name) = token else {
                    return Err(unexpected(offset, &token, "a name"));
                };
                expr = if self.take(&Token::Open('(')).is_some() {
                    let args = self.list(')')?;
                    let target = Some(Box::new(expr));
                    self.node(
                        offset,
                        Kind::Call {
                            target,
                            function: name,
                            args,
                        },
                    )?
                } else {
                    self.node(offset, Kind::Select(Box::new(expr), name))?
                };
            } else if let Some(offset) = self.take(&Token::Open('[')) {
                let index = self.expression()?;
                self.expect(&Token::Close(']'))?;
                expr = self.node(offset, Kind::Index(Box::new(expr), Box::new(index)))?;
            } else if *self.peek() == Token::Open('{') {
                let offset = self.offset();
                return Err(CelError::new(offset, "messages cannot be made here")
                    .hint("select fields of `event`, or write a map: {\"key\": value}"));
            } else {
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let (offset, token) = self.next();
        let kind = match token {
            Token::Int(value) => Kind::Int(i64::try_from(value).map_err(|_| too_large(offset))?),
            Token::UInt(value) => Kind::UInt(value),
            Token::Double(value) => Kind::Double(value),
            Token::String(value) => Kind::String(value),
            Token::Bytes(value) => Kind::Bytes(value),
            Token::Open('(') => {
                let expr = self.expression()?;
                self.expect(&Token::Close(')'))?;
                return Ok(expr);
            }
            Token::Open('[') => Kind::List(self.list(']')?),
            Token::Open('{') => Kind::Map(self.entries()?),
            Token::Dot => match self.next() {
                (offset, Token::Name(name)) => return self.name(offset, name),
                (offset, token) => return Err(unexpected(offset, &token, "a name")),
            },
            Token::Name(name) => return self.name(offset, name),
            token => return Err(unexpected(offset, &token, "an expression")),
        };
        self.node(offset, kind)
    }

    fn name(&mut self, offset: usize, name: String) -> Parsed {
        let kind = match name.as_str() {
            "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            reserved if RESERVED.contains(&reserved) => {
                return Err(CelError::new(
                    offset,
                    format!("`{name}` is reserved by the language"),
                ));
            }
            _ if self.take(&Token::Open('(')).is_some() => {
                let args = self.list(')')?;
                Kind::Call {
                    target: None,
                    function: name,
                    args,
                }
            }
            _ => Kind::Ident(name),
        };
        self.node(offset, kind)
    }

    /// Expressions up to `close`; a comma may follow the last one of a list.
    fn list(&mut self, close: char) -> Result<Vec<Expr>, CelError> {
        let mut items = Vec::new();
        while *self.peek() != Token::Close(close) {
            items.push(self.expression()?);
            if self.take(&Token::Comma).is_none() {
                break;
            }
            if close == ')' && *self.peek() == Token::Close(close) {
                return Err(unexpected(self.offset(), &Token::Close(close), "an expression"));
            }
        }
        self.expect(&Token::Close(close))?;
        Ok(items)
    }

    fn entries(&mut self) -> Result<Vec<(Expr, Expr)>, CelError> {
        let mut entries = Vec::new();
        while *self.peek() != Token::Close('}') {
            let key = self.expression()?;
            self.expect(&Token::Colon)?;
            entries.push((key, self.expression()?));
            if self.take(&Token::Comma).is_none() {
                break;
            }
        }
        self.expect(&Token::Close('}'))?;
        Ok(entries)
    }
}

impl Kind {
    /// The deepest of the nodes under it; 0 if there are none.
    fn deepest_child(&self) -> u16 {
        let deepest = |nodes: &[Expr]| nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        match self {
            Self::Select(operand, _) | Self::Not(operand) | Self::Negate(operand) => operand.depth,
            Self::Index(a, b) | Self::Binary(_, a, b) => a.depth.max(b.depth),
            Self::Call { target, args, .. } => target
                .as_ref()
                .map_or(0, |target| target.depth)
                .max(deepest(args)),
            Self::List(items) | Self::All(items) | Self::Any(items) => deepest(items),
            Self::Map(entries) => {
                let deepest = entries.iter().map(|(key, value)| key.depth.max(value.depth));
                deepest.max().unwrap_or(0)
            }
            Self::Conditional(parts) => deepest(parts.as_slice()),
            _ => 0,
        }
    }
}

fn too_deep(offset: usize) -> CelError {
    CelError::new(
        offset,
        format!("the expression is nested more than {MAX_DEPTH} levels deep"),
    )
}

fn too_large(offset: usize) -> CelError {
    CelError::new(offset, "the number does not fit into an int").hint("an unsigned number ends in `u`: 10u")
}

fn unexpected(offset: usize, token: &Token, expected: &str) -> CelError {
    CelError::new(offset, format!("found {}, expected {expected}", describe(token)))
}

fn describe(token: &Token) -> String {
    let symbol = match token {
        Token::Int(_) | Token::UInt(_) | Token::Double(_) => return "a number".to_owned(),
        Token::String(_) => return "a text".to_owned(),
        Token::Bytes(_) => return "bytes".to_owned(),
        Token::End => return "the end".to_owned(),
        Token::Name(name) => return format!("`{name}`"),
        Token::Open(c) | Token::Close(c) => return format!("`{c}`"),
        Token::Operator(operator) => operator.symbol(),
        Token::And => "&&",
        Token::Or => "||",
        Token::Not => "!",
        Token::Question => "?",
        Token::Colon => ":",
        Token::Comma => ",",
        Token::Dot => ".",
    };
    format!("`{symbol}`")
}
