//! What a detector gets to know before its first event.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::DetectorConfig;

/// What a detector gets to know before its first event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectorParams {
    /// The user's settings for this detector.
    pub config: DetectorConfig,
    /// The stores that it may ask. There is no event yet as of which they could answer: that is what
    /// [`Context::stores`](super::Context::stores) is for.
    pub stores: AvailableStores,
    /// Where it can tell what it does. May be kept.
    pub logger: Logger,
}

/// The names of the stores that a recording has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvailableStores(BTreeSet<String>);

impl AvailableStores {
    /// Whether the recording has this store: a [`Store`](crate::stores::Store), or any by its name, such as `"process"`.
    #[must_use]
    pub fn is_available(&self, store: impl AsRef<str>) -> bool {
        self.0.contains(store.as_ref())
    }

    /// The names, sorted bytewise.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<S> for AvailableStores {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

/// A log of one detector: lines of the program's log that carry the detector's id. For people; nothing depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logger {
    detector: Arc<str>,
}

impl Logger {
    /// The log of the detector with this id.
    #[must_use]
    pub fn new(detector: &str) -> Self {
        Self {
            detector: detector.into(),
        }
    }

    /// For its author.
    pub fn debug(&self, text: impl fmt::Display) {
        tracing::debug!(target: "detector", detector = &*self.detector, "{text}");
    }

    /// For its users, when they ask.
    pub fn info(&self, text: impl fmt::Display) {
        tracing::info!(target: "detector", detector = &*self.detector, "{text}");
    }

    /// For its users.
    pub fn warn(&self, text: impl fmt::Display) {
        tracing::warn!(target: "detector", detector = &*self.detector, "{text}");
    }

    /// For its users, urgently.
    pub fn error(&self, text: impl fmt::Display) {
        tracing::error!(target: "detector", detector = &*self.detector, "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::Store;

    #[test]
    fn stores_are_known_by_name() {
        let stores: AvailableStores = [String::from(Store::Process), "threat_feed".to_owned()]
            .into_iter()
            .collect();
        assert!(stores.is_available("process") && stores.is_available(Store::Process));
        assert!(stores.is_available("threat_feed"));
        assert!(!stores.is_available(Store::Dns));
        assert_eq!(stores.names().collect::<Vec<_>>(), ["process", "threat_feed"]);
    }
}
