//! Stores that are told about the host and by the user, in the registry that detectors ask.

use std::path::Path;

use detectors_api::stores::{HealthStatus, KERNEL, Store, StoreError, Stores as _};
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::custom::{CustomWriter, parse};
use detectors_stores::rows::Row as _;
use detectors_stores::symbol::{Kallsyms, Symbol};
use detectors_stores::system::HostFacts;
use detectors_stores::{Input, Settings, Stores};

const FEED: &str = r#"{
    "store": "ip_reputation",
    "policy": "max_severity",
    "entries": [
        {"source": "isp", "key": "203.0.113.7", "data": {"status": "allow", "severity": 1}},
        {"source": "soc", "key": "203.0.113.7", "data": {"status": "deny", "severity": 9}}
    ]
}"#;

const ASSETS: &str = r#"{"store": "assets"}
{"source": "cmdb", "key": "web-1", "data": {"tier": 1}}"#;

fn facts(hostname: &str) -> Input {
    Input {
        store: Store::System.name().to_owned(),
        seq: 0,
        rows: HostFacts::to_batch(&[HostFacts {
            hostname: hostname.to_owned(),
            ..HostFacts::default()
        }]),
    }
}

fn symbols(seq: u64, text: &str) -> Input {
    let rows = Kallsyms::read(text.as_bytes()).expect("memory can be read").rows;
    Input {
        store: Store::Symbol.name().to_owned(),
        seq,
        rows,
    }
}

fn file(text: &str) -> Input {
    parse(text, Path::new("feed.json"))
        .expect("well-formed")
        .to_input(0)
}

fn inputs() -> Vec<Input> {
    vec![
        facts("web-1"),
        symbols(0, "ffffffff81000000 T _text\n"),
        symbols(
            6,
            "ffffffff81000000 T _text\nffffffffc0001000 t evil\t[rootkit]\n",
        ),
        file(FEED),
        file(ASSETS),
    ]
}

fn amd64() -> Settings {
    Settings {
        architecture: "x86_64".to_owned(),
        ..Settings::default()
    }
}

fn recording() -> Vec<TestEvent> {
    (0..10)
        .map(|_| TestEvent::new("sched_process_exit").process(7, 100))
        .collect()
}

/// Stores that have seen the whole recording.
fn whole() -> Stores {
    let mut stores = Stores::with(amd64());
    for input in inputs() {
        stores.add_input(input).expect("nothing applied yet");
    }
    stores
        .advance(&batches(&recording()), 10)
        .expect("well-formed inputs");
    stores
}

/// What the stores say as of an event.
fn answers(stores: &Stores, seq: u64) -> Vec<String> {
    let at = stores.at(seq, 0);
    let shown = |answer: Result<String, StoreError>| answer.unwrap_or_else(|error| error.to_string());
    vec![
        at.list().join(","),
        at.system().get_system_info().hostname.clone(),
        shown(
            at.kernel_symbols()
                .get_symbol_address("evil")
                .map(|address| format!("{address:x}")),
        ),
        shown(at.syscalls().get_syscall_name(59).map(str::to_owned)),
        shown(
            at.ip_reputation()
                .get_reputation("203.0.113.7")
                .map(|known| known.source.clone()),
        ),
        shown(
            at.custom("assets")
                .and_then(|store| store.get("cmdb", "web-1").map(ToString::to_string)),
        ),
        shown(at.custom("nothing").map(|store| store.name().to_owned())),
    ]
}

#[test]
fn detectors_find_every_store_that_was_told_something() {
    let stores = whole();
    let names = "assets,container,ip_reputation,process,symbol,syscall,system";
    let missing = "nothing.custom: no store `nothing` is known";
    let evil = "symbol.get_symbol_address: no symbol `evil` is known";
    let tier = r#"{"tier":1}"#;
    assert_eq!(
        answers(&stores, 5),
        [names, "web-1", evil, "execve", "soc", tier, missing]
    );
    assert_eq!(
        answers(&stores, 6),
        [names, "web-1", "ffffffffc0001000", "execve", "soc", tier, missing]
    );
    let at = stores.at(6, 0);
    for name in at.list() {
        assert_eq!(
            at.store(name).map(|store| store.name().to_owned()),
            Ok(name.to_owned())
        );
        assert_eq!(
            at.health(name).map(|health| health.status),
            Ok(HealthStatus::Healthy),
            "{name}"
        );
    }
    for (name, items) in [
        ("assets", 1),
        ("ip_reputation", 2),
        ("symbol", 2),
        ("syscall", 446),
        ("system", 1),
    ] {
        assert_eq!(
            at.metrics(name).map(|metrics| metrics.item_count),
            Ok(items),
            "{name}"
        );
    }
    let symbols = at
        .kernel_symbols()
        .resolve_symbol_by_address(0xffff_ffff_8100_0000);
    assert_eq!(symbols.map(|symbols| symbols[0].module), Ok(KERNEL));
}

#[test]
fn stores_that_were_told_nothing_are_stood_in_for() {
    let mut stores = Stores::new();
    stores.advance(&[], 10).expect("there is nothing to do");
    let at = stores.at(5, 0);
    assert_eq!(at.list(), ["container", "process"]);
    for (health, message) in [
        (at.system().health(), "system store not available"),
        (at.kernel_symbols().health(), "kernel symbol store not available"),
        (at.ip_reputation().health(), "IP reputation store not available"),
        // This one knows why.
        (
            at.syscalls().health(),
            "the recording does not tell the architecture of its host",
        ),
    ] {
        assert_eq!(
            (health.status, health.message.as_str()),
            (HealthStatus::Unhealthy, message)
        );
    }
}

#[test]
fn a_replay_that_starts_in_the_middle_is_told_the_same() {
    let full = whole();
    let events = recording();
    for start in 1..10 {
        let mut before = Stores::with(amd64());
        for input in inputs() {
            before.add_input(input).expect("nothing applied yet");
        }
        before
            .advance(&batches(&events), start)
            .expect("well-formed inputs");
        let frames: Vec<_> = before
            .keyframes()
            .into_iter()
            .map(|(name, rows)| (name.to_owned(), rows))
            .collect();
        for store in ["system", "symbol", "custom"] {
            assert!(
                !frames.iter().any(|(name, _)| name == store),
                "{store} comes from inputs alone"
            );
        }
        let mut later = Stores::with(amd64());
        later.restore(start, &frames, inputs()).expect("its own keyframe");
        later.advance(&[], 10).expect("well-formed inputs");
        for seq in start..10 {
            assert_eq!(
                answers(&later, seq),
                answers(&full, seq),
                "event {seq} from {start}"
            );
        }
    }
}

#[test]
fn compaction_changes_no_later_answer() {
    let full = whole();
    for cut in 0..12 {
        let mut stores = whole();
        stores.compact(cut);
        for seq in cut..12 {
            assert_eq!(
                answers(&stores, seq),
                answers(&full, seq),
                "event {seq} after {cut}"
            );
        }
    }
}

#[test]
fn what_a_detector_writes_is_seen_by_later_events() {
    let mut stores = whole();
    let name = "assets".parse().expect("a plain name");
    let mut writer = CustomWriter::new(stores.custom().at(9, 0), name);
    let store: &mut dyn detectors_api::stores::WritableStore = &mut writer;
    store.write("detector", "web-1", 7.into()).expect("any JSON");
    let input = writer.into_input(10).expect("something was written");
    stores.add_input(input).expect("event 10 has not been applied");
    stores.advance(&[], 11).expect("well-formed inputs");
    let sources = |seq| {
        let at = stores.at(seq, 0);
        let store = at.custom("assets").expect("it is there");
        store
            .list_sources()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(sources(9), ["cmdb"]);
    assert_eq!(sources(10), ["cmdb", "detector"]);
}

#[test]
fn malformed_inputs_are_refused_by_store_and_column() {
    for (store, error) in [
        ("system", "the table stores/system has no column `sysname`"),
        ("custom", "the table stores/custom has no column `store`"),
    ] {
        let mut stores = Stores::new();
        let rows = Symbol::to_batch(&[]);
        let input = Input {
            store: store.to_owned(),
            seq: 0,
            rows,
        };
        let refused = stores.add_input(input).and_then(|()| stores.advance(&[], 1));
        assert_eq!(refused.expect_err("no such rows").to_string(), error);
    }
}
