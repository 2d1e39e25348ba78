//! Where a capture that was made of captures comes from.

use serde::{Deserialize, Serialize};

use crate::{CaptureReader, Host, SeqRange};

/// A capture, by its id and content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Its id.
    pub capture_id: String,
    /// Its digest: the last value of the hash chain.
    pub digest: String,
}

impl Origin {
    /// The capture of a reader.
    #[must_use]
    pub fn of(reader: &CaptureReader) -> Self {
        Self {
            capture_id: reader.manifest().header.capture_id.clone(),
            digest: reader.manifest().digest(),
        }
    }
}

/// Which part of another capture a capture is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The other one.
    #[serde(flatten)]
    pub of: Origin,
    /// The sequence numbers that it was cut down to.
    pub seq: SeqRange,
    /// Which events of them were kept, in the words of the command line; all, if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restrictions: Vec<String>,
    /// Whether events that only stores need were left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
}

impl Excerpt {
    /// The id of the capture that is this part: the same part of the same capture has the same one.
    #[must_use]
    pub fn id(&self) -> String {
        let SeqRange { first, last } = self.seq;
        let mut words = vec![self.of.capture_id.clone(), self.of.digest.clone()];
        words.extend([first.to_string(), last.to_string(), self.only.to_string()]);
        words.extend(self.restrictions.iter().cloned());
        derived_id(words)
    }
}

/// A capture that another one was merged from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MergedPart {
    /// The capture.
    #[serde(flatten)]
    pub of: Origin,
    /// Number of its machine: 0 for that of the first part. Parts of one boot of one machine have the same.
    pub machine: u64,
    /// What is known of its machine.
    pub host: Host,
    /// How long its stores keep what has ended, in ns of event time; absent for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stores_retention_ns: Option<u64>,
    /// What was added to its times to find the place of its events, ns. The events have their times as they were.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset_ns: i64,
    /// Number of its events.
    pub events: u64,
    /// Events that another part has, too, and that were therefore left out.
    pub duplicates: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(ns: &i64) -> bool {
    *ns == 0
}

/// An id as long as those that recorders make up, which depends on these words alone.
#[must_use]
pub fn derived_id(words: impl IntoIterator<Item = String>) -> String {
    let mut hasher = blake3::Hasher::new();
    for word in words {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word.as_bytes());
    }
    hasher.finalize().to_hex().chars().take(32).collect()
}
