//! What the entries of the store of IP reputations say, and who is right when sources disagree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use detectors_api::stores::{Reputation, ReputationStatus};
use serde::{Deserialize, Deserializer, Serialize};

/// How severe it can be.
const SEVERITIES: std::ops::RangeInclusive<i32> = 1..=10;

/// Who is right when sources disagree about an address. Of equals it is the source whose name comes first, bytewise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Who changed their mind last.
    #[default]
    LastWriteWins,
    /// Who thinks worst.
    MaxSeverity,
    /// Who has the highest priority.
    PriorityBased,
}

/// How a store settles what sources disagree about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// Who is right.
    #[serde(default)]
    pub policy: Policy,
    /// Priorities by source, for [`Policy::PriorityBased`]; 0 for sources that are not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub priorities: BTreeMap<String, i64>,
}

impl Resolution {
    /// Who is right among `opinions`, which come in the order of the names of their sources.
    pub(super) fn settle<'a>(
        &self,
        opinions: impl Iterator<Item = &'a Reputation>,
    ) -> Option<&'a Reputation> {
        let weight = |opinion: &Reputation| match self.policy {
            Policy::LastWriteWins => opinion.last_updated_ns,
            Policy::MaxSeverity => i64::from(opinion.severity),
            Policy::PriorityBased => self.priorities.get(&opinion.source).copied().unwrap_or(0),
        };
        opinions.reduce(|best, next| if weight(next) > weight(best) { next } else { best })
    }
}

/// The one way in which addresses are compared: so that `::1` is `0:0:0:0:0:0:0:1`, and `::ffff:10.0.0.1` is `10.0.0.1`.
pub(super) fn canonical(ip: &str) -> Option<String> {
    ip.parse::<IpAddr>().ok().map(|ip| ip.to_canonical().to_string())
}

/// What a source says, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opinion {
    #[serde(deserialize_with = "status")]
    status: ReputationStatus,
    #[serde(deserialize_with = "severity")]
    severity: i32,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "moment")]
    last_updated: i64,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl Opinion {
    /// As what `source` says about `ip`.
    pub(super) fn about(self, source: &str, ip: &str) -> Reputation {
        Reputation {
            ip: ip.to_owned(),
            status: self.status,
            source: source.to_owned(),
            severity: self.severity,
            tags: self.tags,
            last_updated_ns: self.last_updated,
            metadata: self.metadata,
        }
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ReputationStatus, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Status {
        Unknown,
        Allow,
        Deny,
        Suspicious,
    }
    Status::deserialize(deserializer).map(|status| match status {
        Status::Unknown => ReputationStatus::Unknown,
        Status::Allow => ReputationStatus::Allow,
        Status::Deny => ReputationStatus::Deny,
        Status::Suspicious => ReputationStatus::Suspicious,
    })
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let severity = i32::deserialize(deserializer)?;
    if SEVERITIES.contains(&severity) {
        return Ok(severity);
    }
    Err(serde::de::Error::custom(format_args!(
        "the severity {severity} is not from 1 to 10"
    )))
}

/// ns since the Unix epoch, as a number or as RFC 3339.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a time: RFC 3339, or ns since 1970")]
    enum Moment {
        Ns(i64),
        Text(String),
    }
    match Moment::deserialize(deserializer)? {
        Moment::Ns(ns) => Ok(ns),
        Moment::Text(text) => text
            .parse::<jiff::Timestamp>()
            .ok()
            .and_then(|time| i64::try_from(time.as_nanosecond()).ok())
            .ok_or_else(|| {
                serde::de::Error::custom(format_args!(
                    "`{text}` is no time: write RFC 3339, or ns since 1970"
                ))
            }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_compared_and_not_their_spelling() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("2001:DB8::1", "2001:db8:0::1", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::1", "::2", false),
        ] {
            assert!(canonical(one).is_some(), "{one}");
            assert_eq!(canonical(one) == canonical(other), same, "{one} {other}");
        }
        for text in [
            "",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.1 ",
            "example.com",
            "[::1]",
            "10.0.0.0/8",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn opinions_are_read_from_json() {
        let full = json!({
            "status": "deny",
            "severity": 8,
            "tags": ["c2"],
            "last_updated": "2026-01-02T03:04:05.000000006Z",
            "metadata": {"list": "feodo"},
        });
        let opinion = Opinion::deserialize(full)
            .expect("well-formed")
            .about("feed", "10.0.0.1");
        let expected = Reputation {
            ip: "10.0.0.1".to_owned(),
            status: ReputationStatus::Deny,
            source: "feed".to_owned(),
            severity: 8,
            tags: vec!["c2".to_owned()],
            last_updated_ns: 1_767_323_045_000_000_006,
            metadata: [("list".to_owned(), "feodo".to_owned())].into(),
        };
        assert_eq!(opinion, expected);
        let short = json!({"status": "unknown", "severity": 1, "last_updated": -5});
        let short = Opinion::deserialize(short).expect("well-formed");
        assert_eq!(
            (short.status, short.last_updated),
            (ReputationStatus::Unknown, -5)
        );
        let short = Opinion::deserialize(json!({"status": "allow", "severity": 10})).expect("well-formed");
        assert_eq!((short.status, short.last_updated), (ReputationStatus::Allow, 0));
    }

    #[test]
    fn other_json_is_no_opinion() {
        for (json, error) in [
            (json!({"severity": 1}), "missing field `status`"),
            (json!({"status": "deny"}), "missing field `severity`"),
            (json!({"status": "bad", "severity": 1}), "unknown variant `bad`"),
            (
                json!({"status": "deny", "severity": 0}),
                "the severity 0 is not from 1 to 10",
            ),
            (
                json!({"status": "deny", "severity": 11}),
                "the severity 11 is not from 1 to 10",
            ),
            (
                json!({"status": "deny", "severity": 1, "tag": []}),
                "unknown field `tag`",
            ),
            (
                json!({"status": "deny", "severity": 1, "last_updated": "yesterday"}),
                "`yesterday` is no time: write RFC 3339, or ns since 1970",
            ),
            (
                json!({"status": "deny", "severity": 1, "last_updated": {}}),
                "expected a time",
            ),
            (json!("deny"), "invalid type: string"),
        ] {
            let found = Opinion::deserialize(json).err().expect(error).to_string();
            assert!(found.contains(error), "{found}");
        }
    }

    #[test]
    fn policies_settle_and_the_first_source_wins_ties() {
        let opinion = |source: &str, severity, last_updated_ns| Reputation {
            source: source.to_owned(),
            severity,
            last_updated_ns,
            ..Reputation::default()
        };
        let opinions = [opinion("a", 3, 100), opinion("b", 9, 50), opinion("c", 9, 100)];
        let priorities = |pairs: &[(&str, i64)]| pairs.iter().map(|(s, p)| ((*s).to_owned(), *p)).collect();
        for (policy, priorities, winner) in [
            (Policy::LastWriteWins, priorities(&[]), "a"),
            (Policy::MaxSeverity, priorities(&[]), "b"),
            (Policy::PriorityBased, priorities(&[]), "a"),
            (Policy::PriorityBased, priorities(&[("c", 5), ("b", 5)]), "b"),
            (
                Policy::PriorityBased,
                priorities(&[("a", -2), ("b", -1), ("c", -1)]),
                "b",
            ),
        ] {
            let resolution = Resolution { policy, priorities };
            let settled = resolution.settle(opinions.iter()).expect("somebody is right");
            assert_eq!(settled.source, winner, "{resolution:?}");
        }
        assert_eq!(Resolution::default().settle([].iter()), None);
    }
}
