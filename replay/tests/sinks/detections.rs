//! The detections that the forms are tried on.

use std::collections::BTreeSet;

use detectors_api::prelude::*;
use detectors_api::testkit::{TestEvent, batches};
use detectors_engine::{Detection, Engine, EngineBuilder};
use detectors_stores::Stores;
use replay::{Capture, Ending, Format, Roster, Signatures, Writer};

/// A secret was read: a threat with everything that a threat can have.
struct SecretRead;

impl EventDetector for SecretRead {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("ACME-001", "secret_read")
            .describe("A file that holds secrets was opened")
            .version(Version::new(1, 2, 0))
            .tag("files")
            .field("path", FieldType::String)
            .field("inode", FieldType::UInt64)
            .on(EventRequirement::new("security_file_open"))
            .threat(
                Threat::critical("Secret read")
                    .describe("A program opened a file that holds secrets")
                    .tactic("Credential Access")
                    .tactic("Defense Evasion")
                    .technique("T1552", "Unsecured Credentials")
                    .technique("T1003", "OS Credential Dumping")
                    .sub_technique("T1552.001")
                    .property("owner", "blue team"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let path = event.get::<&str>("pathname").unwrap_or_default();
        if path.contains("broken") {
            return Err("this path is broken".into());
        }
        Ok(Output::new().with("path", path).with("inode", u64::MAX).into())
    }
}

/// An event that others are built on; no threat.
struct FileTouched;

impl EventDetector for FileTouched {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("ACME-000", "file_touched")
            .field("path", FieldType::String)
            .on(EventRequirement::new("security_file_open"))
            .auto_populate(AutoPopulate::DETECTED_FROM)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let path = event.get::<&str>("pathname").unwrap_or_default();
        Ok(Output::new().with("path", path).into())
    }
}

/// Found in what another detector found.
struct ChainEnd;

impl EventDetector for ChainEnd {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("ACME-002", "chain_end")
            .describe("Something was touched")
            .on(EventRequirement::new("file_touched"))
            .threat(Threat::low("Touched").technique("T1005", "Data from Local System"))
            .auto_populate(AutoPopulate::THREAT | AutoPopulate::DETECTED_FROM)
    }

    fn on_event(&self, _: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}

/// Never finds anything.
struct Silent;

impl EventDetector for Silent {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("ACME-003", "silence")
            .on(EventRequirement::new("sched_process_exec"))
            .threat(Threat::medium("Noise").tactic("Impact"))
    }

    fn on_event(&self, _: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Outputs::default())
    }
}

/// Asks for what there is not.
struct Refused;

impl EventDetector for Refused {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("ACME-004", "refused").on(EventRequirement::new("no_such_event"))
    }

    fn on_event(&self, _: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Outputs::default())
    }
}

/// A run: its detections, and what forms tell of it.
pub(crate) struct Sample {
    pub(crate) detections: Vec<Detection>,
    pub(crate) engine: Engine,
}

impl Sample {
    pub(crate) fn roster(&self) -> Roster {
        Roster::of(&self.engine, &BTreeSet::new())
    }

    /// Every form.
    pub(crate) fn formats(&self) -> Vec<Format> {
        vec![
            Format::Table { width: Some(120) },
            Format::Ndjson,
            Format::Json,
            Format::Findings(Signatures::new(self.engine.definitions())),
            Format::Parquet,
            Format::Csv,
            Format::Sarif(self.roster()),
            Format::Junit(self.roster()),
            Format::Ocsf(self.roster()),
        ]
    }

    /// The detections in a form, with all that can be told of the run.
    pub(crate) fn in_form(&self, format: Format) -> Vec<u8> {
        let ending = Ending {
            exit_code: Some(0),
            unread: vec!["row group 3 of security_file_open: {bad} page".to_owned()],
            missing: vec!["web-1.tcap: lost: 12 events between 3 and 4: ring_full".to_owned()],
            ..Ending::of(&self.engine)
        };
        written(format, Some(&capture()), self.detections.clone(), &ending)
    }

    /// The detections in a form, in a run in which all went well.
    pub(crate) fn in_good_form(&self, format: Format) -> String {
        let ending = Ending {
            exit_code: Some(0),
            ..Ending::of(&self.engine)
        };
        text(written(
            format,
            Some(&capture()),
            self.detections.clone(),
            &ending,
        ))
    }
}

/// `detections` in a form.
pub(crate) fn written(
    format: Format,
    capture: Option<&Capture>,
    detections: Vec<Detection>,
    ending: &Ending,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(format, &mut out);
    if let Some(capture) = capture {
        writer.capture(capture);
    }
    let count = detections.len() as u64;
    for detection in detections {
        writer.write(detection).expect("memory takes all");
    }
    let report = writer.finish_with(ending).expect("memory takes all");
    assert_eq!(report.detections, count);
    assert_eq!(report.digest, blake3::hash(&out).to_hex().to_string());
    out
}

/// Nothing, in a form.
pub(crate) fn empty(format: Format) -> Vec<u8> {
    written(format, None, Vec::new(), &Ending::default())
}

pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("a form made of text")
}

/// The capture that everything is found in.
pub(crate) fn capture() -> Capture {
    Capture {
        path: "web-1.tcap".to_owned(),
        id: "7d4f8a52-0c66-4f5e-9f6e-0a5f2d9e4c11".to_owned(),
        digest: "d1ce".repeat(16),
        state: "closed".to_owned(),
        host: "web-1".to_owned(),
    }
}

/// One detection of one of three detectors, for the documentation.
pub(crate) fn example() -> Sample {
    let event = TestEvent::new("security_file_open")
        .set("pathname", "/etc/shadow")
        .at_ns(1_785_571_200_987_654_321)
        .process(4242, 1_785_571_190_000_000_000)
        .parent(77, 1_785_571_000_000_000_000)
        .comm("cat")
        .exe("/usr/bin/cat")
        .uid(1000)
        .container("3f4a5b6c7d8e9f00", true)
        .image(
            "shop",
            "registry.example/shop:2",
            "registry.example/shop@sha256:11",
        );
    let registered = EngineBuilder::new()
        .detector(SecretRead)
        .detector(Silent)
        .detector(Refused)
        .build();
    let mut engine = registered.engine;
    let detections = engine.process(&batches(&[event]), &Stores::new());
    Sample { detections, engine }
}

/// What five detectors find in four events.
pub(crate) fn sample() -> Sample {
    let opened = |path: &str| TestEvent::new("security_file_open").set("pathname", path);
    let events = [
        opened("/etc/shadow")
            .at_ns(1_785_571_200_987_654_321)
            .process(4242, 1_000_000_000)
            .parent(1, 1)
            .comm("cat")
            .exe("/usr/bin/cat")
            .uid(1000)
            .syscall("openat")
            .container("3f4a5b6c7d8e9f00", true)
            .image(
                "shop",
                "registry.example/shop:2",
                "registry.example/shop@sha256:11",
            )
            .pod("shop-0", "prod", "b8f6f3c8-0f0a-4a3e-8d3f-0d6f6c1f7a11")
            .stack(&[0x7fff_0000, u64::MAX]),
        // What steers terminals, spreadsheets, XML, SARIF messages and URIs.
        opened("=cmd|' /C calc'!A0,\"quoted\"\r\nnext {0} [link](http://x) \u{1b}[31m <&> \u{fffe} é")
            .at_ns(1_785_571_201_000_000_001)
            .process(77, 2_000_000_000)
            .comm("a b;\u{7}")
            .exe("/tmp/über <file>?#%"),
        opened("").at_ns(1_785_571_202_000_000_000),
        opened("/broken").at_ns(1_785_571_203_000_000_000),
    ];
    let registered = EngineBuilder::new()
        .detector(FileTouched)
        .detector(SecretRead)
        .detector(ChainEnd)
        .detector(Silent)
        .detector(Refused)
        .build();
    assert_eq!(registered.refusals.len(), 1, "{:?}", registered.refusals);
    let mut engine = registered.engine;
    let mut detections = engine.process(&batches(&events), &Stores::new());
    // A time is not always known, and neither is who did it.
    let timeless = detections.last_mut().expect("something is found");
    timeless.event.timestamp = None;
    timeless.event.workload = None;
    Sample { detections, engine }
}
