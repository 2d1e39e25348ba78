//! Why an event did not pass, in words.

use std::fmt;

use detectors_api::event::Value;

use super::test::hex;

/// What kept an event from passing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The filters on one field, or one scope, as written. Together they do not hold.
    pub filters: Vec<String>,
    /// The field or the scope.
    pub tested: String,
    /// What the event has there; `None` if nothing.
    pub found: Option<String>,
}

impl fmt::Display for Rejection {
    /// `pathname=/etc/shadow`, `pathname=/etc/sudoers`: pathname is "/etc/passwd"
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: ", self.filters.join("`, `"))?;
        match &self.found {
            Some(found) => write!(f, "{} is {found}", self.tested),
            None => write!(f, "the event has no {}", self.tested),
        }
    }
}

/// A value for people, as a filter would be about it.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) => format!("{text:?}"),
        Value::Bytes(bytes) => hex(bytes),
        Value::StrArray(list) => format!("{:?}", list.iter().collect::<Vec<_>>()),
        Value::Int32Array(list) => format!("{list:?}"),
        Value::UInt64Array(list) => format!("{list:?}"),
        Value::Bool(flag) => flag.to_string(),
        Value::Timespec(seconds) => seconds.to_string(),
        Value::SockAddr(address) => format!("{} port {}", address.address, address.port),
        Value::Message(message) => format!("{message:?}"),
        Value::Int32(_) | Value::Int64(_) | Value::UInt32(_) | Value::UInt64(_) | Value::Pointer(_) => value
            .as_integer()
            .map_or_else(String::new, |number| number.to_string()),
    }
}
