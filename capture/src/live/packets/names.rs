//! The names of addresses, as the DNS responses said that have been seen.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use detectors_api::proto;

/// Addresses that are remembered at most.
const MAX_ADDRESSES: usize = 65_536;
/// Names of an address that are remembered at most.
const MAX_NAMES: usize = 64;
const SECOND_NS: u64 = 1_000_000_000;

/// Names by address, each until a time.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<IpAddr, Vec<(String, u64)>>,
}

impl Names {
    /// The names of an address at a time (ns since boot), those seen first coming first.
    pub(super) fn of(&self, address: IpAddr, now: u64) -> Vec<String> {
        let names = self
            .known
            .get(&address.to_canonical())
            .map_or(&[][..], Vec::as_slice);
        let live = names.iter().filter(|(_, until)| *until >= now);
        live.map(|(name, _)| name.clone()).collect()
    }

    /// Takes in what a response says at a time.
    pub(super) fn learn(&mut self, message: &proto::Dns, now: u64) {
        if message.qr == 0 {
            return;
        }
        for record in &message.answers {
            let Ok(address) = record.ip.parse::<IpAddr>() else {
                continue;
            };
            let until = now.saturating_add(u64::from(record.ttl).saturating_mul(SECOND_NS));
            let mut names = leading_to(message, &record.name);
            names.reverse();
            for name in names {
                self.remember(address.to_canonical(), name, until, now);
            }
        }
    }

    fn remember(&mut self, address: IpAddr, name: &str, until: u64, now: u64) {
        if self.known.len() >= MAX_ADDRESSES && !self.known.contains_key(&address) {
            self.known.retain(|_, names| {
                names.retain(|(_, until)| *until >= now);
                !names.is_empty()
            });
            if self.known.len() >= MAX_ADDRESSES {
                return;
            }
        }
        let names = self.known.entry(address).or_default();
        names.retain(|(_, until)| *until >= now);
        let known = names
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some((_, known)) = known {
            *known = until.max(*known);
        } else if names.len() < MAX_NAMES {
            names.push((name.to_owned(), until));
        }
    }
}

/// A name and those that the message calls aliases of it, the nearest first.
fn leading_to<'a>(message: &'a proto::Dns, name: &'a str) -> Vec<&'a str> {
    let mut names = vec![name];
    let mut seen = BTreeSet::from([name]);
    let mut next = 0;
    while let Some(&target) = names.get(next)
        && names.len() < MAX_NAMES
    {
        let aliases = message.answers.iter().filter(|record| record.cname == target);
        names.extend(
            aliases
                .map(|record| record.name.as_str())
                .filter(|alias| seen.insert(alias)),
        );
        next += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, cname: &str, ip: &str) -> proto::DnsResourceRecord {
        proto::DnsResourceRecord {
            name: name.to_owned(),
            cname: cname.to_owned(),
            ip: ip.to_owned(),
            ttl: 10,
            ..Default::default()
        }
    }

    #[test]
    fn aliases_are_names_and_all_end() {
        let message = proto::Dns {
            qr: 1,
            answers: vec![
                record("www.example", "cdn.example", ""),
                record("cdn.example", "www.example", ""),
                record("cdn.example", "", "192.0.2.1"),
            ],
            ..Default::default()
        };
        let mut names = Names::default();
        names.learn(&message, 5);
        let address = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(
            names.of(address, 5 + 10 * SECOND_NS),
            ["www.example", "cdn.example"]
        );
        assert_eq!(names.of(address, 6 + 10 * SECOND_NS), [""; 0]);
        // A question says nothing.
        let mut none = Names::default();
        none.learn(&proto::Dns { qr: 0, ..message }, 5);
        assert!(none.known.is_empty());
    }
}
