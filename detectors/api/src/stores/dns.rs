//! The DNS store, as detectors see it.

use super::{DataStore, StoreError};

/// What DNS answers say about a name or an address, as of some event. Each name and address is there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsResponse<'a> {
    /// What was asked for, as it was given.
    pub query: String,
    /// Addresses, in text form.
    pub ips: Vec<&'a str>,
    /// Names: those that lead to the queried one, itself, those that it leads to.
    pub domains: Vec<&'a str>,
    /// There is more than one answer can have.
    pub truncated: bool,
}

/// DNS answers as of an event.
pub trait DnsStore: DataStore {
    /// What is known about a domain, an address, or the name under which an address is looked up
    /// (`4.3.2.1.in-addr.arpa`).
    ///
    /// # Errors
    /// Not found if no answer that still holds is about it and nobody asked for it, unhealthy without a store.
    fn get_dns_response(&self, query: &str) -> Result<DnsResponse<'_>, StoreError>;
}
