//! What is needed to make an engine.

use std::collections::BTreeMap;

use detectors_api::catalogue::{TRACEE_VERSION, Version};
use detectors_api::detector::{AvailableStores, Detector, DetectorConfig};
use detectors_api::stores::Store;

use super::Registry;
use super::offer::enrichment;
use crate::engine::Engine;
use crate::problem::{Problem, Reason, Refusal, Warning};
use crate::slot::definition;

/// Collects detectors and what the recording offers, and makes an [`Engine`].
///
/// Without further word the recording has the process store, no enrichments, and an unknown architecture that suits every
/// detector.
#[derive(Default)]
pub struct EngineBuilder {
    pub(super) detectors: Vec<Box<dyn Detector>>,
    pub(super) enrichments: BTreeMap<&'static str, Option<String>>,
    pub(super) stores: Option<AvailableStores>,
    pub(super) architecture: Option<String>,
    recorder: Option<String>,
    pub(super) configs: BTreeMap<String, DetectorConfig>,
    pub(super) disabled: BTreeMap<String, String>,
}

impl std::fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("detectors", &self.detectors.len())
            .field("enrichments", &self.enrichments)
            .field("stores", &self.stores)
            .field("architecture", &self.architecture)
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}

/// The outcome of registration.
#[derive(Debug)]
pub struct Registered {
    /// Runs the detectors that are in order.
    pub engine: Engine,
    /// Why the others do not run: first those that could not say who they are, then by detector, in the order of registration.
    pub refusals: Vec<Refusal>,
    /// What detectors that run have to do without.
    pub warnings: Vec<Warning>,
}

impl EngineBuilder {
    /// No detectors yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a detector.
    #[must_use]
    pub fn detector(mut self, detector: impl Detector + 'static) -> Self {
        self.detectors.push(Box::new(detector));
        self
    }

    /// Adds detectors. Where two claim the same id or event name, the one added first keeps it.
    #[must_use]
    pub fn detectors(mut self, detectors: impl IntoIterator<Item = Box<dyn Detector>>) -> Self {
        self.detectors.extend(detectors);
        self
    }

    /// Says what was added to the events while they were recorded: `environment`, `executable-hash=MODE`, `container`.
    /// Names that no detector can ask for have no effect.
    #[must_use]
    pub fn enrichments<I: IntoIterator<Item = impl AsRef<str>>>(mut self, names: I) -> Self {
        for name in names {
            let (name, mode) = match name.as_ref().split_once('=') {
                Some((name, mode)) => (name, Some(mode.to_owned())),
                None => (name.as_ref(), None),
            };
            if let Some(name) = enrichment(name) {
                self.enrichments.insert(name, mode);
            }
        }
        self
    }

    /// Says which stores the recording has: [`Store`]s, or any by name.
    #[must_use]
    pub fn stores(mut self, stores: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stores = Some(stores.into_iter().collect());
        self
    }

    /// Says where the events were recorded: `x86_64` or `amd64`, `aarch64` or `arm64`.
    #[must_use]
    pub fn architecture(mut self, name: impl Into<String>) -> Self {
        self.architecture = Some(name.into());
        self
    }

    /// Says what recorded the events, by name and version, as [`SystemInfo`](detectors_api::stores::SystemInfo) has it. If that is
    /// Tracee (`tracee v0.24.1`), detectors must suit its version; otherwise, [`TRACEE_VERSION`]. A version that cannot be read
    /// suits every detector.
    #[must_use]
    pub fn recorder(mut self, name_and_version: impl Into<String>) -> Self {
        self.recorder = Some(name_and_version.into());
        self
    }

    /// Sets the user's settings for the detector with this id.
    #[must_use]
    pub fn config(mut self, detector: impl Into<String>, config: DetectorConfig) -> Self {
        self.configs.insert(detector.into(), config);
        self
    }

    /// Says that a detector that the user has disabled would produce `event`: whoever needs it is refused with that as the reason.
    #[must_use]
    pub fn disabled(mut self, event: impl Into<String>, detector: impl Into<String>) -> Self {
        self.disabled.insert(event.into(), detector.into());
        self
    }

    /// Checks all detectors and starts those that are in order.
    #[must_use]
    pub fn build(mut self) -> Registered {
        let (mut detectors, mut definitions, mut anonymous) = (Vec::new(), Vec::new(), Vec::new());
        for (number, detector) in (1..).zip(std::mem::take(&mut self.detectors)) {
            match definition(detector.as_ref()) {
                Ok(definition) => {
                    detectors.push(detector);
                    definitions.push(definition);
                }
                Err(message) => anonymous.push(Problem {
                    detector: format!("number {number}"),
                    field: "definition".to_owned(),
                    reason: Reason::Definition { message },
                    hint: None,
                }),
            }
        }
        let mut registry = Registry::new(&self, definitions);
        registry.check_identities();
        registry.check_requirements();
        registry.check_inputs();
        registry.check_chains();
        registry.into_registered(detectors, anonymous)
    }

    pub(super) fn available_stores(&self) -> AvailableStores {
        let known = || [Store::Process].into_iter().collect();
        self.stores.clone().unwrap_or_else(known)
    }

    /// The version of Tracee that detectors must suit; any, if `None`.
    pub(super) fn tracee_version(&self) -> Option<Version> {
        let recorder = self.recorder.as_deref().unwrap_or_default();
        match recorder.split_once(' ') {
            Some((name, version)) if name.eq_ignore_ascii_case("tracee") => read_version(version),
            _ => Some(TRACEE_VERSION),
        }
    }
}

/// Reads a version of Tracee: `v0.24.1`, with or without the letter, and with anything after a hyphen.
fn read_version(text: &str) -> Option<Version> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers = text.split('-').next().unwrap_or_default();
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Version::new(next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_tracee_are_read_leniently() {
        let of = |recorder: &str| EngineBuilder::new().recorder(recorder).tracee_version();
        assert_eq!(of("tracee v0.24.1"), Some(Version::new(0, 24, 1)));
        assert_eq!(of("Tracee 0.24.1-rc.1"), Some(Version::new(0, 24, 1)));
        assert_eq!(of("tracee v1.2.3.4"), Some(Version::new(1, 2, 3)));
        for unreadable in ["tracee v0.24", "tracee 7c9ec97", "tracee vv1.2.3", "tracee "] {
            assert_eq!(of(unreadable), None, "{unreadable}");
        }
        assert_eq!(of("tracee-cap 9.9.9"), Some(TRACEE_VERSION));
        assert_eq!(EngineBuilder::new().tracee_version(), Some(TRACEE_VERSION));
    }
}
