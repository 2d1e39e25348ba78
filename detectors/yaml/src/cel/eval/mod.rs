//! Evaluation of a checked expression for one event.
//!
//! Every node, every element that is looked at and every few bytes that are read or built are steps; an evaluation that
//! would take more than its limit ends with an error that nothing absorbs. So time and memory are bounded, and whether
//! an expression ends depends on the expression and the event alone.

mod arithmetic;
mod compare;
mod comprehension;
mod scope;

pub(super) use compare::lookup;
pub(super) use scope::Scope;

use std::cmp::Ordering;

use detectors_api::stores::Stores;

use super::EvalError;
use super::functions::no_overload;
use super::program::{Node, Part};
use super::syntax::Operator;
use super::value::{List, Map, Text, Val};

/// Most parameters of a function.
const MAX_ARGS: usize = 3;

/// Steps that an element of a list or a map that is built counts as.
const BUILT: usize = 4;

/// Bytes of text that count as one step.
const BYTES: usize = 16;

/// An evaluation in progress.
pub(super) struct Evaluation<'a> {
    scope: &'a Scope<'a>,
    /// Variables of the comprehensions around the node that is evaluated.
    locals: Vec<Val<'a>>,
    limit: u64,
    left: u64,
}

type Evaluated<'a> = Result<Val<'a>, EvalError>;

impl<'a> Evaluation<'a> {
    pub(super) fn new(scope: &'a Scope<'a>, limit: u64) -> Self {
        Self {
            scope,
            locals: Vec::new(),
            limit,
            left: limit,
        }
    }

    /// The stores as of the event.
    pub(super) fn stores(&self) -> &'a dyn Stores {
        self.scope.stores
    }

    /// Takes steps.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), EvalError> {
        match self.left.checked_sub(steps as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(EvalError::Budget { limit: self.limit })
            }
        }
    }

    /// Takes the steps of reading a text.
    pub(super) fn charge_bytes(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.charge(bytes / BYTES)
    }

    /// Takes the steps of building an element, of a text of that many bytes.
    pub(super) fn charge_built(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.charge(BUILT.saturating_add(bytes / BYTES))
    }

    /// Takes the steps of searching a text of `bytes` for a regular expression of `pattern` bytes.
    pub(super) fn charge_match(&mut self, bytes: usize, pattern: usize) -> Result<(), EvalError> {
        // At worst each byte is looked at once for each part of the pattern.
        self.charge(bytes.saturating_mul(1 + pattern / 64) / 4)
    }

    /// The value of `node`. Recursion is as deep as the expression, which has a limit.
    pub(super) fn eval(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.charge(1)?;
        match node {
            Node::Constant(constant) => Ok(constant.value()),
            Node::Local(slot) => Ok(self.locals.get(*slot).cloned().unwrap_or(Val::Null)),
            Node::Read { read, of_workload } => {
                let event = self.scope.event;
                if *of_workload && !event.has_workload() {
                    return Err(EvalError::Unset("workload"));
                }
                Ok((read.0)(event))
            }
            Node::Event => Ok(Val::Message(self.scope.message())),
            Node::Workload => self.scope.workload(),
            Node::Timestamp => self.scope.timestamp(),
            Node::Part(part) => match part {
                Part::Timestamp => Ok(self.scope.timestamp().unwrap_or_else(|_| Scope::no_timestamp())),
                Part::Workload => Ok(self.scope.workload_or_empty()),
                Part::Data => {
                    let data = self.scope.data();
                    self.charge(data.len())?;
                    Ok(Val::List(List::Borrowed(data)))
                }
                Part::Threat => Ok(self.scope.threat()),
                Part::DetectedFrom => Ok(self.scope.detected_from()),
            },
            Node::Member(operand, member) => match self.eval(operand)? {
                Val::Message(message) => Ok(message.get(*member)),
                other => Err(no_overload("_._", &[other])),
            },
            Node::HasMember(operand, member) => match self.eval(operand)? {
                Val::Message(message) => Ok(Val::Bool(message.has(*member))),
                other => Err(no_overload("has", &[other])),
            },
            Node::Key(operand, name) => {
                let operand = self.eval(operand)?;
                self.member(&operand, name)?
                    .ok_or_else(|| EvalError::NoSuchKey(name.clone()))
            }
            Node::HasKey(operand, name) => {
                let operand = self.eval(operand)?;
                self.has_member(&operand, name).map(Val::Bool)
            }
            Node::Index(operands) => {
                let [operand, index] = &**operands;
                let (operand, index) = (self.eval(operand)?, self.eval(index)?);
                self.index(operand, index)
            }
            Node::Not(operand) => match self.eval(operand)? {
                Val::Bool(value) => Ok(Val::Bool(!value)),
                other => Err(no_overload("!", &[other])),
            },
            Node::Negate(operand) => arithmetic::negate(self.eval(operand)?),
            Node::All(operands) => self.connect(operands, false, "&&"),
            Node::Any(operands) => self.connect(operands, true, "||"),
            Node::Conditional(parts) => {
                let [condition, this, that] = &**parts;
                match self.eval(condition)? {
                    Val::Bool(true) => self.eval(this),
                    Val::Bool(false) => self.eval(that),
                    other => Err(no_overload("?:", &[other])),
                }
            }
            Node::Binary(operator, operands) => {
                let [left, right] = &**operands;
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.binary(*operator, left, right)
            }
            Node::InTexts(operand, texts) => {
                let operand = self.eval(operand)?;
                Ok(Val::Bool(
                    matches!(&operand, Val::String(text) if texts.contains(text.as_str())),
                ))
            }
            Node::Matches(operand, regex) => match self.eval(operand)? {
                Val::String(text) => {
                    self.charge_match(text.as_str().len(), regex.as_str().len())?;
                    Ok(Val::Bool(regex.is_match(text.as_str())))
                }
                other => Err(no_overload("matches", &[other])),
            },
            Node::Call(function, args) => {
                let mut values = [const { Val::Null }; MAX_ARGS];
                for (value, arg) in values.iter_mut().zip(args) {
                    *value = self.eval(arg)?;
                }
                (function.run)(self, values.get(..args.len()).unwrap_or(&values))
            }
            Node::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    self.charge_built(0)?;
                    values.push(self.eval(item)?);
                }
                Ok(Val::list(values))
            }
            Node::Map(entries) => self.map(entries),
            Node::Comprehension(comprehension) => self.comprehension(comprehension),
            Node::Data(operands) => {
                let name = self.data_name(operands, "getEventData")?;
                self.charge_bytes(name.as_str().len())?;
                self.scope.field(self, name.as_str())
            }
            Node::HasData(operands) => {
                let name = self.data_name(operands, "hasData")?;
                Ok(Val::Bool(self.scope.event.has(name.as_str())))
            }
        }
    }

    /// `&&` decides at `false`, `||` at `true`, whichever operand has it; without one, an error stays an error.
    fn connect(&mut self, operands: &'a [Node], decides: bool, operator: &'static str) -> Evaluated<'a> {
        let mut failed = None;
        for operand in operands {
            match self.eval(operand) {
                Ok(Val::Bool(value)) if value == decides => return Ok(Val::Bool(value)),
                Ok(Val::Bool(_)) => {}
                Ok(other) => failed = failed.or_else(|| Some(no_overload(operator, &[other]))),
                Err(error @ EvalError::Budget { .. }) => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn binary(&mut self, operator: Operator, left: Val<'a>, right: Val<'a>) -> Evaluated<'a> {
        let order = |eval: &mut Self, holds: fn(Ordering) -> bool| {
            let order = eval.order(operator.symbol(), &left, &right)?;
            Ok(Val::Bool(order.is_some_and(holds)))
        };
        match operator {
            Operator::Equal => self.equal(&left, &right).map(Val::Bool),
            Operator::NotEqual => self.equal(&left, &right).map(|equal| Val::Bool(!equal)),
            Operator::Less => order(self, Ordering::is_lt),
            Operator::LessEqual => order(self, Ordering::is_le),
            Operator::Greater => order(self, Ordering::is_gt),
            Operator::GreaterEqual => order(self, Ordering::is_ge),
            Operator::In => self.contains(&left, &right).map(Val::Bool),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => self.arithmetic(operator, left, right),
        }
    }

    /// The member `name` of a map or a message; `None` for a map without it.
    fn member(&mut self, operand: &Val<'a>, name: &str) -> Result<Option<Val<'a>>, EvalError> {
        match operand {
            Val::Map(map) => {
                self.charge(map.search())?;
                Ok(map.member(name))
            }
            Val::Message(message) => Ok(message
                .descriptor()
                .position(name)
                .map(|member| message.get(member))),
            Val::Null => Ok(None),
            other => Err(no_overload("_._", std::slice::from_ref(other))),
        }
    }

    fn has_member(&mut self, operand: &Val<'a>, name: &str) -> Result<bool, EvalError> {
        match operand {
            Val::Map(map) => {
                self.charge(map.search())?;
                Ok(map.member(name).is_some())
            }
            Val::Message(message) => message
                .descriptor()
                .position(name)
                .map(|member| message.has(member))
                .ok_or_else(|| EvalError::NoSuchKey(name.into())),
            Val::Null => Err(EvalError::NoSuchKey(name.into())),
            other => Err(no_overload("has", std::slice::from_ref(other))),
        }
    }

    fn index(&mut self, operand: Val<'a>, index: Val<'a>) -> Evaluated<'a> {
        match &operand {
            Val::List(list) => {
                let Some(index) = arithmetic::whole(&index) else {
                    return Err(no_overload("_[_]", &[operand, index]));
                };
                let found = usize::try_from(index).ok().and_then(|index| list.get(index));
                found.ok_or(EvalError::Index {
                    index,
                    len: list.len(),
                })
            }
            Val::Map(map) => {
                self.charge(map.search())?;
                lookup(map, &index).ok_or_else(|| EvalError::NoSuchKey(show(&index)))
            }
            Val::Null => Err(EvalError::NoSuchKey(show(&index))),
            _ => Err(no_overload("_[_]", &[operand, index])),
        }
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Evaluated<'a> {
        let mut built: Vec<(Val<'a>, Val<'a>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            self.charge_built(0)?;
            self.charge(built.len())?;
            let key = self.eval(key)?;
            if !matches!(
                key,
                Val::Bool(_) | Val::Int(_) | Val::UInt(_) | Val::Double(_) | Val::String(_)
            ) {
                return Err(no_overload("{_: _}", &[key]));
            }
            if built.iter().any(|(other, _)| compare::same_key(other, &key)) {
                return Err(EvalError::DuplicateKey(show(&key)));
            }
            built.push((key, self.eval(value)?));
        }
        Ok(Val::Map(Map::Built(built.into())))
    }

    /// The name of a field, of an event that must be the one that is evaluated: there is no other.
    fn data_name(&mut self, operands: &'a [Node; 2], function: &'static str) -> Result<Text<'a>, EvalError> {
        let [event, name] = operands;
        if !matches!(event, Node::Event) {
            match self.eval(event)? {
                Val::Message(message) if message.descriptor().name == "tracee.v1beta1.Event" => {}
                other => return Err(no_overload(function, &[other])),
            }
        }
        match self.eval(name)? {
            Val::String(name) => Ok(name),
            other => Err(no_overload(function, &[other])),
        }
    }
}

/// A value for a message: cut if it is long.
fn show(value: &Val<'_>) -> Box<str> {
    match value {
        Val::Bool(value) => value.to_string(),
        Val::Int(value) => value.to_string(),
        Val::UInt(value) => value.to_string(),
        Val::Double(value) => value.to_string(),
        Val::String(value) => value.as_str().chars().take(80).collect(),
        other => other.type_name().to_owned(),
    }
    .into()
}
