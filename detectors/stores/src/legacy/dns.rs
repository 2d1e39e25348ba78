//! `tracee/dns`: what names and addresses lead to.

use detectors_api::stores::DnsStore as _;
use serde_json::json;

use super::Data;
use crate::dns::DnsAt;

pub(super) const SCHEMA: &str = r#"{"dns_queries":"[]string","dns_root":"string","ip_addresses":"[]string"}"#;

/// What is known about a name, an address, or the name under which an address is looked up.
pub(super) fn get(dns: DnsAt<'_>, query: &str) -> Option<Data> {
    let response = dns.get_dns_response(query).ok()?;
    let data = [
        ("dns_queries", json!(response.domains)),
        ("dns_root", json!(response.domains.first().unwrap_or(&""))),
        ("ip_addresses", json!(response.ips)),
    ];
    Some(
        data.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}
