//! A replay that starts in the middle finds what a full one finds there: keyframes stand for everything before them.

use std::collections::BTreeSet;
use std::path::Path;

use capture::{CaptureReader, CaptureWriter, Header, Import, InputFormat, WriterOptions};
use detectors_api::detector::{Detector, Kind};
use detectors_api::prelude::*;
use detectors_api::proto::event_value::Value;
use detectors_api::stores::{ContainerFilter, ProcessInfo};
use detectors_engine::{Detection, EngineBuilder};
use fixtures::generator::Generator;

/// Asks the stores everything that can be asked about an event, and tells the answers.
struct Curious;

impl EventDetector for Curious {
    fn definition(&self) -> DetectorDefinition {
        [
            "security_file_open",
            "sched_process_exec",
            "sched_process_exit",
            "security_socket_connect",
            "cgroup_mkdir",
            "net_packet_dns",
        ]
        .into_iter()
        .fold(
            DetectorDefinition::new("T-1", "curious")
                .field("answers", FieldType::String)
                .auto_populate(AutoPopulate::ALL),
            |definition, event| definition.on(EventRequirement::new(event)),
        )
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        // Some events are enough, and answers are long.
        if !event.seq().is_multiple_of(13) {
            return Ok(Outputs::none());
        }
        let stores = cx.stores();
        let id = event.process().entity_id().unwrap_or_default();
        let pid = event.process().host_pid().unwrap_or_default();
        let ancestors = stores.processes().get_ancestry(id, 8)?;
        let oldest = ancestors.last().map_or(id, |process| process.entity_id);
        let one = |process: ProcessInfo<'_>| format!("{process:?}");
        let mut answers = vec![
            format!("{:?}", stores.processes().get_process(id).map(one)),
            format!("{:?}", stores.processes().get_process_by_host_pid(pid).map(one)),
            format!("{:?}", stores.processes().get_child_processes(id)?),
            format!("{:?}", stores.processes().get_child_processes(oldest)?.len()),
            format!("{ancestors:?}"),
            format!("{:?}", stores.containers().get_container(event.container().id())),
            format!(
                "{:?}",
                stores.containers().list_containers(&ContainerFilter::default())?
            ),
        ];
        for name in ["example.com", "www.google.com", "1.1.1.1"]
            .into_iter()
            .chain(event.get("dst"))
        {
            answers.push(format!("{:?}", stores.dns().get_dns_response(name)));
        }
        Ok(Output::new().with("answers", answers.join("\n")).into())
    }
}

/// Which of the built-in detectors run.
#[derive(Clone, Copy)]
enum Builtin {
    /// All. Some remember, so that a start in the middle shows them what was before, and the stores begin there.
    All,
    /// Those that remember nothing: the stores begin at a keyframe.
    Stateless,
}

impl Builtin {
    fn detectors(self) -> impl Iterator<Item = Box<dyn Detector>> {
        detectors_builtin::detectors()
            .into_iter()
            .filter(move |detector| {
                matches!((self, detector.kind()), (Self::All, _) | (_, Kind::Stateless(_)))
            })
    }
}

fn replay(reader: &CaptureReader, options: &replay::Options, builtin: Builtin) -> Vec<Detection> {
    let built = EngineBuilder::new()
        .detectors(builtin.detectors())
        .detector(Curious)
        .enrichments(["environment"])
        .stores(Store::ALL)
        .build();
    assert_eq!(built.refusals, []);
    let mut found = Vec::new();
    let outcome = replay::Replay::plan(reader, built.engine, Vec::new(), options.clone())
        .and_then(|replay| {
            let take = |detections| {
                found.extend::<Vec<_>>(detections);
                Ok(())
            };
            replay.run(take, |_| {})
        })
        .expect("the capture is whole");
    assert_eq!(outcome.gaps, []);
    found
}

fn is_the_same_from_anywhere(reader: &CaptureReader, builtin: Builtin) {
    let all = replay(reader, &replay::Options::default(), builtin);
    let keyframes = reader.keyframes().expect("the capture is whole");
    let (Some(first), Some(latest)) = (keyframes.first(), keyframes.last()) else {
        panic!("there are no keyframes");
    };
    let last = reader.manifest().seq.expect("events").last;
    for from in [
        first - 1,
        *first,
        first + 1,
        last / 2,
        *latest,
        latest + 1,
        last,
        last + 1,
    ] {
        for (to, window) in [(u64::MAX, 1_000_000), (from.saturating_add(900), 100)] {
            let options = replay::Options {
                seq: from..=to,
                window,
                ..replay::Options::default()
            };
            let found = replay(reader, &options, builtin);
            let expected: Vec<_> = all
                .iter()
                .filter(|detection| options.seq.contains(&detection.seq))
                .collect();
            assert_eq!(found.len(), expected.len(), "from {from} to {to}");
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found, expected, "from {from} to {to}");
            }
        }
    }
}

fn options() -> WriterOptions {
    WriterOptions {
        segment_rows: 1_500,
        ..WriterOptions::default()
    }
}

/// The address that the environment of every program announces as that of the Kubernetes API.
const API: &str = "10.96.0.1";

fn generated(path: &Path, retention_ns: Option<u64>) -> CaptureReader {
    let header = Header {
        enrichments: vec!["environment".to_owned()],
        stores_retention_ns: retention_ns,
        ..Header::default()
    };
    let mut writer = CaptureWriter::create(path, header, options()).expect("a new capture");
    for (count, mut event) in Generator::new(7).take(12_000).enumerate() {
        for field in &mut event.event.data {
            match (field.name.as_str(), &mut field.value) {
                // Now and then, standard output is connected, or the Kubernetes API is what is connected to.
                ("sockfd", Some(Value::Int32(descriptor))) if count % 5 == 0 => *descriptor = 1,
                ("remote_addr", Some(Value::Sockaddr(peer))) if count % 3 == 0 => {
                    peer.sin_addr = API.to_owned();
                }
                ("env", Some(Value::StrArray(env))) => {
                    env.value.push(format!("KUBERNETES_SERVICE_HOST={API}"));
                }
                _ => {}
            }
        }
        writer.push(&event);
        if count % 500 == 499 {
            writer.flush().expect("flushed");
        }
    }
    writer.finish().expect("finished");
    CaptureReader::open(path).expect("own capture")
}

#[test]
fn what_the_built_in_detectors_find_is_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let reader = generated(&directory.path().join("x.tcap"), None);
    let found = replay(&reader, &replay::Options::default(), Builtin::All);
    let ids: BTreeSet<_> = found.iter().map(|detection| &*detection.detector_id).collect();
    for id in ["TRC-101", "TRC-102", "TRC-105", "TRC-107", "TRC-109", "TRC-1013"] {
        assert!(
            ids.contains(id),
            "{id} found nothing, so this shows nothing about it"
        );
    }
    is_the_same_from_anywhere(&reader, Builtin::All);
    is_the_same_from_anywhere(&reader, Builtin::Stateless);
}

#[test]
fn what_is_forgotten_is_forgotten_from_anywhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let forgetful = generated(&directory.path().join("x.tcap"), Some(4_000_000));
    is_the_same_from_anywhere(&forgetful, Builtin::All);
    is_the_same_from_anywhere(&forgetful, Builtin::Stateless);
    let remembering = generated(&directory.path().join("y.tcap"), None);
    let options = replay::Options::default();
    assert_ne!(
        replay(&forgetful, &options, Builtin::All),
        replay(&remembering, &options, Builtin::All),
        "nothing was forgotten, so this shows nothing"
    );
}

#[test]
fn real_dns_answers_are_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.tcap");
    let recording =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/tracee/legacy/dns_events.ndjson.gz");
    let mut writer = CaptureWriter::create(&path, Header::default(), options()).expect("a new capture");
    Import::open(&capture::Input::File(recording), InputFormat::Auto)
        .expect("the recording is there")
        .run(&mut writer, &mut |_| {}, &|_| {})
        .expect("the recording is whole");
    writer.finish().expect("finished");
    is_the_same_from_anywhere(
        &CaptureReader::open(&path).expect("own capture"),
        Builtin::Stateless,
    );
}
