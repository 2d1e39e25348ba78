//! What a line is, by its top-level keys.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Encoding, LineError};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    Event(Encoding),
    Log,
}

/// Looks at no more of the line than it takes.
pub(super) fn recognise(line: &str) -> Result<Recognised, LineError> {
    let mut keys = Keys::default();
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let read = (&mut keys).deserialize(&mut deserializer);
    match (keys.encoding(), read) {
        (Some(encoding), _) => Ok(Recognised::Event(encoding)),
        (None, Err(error)) => Err(LineError::not_json(line, &error)),
        (None, Ok(())) if keys.level && keys.message => Ok(Recognised::Log),
        (None, Ok(())) => Err(keys.not_an_event()),
    }
}

/// Keys that were seen.
#[derive(Default)]
struct Keys {
    timestamp: bool,
    id: bool,
    name: bool,
    event_name: bool,
    level: bool,
    message: bool,
    /// A key that only the legacy encoding has.
    legacy: bool,
    all: Vec<String>,
}

/// Keys that an error repeats.
const SHOWN: usize = 8;

impl Keys {
    fn note(&mut self, key: &str) {
        match key {
            "timestamp" => self.timestamp = true,
            "id" => self.id = true,
            "name" => self.name = true,
            "eventName" => self.event_name = true,
            "level" | "L" => self.level = true,
            "msg" | "message" | "M" => self.message = true,
            "eventId" | "argsNum" | "hostProcessId" | "processorId" => self.legacy = true,
            _ => {}
        }
        if self.all.len() <= SHOWN {
            self.all.push(key.chars().take(40).collect());
        }
    }

    fn encoding(&self) -> Option<Encoding> {
        if self.event_name {
            Some(Encoding::Legacy)
        } else if self.timestamp && self.id && self.name {
            Some(Encoding::V1beta1)
        } else {
            None
        }
    }

    fn not_an_event(&self) -> LineError {
        let missing = if self.legacy {
            "it looks like the legacy encoding but has no `eventName`".to_owned()
        } else {
            let missing: Vec<_> = [
                ("timestamp", self.timestamp),
                ("id", self.id),
                ("name", self.name),
            ]
            .into_iter()
            .filter(|(_, there)| !there)
            .map(|(key, _)| format!("`{key}`"))
            .collect();
            format!(
                "it has no {} (v1beta1 encoding) and no `eventName` (legacy encoding)",
                missing.join(", no ")
            )
        };
        let mut keys = self.all[..self.all.len().min(SHOWN)].join(", ");
        if self.all.len() > SHOWN {
            keys.push_str(", …");
        }
        LineError::NotAnEvent { missing, keys }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Keys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Keys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            self.note(&key);
            if self.encoding().is_some() {
                // The rest is not looked at.
                return Err(A::Error::custom("recognised"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
