//! What data sources are asked for.

use std::fmt;

use serde::Deserialize as _;
use serde_json::Value;

use super::time::rfc3339;

/// What a data source is asked for.
///
/// As JSON, a text is a text, and the others are objects, such as
/// `{"kind": "lineage", "entity_id": 7, "time_ns": 1700000000000000000, "max_depth": 5}`; `max_depth` belongs to lineages
/// alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The id of a container, a name, an address.
    Text(String),
    /// A process at some time.
    Process(TaskAt),
    /// A thread at some time.
    Thread(TaskAt),
    /// A process at some time, its parent when it started, and so on.
    Lineage {
        /// The process.
        process: TaskAt,
        /// Most ancestors that are told, beside the process itself. None, if it is not positive.
        max_depth: i64,
    },
}

/// A process or a thread at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskAt {
    /// Entity id.
    pub entity_id: u32,
    /// ns since the Unix epoch. A time after that of the event that the data source is asked for means the latter.
    pub time_ns: i64,
}

/// The types of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// [`Key::Text`].
    Text,
    /// [`Key::Process`].
    Process,
    /// [`Key::Thread`].
    Thread,
    /// [`Key::Lineage`].
    Lineage,
}

impl KeyType {
    /// Tracee's name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Process => "datasource.ProcKey",
            Self::Thread => "datasource.ThreadKey",
            Self::Lineage => "datasource.LineageKey",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Key {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A process at `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub const fn process(entity_id: u32, time_ns: i64) -> Self {
        Self::Process(TaskAt { entity_id, time_ns })
    }

    /// A thread at `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub const fn thread(entity_id: u32, time_ns: i64) -> Self {
        Self::Thread(TaskAt { entity_id, time_ns })
    }

    /// A process at `time_ns` (ns since the Unix epoch), and at most `max_depth` ancestors.
    #[must_use]
    pub const fn lineage(entity_id: u32, time_ns: i64, max_depth: i64) -> Self {
        Self::Lineage {
            process: TaskAt { entity_id, time_ns },
            max_depth,
        }
    }

    /// Its type.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Text(_) => KeyType::Text,
            Self::Process(_) => KeyType::Process,
            Self::Thread(_) => KeyType::Thread,
            Self::Lineage { .. } => KeyType::Lineage,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, moment) = match self {
            Self::Text(text) => return write!(f, "`{text}`"),
            Self::Process(moment) => ("process", moment),
            Self::Thread(moment) => ("thread", moment),
            Self::Lineage { process, .. } => ("lineage of process", process),
        };
        write!(f, "{what} {} at {}", moment.entity_id, rfc3339(moment.time_ns))
    }
}

/// JSON that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{key} is no key of a data source: {reason}; a key is a text, or an object of `kind` (`process`, `thread`, `lineage`), \
     `entity_id`, `time_ns` and, for a lineage, `max_depth`"
)]
pub struct KeyError {
    /// The JSON.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

/// Keys that are objects.
#[derive(serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Object {
    Process {
        entity_id: u32,
        time_ns: i64,
    },
    Thread {
        entity_id: u32,
        time_ns: i64,
    },
    Lineage {
        entity_id: u32,
        time_ns: i64,
        max_depth: i64,
    },
}

impl TryFrom<&Value> for Key {
    type Error = KeyError;

    fn try_from(json: &Value) -> Result<Self, KeyError> {
        if let Value::String(text) = json {
            return Ok(Self::text(text.as_str()));
        }
        let key = Object::deserialize(json).map_err(|error| KeyError {
            key: json.to_string(),
            reason: error.to_string(),
        })?;
        Ok(match key {
            Object::Process { entity_id, time_ns } => Self::process(entity_id, time_ns),
            Object::Thread { entity_id, time_ns } => Self::thread(entity_id, time_ns),
            Object::Lineage {
                entity_id,
                time_ns,
                max_depth,
            } => Self::lineage(entity_id, time_ns, max_depth),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_come_from_json() {
        for (json, key) in [
            (json!("example.com"), Key::text("example.com")),
            (
                json!({"kind": "process", "entity_id": 7, "time_ns": 5}),
                Key::process(7, 5),
            ),
            (
                json!({"kind": "thread", "entity_id": 4_294_967_295_u32, "time_ns": -1}),
                Key::thread(u32::MAX, -1),
            ),
            (
                json!({"kind": "lineage", "entity_id": 7, "time_ns": 5, "max_depth": -3}),
                Key::lineage(7, 5, -3),
            ),
        ] {
            assert_eq!(Key::try_from(&json), Ok(key), "{json}");
        }
    }

    #[test]
    fn what_is_no_key_says_why() {
        for (json, reason) in [
            (json!(7), "invalid type"),
            (json!(null), "invalid type"),
            (json!({"entity_id": 7, "time_ns": 5}), "missing field `kind`"),
            (
                json!({"kind": "file", "entity_id": 7, "time_ns": 5}),
                "unknown variant `file`",
            ),
            (
                json!({"kind": "process", "entity_id": 7}),
                "missing field `time_ns`",
            ),
            (
                json!({"kind": "process", "entity_id": -7, "time_ns": 5}),
                "invalid value",
            ),
            (
                json!({"kind": "process", "entity_id": 7, "time_ns": 5, "max_depth": 1}),
                "unknown field `max_depth`",
            ),
            (
                json!({"kind": "lineage", "entity_id": 7, "time_ns": 5}),
                "missing field `max_depth`",
            ),
        ] {
            let error = Key::try_from(&json).expect_err("no key");
            assert!(error.reason.contains(reason), "{json}: {error}");
            assert!(error.to_string().starts_with(&json.to_string()), "{error}");
        }
    }
}
