//! What a detector returns.

use crate::definition::{AutoPopulate, Threat};
use crate::proto;
use crate::proto::event_value::Value;

/// One detection, as its detector describes it. The engine adds who did it, when, and what
/// [`AutoPopulate`] asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Fields of the produced event, in order.
    pub data: Vec<proto::EventValue>,
    /// Replaces the definition's threat.
    pub threat: Option<Threat>,
    /// Replaces the definition's flags, all of them.
    pub auto_populate: Option<AutoPopulate>,
    /// Number of ancestors, whatever the flags say; 0 for none.
    pub ancestry_depth: Option<u32>,
}

impl Output {
    /// A detection without data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. Numbers, texts, bytes, booleans, lists and socket addresses convert by themselves; for all else
    /// pass a [`Value`], such as `Value::Pointer(address)`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.data.push(proto::EventValue {
            name: name.into(),
            value: Some(value.into()),
        });
        self
    }

    /// Replaces the threat of the definition for this detection.
    #[must_use]
    pub fn threat(mut self, threat: Threat) -> Self {
        self.threat = Some(threat);
        self
    }

    /// Replaces the flags of the definition for this detection.
    #[must_use]
    pub fn auto_populate(mut self, flags: AutoPopulate) -> Self {
        self.auto_populate = Some(flags);
        self
    }

    /// Asks for `depth` ancestors for this detection; 0 for none.
    #[must_use]
    pub fn ancestry_depth(mut self, depth: u32) -> Self {
        self.ancestry_depth = Some(depth);
        self
    }
}

/// What a detector returns for one event: any number of detections, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs(Vec<Output>);

impl Outputs {
    /// No detection.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Number of detections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The detections in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Output> {
        self.0.iter()
    }
}

impl From<Output> for Outputs {
    fn from(output: Output) -> Self {
        Self(vec![output])
    }
}

impl From<Option<Output>> for Outputs {
    fn from(output: Option<Output>) -> Self {
        Self(output.into_iter().collect())
    }
}

impl From<Vec<Output>> for Outputs {
    fn from(outputs: Vec<Output>) -> Self {
        Self(outputs)
    }
}

impl FromIterator<Output> for Outputs {
    fn from_iter<I: IntoIterator<Item = Output>>(outputs: I) -> Self {
        Self(outputs.into_iter().collect())
    }
}

impl IntoIterator for Outputs {
    type Item = Output;
    type IntoIter = std::vec::IntoIter<Output>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Outputs {
    type Item = &'a Output;
    type IntoIter = std::slice::Iter<'a, Output>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

macro_rules! value_from {
    ($($type:ty, $value:ident => $variant:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $variant
            }
        }
    )*};
}
value_from! {
    i32, value => Self::Int32(value);
    i64, value => Self::Int64(value);
    u32, value => Self::UInt32(value);
    u64, value => Self::UInt64(value);
    bool, value => Self::Bool(value);
    &str, value => Self::Str(value.to_owned());
    String, value => Self::Str(value);
    &[u8], value => Self::Bytes(value.to_vec());
    Vec<u8>, value => Self::Bytes(value);
    f64, value => Self::Timespec(proto::Timespec { value: Some(value) });
    Vec<String>, value => Self::StrArray(proto::StringArray { value });
    Vec<i32>, value => Self::Int32Array(proto::Int32Array { value });
    Vec<u64>, value => Self::UInt64Array(proto::UInt64Array { value });
    proto::SockAddr, value => Self::Sockaddr(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type() {
        let output = Output::new()
            .with("i32", 1_i32)
            .with("u64", 2_u64)
            .with("text", "three")
            .with("bytes", &[4_u8][..])
            .with("address", Value::Pointer(5));
        let values: Vec<_> = output.data.into_iter().filter_map(|field| field.value).collect();
        assert_eq!(
            values,
            [
                Value::Int32(1),
                Value::UInt64(2),
                Value::Str("three".to_owned()),
                Value::Bytes(vec![4]),
                Value::Pointer(5)
            ]
        );
    }
}
