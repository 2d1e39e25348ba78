//! The harness for the tests of detectors: what it runs, and what it says when the result is another one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use detectors_api::prelude::*;
use detectors_api::testkit::TestEvent;
use detectors_engine::testkit::{Harness, Run, detect};
use detectors_stores::process::TaskSnapshot;

const NS: u64 = 1_767_225_600_000_000_000;

/// A file that matters was opened.
struct Opened;

impl EventDetector for Opened {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("T-1", "opened")
            .field("file", FieldType::String)
            .field("flags", FieldType::Int32)
            .on(EventRequirement::new("security_file_open")
                .data("pathname=/etc/*")
                .data("pathname!=*.conf")
                .scope("container=started"))
            .on(EventRequirement::new("security_file_open").scope("uid=0"))
            .threat(Threat::medium("A file was opened").technique("T1003", "OS Credential Dumping"))
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let path: &str = event.get("pathname").ok_or("there is no pathname")?;
        if path == "/etc/hosts" {
            return Ok(Outputs::none());
        }
        let output = Output::new().with("file", path);
        Ok(output
            .with("flags", event.get::<i32>("flags").unwrap_or_default())
            .into())
    }
}

/// A shadow file was opened, as the other detector has it.
struct Shadow {
    limit: i64,
}

impl EventDetector for Shadow {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("T-2", "shadow")
            .field("limit", FieldType::Int64)
            .on(EventRequirement::new("opened").data("file=*shadow*"))
            .store(StoreRequirement::optional(Store::Symbol))
    }

    fn init(&mut self, params: &DetectorParams) -> Result<()> {
        self.limit = params.config.get_int("limit", 1);
        Ok(())
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().with("limit", self.limit).into())
    }
}

fn open(path: &str) -> TestEvent {
    TestEvent::new("security_file_open").set("pathname", path)
}

fn inside(path: &str) -> TestEvent {
    open(path).container("c0ffee", true)
}

fn chain() -> Harness {
    Harness::new(Shadow { limit: 0 }).and(Opened)
}

/// The text of the panic of `check`.
fn complaint(check: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err("it should fail");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_chain_runs_with_settings_ancestors_and_warnings() {
    let task = |host_pid: u32, host_ppid: u32, comm: &str, exe: &str| TaskSnapshot {
        host_pid,
        host_tid: host_pid,
        pid: host_pid,
        tid: host_pid,
        host_ppid,
        start_ns: NS,
        parent_start_ns: NS,
        comm: comm.to_owned(),
        exe: exe.to_owned(),
        ..TaskSnapshot::default()
    };
    let run = chain()
        .config("T-2", [("limit", 7)])
        .processes(&[
            task(1, 0, "systemd", ""),
            task(4200, 1, "bash", "/bin/bash"),
            task(4300, 4200, "cat", "/bin/cat"),
        ])
        .run(&[
            open("/x"),
            inside("/etc/shadow").process(4300, NS).set("flags", 2),
        ]);
    run.assert_text(
        r#"
        event 2: opened (T-1)
          file = "/etc/shadow"
          flags = 2
          threat = medium "A file was opened" T1003
          detected_from = security_file_open
          ancestors = 4200 "/bin/bash", 1 "systemd"
        event 2, level 2: shadow (T-2)
          limit = 7
          ancestors = 4200 "/bin/bash", 1 "systemd"
        warning: detector T-2: store symbol: the recording has no symbol store
        "#,
    );
    assert_eq!(run.detection(1).get::<i64>("limit"), Some(7));
}

#[test]
fn the_complaint_has_the_difference_and_the_reasons() {
    let run = chain().run(&[
        inside("/etc/passwd"),
        inside("/etc/resolv.conf"),
        open("/etc/shadow"),
        inside("/etc/hosts").uid(0).set("flags", 2),
        open("/x").uid(0).without("pathname"),
        TestEvent::new("ptrace"),
    ]);
    let complaint = complaint(|| {
        run.assert_text(
            r#"
            event 1: opened (T-1)
              file = "/etc/shadow"
            "#,
        );
    });
    insta::assert_snapshot!(complaint);
}

#[test]
fn problems_are_part_of_the_result() {
    /// Wants what is not there, and says what it did not declare.
    struct Careless(&'static str);
    impl EventDetector for Careless {
        fn definition(&self) -> DetectorDefinition {
            DetectorDefinition::new("T-3", "careless")
                .on(EventRequirement::new("security_file_open").data(self.0))
        }
        fn on_event(&self, _: &Event<'_>, _: &Context<'_>) -> Result<Outputs> {
            Ok(Output::new().with("surprise", 1).into())
        }
    }
    let run = Harness::new(Careless("pathnam=/x")).run(&[]);
    assert_eq!(run.refusals().len(), 1);
    assert!(
        run.to_text()
            .starts_with("refused: detector T-3: event security_file_open")
    );
    assert!(complaint(|| run.assert_none()).contains("did you mean `pathname`?"));
    let run = Harness::new(Careless("pathname=*")).run(&[open("/x")]);
    assert!(
        run.to_text()
            .contains("undeclared: detector T-3 says `surprise` about event 1")
    );
    assert!(complaint(|| _ = detect(Careless("pathname=*"), &[open("/x")])).starts_with("undeclared: "));
}

#[test]
fn the_recording_can_lack_things() {
    struct Demanding;
    impl EventDetector for Demanding {
        fn definition(&self) -> DetectorDefinition {
            DetectorDefinition::new("T-4", "demanding")
                .on(EventRequirement::new("sys_enter").data("syscall=ptrace"))
                .enrichment(EnrichmentRequirement::required("exec-hash").config("digest-inode"))
                .store(StoreRequirement::required(Store::Dns))
        }
        fn on_event(&self, _: &Event<'_>, _: &Context<'_>) -> Result<Outputs> {
            Ok(Output::new().into())
        }
    }
    let events = [101, 117].map(|number| TestEvent::new("sys_enter").set("syscall", number));
    let seqs = |run: &Run| run.detections().iter().map(|found| found.seq).collect::<Vec<_>>();
    let full = Harness::new(Demanding).run(&events);
    full.assert_sound();
    assert_eq!(seqs(&full), [1]);
    let arm = Harness::new(Demanding).architecture("aarch64").run(&events);
    assert_eq!(seqs(&arm), [2], "the number of ptrace");
    let poor = Harness::new(Demanding)
        .enrichments(["executable-hash=inode"])
        .stores([Store::Process])
        .run(&events);
    let fields: Vec<_> = poor
        .refusals()
        .iter()
        .map(|refusal| refusal.field.as_str())
        .collect();
    assert_eq!(fields, ["store dns", "enrichment exec-hash"]);
}

#[test]
fn windows_change_nothing() {
    let events: Vec<_> = ["/etc/shadow", "/x", "/etc/gshadow"].map(inside).to_vec();
    let whole = chain().run(&events).to_text();
    assert_eq!(chain().windows_of(1).run(&events).to_text(), whole);
    assert!(whole.contains("event 3, level 2: shadow"));
}
