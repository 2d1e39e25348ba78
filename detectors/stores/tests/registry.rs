//! The stores together: what there is, what is missing, and in which order they learn.

use std::path::Path;

use detectors_api::stores::{HealthStatus, Store, StoreError, Stores as _};
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row as _;
use detectors_stores::system::HostFacts;
use detectors_stores::{FoldError, Input, Settings, Stores, custom};

fn custom_input(text: &str) -> Input {
    custom::parse(text, Path::new("test.json"))
        .expect("the file is right")
        .to_input(0)
}

fn reputation() -> Input {
    custom_input(
        r#"{"store": "ip_reputation", "entries": [
            {"source": "feed", "key": "203.0.113.7", "data": {"status": "deny", "severity": 9}}]}"#,
    )
}

#[test]
fn names_are_listed_in_order() {
    let mut stores = Stores::new();
    // Without an architecture nobody knows what the numbers of system calls mean.
    assert_eq!(stores.at(0, 0).list(), ["container", "process"]);
    stores.add_input(reputation()).expect("nothing applied yet");
    stores
        .add_input(custom_input(r#"{"store": "assets", "entries": []}"#))
        .expect("nothing applied yet");
    assert_eq!(
        stores.at(0, 0).list(),
        ["assets", "container", "ip_reputation", "process"]
    );
    let stores = Stores::with(Settings {
        dns: true,
        ..Settings::default()
    });
    assert!(stores.at(0, 0).is_available("dns"));
    assert!(!stores.at(0, 0).is_available("processes"));
}

#[test]
fn what_is_missing_is_stood_in_for_and_says_so() {
    let stores = Stores::new();
    let view = stores.at(0, 0);
    let unhealthy = |error: StoreError| assert!(!error.is_not_found(), "{error}");
    unhealthy(view.dns().get_dns_response("example.com").expect_err("no store"));
    unhealthy(
        view.kernel_symbols()
            .get_symbol_address("_stext")
            .expect_err("no store"),
    );
    unhealthy(
        view.ip_reputation()
            .is_denied("203.0.113.7")
            .expect_err("no store"),
    );
    assert_eq!(view.system().name(), "null_system");
    assert_eq!(view.system().health().status, HealthStatus::Unhealthy);
    for error in [
        view.custom("assets").err(),
        view.health("dns").err(),
        view.metrics("assets").err(),
        view.metadata("assets").err(),
    ] {
        assert!(error.is_some_and(|error| error.is_not_found()));
    }
}

#[test]
fn every_store_says_what_it_is_and_how_it_is() {
    let mut stores = Stores::with(Settings {
        dns: true,
        architecture: "x86_64".to_owned(),
        ..Settings::default()
    });
    stores.add_input(reputation()).expect("nothing applied yet");
    let facts = Input {
        store: "system".to_owned(),
        seq: 0,
        rows: HostFacts::to_batch(&[HostFacts::default()]),
    };
    stores.add_input(facts).expect("nothing applied yet");
    stores
        .apply(&batches(&[TestEvent::new("sched_process_exec")
            .process(7, 70)
            .at_ns(5)]))
        .expect("in order");
    let view = stores.at(1, 70);
    for name in view.list() {
        let metadata = view.metadata(name).expect("it is listed");
        assert_eq!(metadata.name, name);
        assert!(!metadata.description.is_empty());
        let health = view.health(name).expect("it is listed");
        assert_eq!(
            (health.status, health.last_check_ns),
            (HealthStatus::Healthy, 70),
            "{name}: {}",
            health.message
        );
    }
    assert_eq!(view.metrics("process").expect("listed").item_count, 1);
    assert_eq!(view.metrics("ip_reputation").expect("listed").item_count, 1);
    assert_eq!(view.ip_reputation().is_denied("203.0.113.7"), Ok(true));
    assert_eq!(
        stores.available().collect::<Vec<_>>(),
        [
            Store::Container,
            Store::Dns,
            Store::Process,
            Store::Syscall,
            Store::System
        ]
    );
}

#[test]
fn inputs_take_effect_before_the_event_with_their_number() {
    let task = TaskSnapshot {
        host_pid: 9,
        host_tid: 9,
        start_ns: 90,
        comm: "late".to_owned(),
        ..TaskSnapshot::default()
    };
    let input = |seq| Input {
        store: "process".to_owned(),
        seq,
        rows: TaskSnapshot::to_batch(std::slice::from_ref(&task)),
    };
    let id = detectors_api::entity::entity_id(9, 90);
    let mut stores = Stores::new();
    stores.add_input(input(2)).expect("nothing applied yet");
    stores.advance(&[], 2).expect("in order");
    assert!(stores.at(1, 0).processes().get_process(id).is_err());
    stores.advance(&[], 3).expect("in order");
    assert!(stores.at(1, 0).processes().get_process(id).is_err());
    assert!(stores.at(2, 0).processes().get_process(id).is_ok());
    assert_eq!(
        stores.add_input(input(2)),
        Err(FoldError::LateInput {
            store: "process".to_owned(),
            seq: 2,
            settled: 3
        })
    );
    let unknown = Input {
        store: "weather".to_owned(),
        ..input(5)
    };
    assert_eq!(
        stores.add_input(unknown),
        Err(FoldError::UnknownStore {
            store: "weather".to_owned()
        })
    );
    assert_eq!(stores.restore(0, &[], Vec::new()), Err(FoldError::LateKeyframe));
}
