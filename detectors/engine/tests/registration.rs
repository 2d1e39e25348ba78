//! What registration refuses, and how it says so.

use detectors_api::prelude::*;
use detectors_engine::{EngineBuilder, Reason, Registered};

/// A detector that is its definition.
struct Declared(DetectorDefinition);

impl EventDetector for Declared {
    fn definition(&self) -> DetectorDefinition {
        self.0.clone()
    }

    fn init(&mut self, params: &DetectorParams) -> Result<()> {
        match params.config.get_string("fail", "").as_str() {
            "" => Ok(()),
            "panic" => panic!("no way"),
            message => Err(message.into()),
        }
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}

fn detector(id: &str, event: &str) -> DetectorDefinition {
    DetectorDefinition::new(id, event)
}

fn on(name: &str) -> EventRequirement {
    EventRequirement::new(name)
}

fn builder(definitions: impl IntoIterator<Item = DetectorDefinition>) -> EngineBuilder {
    definitions
        .into_iter()
        .fold(EngineBuilder::new(), |builder, definition| {
            builder.detector(Declared(definition))
        })
}

fn refusals(built: &Registered) -> String {
    let texts: Vec<_> = built.refusals.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

fn running(built: &Registered) -> Vec<String> {
    built
        .engine
        .definitions()
        .map(|definition| definition.id.clone())
        .collect()
}

#[test]
fn every_problem_is_reported_at_once() {
    let built = builder([
        detector("A-1", "security_file_open")
            .on(on("security_file_opn"))
            .on(on("security_file_open").min_version(Version::new(2, 0, 0)))
            .on(on("sched_process_exec")
                .min_version(Version::new(1, 0, 0))
                .max_version(Version::new(1, 0, 0)))
            .store(StoreRequirement::required(Store::Dns))
            .enrichment(EnrichmentRequirement::required("env"))
            .enrichment(EnrichmentRequirement::required("exec-env"))
            .enrichment(EnrichmentRequirement::required("exec-hash").config("sha1"))
            .enrichment(EnrichmentRequirement::required("exec-hash").config("inode"))
            .architectures(["amd64", "sparc"]),
        detector("A-2", "my_event").on(on("security_file_open")
            .data("pathnam=/etc/*")
            .data("flags=0o7,write")
            .data("flags=99999999999")
            .data("pathname>a")
            .data("pathname")
            .data("=x")
            .data("inode!5")
            .scope("contaner=started")
            .scope("container=new")
            .scope("pid=1,x")
            .scope("podSandbox=true")),
        detector("A-2", "my_event").on(on("ptrace")),
        detector("", "").on(on("ptrace")),
        detector("A-3", "lonely"),
        detector("A-4", "filters_on_connections")
            .on(on("security_socket_connect").data("remote_addr=1.2.3.4")),
    ])
    .enrichments(["exec-hash=dev-inode"])
    .architecture("aarch64")
    .build();
    insta::assert_snapshot!(refusals(&built));
    assert!(running(&built).is_empty());
}

#[test]
fn what_is_optional_becomes_a_warning() {
    let built = builder([detector("A-1", "my_event")
        .on(on("ptrace"))
        .on(on("no_such_event").optional())
        .on(on("security_file_open")
            .min_version(Version::new(2, 0, 0))
            .optional())
        .store(StoreRequirement::optional(Store::Container))
        .enrichment(EnrichmentRequirement::optional("exec-env"))])
    .build();
    assert_eq!(refusals(&built), "");
    assert_eq!(built.engine.subscribed_events(), ["ptrace"]);
    let warnings: Vec<_> = built.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn both_names_of_enrichments_and_architectures_mean_the_same() {
    let built = builder([detector("A-1", "my_event")
        .on(on("ptrace"))
        .enrichment(EnrichmentRequirement::required("exec-env"))
        .enrichment(EnrichmentRequirement::required("executable-hash").config("inode"))
        .architectures(["arm64"])])
    .enrichments(["environment", "exec-hash=inode"])
    .architecture("aarch64")
    .build();
    assert_eq!(refusals(&built), "");
    assert_eq!(running(&built), ["A-1"]);
}

#[test]
fn a_circle_is_refused_and_named() {
    let built = builder([
        detector("C-1", "one").on(on("three")),
        detector("C-2", "two").on(on("one")),
        detector("C-3", "three").on(on("two")).on(on("ptrace")),
        detector("C-4", "own").on(on("own")),
        detector("C-5", "after").on(on("one")),
        detector("C-6", "perhaps_after")
            .on(on("one").optional())
            .on(on("ptrace")),
    ])
    .build();
    assert_eq!(
        refusals(&built),
        "detector C-1: events: detectors run in a circle: C-1 → C-2 → C-3 → C-1; let one of them consume something else\n\
         detector C-2: events: detectors run in a circle: C-2 → C-3 → C-1 → C-2; let one of them consume something else\n\
         detector C-3: events: detectors run in a circle: C-3 → C-1 → C-2 → C-3; let one of them consume something else\n\
         detector C-4: events: detectors run in a circle: C-4 → C-4; let one of them consume something else\n\
         detector C-5: event one: one is produced by detector C-1, which is refused"
    );
    assert_eq!(running(&built), ["C-6"]);
    assert_eq!(built.warnings.len(), 1);
}

#[test]
fn five_levels_are_allowed() {
    let mut definitions = vec![detector("L-1", "level_1").on(on("ptrace"))];
    for level in 2..=6 {
        let input = format!("level_{}", level - 1);
        definitions.push(detector(&format!("L-{level}"), &format!("level_{level}")).on(on(&input)));
    }
    // Consumers may come before producers.
    definitions.reverse();
    let built = builder(definitions).build();
    assert_eq!(
        refusals(&built),
        "detector L-6: events: its events are 6 detectors away from a recorded event; 5 are allowed"
    );
    assert_eq!(running(&built), ["L-1", "L-2", "L-3", "L-4", "L-5"]);
}

#[test]
fn a_detector_that_cannot_start_is_refused_with_its_consumers() {
    let fail = |text: &str| [("fail", text)].into_iter().collect::<DetectorConfig>();
    let built = builder([
        detector("I-1", "one").on(on("ptrace")),
        detector("I-2", "two").on(on("one")),
        detector("I-3", "three").on(on("ptrace")),
    ])
    .config("I-1", fail("the list is empty"))
    .config("I-3", fail("panic"))
    .build();
    assert_eq!(
        refusals(&built),
        "detector I-1: init: it failed to start: the list is empty\n\
         detector I-2: event one: one is produced by detector I-1, which is refused\n\
         detector I-3: init: it failed to start: it panicked: no way"
    );
}

#[test]
fn a_declared_field_of_a_producer_can_be_filtered_on() {
    let built = builder([
        detector("F-1", "one")
            .field("risk", FieldType::Int32)
            .on(on("ptrace")),
        detector("F-2", "two").on(on("one").data("risk>=7")),
        detector("F-3", "three").on(on("one").data("colour=red")),
    ])
    .build();
    assert_eq!(running(&built), ["F-1", "F-2"]);
    let reasons: Vec<_> = built.refusals.iter().map(|refusal| &refusal.reason).collect();
    assert!(matches!(reasons.as_slice(), [Reason::Filter(error)] if error.offset == 0));
}

#[test]
fn events_that_were_not_recorded_are_pointed_out() {
    let mut built = builder([detector("A-1", "my_event")
        .on(on("ptrace"))
        .on(on("security_inode_rename"))])
    .build();
    let unmet: Vec<_> = built
        .engine
        .unmet(&["ptrace"])
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        unmet,
        ["detector A-1: event security_inode_rename: events security_inode_rename were not recorded"]
    );
}
