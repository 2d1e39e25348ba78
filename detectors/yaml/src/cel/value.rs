//! Values: as results, and as they are while an expression is evaluated.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use super::model::Message;

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// An unsigned whole number.
    UInt(u64),
    /// A number with a fraction.
    Double(f64),
    /// A text.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of its entries.
    Map(Vec<(Value, Value)>),
    /// A point in time.
    Timestamp(Timestamp),
    /// A span of time.
    Duration(SignedDuration),
    /// A type, by name.
    Type(String),
    /// A message of the event, by the name of its type.
    Message(&'static str),
}

impl Value {
    /// Name of its type, as in `type(x)`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Type(_) => "type",
            Self::Message(name) => name,
        }
    }
}

/// A value during an evaluation: borrowed from the event, the stores or the program wherever it can be. Cheap to clone.
#[derive(Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Blob<'a>),
    List(List<'a>),
    Map(Map<'a>),
    Message(&'a dyn Message),
    Timestamp(Timestamp),
    Duration(SignedDuration),
    Type(&'a str),
}

/// A text.
#[derive(Clone)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Built(Rc<str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Built(text) => text,
        }
    }
}

/// Bytes.
#[derive(Clone)]
pub(super) enum Blob<'a> {
    Borrowed(&'a [u8]),
    Built(Rc<[u8]>),
}

impl Blob<'_> {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Built(bytes) => bytes,
        }
    }
}

/// What can stand behind a list.
pub(super) trait Items {
    fn count(&self) -> usize;
    fn item(&self, index: usize) -> Option<Val<'_>>;
}

/// A list.
#[derive(Clone)]
pub(super) enum List<'a> {
    Borrowed(&'a dyn Items),
    Built(Rc<[Val<'a>]>),
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(items) => items.count(),
            Self::Built(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Borrowed(items) => items.item(index),
            Self::Built(items) => items.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> + '_ {
        (0..self.len()).map_while(|index| self.get(index))
    }
}

/// What can stand behind a map from texts.
pub(super) trait Entries {
    fn count(&self) -> usize;
    fn entry(&self, key: &str) -> Option<Val<'_>>;
    fn keys(&self) -> Vec<Val<'_>>;
}

/// A map.
#[derive(Clone)]
pub(super) enum Map<'a> {
    Borrowed(&'a dyn Entries),
    /// Texts to values, known by position.
    Record(&'static [&'static str], Rc<[Val<'a>]>),
    Built(Rc<[(Val<'a>, Val<'a>)]>),
}

impl<'a> Map<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(entries) => entries.count(),
            Self::Record(_, values) => values.len(),
            Self::Built(entries) => entries.len(),
        }
    }

    /// The value under a text.
    pub(super) fn member(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Self::Borrowed(entries) => entries.entry(name),
            Self::Record(keys, values) => {
                let position = keys.iter().position(|key| *key == name)?;
                values.get(position).cloned()
            }
            Self::Built(entries) => entries
                .iter()
                .find(|(key, _)| matches!(key, Val::String(key) if key.as_str() == name))
                .map(|(_, value)| value.clone()),
        }
    }

    /// Its keys, in its order.
    pub(super) fn keys(&self) -> Vec<Val<'a>> {
        match self {
            Self::Borrowed(entries) => entries.keys(),
            Self::Record(keys, _) => keys.iter().map(|key| Val::text(key)).collect(),
            Self::Built(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
        }
    }
}

impl<'a> Val<'a> {
    pub(super) const fn text(text: &'a str) -> Self {
        Self::String(Text::Borrowed(text))
    }

    pub(super) fn built(text: impl Into<Rc<str>>) -> Self {
        Self::String(Text::Built(text.into()))
    }

    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(List::Built(items.into_iter().collect()))
    }

    /// Null for `None`.
    pub(super) fn number(number: Option<u32>) -> Self {
        number.map_or(Self::Null, |number| Self::UInt(number.into()))
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Type(_) => "type",
            Self::Message(message) => message.descriptor().name,
        }
    }

    /// The value by itself. Recursion ends with the depth of the expression that built it, or of the message.
    pub(super) fn into_owned(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::UInt(value) => Value::UInt(value),
            Self::Double(value) => Value::Double(value),
            Self::String(value) => Value::String(value.as_str().to_owned()),
            Self::Bytes(value) => Value::Bytes(value.as_slice().to_vec()),
            Self::List(list) => Value::List(list.iter().map(Self::into_owned).collect()),
            Self::Map(map) => Value::Map(
                map.keys()
                    .into_iter()
                    .filter_map(|key| {
                        let value = super::eval::lookup(&map, &key)?;
                        Some((key.into_owned(), value.into_owned()))
                    })
                    .collect(),
            ),
            Self::Timestamp(value) => Value::Timestamp(value),
            Self::Duration(value) => Value::Duration(value),
            Self::Type(name) => Value::Type(name.to_owned()),
            Self::Message(message) => Value::Message(message.descriptor().name),
        }
    }
}
