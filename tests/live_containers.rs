//! Containers of Docker and containerd, recorded on the kernel that runs the test. It needs root, BTF, and Docker's engine, and says so
//! where it has to skip.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use capture::CaptureReader;
use detectors_api::event::{BatchBuilder, RecordedEvent, timestamp_ns};
use detectors_api::proto::{Container, event_value::Value};
use detectors_api::stores::{ContainerFilter, ContainerInfo, Runtime, Stores as _};
use detectors_stores::{Stores, StoresAt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtimes::testkit::{DockerEngine, EngineError, IMAGE};

fn skip(reason: &str) {
    let note = format!("SKIPPED, no live recording of containers here: {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

/// A capture, read through its stores.
struct Recorded {
    events: Vec<RecordedEvent>,
    stores: Stores,
}

impl Recorded {
    fn read(path: &Path) -> Self {
        let reader = CaptureReader::open(path).unwrap();
        let events: Vec<_> = reader.events().unwrap().map(|event| event.unwrap().1).collect();
        let mut builder = BatchBuilder::new(0);
        for (seq, event) in (0..).zip(&events) {
            builder.push(seq, event);
        }
        let mut stores = reader.stores(0).unwrap();
        stores
            .advance(&builder.finish().batches, events.len() as u64)
            .unwrap();
        Self { events, stores }
    }

    fn at(&self, seq: usize) -> StoresAt<'_> {
        let time = self.events[seq].event.timestamp.as_ref().and_then(timestamp_ns);
        self.stores.at(seq as u64, time.unwrap())
    }

    /// The events of a type whose field ends with `end`.
    fn find(&self, name: &str, field: &str, end: &str) -> Vec<usize> {
        let told = |event: &RecordedEvent| {
            let mut data = event.event.data.iter();
            data.any(|value| {
                value.name == field && matches!(&value.value, Some(Value::Str(text)) if text.ends_with(end))
            })
        };
        let events = self.events.iter().enumerate();
        events
            .filter(|(_, event)| event.event.name == name && told(event))
            .map(|(seq, _)| seq)
            .collect()
    }

    fn container(&self, seq: usize) -> Option<&Container> {
        self.events[seq].event.workload.as_ref()?.container.as_ref()
    }
}

/// What the engine says about a container.
struct Inspected {
    id: String,
    started_ns: u64,
}

fn inspect(engine: &DockerEngine, name: &str) -> Inspected {
    let text = engine
        .docker(["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", name])
        .unwrap();
    let (id, started) = text.split_once(' ').unwrap();
    let started: jiff::Timestamp = started.parse().unwrap();
    Inspected {
        id: id.to_owned(),
        started_ns: u64::try_from(started.as_nanosecond()).unwrap(),
    }
}

/// A container that containerd runs by itself: its id, image and digest.
fn run_in_containerd(engine: &DockerEngine) -> (String, String, String) {
    let image = engine.give_image_to_containerd("shop").unwrap();
    let id = "0123456789abcdef".repeat(4);
    let in_namespace = |args: &[&str]| engine.ctr(["--namespace", "shop"].iter().chain(args)).unwrap();
    let run = [
        "run",
        "--detach",
        "--snapshotter=native",
        "--label=io.kubernetes.container.name=web",
    ];
    in_namespace(&[&run[..], &[&image, &id, "/bin/sleep", "600"]].concat());
    let images = in_namespace(&["images", "list"]);
    let digest = images
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"))
        .unwrap();
    (id, image, digest.to_owned())
}

fn check(container: &ContainerInfo<'_>, name: &str, inspected: &Inspected) {
    assert_eq!(
        (container.id, container.name, container.image, container.runtime),
        (inspected.id.as_str(), name, IMAGE, Runtime::Docker)
    );
    // An image that was never in a registry has no digest.
    assert_eq!((container.image_digest, container.pod), ("", None));
    assert_eq!(container.reported_start_ns, Some(inspected.started_ns), "{name}");
    // Its cgroup was made before its program was started, but not long before.
    let made = container.start_ns.unwrap();
    assert!(
        made < inspected.started_ns && inspected.started_ns - made < 60_000_000_000,
        "{name}: {made}"
    );
}

#[test]
fn containers_of_an_engine() {
    let engine = match DockerEngine::start() {
        Ok(engine) => engine,
        Err(error @ EngineError::Missing(_)) => return skip(&error.to_string()),
        Err(error) => panic!("{error}"),
    };
    engine.run("before", &[], &["sleep", "600"]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("containers.tcap");
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
        .args(["record", "--progress", "ndjson", "--flush-interval", "100ms"])
        .args(["--events", "security_file_open,*container*"])
        .arg("--runtime-socket")
        .arg(format!("docker={}", engine.socket().display()))
        .arg("--runtime-socket")
        .arg(format!("containerd={}", engine.containerd_socket().display()))
        .arg("-w")
        .arg(&capture)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(recorder.stderr.take().unwrap()).lines();
    let first = progress.next().unwrap().unwrap();
    if !first.starts_with('{') {
        assert_eq!(recorder.wait().unwrap().code(), Some(4), "{first}");
        return skip(&first);
    }
    // Its lines must be taken, or it waits.
    let reading = std::thread::spawn(move || progress.map_while(Result::ok).last());

    engine.run("during", &[], &["sleep", "600"]).unwrap();
    engine.exec("during", &["cat", "/etc/hostname"]).unwrap();
    let plain = run_in_containerd(&engine);
    let (before, during) = (inspect(&engine, "before"), inspect(&engine, "during"));
    // The engine is asked again until it has started the container.
    std::thread::sleep(Duration::from_secs(3));
    engine.exec("during", &["cat", "/etc/hosts"]).unwrap();
    engine.docker(["rm", "--force", "during"]).unwrap();
    for args in [
        &["tasks", "kill", "--signal=KILL"][..],
        &["tasks", "delete", "--force"],
    ] {
        engine
            .ctr(
                ["--namespace", "shop"]
                    .iter()
                    .chain(args)
                    .chain(&[plain.0.as_str()]),
            )
            .unwrap();
    }
    engine.exec("before", &["cat", "/etc/hosts"]).unwrap();
    kill(Pid::from_raw(recorder.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let said = reading.join().unwrap();
    assert!(recorder.wait().unwrap().success(), "{said:?}");
    drop(engine);

    let recorded = Recorded::read(&capture);
    let last = recorded.events.len() - 1;
    let mine: Vec<usize> = (0..=last)
        .filter(|seq| {
            recorded
                .container(*seq)
                .is_some_and(|container| container.id == during.id)
        })
        .collect();
    let made = recorded.find("cgroup_mkdir", "cgroup_path", &during.id);
    let removed = recorded.find("cgroup_rmdir", "cgroup_path", &during.id);
    assert!(!made.is_empty() && made.len() == removed.len());
    // Nothing of it happens before its first cgroup is made, and nothing after the last one is removed.
    assert!(made[0] < mine[0] && *mine.last().unwrap() < *removed.last().unwrap());

    // The one that was there, and the one that came and went, have events of their own.
    let told = |event: &str, id: &str| recorded.find(event, "container_id", id).len();
    for (container, counts) in [(&before, [1, 0, 0]), (&during, [0, 1, 1])] {
        let events = ["existing_container", "container_create", "container_remove"];
        assert_eq!(
            events.map(|event| told(event, &container.id)),
            counts,
            "{}",
            container.id
        );
    }

    // As of the first event in it, its id and runtime are known; the rest came later, and stays when it is gone.
    let stores = recorded.at(mine[0]);
    let first = stores.containers().get_container(&during.id).unwrap();
    assert_eq!((first.runtime, first.end_ns), (Runtime::Docker, None));
    let stores = recorded.at(last);
    let gone = stores.containers().get_container(&during.id).unwrap();
    check(&gone, "during", &during);
    assert!(gone.end_ns > gone.reported_start_ns);
    assert_eq!(stores.containers().get_container_by_name("during").unwrap(), gone);
    let alive = stores.containers().get_container(&before.id).unwrap();
    check(&alive, "before", &before);
    assert_eq!(alive.end_ns, None);
    let (id, image, digest) = &plain;
    let other = stores.containers().get_container(id).unwrap();
    assert_eq!(
        (other.name, other.image, other.image_digest, other.runtime),
        ("web", image.as_str(), digest.as_str(), Runtime::Containerd)
    );
    assert!(
        other.reported_start_ns.is_some() && other.end_ns > other.start_ns,
        "{other:?}"
    );
    let live = stores
        .containers()
        .list_containers(&ContainerFilter::default())
        .unwrap();
    let ours: Vec<_> = live.iter().filter(|container| container.image == IMAGE).collect();
    assert_eq!(ours, [&alive]);

    // Programs that were executed in it, and what events say about where they ran.
    let ran = |end: &str, id: &str| -> Vec<&Container> {
        let execs = recorded.find("security_file_open", "pathname", end).into_iter();
        execs
            .filter_map(|seq| recorded.container(seq))
            .filter(|container| container.id == id)
            .collect()
    };
    let told = |container: &&Container| {
        let image = container.image.as_ref().map(|image| image.name.as_str());
        (
            container.started,
            container.name.clone(),
            image.map(str::to_owned),
        )
    };
    let full = |name: &str| (true, name.to_owned(), Some(IMAGE.to_owned()));
    assert!(
        ran("/etc/hostname", &during.id)
            .iter()
            .all(|container| container.started)
    );
    assert!(!ran("/etc/hostname", &during.id).is_empty());
    assert_eq!(
        ran("/etc/hosts", &during.id).iter().map(told).collect::<Vec<_>>(),
        [full("during")]
    );
    assert_eq!(
        ran("/etc/hosts", &before.id).iter().map(told).collect::<Vec<_>>(),
        [full("before")]
    );
}

#[test]
fn sockets_that_are_not_there_are_mistakes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("none.tcap");
    for (socket, reason) in [
        ("docker=/no/such.sock", "cannot ask docker at /no/such.sock"),
        ("lxc=/x", "`lxc` cannot be asked"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tracee-cap"))
            .args(["record", "--runtime-socket", socket, "-w"])
            .arg(&path)
            .args(["--", "/bin/true"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(reason), "{text}");
        assert!(!path.exists());
    }
}
