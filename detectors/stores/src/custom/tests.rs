//! What custom stores answer.

use std::collections::BTreeMap;

use detectors_api::stores::{CustomStore as _, IpReputationStore as _, ReputationStatus, WritableStore as _};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn name(text: &str) -> StoreName {
    text.parse().expect("a plain name")
}

fn tell(stores: &mut CustomStores, seq: u64, store: &str, changes: &[Change]) {
    let rows = Change::to_batch(&name(store), changes);
    stores.input(seq, &rows).expect("well-formed changes");
}

fn write(source: &str, key: &str, data: Value) -> Change {
    Change::Write {
        source: source.to_owned(),
        key: key.to_owned(),
        data,
    }
}

fn delete(source: &str, key: &str) -> Change {
    Change::Delete {
        source: source.to_owned(),
        key: key.to_owned(),
    }
}

fn clear(source: &str) -> Change {
    Change::Clear {
        source: source.to_owned(),
    }
}

fn opinion(status: &str, severity: i32, last_updated: i64) -> Value {
    json!({"status": status, "severity": severity, "last_updated": last_updated})
}

#[test]
fn entries_hold_from_their_event_on() {
    let mut stores = CustomStores::default();
    tell(&mut stores, 2, "assets", &[Change::Declare { resolution: None }]);
    tell(
        &mut stores,
        4,
        "assets",
        &[write("cmdb", "web", json!(1)), write("hand", "web", json!("x"))],
    );
    tell(
        &mut stores,
        6,
        "assets",
        &[
            write("cmdb", "web", json!(2)),
            delete("hand", "web"),
            delete("nobody", "web"),
        ],
    );
    tell(&mut stores, 8, "assets", &[clear("cmdb"), clear("nobody")]);
    let answer = |seq| {
        let at = stores.at(seq, 7);
        let store = at.get("assets")?;
        let all: Vec<_> = store
            .get_all("web")
            .into_iter()
            .map(|(source, data)| (source.to_owned(), data.clone()))
            .collect();
        for (source, data) in &all {
            assert_eq!(store.get(source, "web"), Ok(data));
        }
        assert_eq!(
            store.list_sources(),
            all.iter().map(|(source, _)| source.as_str()).collect::<Vec<_>>()
        );
        assert_eq!(store.metrics().item_count, all.len() as u64);
        assert_eq!(store.health(), Health::healthy(7));
        assert_eq!(store.name(), "assets");
        Some(all)
    };
    let entry = |source: &str, data| (source.to_owned(), data);
    assert_eq!(answer(1), None);
    assert_eq!(answer(3), Some(vec![]));
    assert_eq!(
        answer(4),
        Some(vec![entry("cmdb", json!(1)), entry("hand", json!("x"))])
    );
    assert_eq!(answer(6), Some(vec![entry("cmdb", json!(2))]));
    assert_eq!(answer(8), Some(vec![]));
    assert_eq!(stores.at(1, 0).names().count(), 0);
    assert_eq!(stores.at(2, 0).names().collect::<Vec<_>>(), ["assets"]);
    let gone = stores.at(8, 0).get("assets").expect("it is still there");
    let error = gone.get("cmdb", "web").expect_err("the entry is not");
    assert_eq!(error.to_string(), "assets.get: no entry `web` is known");
}

#[test]
fn the_last_of_several_writes_for_one_event_wins() {
    let mut stores = CustomStores::default();
    let changes = [
        write("s", "k", json!(1)),
        clear("s"),
        write("s", "k", json!(2)),
        write("s", "k", json!(3)),
    ];
    tell(&mut stores, 5, "x", &changes);
    assert_eq!(
        stores.at(5, 0).get("x").map(|store| store.get("s", "k").cloned()),
        Some(Ok(json!(3)))
    );
}

#[test]
fn a_source_replaces_what_it_said_whatever_the_time_it_gives() {
    let mut stores = CustomStores::default();
    tell(
        &mut stores,
        0,
        IP_REPUTATION,
        &[write("feed", "10.0.0.1", opinion("deny", 9, 100))],
    );
    tell(
        &mut stores,
        5,
        IP_REPUTATION,
        &[write("feed", "10.0.0.1", opinion("allow", 1, 50))],
    );
    assert_eq!(stores.at(4, 0).is_denied("10.0.0.1"), Ok(true));
    assert_eq!(stores.at(5, 0).is_denied("10.0.0.1"), Ok(false));
    assert_eq!(stores.at(5, 0).is_allowed("10.0.0.1"), Ok(true));
}

#[test]
fn sources_that_disagree_are_settled_by_the_policy_of_the_moment() {
    let mut stores = CustomStores::default();
    let declare = |policy, priorities: &[(&str, i64)]| Change::Declare {
        resolution: Some(Resolution {
            policy,
            priorities: priorities.iter().map(|(s, p)| ((*s).to_owned(), *p)).collect(),
        }),
    };
    let opinions = [
        write("c", "10.0.0.1", opinion("suspicious", 5, 10)),
        write("b", "10.0.0.1", opinion("deny", 9, 20)),
        write("a", "10.0.0.1", opinion("allow", 9, 10)),
    ];
    tell(&mut stores, 0, IP_REPUTATION, &opinions);
    tell(
        &mut stores,
        1,
        IP_REPUTATION,
        &[declare(Policy::MaxSeverity, &[])],
    );
    tell(
        &mut stores,
        2,
        IP_REPUTATION,
        &[declare(Policy::PriorityBased, &[("c", 1)])],
    );
    for (seq, source, status) in [
        (0, "b", ReputationStatus::Deny),
        // `a` and `b` are equally severe: the first name wins.
        (1, "a", ReputationStatus::Allow),
        (2, "c", ReputationStatus::Suspicious),
    ] {
        let at = stores.at(seq, 0);
        let reputation = at.get_reputation("10.0.0.1").expect("it is known");
        assert_eq!(
            (reputation.source.as_str(), reputation.status),
            (source, status),
            "{seq}"
        );
    }
}

#[test]
fn reputations_are_of_addresses_and_not_of_their_spelling() {
    let mut stores = CustomStores::default();
    let seen = "2001:DB8:0:0::1";
    tell(
        &mut stores,
        0,
        IP_REPUTATION,
        &[write("feed", seen, opinion("deny", 9, 0))],
    );
    let at = stores.at(0, 0);
    assert_eq!(
        at.get_reputation("2001:db8::1").map(|found| found.ip.as_str()),
        Ok(seen)
    );
    let known = at
        .check_ips(&["2001:db8::1", "2001:db8::2", "x"])
        .expect("the store is there");
    assert_eq!(known.into_keys().collect::<Vec<_>>(), ["2001:db8::1"]);
    // The same store, as any other.
    let plain = at.get(IP_REPUTATION).expect("it is there");
    assert_eq!(plain.get("feed", "2001:db8:0::1"), Ok(&opinion("deny", 9, 0)));
    tell(
        &mut stores,
        3,
        IP_REPUTATION,
        &[delete("feed", "2001:db8::1"), delete("feed", "x")],
    );
    let error = stores
        .at(3, 0)
        .get_reputation(seen)
        .map(|_| ())
        .expect_err("it is gone");
    assert_eq!(
        error.to_string(),
        "ip_reputation.get_reputation: no entry `2001:DB8:0:0::1` is known"
    );
}

#[test]
fn what_is_no_reputation_is_refused() {
    for (change, error) in [
        (
            write("feed", "example.com", opinion("deny", 9, 0)),
            "column `key` of the table stores/custom has `example.com` in row 1: it is no IP address",
        ),
        (
            write("feed", "10.0.0.1", opinion("deny", 11, 0)),
            "column `data` of the table stores/custom has `the entry `10.0.0.1`` in row 1: the severity 11 is not from 1 to 10",
        ),
        (
            write("feed", "10.0.0.1", json!(["deny", 9, [], 0, {}])),
            "column `data` of the table stores/custom has `the entry `10.0.0.1`` in row 1: a JSON object is expected here",
        ),
    ] {
        let rows = Change::to_batch(&name(IP_REPUTATION), &[clear("feed"), change]);
        let found = CustomStores::default().input(0, &rows).expect_err(error);
        assert_eq!(found.to_string(), error);
    }
}

#[test]
fn without_reputations_the_view_is_unhealthy() {
    let stores = CustomStores::default();
    assert_eq!(
        stores.at(3, 5).health(),
        Health::unhealthy(5, "the recording has no reputations as of this event")
    );
    assert_eq!(stores.at(3, 5).metrics(), Metrics::default());
}

#[test]
fn what_is_written_takes_effect_later() {
    let mut stores = CustomStores::default();
    tell(
        &mut stores,
        0,
        "seen",
        &[
            write("d", "a", json!(1)),
            write("d", "b", json!(1)),
            write("e", "a", json!(1)),
        ],
    );
    let mut writer = CustomWriter::new(stores.at(7, 0), name("seen"));
    writer.write("d", "c", json!([1])).expect("any JSON");
    writer.delete("d", "a").expect("it can be written to");
    assert_eq!(writer.clear("d"), Ok(2));
    assert_eq!(writer.clear("nobody"), Ok(0));
    let batch = vec![("x".to_owned(), json!(1)), ("x".to_owned(), json!(2))];
    assert_eq!(writer.write_batch("d", batch), Ok(2));
    assert_eq!(
        stores
            .at(7, 0)
            .get("seen")
            .map(|store| store.metrics().item_count),
        Some(3)
    );
    let input = writer.into_input(8).expect("something was written");
    assert_eq!((input.store.as_str(), input.seq), (CUSTOM, 8));
    stores.input(input.seq, &input.rows).expect("its own rows");
    let at = stores.at(8, 0).get("seen").expect("it is there");
    assert_eq!(at.get("d", "x"), Ok(&json!(2)));
    assert_eq!(at.metrics().item_count, 2);
    assert_eq!(
        CustomWriter::new(stores.at(8, 0), name("seen")).into_input(9),
        None
    );
}

#[test]
fn a_bad_entry_writes_nothing() {
    let stores = CustomStores::default();
    let mut writer = CustomWriter::new(stores.at(0, 0), name(IP_REPUTATION));
    let good = opinion("deny", 9, 0);
    let batch = vec![
        ("10.0.0.1".to_owned(), good.clone()),
        ("10.0.0.2".to_owned(), json!({"status": "deny", "severity": 0})),
    ];
    let error = writer.write_batch("feed", batch).expect_err("the second is bad");
    assert_eq!(
        error.to_string(),
        "ip_reputation.write_batch: invalid argument: entry 1: data: the severity 0 is not from 1 to 10"
    );
    let error = writer.write("feed", "x", good).expect_err("the key is bad");
    assert_eq!(
        error.to_string(),
        "ip_reputation.write: invalid argument: key `x`: it is no IP address"
    );
    assert_eq!(writer.into_input(1), None);
}

/// Contents by source and key.
type Plain = BTreeMap<(String, String), Value>;

fn change() -> impl Strategy<Value = Change> {
    let source = || prop::sample::select(vec!["a", "b"]);
    let key = || prop::sample::select(vec!["k", "l", "m"]);
    prop_oneof![
        4 => (source(), key(), 0..3_i32).prop_map(|(source, key, data)| write(source, key, json!(data))),
        2 => (source(), key()).prop_map(|(source, key)| delete(source, key)),
        1 => source().prop_map(clear),
    ]
}

fn apply(plain: &mut Plain, change: &Change) {
    match change.clone() {
        Change::Declare { .. } => {}
        Change::Write { source, key, data } => _ = plain.insert((source, key), data),
        Change::Delete { source, key } => _ = plain.remove(&(source, key)),
        Change::Clear { source } => plain.retain(|(of, _), _| *of != source),
    }
}

proptest! {
    /// As of any event a store holds what a plain map holds after the changes up to it; compaction takes none of it away.
    #[test]
    fn history_is_that_of_a_map(
        steps in prop::collection::vec((0..3_u64, change()), 1..40),
        cuts in prop::collection::vec(0..60_u64, 0..4),
    ) {
        let mut stores = CustomStores::default();
        let mut plain = Plain::new();
        let mut history = Vec::new();
        let mut seq = 0;
        for (step, change) in steps {
            seq += step;
            tell(&mut stores, seq, "x", std::slice::from_ref(&change));
            apply(&mut plain, &change);
            history.push((seq, plain.clone()));
        }
        let mut from = 0;
        for cut in std::iter::once(0).chain(cuts) {
            from = from.max(cut);
            stores.compact(cut);
            for seq in from..(seq + 2).max(from + 1) {
                let Some((_, expected)) = history.iter().rev().find(|(since, _)| *since <= seq) else {
                    prop_assert!(stores.at(seq, 0).get("x").is_none());
                    continue;
                };
                let at = stores.at(seq, 0);
                let store = at.get("x").expect("it has been written to");
                prop_assert_eq!(store.metrics().item_count, expected.len() as u64);
                let entries = store.entries().map(|(source, key, data)| ((source, key.to_string()), data));
                let entries: Vec<_> = entries.collect();
                let known: Vec<_> = expected
                    .iter()
                    .map(|((source, key), data)| ((source.as_str(), key.clone()), data))
                    .collect();
                prop_assert_eq!(entries, known);
                for source in ["a", "b"] {
                    for key in ["k", "l", "m"] {
                        let known = expected.get(&(source.to_owned(), key.to_owned()));
                        prop_assert_eq!(store.get(source, key).ok(), known);
                    }
                }
            }
        }
    }

    /// Once everything is compacted, nothing is left but what is live.
    #[test]
    fn compaction_leaves_nothing_behind(steps in prop::collection::vec(change(), 1..40)) {
        let mut stores = CustomStores::default();
        for (seq, change) in steps.iter().enumerate() {
            tell(&mut stores, seq as u64, "x", std::slice::from_ref(change));
        }
        stores.compact(u64::MAX);
        let contents = &stores.stores["x"];
        prop_assert_eq!(contents.weight(), contents.sources(u64::MAX).map(|(_, count)| count).sum::<usize>());
    }
}
