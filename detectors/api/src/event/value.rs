//! Values of event fields, borrowed from where they lie.

use std::fmt;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int32Array, PrimitiveArray, StringArray};
use arrow::datatypes::{Int32Type, UInt64Type};

use crate::proto;
use crate::proto::event_value::Value as Owned;

/// The value of a field.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "one for one the types of `FieldType`")]
pub enum Value<'a> {
    Int32(i32),
    Int64(i64),
    UInt32(u32),
    UInt64(u64),
    Str(&'a str),
    Bytes(&'a [u8]),
    Bool(bool),
    StrArray(TextList<'a>),
    Int32Array(Vec<i32>),
    UInt64Array(Vec<u64>),
    SockAddr(SockAddrRef<'a>),
    /// Seconds.
    Timespec(f64),
    Pointer(u64),
    /// A message without a flat form.
    Message(Box<Owned>),
}

/// A socket address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockAddrRef<'a> {
    /// Family number: 0 none, 1 UNIX, 2 IPv4, 10 IPv6; others are kept.
    pub family: i32,
    /// IPv4 or IPv6 address text, or UNIX path.
    pub address: &'a str,
    /// Port, host order; 0 for UNIX.
    pub port: u32,
}

impl SockAddrRef<'_> {
    /// Whether it is an IPv4 or IPv6 address.
    #[must_use]
    pub fn is_inet(&self) -> bool {
        self.family == proto::SaFamilyT::AfInet as i32 || self.family == proto::SaFamilyT::AfInet6 as i32
    }

    /// Whether it is a UNIX address.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        self.family == proto::SaFamilyT::AfUnix as i32
    }
}

impl<'a> From<&'a proto::SockAddr> for SockAddrRef<'a> {
    fn from(addr: &'a proto::SockAddr) -> Self {
        let (address, port) = match addr.sa_family {
            1 => (&addr.sun_path, 0),
            10 => (&addr.sin6_addr, addr.sin6_port),
            _ => (&addr.sin_addr, addr.sin_port),
        };
        Self {
            family: addr.sa_family,
            address,
            port,
        }
    }
}

/// The message that `addr` stands for: the members of its family, all others empty.
pub(crate) fn sockaddr_message(addr: SockAddrRef<'_>) -> proto::SockAddr {
    let mut message = proto::SockAddr {
        sa_family: addr.family,
        ..Default::default()
    };
    let address = addr.address.to_owned();
    match addr.family {
        1 => message.sun_path = address,
        10 => (message.sin6_addr, message.sin6_port) = (address, addr.port),
        _ => (message.sin_addr, message.sin_port) = (address, addr.port),
    }
    message
}

/// A list of texts, borrowed. How they lie in memory makes no difference, not even to how they are shown.
#[derive(Clone)]
pub struct TextList<'a>(Texts<'a>);

#[derive(Clone)]
enum Texts<'a> {
    /// Some of a column.
    Plain(&'a StringArray, Range<usize>),
    /// Some of a column of numbers, and what they stand for.
    Numbered(&'a Int32Array, &'a StringArray, Range<usize>),
    /// In a message.
    Slice(&'a [String]),
}

impl<'a> From<&'a [String]> for TextList<'a> {
    fn from(texts: &'a [String]) -> Self {
        Self(Texts::Slice(texts))
    }
}

impl<'a> TextList<'a> {
    /// The list in row `row` of a column of lists, whether plain or dictionary-encoded.
    pub(super) fn of_row(column: &'a ArrayRef, row: usize) -> Option<Self> {
        let column = column.as_list_opt::<i32>()?;
        let ends = column.value_offsets();
        let at = usize::try_from(ends[row]).ok()?..usize::try_from(ends[row + 1]).ok()?;
        let items = column.values();
        Some(Self(match items.as_dictionary_opt::<Int32Type>() {
            Some(numbered) => Texts::Numbered(numbered.keys(), numbered.values().as_string_opt()?, at),
            None => Texts::Plain(items.as_string_opt()?, at),
        }))
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let Self(texts) = self.clone();
        (0..self.len()).map(move |place| texts.get(place).unwrap_or_default())
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Texts::Plain(_, at) | Texts::Numbered(.., at) => at.len(),
            Texts::Slice(slice) => slice.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Texts<'a> {
    /// The text at a place in the list; `None` if it is null.
    fn get(&self, place: usize) -> Option<&'a str> {
        let text = |texts: &'a StringArray, row| texts.is_valid(row).then(|| texts.value(row));
        match self {
            Self::Plain(texts, at) => text(texts, at.start + place),
            Self::Numbered(numbers, texts, at) => {
                let row = at.start + place;
                let number = numbers.is_valid(row).then(|| numbers.value(row))?;
                let number = usize::try_from(number)
                    .ok()
                    .filter(|number| *number < texts.len())?;
                text(texts, number)
            }
            Self::Slice(slice) => Some(&slice[place]),
        }
    }
}

impl fmt::Debug for TextList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Value<'a> {
    /// The value of a field of an event message; `None` where it has none.
    pub fn from_message(value: &'a proto::EventValue) -> Option<Self> {
        Some(match value.value.as_ref()? {
            Owned::Int32(value) => Self::Int32(*value),
            Owned::Int64(value) => Self::Int64(*value),
            Owned::UInt32(value) => Self::UInt32(*value),
            Owned::UInt64(value) => Self::UInt64(*value),
            Owned::Pointer(value) => Self::Pointer(*value),
            Owned::Str(value) => Self::Str(value),
            Owned::Bytes(value) => Self::Bytes(value),
            Owned::Bool(value) => Self::Bool(*value),
            Owned::StrArray(value) => Self::StrArray(value.value.as_slice().into()),
            Owned::Int32Array(value) => Self::Int32Array(value.value.clone()),
            Owned::UInt64Array(value) => Self::UInt64Array(value.value.clone()),
            Owned::Sockaddr(value) => Self::SockAddr(value.into()),
            Owned::Timespec(value) => Self::Timespec(value.value?),
            other => Self::Message(Box::new(other.clone())),
        })
    }

    /// The value as a message.
    #[must_use]
    pub fn to_message(&self) -> Owned {
        match self {
            Self::Int32(value) => Owned::Int32(*value),
            Self::Int64(value) => Owned::Int64(*value),
            Self::UInt32(value) => Owned::UInt32(*value),
            Self::UInt64(value) => Owned::UInt64(*value),
            Self::Pointer(value) => Owned::Pointer(*value),
            Self::Str(value) => Owned::Str((*value).to_owned()),
            Self::Bytes(value) => Owned::Bytes(value.to_vec()),
            Self::Bool(value) => Owned::Bool(*value),
            Self::StrArray(value) => Owned::StrArray(proto::StringArray {
                value: value.iter().map(str::to_owned).collect(),
            }),
            Self::Int32Array(value) => Owned::Int32Array(proto::Int32Array { value: value.clone() }),
            Self::UInt64Array(value) => Owned::UInt64Array(proto::UInt64Array { value: value.clone() }),
            Self::SockAddr(value) => Owned::Sockaddr(sockaddr_message(*value)),
            Self::Timespec(value) => Owned::Timespec(proto::Timespec { value: Some(*value) }),
            Self::Message(value) => (**value).clone(),
        }
    }

    /// The value as a whole number, whatever its width and sign.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        Some(match self {
            Self::Int32(value) => i128::from(*value),
            Self::Int64(value) => i128::from(*value),
            Self::UInt32(value) => i128::from(*value),
            Self::UInt64(value) | Self::Pointer(value) => i128::from(*value),
            _ => return None,
        })
    }
}

/// A type that field values can be read as. Whole numbers widen and narrow where nothing is lost; a lossy read is `None`.
pub trait FromValue<'a>: Sized {
    /// `value` as this type.
    fn from_value(value: Value<'a>) -> Option<Self>;
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl FromValue<'_> for $integer {
            fn from_value(value: Value<'_>) -> Option<Self> {
                value.as_integer()?.try_into().ok()
            }
        }
    )*};
}
integers!(i32, i64, u32, u64, i128);

macro_rules! exact {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl<'a> FromValue<'a> for $type {
            fn from_value(value: Value<'a>) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    )*};
}
exact! {
    &'a str => Str,
    &'a [u8] => Bytes,
    bool => Bool,
    f64 => Timespec,
    TextList<'a> => StrArray,
    Vec<i32> => Int32Array,
    Vec<u64> => UInt64Array,
    SockAddrRef<'a> => SockAddr,
}

impl FromValue<'_> for String {
    fn from_value(value: Value<'_>) -> Option<Self> {
        <&str>::from_value(value).map(str::to_owned)
    }
}

impl<'a> FromValue<'a> for Value<'a> {
    fn from_value(value: Value<'a>) -> Option<Self> {
        Some(value)
    }
}

/// The text in row `row` of a text column, whether plain or dictionary-encoded; `None` if it is null, or the column is of another type.
#[must_use]
pub fn text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let values = dictionary.values().as_string_opt::<i32>()?;
        let key = dictionary.key(row)?;
        return (key < values.len() && values.is_valid(key)).then(|| values.value(key));
    }
    array.as_string_opt::<i32>().map(|array| array.value(row))
}

/// The bytes in row `row` of a column of bytes, whether plain or dictionary-encoded.
pub(super) fn bytes(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    if array.is_null(row) {
        return None;
    }
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let values: &BinaryArray = dictionary.values().as_binary_opt()?;
        let key = dictionary.key(row)?;
        return (key < values.len() && values.is_valid(key)).then(|| values.value(key));
    }
    array.as_binary_opt::<i32>().map(|array| array.value(row))
}

pub(crate) fn int32_list(array: ArrayRef) -> Vec<i32> {
    array
        .as_primitive_opt::<Int32Type>()
        .map(list)
        .unwrap_or_default()
}

pub(crate) fn u64_list(array: ArrayRef) -> Vec<u64> {
    array
        .as_primitive_opt::<UInt64Type>()
        .map(list)
        .unwrap_or_default()
}

fn list<T: arrow::datatypes::ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> Vec<T::Native> {
    array.iter().map(Option::unwrap_or_default).collect()
}
