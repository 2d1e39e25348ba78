//! Static types.

use std::fmt;

use super::model::Descriptor;

/// What the checker knows about a value.
#[derive(Clone, Debug)]
pub(super) enum Type {
    /// Nothing: known at run time.
    Dyn,
    Null,
    Bool,
    Int,
    UInt,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    /// A type, as a value.
    Kind,
    /// A number that may be null: a wrapper of protobuf.
    Nullable(Box<Type>),
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Message(&'static Descriptor),
}

impl Type {
    pub(super) fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    pub(super) fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// Whether a value of type `other` may be given where this type is wanted, as far as is known.
    pub(super) fn accepts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::List(a), Self::List(b)) => a.accepts(b),
            (Self::Map(a, b), Self::Map(c, d)) => a.accepts(c) && b.accepts(d),
            (Self::Message(a), Self::Message(b)) => a.name == b.name,
            (Self::Nullable(a), Self::Nullable(b)) => a.accepts(b),
            (Self::Nullable(a), b) => matches!(b, Self::Null) || a.accepts(b),
            (a, Self::Nullable(b)) => a.accepts(b),
            (Self::Message(_) | Self::Timestamp | Self::Duration, Self::Null) => true,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }

    /// Whether values of both types can be equal: one accepts the other, or both are numbers.
    pub(super) fn comparable(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => a.comparable(b),
            (Self::Map(a, b), Self::Map(c, d)) => a.comparable(c) && b.comparable(d),
            (a, b) => a.accepts(b) || b.accepts(a) || a.is_number() && b.is_number(),
        }
    }

    /// Whether it is a number, or may be null or a number.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Self::Int | Self::UInt | Self::Double => true,
            Self::Nullable(inner) => inner.is_number(),
            _ => false,
        }
    }

    /// Whether `<` and the like order values of both types.
    pub(super) fn ordered(&self, other: &Self) -> bool {
        let orderable = |ty: &Self| {
            !matches!(
                ty,
                Self::Null | Self::Kind | Self::List(_) | Self::Map(..) | Self::Message(_)
            )
        };
        orderable(self) && orderable(other) && self.comparable(other)
    }

    /// The type of values that are of this type or of `other`.
    pub(super) fn join(self, other: &Self) -> Self {
        let same = self.accepts(other) && other.accepts(&self);
        match (&self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => Self::Dyn,
            (Self::List(a), Self::List(b)) => Self::list((**a).clone().join(b)),
            (Self::Null, nullable) if nullable.accepts(&Self::Null) => nullable.clone(),
            (nullable, Self::Null) if nullable.accepts(&Self::Null) => self,
            (Self::Nullable(_), _) if same => self,
            (_, Self::Nullable(_)) if same => other.clone(),
            _ if same => self,
            _ => Self::Dyn,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dyn => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::UInt => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::Kind => "type",
            Self::Nullable(inner) => return write!(f, "wrapper({inner})"),
            Self::List(element) => return write!(f, "list({element})"),
            Self::Map(key, value) => return write!(f, "map({key}, {value})"),
            Self::Message(descriptor) => descriptor.name,
        })
    }
}
