//! Which detectors these are: digests of all that decides on what a detector does.

use std::path::Path;

use detectors_api::definition::DetectorDefinition;
use detectors_api::detector::DetectorConfig;
use serde::Serialize;

/// What a detector is made of besides this program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectorInputs {
    /// Its settings, if it has any.
    pub config: Option<DetectorConfig>,
    /// The texts of its file, and of the lists that its expressions may use; none for one of this program.
    pub files: Vec<String>,
}

impl DetectorInputs {
    /// Digest of a detector: BLAKE3 over its id, what it says about itself, its settings and its files, in hexadecimal. Detectors
    /// of the same version of this program that have equal digests find the same.
    pub(super) fn digest(&self, definition: &DetectorDefinition) -> String {
        let mut digest = blake3::Hasher::new();
        // Every part with its length, so that none can be taken for a piece of another.
        let settings = self.config.as_ref().map(|config| format!("{config:?}"));
        let own = [
            definition.id.as_str(),
            // Shows all members of the definition, in order.
            &format!("{definition:?}"),
            settings.as_deref().unwrap_or_default(),
        ];
        // Every part with its length, so that none can be taken for a piece of another.
        for part in own.into_iter().chain(self.files.iter().map(String::as_str)) {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize().to_hex().to_string()
    }
}

/// A file that shaped the run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FileDigest {
    /// Its path, as given or found.
    pub path: String,
    /// BLAKE3 of what it held when it was read, in hexadecimal.
    pub digest: String,
}

impl FileDigest {
    /// A file with this content.
    #[must_use]
    pub fn new(path: &Path, content: impl AsRef<[u8]>) -> Self {
        Self {
            path: path.display().to_string(),
            digest: blake3::hash(content.as_ref()).to_hex().to_string(),
        }
    }
}

/// Digest of several detectors, by the digests of each.
pub(super) fn of_all<'a>(digests: impl Iterator<Item = &'a str>) -> String {
    let mut all = blake3::Hasher::new();
    for digest in digests {
        all.update(digest.as_bytes());
    }
    all.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use detectors_api::definition::EventRequirement;

    use super::*;

    #[test]
    fn whatever_decides_changes_the_digest() {
        let definition = DetectorDefinition::new("A", "a").on(EventRequirement::new("openat"));
        let other = definition.clone().describe("another");
        let built_in = DetectorInputs::default();
        let from_file = DetectorInputs {
            files: vec!["id: A".to_owned()],
            ..DetectorInputs::default()
        };
        let configured = DetectorInputs {
            config: Some(DetectorConfig::default()),
            ..DetectorInputs::default()
        };
        let digests = [
            built_in.digest(&definition),
            built_in.digest(&other),
            from_file.digest(&definition),
            configured.digest(&definition),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest));
        }
        assert_eq!(digests[0], DetectorInputs::default().digest(&definition));
        assert_ne!(
            of_all(digests.iter().map(String::as_str)),
            of_all(digests[..2].iter().map(String::as_str))
        );
    }
}
