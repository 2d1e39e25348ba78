//! Stores that users bring along, as detectors see them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{DataStore, StoreError};

/// A store of entries by source and key, such as one that was loaded from a file.
pub trait CustomStore: DataStore {
    /// What `source` says about `key`.
    ///
    /// # Errors
    /// Not found if it says nothing.
    fn get(&self, source: &str, key: &str) -> Result<&Value, StoreError>;

    /// What each source says about `key`, by source.
    fn get_all(&self, key: &str) -> BTreeMap<&str, &Value>;

    /// The sources that have entries, sorted.
    fn list_sources(&self) -> Vec<&str>;
}

/// A store that can be written to. Writing takes effect for the events that follow.
pub trait WritableStore {
    /// Sets what `source` says about `key`.
    ///
    /// # Errors
    /// Invalid argument if the store cannot keep such data; nothing is changed then. Not implemented if it is read-only.
    fn write(&mut self, source: &str, key: &str, data: Value) -> Result<(), StoreError>;

    /// Sets several entries: all or none. The last of equal keys wins.
    ///
    /// # Errors
    /// As [`write`](Self::write), with the number of the first bad entry.
    fn write_batch(&mut self, source: &str, entries: Vec<(String, Value)>) -> Result<usize, StoreError>;

    /// Removes what `source` says about `key`; that it says nothing is no error.
    ///
    /// # Errors
    /// Not implemented if the store is read-only.
    fn delete(&mut self, source: &str, key: &str) -> Result<(), StoreError>;

    /// Removes all that `source` says, and tells how many entries that was.
    ///
    /// # Errors
    /// Not implemented if the store is read-only.
    fn clear(&mut self, source: &str) -> Result<usize, StoreError>;
}

/// What somebody thinks of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReputationStatus {
    /// Nothing.
    #[default]
    Unknown,
    /// Good.
    Allow,
    /// Bad.
    Deny,
    /// Perhaps bad.
    Suspicious,
}

impl ReputationStatus {
    /// `unknown`, `allow`, `deny` or `suspicious`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Suspicious => "suspicious",
        }
    }
}

/// What is known about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// The address, as the source writes it.
    pub ip: String,
    /// What the source thinks of it.
    pub status: ReputationStatus,
    /// Who says so.
    pub source: String,
    /// How bad it is: 1 to 10.
    pub severity: i32,
    /// Labels.
    pub tags: Vec<String>,
    /// When the source last changed it: ns since the Unix epoch.
    pub last_updated_ns: i64,
    /// What else the source says.
    pub metadata: BTreeMap<String, String>,
}

/// Reputations of addresses as of an event.
pub trait IpReputationStore: DataStore {
    /// What is known about an address, after settling what sources disagree about.
    ///
    /// # Errors
    /// Not found for an address that no source knows, unhealthy without a store.
    fn get_reputation(&self, ip: &str) -> Result<&Reputation, StoreError>;

    /// What is known about several addresses; those that no source knows are missing.
    ///
    /// # Errors
    /// Unhealthy without a store.
    fn check_ips<'a>(&self, ips: &[&'a str]) -> Result<BTreeMap<&'a str, &Reputation>, StoreError> {
        let mut known = BTreeMap::new();
        for ip in ips {
            match self.get_reputation(ip) {
                Ok(reputation) => _ = known.insert(*ip, reputation),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(known)
    }

    /// Whether the address is known to be bad.
    ///
    /// # Errors
    /// Unhealthy without a store.
    fn is_denied(&self, ip: &str) -> Result<bool, StoreError> {
        status_is(self.get_reputation(ip), ReputationStatus::Deny)
    }

    /// Whether the address is known to be good.
    ///
    /// # Errors
    /// Unhealthy without a store.
    fn is_allowed(&self, ip: &str) -> Result<bool, StoreError> {
        status_is(self.get_reputation(ip), ReputationStatus::Allow)
    }
}

fn status_is(
    reputation: Result<&Reputation, StoreError>,
    status: ReputationStatus,
) -> Result<bool, StoreError> {
    match reputation {
        Ok(reputation) => Ok(reputation.status == status),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
