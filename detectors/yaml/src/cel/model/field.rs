//! Members of messages as values, by their Rust types.

use std::collections::BTreeMap;

use detectors_api::event::timestamp_ns;
use detectors_api::proto;
use jiff::Timestamp;
use prost_types::value::Kind;

use super::Message;
use crate::cel::types::Type;
use crate::cel::value::{Blob, Entries, Items, List, Map, Val};

/// A Rust type that members of messages have.
pub(in crate::cel) trait FieldValue {
    /// Its type in expressions.
    fn ty() -> Type;
    /// Its value where it is unset.
    fn unset() -> Val<'static>;
    /// Its value.
    fn value(&self) -> Val<'_>;
    /// Whether it is set, for members without presence: not the default.
    fn is_set(&self) -> bool;
}

macro_rules! scalars {
    ($($rust:ty, $type:ident, $value:ident => $val:expr, $default:expr;)*) => {$(
        impl FieldValue for $rust {
            fn ty() -> Type {
                Type::$type
            }
            fn unset() -> Val<'static> {
                $default
            }
            fn value(&self) -> Val<'_> {
                let $value = self;
                $val
            }
            fn is_set(&self) -> bool {
                *self != <$rust>::default()
            }
        }
    )*};
}
scalars! {
    String, String, text => Val::text(text), Val::text("");
    bool, Bool, flag => Val::Bool(*flag), Val::Bool(false);
    i32, Int, number => Val::Int((*number).into()), Val::Int(0);
    i64, Int, number => Val::Int(*number), Val::Int(0);
    u32, UInt, number => Val::UInt((*number).into()), Val::UInt(0);
    u64, UInt, number => Val::UInt(*number), Val::UInt(0);
    Vec<u8>, Bytes, bytes => Val::Bytes(Blob::Borrowed(bytes)), Val::Bytes(Blob::Borrowed(&[]));
}

/// `google.protobuf.UInt32Value`.
impl FieldValue for Option<u32> {
    fn ty() -> Type {
        Type::Nullable(Box::new(Type::UInt))
    }
    fn unset() -> Val<'static> {
        Val::Null
    }
    fn value(&self) -> Val<'_> {
        Val::number(*self)
    }
    fn is_set(&self) -> bool {
        self.is_some()
    }
}

/// `google.protobuf.DoubleValue`.
impl FieldValue for Option<f64> {
    fn ty() -> Type {
        Type::Nullable(Box::new(Type::Double))
    }
    fn unset() -> Val<'static> {
        Val::Null
    }
    fn value(&self) -> Val<'_> {
        self.map_or(Val::Null, Val::Double)
    }
    fn is_set(&self) -> bool {
        self.is_some()
    }
}

/// `google.protobuf.Timestamp`; unset, or out of the range of times, it reads as the Unix epoch.
impl FieldValue for Option<prost_types::Timestamp> {
    fn ty() -> Type {
        Type::Timestamp
    }
    fn unset() -> Val<'static> {
        Val::Timestamp(Timestamp::UNIX_EPOCH)
    }
    fn value(&self) -> Val<'_> {
        let time = self.as_ref().and_then(|time| match timestamp_ns(time) {
            Some(ns) => Timestamp::from_nanosecond(ns.into()).ok(),
            None => Timestamp::new(time.seconds, time.nanos).ok(),
        });
        Val::Timestamp(time.unwrap_or(Timestamp::UNIX_EPOCH))
    }
    fn is_set(&self) -> bool {
        self.is_some()
    }
}

/// `google.protobuf.Struct`.
impl FieldValue for prost_types::Struct {
    fn ty() -> Type {
        Type::map(Type::String, Type::Dyn)
    }
    fn unset() -> Val<'static> {
        Val::Map(Map::Record(&[], [].into()))
    }
    fn value(&self) -> Val<'_> {
        Val::Map(Map::Borrowed(&self.fields))
    }
    fn is_set(&self) -> bool {
        true
    }
}

/// `google.protobuf.Value`.
impl FieldValue for prost_types::Value {
    fn ty() -> Type {
        Type::Dyn
    }
    fn unset() -> Val<'static> {
        Val::Null
    }
    fn value(&self) -> Val<'_> {
        match &self.kind {
            None | Some(Kind::NullValue(_)) => Val::Null,
            Some(Kind::NumberValue(number)) => Val::Double(*number),
            Some(Kind::StringValue(text)) => Val::text(text),
            Some(Kind::BoolValue(flag)) => Val::Bool(*flag),
            Some(Kind::StructValue(map)) => map.value(),
            Some(Kind::ListValue(list)) => list.values.value(),
        }
    }
    fn is_set(&self) -> bool {
        true
    }
}

impl<T: FieldValue + Element + 'static> FieldValue for Vec<T> {
    fn ty() -> Type {
        Type::list(T::ty())
    }
    fn unset() -> Val<'static> {
        Val::list([])
    }
    fn value(&self) -> Val<'_> {
        Val::List(List::Borrowed(self))
    }
    fn is_set(&self) -> bool {
        !self.is_empty()
    }
}

impl<T: FieldValue + Element> Items for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }
    fn item(&self, index: usize) -> Option<Val<'_>> {
        self.get(index).map(T::value)
    }
}

/// A Rust type that lists of messages have as elements.
pub(super) trait Element {}
impl Element for String {}
impl Element for i32 {}
impl Element for u64 {}
impl Element for prost_types::Value {}
impl<M: Message> Element for M {}

impl<T: FieldValue + 'static> FieldValue for BTreeMap<String, T> {
    fn ty() -> Type {
        Type::map(Type::String, T::ty())
    }
    fn unset() -> Val<'static> {
        Val::Map(Map::Record(&[], [].into()))
    }
    fn value(&self) -> Val<'_> {
        Val::Map(Map::Borrowed(self))
    }
    fn is_set(&self) -> bool {
        !self.is_empty()
    }
}

impl<T: FieldValue> Entries for BTreeMap<String, T> {
    fn count(&self) -> usize {
        self.len()
    }
    fn entry(&self, key: &str) -> Option<Val<'_>> {
        self.get(key).map(T::value)
    }
    fn keys(&self) -> Vec<Val<'_>> {
        self.keys().map(String::value).collect()
    }
}

/// A message that every type of messages has: the one with nothing set.
pub(super) trait Empty: Message + Sized + 'static {
    fn empty() -> &'static Self;
    fn static_descriptor() -> &'static super::Descriptor;
}

impl<M: Empty> FieldValue for Option<M> {
    fn ty() -> Type {
        Type::Message(M::static_descriptor())
    }
    fn unset() -> Val<'static> {
        Val::Message(M::empty())
    }
    fn value(&self) -> Val<'_> {
        match self {
            Some(message) => Val::Message(message),
            None => Self::unset(),
        }
    }
    fn is_set(&self) -> bool {
        self.is_some()
    }
}

/// The only message that holds one of its own type.
impl FieldValue for Option<Box<proto::DetectedFrom>> {
    fn ty() -> Type {
        Option::<proto::DetectedFrom>::ty()
    }
    fn unset() -> Val<'static> {
        Option::<proto::DetectedFrom>::unset()
    }
    fn value(&self) -> Val<'_> {
        match self {
            Some(message) => Val::Message(&**message),
            None => Self::unset(),
        }
    }
    fn is_set(&self) -> bool {
        self.is_some()
    }
}
