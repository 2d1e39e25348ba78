//! The tables of a capture and where their files lie.

use std::fmt;
use std::str::FromStr;

use detectors_api::columns::{OTHER, layout};
use detectors_stores::Stores;

use crate::Error;

/// A table: its name is the path of its directory.
///
/// Only names without path separators or leading dots can be made, so a table never lies outside of its capture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Events of one type.
    Events(&'static str),
    /// The process-context table.
    Process,
    /// Inputs of a store.
    Store(String),
    /// Keyframes of a store.
    Keyframe(String),
    /// What was lost.
    Loss,
    /// What was detected while recording.
    Detections,
    /// A table of a newer version of the format, or events of a type that this catalogue does not have.
    Unknown(String),
}

impl Table {
    /// The table of events of type `name`; of [`OTHER`] if the catalogue does not know it.
    #[must_use]
    pub fn events(name: &str) -> Self {
        Self::Events(layout(name).name())
    }

    /// The table of inputs of `store`.
    ///
    /// # Errors
    /// If the name is not made of letters, digits, `_` and `-`.
    pub fn store(store: &str) -> Result<Self, Error> {
        store_name(store).map(Self::Store)
    }

    /// The table of keyframes of `store`.
    ///
    /// # Errors
    /// If the name is not made of letters, digits, `_` and `-`.
    pub fn keyframe(store: &str) -> Result<Self, Error> {
        store_name(store).map(Self::Keyframe)
    }

    /// Path of the part of segment `segment`, from the capture's directory.
    #[must_use]
    pub fn part_path(&self, segment: u32) -> String {
        format!("{self}/part-{segment:06}.parquet")
    }
}

fn store_name(name: &str) -> Result<String, Error> {
    if is_name(name) {
        Ok(name.to_owned())
    } else {
        Err(Error::Name {
            what: "store",
            name: name.to_owned(),
        })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(name) => write!(f, "events/name={name}"),
            Self::Process => f.write_str("process"),
            Self::Store(store) => write!(f, "stores/{store}"),
            Self::Keyframe(store) => write!(f, "keyframes/{store}"),
            Self::Loss => f.write_str("loss"),
            Self::Detections => f.write_str("detections"),
            Self::Unknown(path) => f.write_str(path),
        }
    }
}

impl FromStr for Table {
    type Err = Error;

    fn from_str(path: &str) -> Result<Self, Error> {
        if let Some(name) = path.strip_prefix("events/name=") {
            let known = layout(name).name();
            if known == name {
                return Ok(Self::Events(known));
            }
            debug_assert_eq!(known, OTHER);
        }
        if let Some(store) = path.strip_prefix("stores/") {
            let table = Self::store(store)?;
            let known = Stores::INPUTS.contains(&store);
            return Ok(if known {
                table
            } else {
                Self::Unknown(path.to_owned())
            });
        }
        if let Some(store) = path.strip_prefix("keyframes/") {
            let table = Self::keyframe(store)?;
            let known = Stores::is_keyframe_name(store);
            return Ok(if known {
                table
            } else {
                Self::Unknown(path.to_owned())
            });
        }
        match path {
            "process" => Ok(Self::Process),
            "loss" => Ok(Self::Loss),
            "detections" => Ok(Self::Detections),
            _ if path
                .split('/')
                .all(|step| is_name(step.strip_prefix("name=").unwrap_or(step))) =>
            {
                Ok(Self::Unknown(path.to_owned()))
            }
            _ => Err(Error::Name {
                what: "table",
                name: path.to_owned(),
            }),
        }
    }
}

impl serde::Serialize for Table {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Table {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        path.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::catalogue::catalogue;

    use super::*;

    #[test]
    fn every_event_type_has_a_table_of_its_own() {
        for definition in catalogue().iter() {
            let table = Table::events(definition.name);
            assert_eq!(table.to_string(), format!("events/name={}", definition.name));
            assert_eq!(table.to_string().parse::<Table>().unwrap(), table);
            assert!(is_name(definition.name), "{}", definition.name);
        }
        assert_eq!(Table::events("nobody/../knows").to_string(), "events/name=_other");
    }

    #[test]
    fn names_cannot_leave_the_capture() {
        for path in [
            "",
            "..",
            "../x",
            "/etc",
            "events/name=../x",
            "stores/..",
            "stores/a/b",
            "keyframes/..",
            "a//b",
            "./a",
            "a\0",
        ] {
            assert!(path.parse::<Table>().is_err(), "{path:?}");
        }
        assert_eq!(
            "events/name=of_a_newer_version".parse::<Table>().unwrap(),
            Table::Unknown("events/name=of_a_newer_version".to_owned())
        );
        assert_eq!(
            "stores/process".parse::<Table>().unwrap(),
            Table::Store("process".to_owned())
        );
        assert_eq!(
            "stores/of_a_newer_version".parse::<Table>().unwrap(),
            Table::Unknown("stores/of_a_newer_version".to_owned())
        );
    }
}
