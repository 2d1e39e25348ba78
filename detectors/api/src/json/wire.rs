//! JSON forms of single members, for `#[serde(deserialize_with)]` on the generated messages.
//!
//! Readers are wider than any one writer: a number may be quoted, an enum may be a name or a number, what is empty may be
//! null, a timestamp may be missing in the way Tracee writes it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::proto::{Capability, HttpHeader, PacketDirection, SaFamilyT, Severity};

/// Null is empty.
pub(crate) fn or_empty<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An integer, bare or quoted.
pub(crate) fn integer<'de, T: Integer, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Quoted::deserialize(deserializer)?.0)
}

/// A list of integers, bare or quoted.
pub(crate) fn integers<'de, T: Integer, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list: Option<Vec<Quoted<T>>> = Option::deserialize(deserializer)?;
    Ok(list
        .unwrap_or_default()
        .into_iter()
        .map(|quoted| quoted.0)
        .collect())
}

/// An integer type that JSON text may quote.
pub(crate) trait Integer: Sized + TryFrom<i128> + std::str::FromStr {
    /// Name for errors.
    const NAME: &'static str;
}

impl Integer for u32 {
    const NAME: &'static str = "an integer from 0 to 4294967295, bare or quoted";
}

impl Integer for i64 {
    const NAME: &'static str = "a signed 64-bit integer, bare or quoted";
}

impl Integer for u64 {
    const NAME: &'static str = "an unsigned 64-bit integer, bare or quoted";
}

/// An integer, bare or quoted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quoted<T>(pub(crate) T);

impl<'de, T: Integer> Deserialize<'de> for Quoted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuotedVisitor<T>(PhantomData<T>);

        impl<T: Integer> Visitor<'_> for QuotedVisitor<T> {
            type Value = Quoted<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::NAME)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                T::try_from(number.into())
                    .map(Quoted)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                T::try_from(number.into())
                    .map(Quoted)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse()
                    .map(Quoted)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(QuotedVisitor(PhantomData))
    }
}

/// An enum of the interface, by name.
pub(crate) trait Named {
    /// Number of the value called `name`.
    fn number(name: &str) -> Option<i32>;
}

macro_rules! named {
    ($($name:ty),*) => {
        $(impl Named for $name {
            fn number(name: &str) -> Option<i32> {
                Self::from_str_name(name).map(|value| value as i32)
            }
        })*
    };
}

named!(Capability, PacketDirection, SaFamilyT, Severity);

/// A value of enum `T`: a name, or the number of a value that may have no name, bare or quoted.
#[derive(Clone, Copy, Debug)]
struct Enumeration<T>(i32, PhantomData<T>);

impl<'de, T: Named> Deserialize<'de> for Enumeration<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnumerationVisitor<T>(PhantomData<T>);

        impl<T: Named> Visitor<'_> for EnumerationVisitor<T> {
            type Value = Enumeration<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name or the number of an enum value")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                i32::try_from(number)
                    .map(|number| Enumeration(number, PhantomData))
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                i32::try_from(number)
                    .map(|number| Enumeration(number, PhantomData))
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::number(text)
                    .or_else(|| text.parse().ok())
                    .map(|number| Enumeration(number, PhantomData))
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(EnumerationVisitor(PhantomData))
    }
}

/// An enum value: a name, or the number of a value that may have no name.
pub(crate) fn enumeration<'de, T: Named, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    Enumeration::<T>::deserialize(deserializer).map(|value| value.0)
}

/// Capabilities: a list of numbers or names, or a mask.
pub(crate) fn capabilities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i32>, D::Error> {
    struct CapabilitiesVisitor;

    impl<'de> Visitor<'de> for CapabilitiesVisitor {
        type Value = Vec<i32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of capabilities or a capability mask")
        }

        fn visit_u64<E: de::Error>(self, mask: u64) -> Result<Self::Value, E> {
            Ok((0..64).filter(|bit| mask & (1 << bit) != 0).collect())
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut capabilities = Vec::new();
            while let Some(Enumeration::<Capability>(capability, _)) = list.next_element()? {
                capabilities.push(capability);
            }
            Ok(capabilities)
        }
    }

    deserializer.deserialize_any(CapabilitiesVisitor)
}

/// HTTP headers: from a name to `{"header": […]}` or to the list itself.
pub(crate) fn headers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, HttpHeader>, D::Error> {
    struct Header(HttpHeader);

    impl<'de> Deserialize<'de> for Header {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct HeaderVisitor;

            impl<'de> Visitor<'de> for HeaderVisitor {
                type Value = Header;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("the values of an HTTP header")
                }

                fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                    Ok(Header(HttpHeader::default()))
                }

                fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                    let header = Vec::deserialize(de::value::SeqAccessDeserializer::new(list))?;
                    Ok(Header(HttpHeader { header }))
                }

                fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                    HttpHeader::deserialize(de::value::MapAccessDeserializer::new(map)).map(Header)
                }
            }

            deserializer.deserialize_any(HeaderVisitor)
        }
    }

    let headers: Option<BTreeMap<String, Header>> = Option::deserialize(deserializer)?;
    Ok(headers
        .unwrap_or_default()
        .into_iter()
        .map(|(name, header)| (name, header.0))
        .collect())
}

/// A number of seconds; what is no number is quoted.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    struct SecondsVisitor;

    impl<'de> Visitor<'de> for SecondsVisitor {
        type Value = Option<f64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of seconds")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }

        fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
            Ok(Some(seconds))
        }

        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
            exact(seconds).map(Some)
        }

        fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
            exact(seconds).map(Some)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            match text {
                "NaN" => Ok(Some(f64::NAN)),
                "Infinity" => Ok(Some(f64::INFINITY)),
                "-Infinity" => Ok(Some(f64::NEG_INFINITY)),
                _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }
    }

    deserializer.deserialize_any(SecondsVisitor)
}

/// An integer as a double, if it is one exactly.
pub(crate) fn exact<E: de::Error>(number: impl Into<i128>) -> Result<f64, E> {
    let number = number.into();
    let double = number as f64;
    if double as i128 == number {
        Ok(double)
    } else {
        Err(E::custom(format_args!("integer {number} is no exact double")))
    }
}

/// An RFC 3339 timestamp. `null` and the text `null` (which is how Tracee writes it) are none.
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<prost_types::Timestamp>, D::Error> {
    struct TimestampVisitor;

    impl Visitor<'_> for TimestampVisitor {
        type Value = Option<prost_types::Timestamp>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an RFC 3339 timestamp")
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            if text == "null" {
                return Ok(None);
            }
            let timestamp: Timestamp = text
                .parse()
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
            let ns = timestamp.as_nanosecond();
            Ok(Some(prost_types::Timestamp {
                // Years -9999 to 9999 fit.
                seconds: ns.div_euclid(1_000_000_000) as i64,
                nanos: ns.rem_euclid(1_000_000_000) as i32,
            }))
        }
    }

    deserializer.deserialize_any(TimestampVisitor)
}
