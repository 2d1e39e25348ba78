//! What a detector says about itself: its identity, what it needs, and the event it produces.
//!
//! A definition is plain data. Nothing is checked while it is built; the engine checks all of it at registration and
//! reports every problem at once.

mod threat;

use std::ops::{BitOr, BitOrAssign};

pub use threat::Threat;

use crate::catalogue::{FieldType, Version};

/// A detector's identity, requirements and product.
///
/// ```
/// use detectors_api::prelude::*;
///
/// let definition = DetectorDefinition::new("ACME-001", "sensitive_file_access")
///     .describe("A file that decides who may become root was opened")
///     .field("file", FieldType::String)
///     .on(EventRequirement::new("security_file_open").data("pathname=/etc/shadow"))
///     .threat(Threat::medium("Sensitive file access").technique("T1003", "OS Credential Dumping"))
///     .auto_populate(AutoPopulate::ALL);
/// assert_eq!(definition.event.name, "sensitive_file_access");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorDefinition {
    /// Unique id, such as `TRC-105`. `TRC-` (threats), `DRV-` (derived events) and `VENDOR-` are conventions.
    pub id: String,
    /// The event that it produces.
    pub event: ProducedEvent,
    /// The events that it consumes.
    pub events: Vec<EventRequirement>,
    /// The stores that it asks.
    pub stores: Vec<StoreRequirement>,
    /// What must have been added to its input events.
    pub enrichments: Vec<EnrichmentRequirement>,
    /// Processor architectures that it works for; empty for all.
    pub architectures: Vec<String>,
    /// Lowest version of Tracee's detector API that it works with, inclusive.
    pub min_tracee_version: Option<Version>,
    /// Highest version of Tracee's detector API that it works with, exclusive.
    pub max_tracee_version: Option<Version>,
    /// Threat of its detections; a template that an output may replace.
    pub threat: Option<Threat>,
    /// What the engine adds to its detections, unless an output says otherwise.
    pub auto_populate: AutoPopulate,
}

impl DetectorDefinition {
    /// A definition that produces event `event`, needs nothing and adds nothing yet.
    #[must_use]
    pub fn new(id: impl Into<String>, event: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            event: ProducedEvent {
                name: event.into(),
                id: None,
                description: String::new(),
                version: Version::new(1, 0, 0),
                fields: Vec::new(),
                tags: Vec::new(),
            },
            events: Vec::new(),
            stores: Vec::new(),
            enrichments: Vec::new(),
            architectures: Vec::new(),
            min_tracee_version: None,
            max_tracee_version: None,
            threat: None,
            auto_populate: AutoPopulate::NONE,
        }
    }

    /// Describes the produced event, for people.
    #[must_use]
    pub fn describe(mut self, text: impl Into<String>) -> Self {
        self.event.description = text.into();
        self
    }

    /// Sets the version of the produced event; 1.0.0 if never set.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.event.version = version;
        self
    }

    /// Sets the numeric id of the produced event; see [`ProducedEvent::id`].
    #[must_use]
    pub fn event_id(mut self, id: i32) -> Self {
        self.event.id = Some(id);
        self
    }

    /// Declares a field of the produced event. Consumers can filter on declared fields only.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, field_type: FieldType) -> Self {
        self.event.fields.push(ProducedField {
            name: name.into(),
            field_type,
        });
        self
    }

    /// Adds a tag of the produced event, for selection.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.event.tags.push(tag.into());
        self
    }

    /// Subscribes to an event. Several requirements may name the same event: it is delivered once if any of them lets it
    /// pass.
    #[must_use]
    pub fn on(mut self, event: EventRequirement) -> Self {
        self.events.push(event);
        self
    }

    /// Asks for a store.
    #[must_use]
    pub fn store(mut self, store: StoreRequirement) -> Self {
        self.stores.push(store);
        self
    }

    /// Asks for an enrichment of the input events.
    #[must_use]
    pub fn enrichment(mut self, enrichment: EnrichmentRequirement) -> Self {
        self.enrichments.push(enrichment);
        self
    }

    /// Limits the detector to these architectures (`x86_64` or `amd64`, `aarch64` or `arm64`).
    #[must_use]
    pub fn architectures<I: IntoIterator<Item = impl Into<String>>>(mut self, names: I) -> Self {
        self.architectures.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the lowest version of Tracee, inclusive; see
    /// [`TRACEE_VERSION`](crate::catalogue::TRACEE_VERSION).
    #[must_use]
    pub fn min_tracee_version(mut self, version: Version) -> Self {
        self.min_tracee_version = Some(version);
        self
    }

    /// Sets the highest version of Tracee, exclusive.
    #[must_use]
    pub fn max_tracee_version(mut self, version: Version) -> Self {
        self.max_tracee_version = Some(version);
        self
    }

    /// Sets the threat template.
    #[must_use]
    pub fn threat(mut self, threat: Threat) -> Self {
        self.threat = Some(threat);
        self
    }

    /// Sets what the engine adds to every detection.
    #[must_use]
    pub fn auto_populate(mut self, flags: AutoPopulate) -> Self {
        self.auto_populate = flags;
        self
    }
}

/// The event that a detector produces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedEvent {
    /// Unique name in `snake_case`; no event of the catalogue may have it.
    pub name: String,
    /// Numeric id of the event. The name is the identity of an event type; the number is for consumers that insist on one.
    /// Without a declared one it follows from the name alone (see [`number`](Self::number)).
    pub id: Option<i32>,
    /// Text for people.
    pub description: String,
    /// Version of the event's fields.
    pub version: Version,
    /// What the outputs carry.
    pub fields: Vec<ProducedField>,
    /// Tags for selection.
    pub tags: Vec<String>,
}

impl ProducedEvent {
    /// The numeric id: the declared one, or else 2³⁰ plus the lower 30 bits of the FNV-1a hash of the name, which stays
    /// the same whatever other detectors are loaded.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.id.unwrap_or_else(|| {
            let hash = self.name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            (1 << 30) | (hash & 0x3fff_ffff).cast_signed()
        })
    }

    /// The declared field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&ProducedField> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A field of a produced event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedField {
    /// Field name.
    pub name: String,
    /// Its type.
    pub field_type: FieldType,
}

/// Whether a detector can do without something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dependency {
    /// Without it the detector is refused.
    #[default]
    Required,
    /// Without it the detector runs, and the user sees a warning.
    Optional,
}

/// An event that a detector consumes, and which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRequirement {
    /// Name of an event of the catalogue, or of the event of another detector.
    pub name: String,
    /// Data filters: same field, `=` values OR, all else AND.
    pub data: Vec<String>,
    /// Scope filters: who did it, and where. All AND.
    pub scope: Vec<String>,
    /// Lowest version of the event, inclusive.
    pub min_version: Option<Version>,
    /// Highest version of the event, exclusive.
    pub max_version: Option<Version>,
    /// Whether the detector can do without it.
    pub dependency: Dependency,
}

impl EventRequirement {
    /// Every event called `name`; required.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data: Vec::new(),
            scope: Vec::new(),
            min_version: None,
            max_version: None,
            dependency: Dependency::Required,
        }
    }

    /// Adds a filter on the event's data, such as `pathname=/etc/*`, `flags>0` or `flags=0x80000`.
    #[must_use]
    pub fn data(mut self, filter: impl Into<String>) -> Self {
        self.data.push(filter.into());
        self
    }

    /// Adds a filter on where the event comes from, such as `container=started` or `pid!=1`.
    #[must_use]
    pub fn scope(mut self, filter: impl Into<String>) -> Self {
        self.scope.push(filter.into());
        self
    }

    /// The detector can do without this event.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dependency = Dependency::Optional;
        self
    }

    /// Sets the lowest version, inclusive.
    #[must_use]
    pub fn min_version(mut self, version: Version) -> Self {
        self.min_version = Some(version);
        self
    }

    /// Sets the highest version, exclusive.
    #[must_use]
    pub fn max_version(mut self, version: Version) -> Self {
        self.max_version = Some(version);
        self
    }
}

/// A store that a detector asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRequirement {
    /// Name of a [`Store`](crate::stores::Store), or of one that the user brings along.
    pub name: String,
    /// Whether the detector can do without it.
    pub dependency: Dependency,
}

impl StoreRequirement {
    /// The detector needs this store: a [`Store`](crate::stores::Store), or any by its name.
    #[must_use]
    pub fn required(store: impl Into<String>) -> Self {
        Self {
            name: store.into(),
            dependency: Dependency::Required,
        }
    }

    /// The detector can do without this store.
    #[must_use]
    pub fn optional(store: impl Into<String>) -> Self {
        Self {
            name: store.into(),
            dependency: Dependency::Optional,
        }
    }
}

/// Something that must have been added to the input events while they were recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrichmentRequirement {
    /// `environment` (or `exec-env`), `executable-hash` (or `exec-hash`) or `container`.
    pub name: String,
    /// Mode of `executable-hash`: `inode`, `dev-inode` or `digest-inode`.
    pub config: Option<String>,
    /// Whether the detector can do without it.
    pub dependency: Dependency,
}

impl EnrichmentRequirement {
    /// The detector needs the enrichment called `name`.
    #[must_use]
    pub fn required(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            config: None,
            dependency: Dependency::Required,
        }
    }

    /// The detector can do without the enrichment called `name`.
    #[must_use]
    pub fn optional(name: impl Into<String>) -> Self {
        Self {
            dependency: Dependency::Optional,
            ..Self::required(name)
        }
    }

    /// Asks for a mode.
    #[must_use]
    pub fn config(mut self, config: impl Into<String>) -> Self {
        self.config = Some(config.into());
        self
    }
}

/// What the engine adds to a detection. Flags, joined with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AutoPopulate(u8);

impl AutoPopulate {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The definition's threat, unless the output has its own.
    pub const THREAT: Self = Self(1);
    /// The event that it was detected from, with its data and its own origin.
    pub const DETECTED_FROM: Self = Self(2);
    /// The ancestors of the acting process, as of the event.
    pub const ANCESTRY: Self = Self(4);
    /// All of it.
    pub const ALL: Self = Self(7);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for AutoPopulate {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for AutoPopulate {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_number_depends_on_the_name_alone() {
        let number = |name: &str| DetectorDefinition::new("X", name).event.number();
        assert_eq!(number("a"), number("a"));
        assert_ne!(number("a"), number("b"));
        assert!(number("sensitive_file_access") >= 1 << 30);
        assert_eq!(
            DetectorDefinition::new("X", "a").event_id(7510).event.number(),
            7510
        );
    }

    #[test]
    fn flags_join() {
        let flags = AutoPopulate::THREAT | AutoPopulate::ANCESTRY;
        assert!(flags.contains(AutoPopulate::THREAT));
        assert!(!flags.contains(AutoPopulate::DETECTED_FROM));
        assert_eq!(flags | AutoPopulate::DETECTED_FROM, AutoPopulate::ALL);
    }
}
