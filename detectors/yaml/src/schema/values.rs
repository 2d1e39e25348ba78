//! The values that a detector file may name: versions, types, severities and the like.

use detectors_api::catalogue::{FieldType, Version};
use detectors_api::definition::Dependency;
use detectors_api::proto::Severity;

use crate::document::item::{Item, Mapping};
use crate::error::{Faults, Reason};

/// Types of fields: by the names of Tracee's own YAML detectors, by those of its Go interface, and by the event model's.
const TYPES: [(&str, FieldType); 25] = [
    ("string", FieldType::String),
    ("int32", FieldType::Int32),
    ("int64", FieldType::Int64),
    ("uint32", FieldType::UInt32),
    ("uint64", FieldType::UInt64),
    ("bool", FieldType::Bool),
    ("bytes", FieldType::Bytes),
    ("string[]", FieldType::StringArray),
    ("int32[]", FieldType::Int32Array),
    ("uint64[]", FieldType::UInt64Array),
    ("const char*", FieldType::String),
    ("const char*[]", FieldType::StringArray),
    ("char*", FieldType::String),
    ("int", FieldType::Int32),
    ("long", FieldType::Int64),
    ("u32", FieldType::UInt32),
    ("u64", FieldType::UInt64),
    ("unsigned int", FieldType::UInt32),
    ("unsigned long", FieldType::UInt64),
    ("[]byte", FieldType::Bytes),
    ("[]string", FieldType::StringArray),
    ("[]int32", FieldType::Int32Array),
    ("[]uint64", FieldType::UInt64Array),
    ("str", FieldType::String),
    ("u_int64", FieldType::UInt64),
];

/// As many of [`TYPES`] are named in hints: one for each type.
const DISTINCT_TYPES: usize = 10;

pub(super) fn field_type(item: &Item<'_>, faults: &mut Faults) -> Option<FieldType> {
    let value = item.text(faults)?;
    let found = TYPES.iter().find(|(name, _)| *name == value.trim());
    if found.is_none() {
        let names: Vec<_> = TYPES[..DISTINCT_TYPES].iter().map(|(name, _)| *name).collect();
        let reason = Reason::Unknown {
            what: "type",
            value: value.to_owned(),
        };
        item.report(faults, reason)
            .hint(format!("one of: {}", names.join(", ")));
    }
    found.map(|(_, field_type)| *field_type)
}

/// `major.minor` or `major.minor.patch`.
pub(super) fn version(item: &Item<'_>, faults: &mut Faults) -> Option<Version> {
    let value = item.text(faults)?;
    let parts: Vec<_> = value.trim().split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let version =
        Version::parse(value.trim()).filter(|_| (2..=3).contains(&parts.len()) && parts.iter().all(digits));
    if version.is_none() {
        let reason = Reason::Malformed {
            what: "version",
            value: value.to_owned(),
        };
        item.report(faults, reason)
            .hint("write major.minor or major.minor.patch, such as 1.0");
    }
    version
}

/// The versions at `min` and `max`. At least one is between them.
pub(super) fn versions(
    mapping: &Mapping<'_>,
    min: &str,
    max: &str,
    faults: &mut Faults,
) -> (Option<Version>, Option<Version>) {
    let lowest = mapping.get(min).and_then(|item| version(&item, faults));
    let highest = mapping.get(max).and_then(|item| version(&item, faults));
    if let (Some(lowest), Some(highest)) = (lowest, highest)
        && lowest >= highest
        && let Some(item) = mapping.get(max)
    {
        let reason = Reason::EmptyVersions {
            min: lowest,
            max: highest,
        };
        item.report(faults, reason);
    }
    (lowest, highest)
}

/// The value of `dependency`, which says whether a detector can do without something; required if it is not there.
pub(super) fn dependency(mapping: &Mapping<'_>, faults: &mut Faults) -> Dependency {
    const CHOICES: [(&str, Dependency); 2] = [
        ("required", Dependency::Required),
        ("optional", Dependency::Optional),
    ];
    mapping
        .get("dependency")
        .and_then(|item| item.choice("dependency", &CHOICES, faults))
        .unwrap_or_default()
}

pub(super) fn severity(item: &Item<'_>, faults: &mut Faults) -> Option<Severity> {
    const CHOICES: [(&str, Severity); 5] = [
        ("info", Severity::Info),
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];
    item.choice("severity", &CHOICES, faults)
}

/// Architectures that recordings come from.
pub(super) const RECORDED: [&str; 4] = ["x86_64", "amd64", "aarch64", "arm64"];

/// Architectures that detectors may also name, but no recording comes from.
const OTHER: [&str; 12] = [
    "386", "arm", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x",
    "wasm",
];

pub(super) fn architecture(item: &Item<'_>, faults: &mut Faults) -> Option<&'static str> {
    let value = item.text(faults)?;
    let mut names = RECORDED.into_iter().chain(OTHER);
    let found = names.find(|name| *name == value.trim());
    if found.is_none() {
        let reason = Reason::Unknown {
            what: "architecture",
            value: value.to_owned(),
        };
        item.report(faults, reason)
            .hint("one of: x86_64 (or amd64), aarch64 (or arm64)");
    }
    found
}

/// An enrichment, by either of its names.
pub(super) fn enrichment(item: &Item<'_>, faults: &mut Faults) -> Option<&'static str> {
    const CHOICES: [(&str, &str); 5] = [
        ("environment", "environment"),
        ("executable-hash", "executable-hash"),
        ("container", "container"),
        ("exec-env", "environment"),
        ("exec-hash", "executable-hash"),
    ];
    item.choice("enrichment", &CHOICES, faults)
}
