//! What stores say about a recording of this kernel, against what the recorded programs found out about themselves. It needs
//! root and BTF, and says so where it has to skip.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use capture::CaptureReader;
use capture::live::{Config, Ended, LiveError, NoObserver, Recording, record};
use detectors_api::event::{BatchBuilder, RecordedEvent, timestamp_ns};
use detectors_api::proto::event_value::Value;
use detectors_api::stores::{ProcessInfo, Runtime, Stores as _};
use detectors_stores::{Stores, StoresAt};
use ebpf::kernel::{cgroup_mount, cgroup_v2};

/// The script; a part of the program, which also runs on machines without the sources.
const TREE: &str = include_str!("live_stores/tree.sh");
const CONTAINER: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

/// A recording, read back through the stores of its capture.
struct Recorded {
    events: Vec<RecordedEvent>,
    stores: Stores,
}

impl Recorded {
    fn read(path: &Path) -> Self {
        let reader = CaptureReader::open(path).expect("the capture can be read");
        let events: Vec<_> = reader
            .events()
            .expect("the events can be read")
            .map(|event| event.expect("the event can be read").1)
            .collect();
        let mut stores = reader.stores(0).expect("the capture has stores");
        let mut builder = BatchBuilder::new(0);
        for (seq, event) in (0..).zip(&events) {
            builder.push(seq, event);
        }
        stores
            .advance(&builder.finish().batches, events.len() as u64)
            .expect("the events are in order");
        Self { events, stores }
    }

    /// The stores as of an event.
    fn at(&self, seq: usize) -> StoresAt<'_> {
        let time = self.events[seq].event.timestamp.as_ref().and_then(timestamp_ns);
        self.stores.at(seq as u64, time.expect("events have a time"))
    }

    /// The stores as of the last event.
    fn end(&self) -> StoresAt<'_> {
        self.at(self.events.len() - 1)
    }

    /// The only event of a type with this value of a field.
    fn find(&self, name: &str, field: &str, value: &Value) -> usize {
        let found: Vec<_> = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, recorded)| recorded.event.name == name && get(recorded, field) == Some(value))
            .map(|(seq, _)| seq)
            .collect();
        assert_eq!(found.len(), 1, "{name} with {field} = {value:?}");
        found[0]
    }
}

fn get<'a>(recorded: &'a RecordedEvent, field: &str) -> Option<&'a Value> {
    let mut data = recorded.event.data.iter();
    data.find(|value| value.name == field)?.value.as_ref()
}

fn skip(reason: &str) {
    let note = format!("SKIPPED, no live recording here: {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

/// What a process noted about itself.
#[derive(Clone, Copy, Debug)]
struct Note {
    host_pid: u32,
    host_ppid: u32,
    pid: u32,
}

fn notes(path: &Path) -> BTreeMap<String, Note> {
    let text = fs::read_to_string(path).expect("the family took notes");
    let note = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let number = |word: usize| words[word].parse().expect("it is a number");
        let note = Note {
            host_pid: number(1),
            host_ppid: number(2),
            pid: number(3),
        };
        (words[0].to_owned(), note)
    };
    text.lines().map(note).collect()
}

#[test]
fn a_family_of_processes_and_a_container() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("family.tcap");
    let noted = directory.path().join("notes");
    let Some(hierarchy) = cgroup_mount(cgroup_v2()) else {
        return skip("no cgroup file system is mounted");
    };
    let group = format!("tracee-cap-test-{}", std::process::id());
    let tree = directory.path().join("tree.sh");
    std::fs::write(&tree, TREE).unwrap();
    let variables = [
        ("TREE", OsString::from(&tree)),
        ("NOTES", noted.clone().into()),
        ("HELPER", std::env::current_exe().unwrap().into()),
        ("CGROUP", hierarchy.point.join(&group).into()),
        ("CONTAINER", CONTAINER.into()),
    ];
    let mut config = Config::new(Recording::new(&path));
    config.command.push("/usr/bin/env".into());
    for (name, value) in variables {
        let mut variable = OsString::from(format!("{name}="));
        variable.push(value);
        config.command.push(variable);
    }
    config.command.extend(["sh".into(), tree.into(), "main".into()]);
    match record(&config, None, &mut NoObserver, &mut || false) {
        Ok(summary) => {
            assert!(
                matches!(summary.ended, Ended::Command(status) if status.success()),
                "{summary:?}"
            );
            assert_eq!(summary.progress.lost, 0);
        }
        Err(LiveError::Sensor(
            error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_)),
        )) => return skip(&error.to_string()),
        Err(error) => panic!("{error}"),
    }
    let recorded = Recorded::read(&path);
    let notes = notes(&noted);
    check_ids(&recorded, &notes);
    check_relations(&recorded, &notes);
    check_adoptions(&recorded, &notes);
    check_container(&recorded, &notes, &noted, &format!("/{group}/docker/{CONTAINER}"));
}

fn process<'a>(stores: &'a StoresAt<'_>, note: &Note) -> ProcessInfo<'a> {
    stores
        .processes()
        .get_process_by_host_pid(note.host_pid)
        .unwrap_or_else(|error| panic!("{note:?}: {error}"))
}

/// Every process is known by all of its numbers, and has ended well.
fn check_ids(recorded: &Recorded, notes: &BTreeMap<String, Note>) {
    let stores = recorded.end();
    assert_eq!(notes.len(), 18, "{notes:?}");
    for (name, note) in notes {
        let process = process(&stores, note);
        assert_eq!(process.pid, Some(note.pid), "{name}");
        assert!(process.start_ns < process.exit_ns, "{name}: {process:?}");
        assert_eq!(process.exit_code, Some(0), "{name}");
        assert_eq!(process.name, "sh", "{name}");
        // Who died meanwhile was replaced; that is checked elsewhere.
        if !name.ends_with("adopted") {
            assert_eq!(process.host_ppid, Some(note.host_ppid), "{name}");
        }
    }
    assert_eq!(notes["init"].pid, 1);
    assert!(notes["in-namespace"].pid < notes["in-namespace"].host_pid);
}

/// Ancestors and children are those that the processes saw.
fn check_relations(recorded: &Recorded, notes: &BTreeMap<String, Note>) {
    let stores = recorded.end();
    let processes = stores.processes();
    let ancestry = |name: &str| -> Vec<u32> {
        let id = process(&stores, &notes[name]).entity_id;
        let line = processes.get_ancestry(id, 20).expect("the process is known");
        line.iter().map(|process| process.host_pid).collect()
    };
    let line = |names: &[&str]| -> Vec<u32> { names.iter().map(|name| notes[*name].host_pid).collect() };
    for names in [
        &["subshell", "chain-2", "chain-1", "main"][..],
        &["middle", "daemon", "main"],
        // Those who made it, not the one who took it over.
        &["adopted", "middle", "daemon", "main"],
        &["session", "main"],
        // The helper became it, through a thread that was not its first.
        &["thread", "main"],
    ] {
        assert_eq!(ancestry(names[0])[..names.len()], line(names), "{names:?}");
    }
    // unshare, and the shell that called it, are in between.
    for name in ["init", "container-moved"] {
        assert_eq!(ancestry(name)[2], notes["main"].host_pid, "{name}");
    }
    let children = |name: &str| -> Vec<u32> {
        let id = process(&stores, &notes[name]).entity_id;
        let children = processes.get_child_processes(id).expect("the process is known");
        children.iter().map(|process| process.host_pid).collect()
    };
    assert_eq!(children("chain-1"), line(&["chain-2"]));
    assert!(children("main").starts_with(&line(&["chain-1", "daemon"])));
    assert!(children("middle").contains(&notes["adopted"].host_pid));

    // As of its fork, the child of the chain is not there yet or still has its parent's program.
    let pid = Value::Int32(notes["chain-2"].host_pid.cast_signed());
    let fork = recorded.find("sched_process_fork", "child_pid", &pid);
    let before = recorded.at(fork - 1);
    assert!(
        before
            .processes()
            .get_process_by_host_pid(notes["chain-2"].host_pid)
            .is_err()
    );
    let then = recorded.at(fork);
    let child = process(&then, &notes["chain-2"]);
    assert_eq!(
        (child.exit_ns, child.host_ppid),
        (None, Some(notes["chain-1"].host_pid))
    );
}

/// Orphans know who made them and who took them over.
fn check_adoptions(recorded: &Recorded, notes: &BTreeMap<String, Note>) {
    let stores = recorded.end();
    for prefix in ["", "reaped-"] {
        let orphan = notes[&format!("{prefix}adopted")];
        let info = process(&stores, &orphan);
        let middle = process(&stores, &notes[&format!("{prefix}middle")]);
        assert_eq!(info.parent_entity_id, Some(middle.entity_id), "{prefix}");
        let adopter = stores
            .processes()
            .get_process_by_host_pid(orphan.host_ppid)
            .expect("the adopter is known");
        assert_eq!(info.adopted_by, Some(adopter.entity_id), "{prefix}");
    }
    assert_ne!(notes["adopted"].host_ppid, notes["reaped-adopted"].host_ppid);
}

/// The container is there from the event that makes it to the one that removes it, and what ran in it is known to have.
fn check_container(recorded: &Recorded, notes: &BTreeMap<String, Note>, noted: &Path, group: &str) {
    let text = fs::read_to_string(noted.with_extension("inode")).expect("the inode was noted");
    let inode: u64 = text
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a number");
    let path = Value::Str(group.to_owned());
    let (made, removed) = (
        recorded.find("cgroup_mkdir", "cgroup_path", &path),
        recorded.find("cgroup_rmdir", "cgroup_path", &path),
    );
    assert_eq!(
        get(&recorded.events[made], "cgroup_id"),
        Some(&Value::UInt64(inode))
    );
    assert!(
        recorded
            .at(made - 1)
            .containers()
            .get_container(CONTAINER)
            .is_err()
    );
    let text = |text: &str| Some(Value::Str(text.to_owned()));
    for (seq, name) in [(made + 1, "container_create"), (removed + 1, "container_remove")] {
        let event = &recorded.events[seq];
        assert_eq!(event.event.name, name);
        assert_eq!(get(event, "runtime").cloned(), text("docker"));
        assert_eq!(get(event, "container_id").cloned(), text(CONTAINER));
    }
    assert!(
        matches!(get(&recorded.events[made + 1], "ctime"), Some(Value::Int64(ctime)) if *ctime > 1_700_000_000_000_000_000),
    );
    for seq in [made, removed - 1, removed, recorded.events.len() - 1] {
        let stores = recorded.at(seq);
        let container = stores.containers().get_container(CONTAINER).expect("it is known");
        assert_eq!((container.id, container.runtime), (CONTAINER, Runtime::Docker));
        assert_eq!(container.end_ns.is_none(), seq < removed, "{seq}");
        assert!(container.start_ns.is_some(), "{container:?}");
        let by_cgroup = stores
            .containers()
            .get_container_by_cgroup(inode)
            .expect("it is known");
        assert_eq!(by_cgroup.id, CONTAINER);
        let live = stores
            .containers()
            .list_containers(&detectors_api::stores::ContainerFilter::default())
            .expect("the store answers");
        assert_eq!(
            live.iter().any(|live| live.id == CONTAINER),
            seq < removed,
            "{seq}"
        );
    }

    // The events of what ran in it say so, from the first one on.
    let moved = Value::Int32(notes["container-moved"].host_pid.cast_signed());
    let attached: Vec<_> = recorded
        .events
        .iter()
        .enumerate()
        .filter(|(_, recorded)| {
            recorded.event.name == "cgroup_attach_task" && get(recorded, "pid") == Some(&moved)
        })
        .map(|(seq, _)| seq)
        .collect();
    let [moved_in, moved_out] = attached[..] else {
        panic!("moved {attached:?}")
    };
    assert_eq!(get(&recorded.events[moved_in], "cgroup_path"), Some(&path));
    let mut inside = 0;
    for (seq, event) in recorded.events.iter().enumerate() {
        let workload = event.event.workload.as_ref().expect("events have a workload");
        let process = workload.process.as_ref().expect("events have a process");
        let container = workload.container.as_ref().map(|container| container.id.as_str());
        let contained = process.host_pid == Some(notes["contained"].host_pid);
        let mover = process.host_pid == Some(notes["container-moved"].host_pid);
        if contained || (mover && seq > moved_in && seq < moved_out) {
            assert_eq!(container, Some(CONTAINER), "{}", event.event.name);
            inside += 1;
        } else if mover && (seq < moved_in || seq > moved_out) {
            assert_eq!(container, None, "{}", event.event.name);
        }
        if event.event.name == "sched_process_exec" && contained {
            let started = workload.container.as_ref().map(|container| container.started);
            let id = process.unique_id.expect("processes have an id");
            let stores = recorded.at(seq);
            let info = stores.processes().get_process(id).expect("it is known");
            assert_eq!((started, info.container_id), (Some(false), CONTAINER));
        }
    }
    assert!(inside > 5, "{inside} events in the container");
}

/// The part of the family that a shell cannot play.
#[test]
#[ignore = "is run by the other tests"]
fn tree_helper() {
    let script = |role: &str| {
        let mut command = Command::new("sh");
        let tree = std::env::var_os("TREE").expect("the family sets it");
        command.arg(tree).arg(role);
        command
    };
    match std::env::var("TREE_ROLE").expect("the family sets it").as_str() {
        // Another thread than the first executes: it takes over the number of the process.
        "thread" => {
            let failed = std::thread::spawn(move || script("thread").exec());
            panic!("{}", failed.join().expect("the thread ends with an error"));
        }
        "subreaper" => {
            // SAFETY: no pointers.
            assert_eq!(
                unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) },
                0
            );
            let status = script("daemon")
                .arg("reaped-")
                .status()
                .expect("there is a shell");
            assert!(status.success());
            let mut noted = std::env::var_os("NOTES").expect("the family sets it");
            noted.push(".orphan-of-reaped-daemon");
            while !Path::new(&noted).exists() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            // Its children end before it does.
            // SAFETY: no status is wanted.
            while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {}
        }
        other => panic!("no role {other}"),
    }
}
