//! The parser's tree in our form, every node with its place.

use ::cel::common::ast::operators;
use ::cel::common::ast::{
    CallExpr, EntryExpr, Expr as Parsed, IdedEntryExpr, IdedExpr, LiteralValue, SourceInfo,
};

use super::{Expr, Kind, MAX_DEPTH, MAX_NODES, Operator};
use crate::cel::CelError;

type Converted<T = Expr> = Result<T, CelError>;

/// Converts the tree of one text.
pub(super) struct Converter<'a> {
    source: &'a str,
    places: &'a SourceInfo,
    nodes: usize,
}

impl<'a> Converter<'a> {
    pub(super) fn new(source: &'a str, places: &'a SourceInfo) -> Self {
        Self {
            source,
            places,
            nodes: 0,
        }
    }

    /// The node and all below it, which lies `depth` levels below the root.
    pub(super) fn expr(&mut self, node: IdedExpr, depth: usize) -> Converted {
        let offset = self.token(node.id);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the expression has more than {MAX_NODES} parts");
            return Err(CelError::new(offset, message).hint("split it into several conditions"));
        }
        if depth >= usize::from(MAX_DEPTH) {
            return Err(super::too_deep(offset));
        }
        let (offset, kind) = match node.expr {
            Parsed::Literal(literal) => (offset, constant(literal)),
            // A leading dot names what stands outside of any scope; there is no other scope here.
            Parsed::Ident(name) => (offset, Kind::Ident(name.trim_start_matches('.').to_owned())),
            Parsed::Select(select) => {
                let operand = self.expr(*select.operand, depth + 1)?;
                let name = self.name_after(offset + 1);
                (name, Kind::Select(Box::new(operand), select.field))
            }
            Parsed::List(list) => (offset, Kind::List(self.exprs(list.elements, depth + 1)?)),
            Parsed::Map(map) => (offset, Kind::Map(self.entries(map.entries, depth + 1)?)),
            Parsed::Call(call) => self.call(offset, call, depth)?,
            Parsed::Struct(_) => {
                return Err(CelError::new(offset, "messages cannot be made here")
                    .hint("select fields of `event`, or write a map: {\"key\": value}"));
            }
            // The parser has no macros, and reports what it could not read.
            Parsed::Comprehension(_) | Parsed::Unspecified => {
                return Err(CelError::new(offset, "this cannot be read"));
            }
        };
        Ok(Expr { offset, kind })
    }

    fn exprs(&mut self, nodes: Vec<IdedExpr>, depth: usize) -> Converted<Vec<Expr>> {
        nodes.into_iter().map(|node| self.expr(node, depth)).collect()
    }

    fn entries(&mut self, entries: Vec<IdedEntryExpr>, depth: usize) -> Converted<Vec<(Expr, Expr)>> {
        let pairs = entries.into_iter().filter_map(|entry| match entry.expr {
            EntryExpr::MapEntry(entry) => Some((entry.key, entry.value)),
            // Only messages have fields.
            EntryExpr::StructField(_) => None,
        });
        pairs
            .map(|(key, value)| Ok((self.expr(key, depth)?, self.expr(value, depth)?)))
            .collect()
    }

    /// An operator or a call; for a call the place is that of its name.
    fn call(&mut self, offset: usize, call: CallExpr, depth: usize) -> Converted<(usize, Kind)> {
        let CallExpr {
            func_name,
            target: None,
            args,
        } = call
        else {
            let target = call
                .target
                .map(|target| self.expr(*target, depth + 1))
                .transpose()?;
            let name = self.name_before(offset, &call.func_name);
            let args = self.exprs(call.args, depth + 1)?;
            return Ok((name, named(target, call.func_name, args)));
        };
        if matches!(func_name.as_str(), operators::LOGICAL_AND | operators::LOGICAL_OR) {
            let operands = self.chain(&func_name, args, depth)?;
            let kind = if func_name == operators::LOGICAL_AND {
                Kind::All(operands)
            } else {
                Kind::Any(operands)
            };
            return Ok((offset, kind));
        }
        let args = self.exprs(args, depth + 1)?;
        let kind = match operator(&func_name, args) {
            Ok(kind) => kind,
            Err(args) => {
                let name = func_name.trim_start_matches('.');
                return Ok((self.name_before(offset, name), named(None, name.to_owned(), args)));
            }
        };
        Ok((offset, kind))
    }

    /// The operands of a chain of `&&` or `||`, which the parser gives as a balanced tree.
    fn chain(&mut self, operator: &str, args: Vec<IdedExpr>, depth: usize) -> Converted<Vec<Expr>> {
        let mut operands = Vec::new();
        // What is still to be looked at, the next one last.
        let mut nodes: Vec<_> = args.into_iter().rev().collect();
        while let Some(node) = nodes.pop() {
            match node.expr {
                Parsed::Call(call) if call.func_name == operator && call.target.is_none() => {
                    nodes.extend(call.args.into_iter().rev());
                }
                _ => operands.push(self.expr(node, depth + 1)?),
            }
        }
        Ok(operands)
    }

    /// Where the token of a node begins: its literal, name, operator or bracket.
    fn token(&self, id: u64) -> usize {
        let start = self.places.offset_for(id).map_or(0, |(start, _)| start as usize);
        self.source.floor_char_boundary(start)
    }

    /// Where the name after a dot begins.
    fn name_after(&self, dot: usize) -> usize {
        let rest = self.source.get(dot..).unwrap_or_default();
        dot + rest.len() - rest.trim_start().len()
    }

    /// Where the name before a bracket begins.
    fn name_before(&self, bracket: usize, name: &str) -> usize {
        let before = self.source.get(..bracket).unwrap_or_default().trim_end();
        match before.strip_suffix(name) {
            Some(rest) => rest.len(),
            None => bracket,
        }
    }
}

fn named(target: Option<Expr>, function: String, args: Vec<Expr>) -> Kind {
    Kind::Call {
        target: target.map(Box::new),
        function,
        args,
    }
}

fn constant(literal: LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(value) => Kind::Bool(value.into_inner()),
        LiteralValue::Bytes(value) => Kind::Bytes(value.into_inner()),
        LiteralValue::Double(value) => Kind::Double(value.into_inner()),
        LiteralValue::Int(value) => Kind::Int(value.into_inner()),
        LiteralValue::Null => Kind::Null,
        LiteralValue::String(value) => Kind::String(value.into_inner()),
        LiteralValue::UInt(value) => Kind::UInt(value.into_inner()),
    }
}

/// The operator that the parser calls `name`, with its operands; the operands, if it is none.
fn operator(name: &str, args: Vec<Expr>) -> Result<Kind, Vec<Expr>> {
    let binary = match name {
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterEqual,
        operators::IN => Operator::In,
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Remainder,
        operators::INDEX => {
            let [operand, index] = args.try_into()?;
            return Ok(Kind::Index(Box::new(operand), Box::new(index)));
        }
        operators::CONDITIONAL => return Ok(Kind::Conditional(Box::new(args.try_into()?))),
        operators::LOGICAL_NOT | operators::NEGATE => {
            let [operand] = args.try_into()?;
            let operand = Box::new(operand);
            return Ok(if name == operators::NEGATE {
                Kind::Negate(operand)
            } else {
                Kind::Not(operand)
            });
        }
        _ => return Err(args),
    };
    let [left, right] = args.try_into()?;
    Ok(Kind::Binary(binary, Box::new(left), Box::new(right)))
}
