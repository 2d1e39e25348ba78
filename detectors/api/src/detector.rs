//! What a detector is, and how it makes itself known.
//!
//! ```
//! use detectors_api::prelude::*;
//!
//! /// Someone opened a file that decides who may become root.
//! struct SensitiveFileAccess;
//!
//! impl EventDetector for SensitiveFileAccess {
//!     fn definition(&self) -> DetectorDefinition {
//!         DetectorDefinition::new("ACME-001", "sensitive_file_access")
//!             .describe("A file that decides who may become root was opened")
//!             .field("file", FieldType::String)
//!             .on(EventRequirement::new("security_file_open")
//!                 .data("pathname=/etc/shadow")
//!                 .data("pathname=/etc/sudoers")
//!                 .scope("container=started"))
//!             .store(StoreRequirement::optional(Store::Container))
//!             .threat(Threat::medium("Sensitive file access").technique("T1003", "OS Credential Dumping"))
//!             .auto_populate(AutoPopulate::ALL)
//!     }
//!
//!     fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
//!         Ok(event.get::<&str>("pathname").map(|path| Output::new().with("file", path)).into())
//!     }
//! }
//!
//! register!(SensitiveFileAccess);
//!
//! let ids: Vec<_> = registered().iter().map(|detector| detector.definition().id).collect();
//! assert_eq!(ids, ["ACME-001"]);
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use crate::definition::DetectorDefinition;
use crate::event::Event;
use crate::output::Outputs;
use crate::stores::{ContainerStore, DnsStore, ProcessStore, Store, StoreError, Stores};

/// A detector: turns events into detections, one at a time.
///
/// `on_event` sees nothing but the event and the stores as of that event, and cannot change the detector: the engine calls
/// it for many events at once, from many threads.
pub trait EventDetector: Send + Sync {
    /// Who it is and what it needs. Pure; may be called several times.
    fn definition(&self) -> DetectorDefinition;

    /// Called once, before the first event.
    ///
    /// # Errors
    /// The detector is refused, with the error as the reason.
    fn init(&mut self, _params: &DetectorParams) -> Result<()> {
        Ok(())
    }

    /// Called for every event that passes the filters of a requirement.
    ///
    /// # Errors
    /// Counted and reported with the event; other detectors and other events go on.
    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs>;

    /// Called once, after the last event.
    ///
    /// # Errors
    /// Reported.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What detectors return.
pub type Result<T, E = DetectorError> = std::result::Result<T, E>;

/// Why a detector failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetectorError {
    /// In its own words.
    #[error("{0}")]
    Failed(String),
    /// A store had no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<&str> for DetectorError {
    fn from(text: &str) -> Self {
        Self::Failed(text.to_owned())
    }
}

impl From<String> for DetectorError {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

/// What a detector can ask while it looks at an event.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    stores: &'a dyn Stores,
}

impl<'a> Context<'a> {
    /// A context whose stores are `stores`.
    #[must_use]
    pub const fn new(stores: &'a dyn Stores) -> Self {
        Self { stores }
    }

    /// The stores as of the event.
    #[must_use]
    pub const fn stores(&self) -> &'a dyn Stores {
        self.stores
    }

    /// The process store as of the event.
    #[must_use]
    pub fn processes(&self) -> &'a dyn ProcessStore {
        self.stores.processes()
    }

    /// The container store as of the event.
    #[must_use]
    pub fn containers(&self) -> &'a dyn ContainerStore {
        self.stores.containers()
    }

    /// The DNS store as of the event.
    #[must_use]
    pub fn dns(&self) -> &'a dyn DnsStore {
        self.stores.dns()
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// What a detector gets to know before its first event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DetectorParams {
    /// The user's settings for this detector.
    pub config: DetectorConfig,
    /// The stores that it may ask.
    pub stores: Vec<Store>,
}

/// The user's settings for one detector: names and JSON values. A setting that is missing, or that cannot be read as what
/// is asked for, gives the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DetectorConfig(BTreeMap<String, Value>);

impl DetectorConfig {
    /// Whether there is a setting called `key`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A whole number: a number, its fraction cut off, or a text that is a decimal number.
    #[must_use]
    pub fn get_int(&self, key: &str, default: i64) -> i64 {
        let read = match self.0.get(key) {
            // A cast of floats saturates, which is what is wanted of absurd settings.
            Some(Value::Number(number)) => number
                .as_i64()
                .or_else(|| number.as_f64().map(|float| float as i64)),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        read.unwrap_or(default)
    }

    /// A number, or a text that is one.
    #[must_use]
    pub fn get_float(&self, key: &str, default: f64) -> f64 {
        let read = match self.0.get(key) {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        read.unwrap_or(default)
    }

    /// A truth value, the texts `true`/`True`/`TRUE`/`false`/`False`/`FALSE`, or a number other than 0.
    #[must_use]
    pub fn get_bool(&self, key: &str, default: bool) -> bool {
        let read = match self.0.get(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            Some(Value::Number(number)) => number.as_f64().map(|number| number != 0.0),
            Some(Value::String(text)) => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        };
        read.unwrap_or(default)
    }

    /// A text; numbers and truth values are written out.
    #[must_use]
    pub fn get_string(&self, key: &str, default: &str) -> String {
        match self.0.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => default.to_owned(),
        }
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for DetectorConfig {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(settings: I) -> Self {
        Self(
            settings
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

/// A detector that is part of the program. Made by [`register!`](crate::register).
#[derive(Debug)]
pub struct Registration {
    /// Makes the detector.
    pub new: fn() -> Box<dyn EventDetector>,
}

inventory::collect!(Registration);

/// Makes a detector part of every program that links its crate: `register!(MyDetector)`, or any expression that makes one.
#[macro_export]
macro_rules! register {
    ($detector:expr) => {
        $crate::inventory::submit! {
            $crate::detector::Registration { new: || ::std::boxed::Box::new($detector) }
        }
    };
}

/// A new instance of every detector that is part of the program, by id.
#[must_use]
pub fn registered() -> Vec<Box<dyn EventDetector>> {
    let mut detectors: Vec<_> = inventory::iter::<Registration>
        .into_iter()
        .map(|registration| {
            let detector = (registration.new)();
            let definition = detector.definition();
            ((definition.id, definition.event.name), detector)
        })
        .collect();
    // Link order is nobody's business.
    detectors.sort_by(|(a, _), (b, _)| a.cmp(b));
    detectors.into_iter().map(|(_, detector)| detector).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_leniently() {
        let config: DetectorConfig = [
            ("number", Value::from(7)),
            ("fraction", Value::from(7.9)),
            ("text", Value::from("8")),
            ("flag", Value::from("TRUE")),
            ("list", Value::from(vec![1])),
        ]
        .into_iter()
        .collect();
        assert_eq!(config.get_int("number", 0), 7);
        assert_eq!(config.get_int("fraction", 0), 7);
        assert_eq!(config.get_int("text", 0), 8);
        assert_eq!(config.get_int("flag", -1), -1);
        assert!(config.get_bool("flag", false));
        assert!(config.get_bool("number", false));
        assert!((config.get_float("text", 0.0) - 8.0).abs() < f64::EPSILON);
        assert_eq!(config.get_string("number", ""), "7");
        assert_eq!(config.get_string("list", "none"), "none");
        assert!(config.has("list") && !config.has("missing"));
    }
}
