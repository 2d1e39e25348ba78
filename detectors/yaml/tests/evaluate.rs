//! When a detector detects: conditions in order, and outputs that have a value.

mod support;

use detectors_api::testkit::TestEvent;
use detectors_engine::DetectorStats;
use detectors_stores::Stores;
use support::{briefs, read, register};

/// What a detector with these fields, conditions and outputs makes of one event, and what it had to say.
fn run(rest: &str) -> (Vec<String>, DetectorStats) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let text = format!(
        "type: detector\nid: x\nproduced_event:\n  name: x\n  version: 1.0\n  fields:\n    \
         - {{name: text, type: string}}\n    - {{name: small, type: int32}}\n    - {{name: large, type: int64}}\n\
         requirements:\n  events:\n    - name: security_file_open\n{rest}"
    );
    std::fs::write(directory.path().join("x.yaml"), text).expect("a file can be written");
    let mut engine = register(read(directory.path())).engine;
    let event = TestEvent::new("security_file_open")
        .set("pathname", "/etc/shadow")
        .set("inode", 1_i64 << 40)
        .without("syscall_pathname")
        .to_recorded();
    let batches = detectors_api::testkit::batches_of(&[event]);
    let mut stores = Stores::new();
    stores.apply(&batches).expect("the event is numbered");
    let detections = engine.process(&batches, &stores);
    let stats = engine.stats().next().expect("there is one detector").clone();
    assert_eq!((stats.counts.errors, stats.counts.panics), (0, 0));
    (briefs(&detections), stats)
}

fn notes(stats: &DetectorStats) -> Vec<&str> {
    stats.notes.iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn without_conditions_and_outputs_every_event_is_a_detection() {
    let (found, stats) = run("");
    assert_eq!(found, ["x"]);
    assert_eq!(stats.counts.warnings, 0);
}

#[test]
fn all_conditions_must_hold_in_order() {
    let (found, _) = run("conditions: ['true', 'getEventData(\"pathname\") == \"/etc/shadow\"']\n");
    assert_eq!(found, ["x"]);
    // The second one could not be evaluated, but the first one decides.
    let (found, stats) = run("conditions: ['false', 'getEventData(\"syscall_pathname\") > 3']\n");
    assert!(found.is_empty());
    assert_eq!(stats.counts.warnings, 0);
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_false_and_counted() {
    let (found, stats) =
        run("conditions:\n  - 'true'\n  - getEventData(\"syscall_pathname\").startsWith(\"x\")\n");
    assert!(found.is_empty());
    assert_eq!(stats.counts.warnings, 1);
    assert!(
        notes(&stats)[0].starts_with("conditions[1]: "),
        "{:?}",
        notes(&stats)
    );
}

#[test]
fn a_field_without_a_value_costs_the_detection_unless_it_is_optional() {
    let fields = |optional: bool| {
        format!(
            "output:\n  fields:\n    - {{name: text, expression: 'getEventData(\"pathname\")'}}\n    \
             - {{name: small, expression: 'workload.container.id', optional: {optional}}}\n    \
             - {{name: large, expression: 'getEventData(\"syscall_pathname\").size()', optional: {optional}}}\n"
        )
    };
    let (found, stats) = run(&fields(false));
    assert!(found.is_empty());
    assert_eq!(
        stats.counts.warnings,
        1,
        "the first failure decides: {:?}",
        notes(&stats)
    );
    let (found, stats) = run(&fields(true));
    assert_eq!(found, ["x text=/etc/shadow"]);
    // A text where a number was declared is a slip, and is told; that there is nothing is what `optional` is for.
    assert_eq!(stats.counts.warnings, 1, "{:?}", notes(&stats));
}

#[test]
fn values_have_their_declared_type() {
    let (found, stats) = run(
        "output:\n  fields:\n    - {name: text, expression: '\"a\" + \"b\"'}\n    \
         - {name: small, expression: '7u'}\n    - {name: large, expression: 'getEventData(\"inode\")'}\n",
    );
    assert_eq!(found, [format!("x text=ab small=7 large={}", 1_i64 << 40)]);
    assert_eq!(stats.counts.warnings, 0);
    let (found, stats) = run("output: {fields: [{name: small, expression: 'getEventData(\"inode\")'}]}\n");
    assert!(found.is_empty(), "2^40 is no int32");
    assert!(
        notes(&stats)[0].starts_with("output.fields[0].expression: "),
        "{:?}",
        notes(&stats)
    );
}
