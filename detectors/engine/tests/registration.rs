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
        "detector L-6: events: its events are 6 detectors away from a recorded event \
         (L-1 → L-2 → L-3 → L-4 → L-5 → L-6); 5 are allowed"
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

#[test]
fn what_a_detector_produces_is_checked_too() {
    let built = builder([
        detector("P-1", "produced")
            .field("path", FieldType::String)
            .field("", FieldType::String)
            .field("path", FieldType::Bytes)
            .tag("files")
            .tag("")
            .tag("files")
            .on(on("ptrace"))
            .on(on("").optional()),
        detector("P-2", "also_produced").tag("ptrace").on(on("ptrace")),
    ])
    .build();
    assert_eq!(
        refusals(&built),
        "detector P-1: field 2: it is empty\n\
         detector P-1: field path: it is declared twice\n\
         detector P-1: tag 2: it is empty\n\
         detector P-1: tag files: it is declared twice\n\
         detector P-1: event 2: it is empty"
    );
    let warnings: Vec<_> = built.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["detector P-2: tag ptrace: it is the name of an event, too; a choice by this word finds both"]
    );
    assert_eq!(
        built.engine.refusals(),
        built.refusals,
        "the engine is the evidence"
    );
    assert_eq!(built.engine.warnings(), built.warnings);
}

#[test]
fn stores_are_asked_for_by_name() {
    let wanted = |requirement| detector("S-1", "produced").on(on("ptrace")).store(requirement);
    let refused = |requirement| {
        let stores = ["process", "threat_feed"];
        refusals(&builder([wanted(requirement)]).stores(stores).build())
    };
    assert_eq!(refused(StoreRequirement::required(Store::Process)), "");
    assert_eq!(refused(StoreRequirement::required("threat_feed")), "");
    assert_eq!(
        refused(StoreRequirement::required("threat_feeds")),
        "detector S-1: store threat_feeds: the recording has no threat_feeds store; did you mean threat_feed?"
    );
    assert_eq!(
        refused(StoreRequirement::required("proces")),
        "detector S-1: store proces: the recording has no proces store; did you mean process?"
    );
    assert_eq!(
        refused(StoreRequirement::required(Store::Dns)),
        "detector S-1: store dns: the recording has no dns store"
    );
    assert_eq!(refused(StoreRequirement::optional("threat_feeds")), "");
}

#[test]
fn detectors_are_told_which_stores_there_are() {
    struct Asking;
    impl EventDetector for Asking {
        fn definition(&self) -> DetectorDefinition {
            detector("S-1", "produced").on(on("ptrace"))
        }
        fn init(&mut self, params: &DetectorParams) -> Result<()> {
            params.logger.debug("starting");
            let known = ["process", "threat_feed", "dns"].map(|name| params.stores.is_available(name));
            Err(format!("{known:?}").into())
        }
        fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
            Ok(Outputs::none())
        }
    }
    let built = EngineBuilder::new()
        .detector(Asking)
        .stores(["threat_feed", "process"])
        .build();
    assert_eq!(
        refusals(&built),
        "detector S-1: init: it failed to start: [true, true, false]"
    );
}

#[test]
fn versions_of_tracee_are_kept_apart() {
    let version = |text: &str| Version::parse(text).expect("a version");
    let definitions = || {
        [
            detector("V-1", "old")
                .on(on("ptrace"))
                .max_tracee_version(version("0.25")),
            detector("V-2", "new")
                .on(on("ptrace"))
                .min_tracee_version(version("0.25")),
            detector("V-3", "never")
                .on(on("ptrace"))
                .min_tracee_version(version("0.25"))
                .max_tracee_version(version("0.25")),
        ]
    };
    let never = "detector V-3: Tracee version: no version is from 0.25.0 up to but not including 0.25.0";
    assert_eq!(
        refusals(&builder(definitions()).build()),
        format!(
            "detector V-1: Tracee version: detectors are run as Tracee 0.25.0 does, outside the range asked for\n{never}"
        )
    );
    assert_eq!(
        refusals(&builder(definitions()).recorder("tracee v0.24.1").build()),
        format!(
            "detector V-2: Tracee version: detectors are run as Tracee 0.24.1 does, outside the range asked for\n{never}"
        )
    );
    let built = builder(definitions()).recorder("tracee 7c9ec97").build();
    assert_eq!(refusals(&built), never);
}

/// `read`, on x86-64.
#[test]
fn the_system_call_with_number_0_is_an_event_like_any_other() {
    let built = builder([detector("R-1", "produced").on(on("read").data("fd=0"))]).build();
    assert_eq!(refusals(&built), "");
    assert_eq!(built.engine.subscribed_events(), ["read"]);
    let found = detectors_engine::testkit::detect(
        Declared(detector("R-1", "produced").on(on("read").data("fd=0"))),
        &[detectors_api::testkit::TestEvent::new("read").set("fd", 0)],
    );
    assert_eq!(found.len(), 1);
}

/// A detector that cannot say who it is.
struct Nameless;

impl EventDetector for Nameless {
    fn definition(&self) -> DetectorDefinition {
        panic!("no idea")
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Outputs::none())
    }
}

#[test]
fn who_cannot_say_who_they_are_is_refused_and_the_others_run() {
    let built = builder([detector("A-1", "a").on(on("ptrace"))])
        .detector(Nameless)
        .detector(Declared(detector("B-1", "b").on(on("ptrace"))))
        .build();
    assert_eq!(
        refusals(&built),
        "detector number 2: definition: it is not told: it panicked: no idea"
    );
    assert_eq!(running(&built), ["A-1", "B-1"]);
    assert_eq!(built.engine.refusals(), built.refusals);
}
