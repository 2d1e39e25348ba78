//! What detectors ask of a recording as a whole: enrichments and the architecture.

use detectors_api::definition::{EnrichmentRequirement, StoreRequirement};
use detectors_api::detector::AvailableStores;
use detectors_api::stores::{IP_REPUTATION, Store};

use super::EngineBuilder;
use super::candidate::Candidate;
use super::input::in_range;
use crate::problem::Reason;
use detectors_api::spelling::similar;

pub(super) fn check_store(
    stores: &AvailableStores,
    candidate: &mut Candidate,
    requirement: StoreRequirement,
) {
    let StoreRequirement { name, dependency } = requirement;
    if stores.is_available(&name) {
        return;
    }
    let core = || Store::ALL.map(Store::name).into_iter().chain([IP_REPUTATION]);
    // A name that means something is no slip.
    let hint = (!core().any(|known| known == name))
        .then(|| similar(&name, core().chain(stores.names())))
        .flatten()
        .map(|meant| format!("did you mean {meant}?"));
    candidate.lack(
        dependency,
        format!("store {name}"),
        Reason::Store { store: name },
        hint,
    );
}

/// The name of an enrichment, whichever of its names is used.
pub(super) fn enrichment(name: &str) -> Option<&'static str> {
    Some(match name {
        "environment" | "exec-env" => "environment",
        "executable-hash" | "exec-hash" => "executable-hash",
        "container" => "container",
        _ => return None,
    })
}

const HASH_MODES: [&str; 3] = ["inode", "dev-inode", "digest-inode"];

pub(super) fn check_enrichment(
    offer: &EngineBuilder,
    candidate: &mut Candidate,
    requirement: &EnrichmentRequirement,
) {
    let field = format!("enrichment {}", requirement.name);
    let Some(name) = enrichment(&requirement.name) else {
        candidate.refuse(
            field,
            Reason::UnknownEnrichment {
                name: requirement.name.clone(),
            },
            Some("there are environment, executable-hash and container".to_owned()),
        );
        return;
    };
    if let Some(mode) = &requirement.config
        && !(name == "executable-hash" && HASH_MODES.contains(&mode.as_str()))
    {
        let hint = (name == "executable-hash").then(|| format!("there are {}", HASH_MODES.join(", ")));
        let reason = Reason::UnknownMode {
            name: name.to_owned(),
            mode: mode.clone(),
        };
        candidate.refuse(field, reason, hint);
        return;
    }
    let name = name.to_owned();
    match (offer.enrichments.get(name.as_str()), &requirement.config) {
        (None, _) => candidate.lack(
            requirement.dependency,
            field,
            Reason::Enrichment { name },
            Some("turn it on when recording".to_owned()),
        ),
        (Some(Some(recorded)), Some(wanted)) if recorded != wanted => {
            let (recorded, wanted) = (recorded.clone(), wanted.clone());
            let reason = Reason::EnrichmentMode {
                name,
                recorded,
                wanted,
            };
            candidate.lack(requirement.dependency, field, reason, None);
        }
        _ => {}
    }
}

/// The name of an architecture, whichever of its names is used.
fn architecture(name: &str) -> Option<&'static str> {
    Some(match name {
        "x86_64" | "amd64" => "x86_64",
        "aarch64" | "arm64" => "aarch64",
        _ => return None,
    })
}

pub(super) fn check_architecture(offer: &EngineBuilder, candidate: &mut Candidate) {
    let names = candidate.definition.architectures.clone();
    for name in names.iter().filter(|name| architecture(name).is_none()) {
        candidate.refuse(
            "architectures",
            Reason::UnknownArchitecture { name: name.clone() },
            Some("there are x86_64 (or amd64) and aarch64 (or arm64)".to_owned()),
        );
    }
    if let Some(recorded) = &offer.architecture
        && !names.is_empty()
        && !names
            .iter()
            .any(|name| architecture(name) == architecture(recorded))
    {
        candidate.refuse(
            "architectures",
            Reason::Architecture {
                recorded: recorded.clone(),
            },
            Some(format!("it works on {}", names.join(", "))),
        );
    }
}

pub(super) fn check_tracee_version(offer: &EngineBuilder, candidate: &mut Candidate) {
    let (min, max) = (
        candidate.definition.min_tracee_version,
        candidate.definition.max_tracee_version,
    );
    if let (Some(min), Some(max)) = (min, max)
        && min >= max
    {
        candidate.refuse("Tracee version", Reason::EmptyVersions { min, max }, None);
    } else if let Some(version) = offer.tracee_version()
        && !in_range(version, min, max)
    {
        candidate.refuse("Tracee version", Reason::TraceeVersion { version }, None);
    }
}
