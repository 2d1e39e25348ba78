//! Control groups that are those of containers, as runtimes name them: there before the recording, made, and removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ebpf::kernel::{cgroup_mount, cgroup_v2};

use crate::cause::{Fields, Notes, identity, text};
use crate::truth::Truth;

/// Directories of containers below one of the test's own, and what they say of the runtime.
const MADE: [(&str, &str); 6] = [
    ("docker/ID", "docker"),
    ("system.slice/docker-ID.scope", "docker"),
    ("kubepods/burstable/pod1/ID", "containerd"),
    ("kubepods.slice/cri-containerd-ID.scope", "containerd"),
    ("crio-ID.scope", "crio"),
    ("machine.slice/libpod-ID.scope", "podman"),
];
/// The clock of the wall is slewed while the test runs, and files have times that are a tick old, ns.
const SLACK: i64 = 20_000_000;

/// A control group with a container in it, which is removed with all that was made below it.
pub(crate) struct Group(PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Control groups are removed one by one, the innermost first.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    // What cannot be removed is seen by whoever looks for the event.
    let _ = fs::remove_dir(directory);
}

/// A container's id that nobody else has.
fn id(number: usize) -> String {
    format!("{number:x}{:063x}", std::process::id())
}

/// What is told of a container that no runtime knows.
fn fields(id: &str, runtime: &str, made: Truth) -> Vec<(&'static str, Truth)> {
    let unknown = [
        "container_image",
        "container_image_digest",
        "container_name",
        "pod_name",
        "pod_namespace",
        "pod_uid",
    ];
    let mut fields = vec![
        ("runtime", text(runtime)),
        ("container_id", text(id)),
        ("ctime", made),
        ("pod_sandbox", Truth::Flag(false)),
    ];
    fields.extend(unknown.map(|name| (name, text(""))));
    fields
}

/// Makes a container, which is there until what is returned is dropped. The recorder looks for it when it begins. Without rights to
/// make one there is nothing to record, either.
pub(crate) fn existing(notes: &mut Notes) -> Option<Group> {
    let mounted = cgroup_mount(cgroup_v2())?.point;
    let group = Group(mounted.join(format!("tracee-cap-existing-{}", std::process::id())));
    let id = id(0xe);
    let place = group.0.join("docker").join(&id);
    fs::create_dir_all(&place).ok()?;
    let (_, _, changed) = identity(&place);
    notes.by_nobody(
        "a container that is there",
        "existing_container",
        &fields(&id, "docker", changed),
    );
    Some(group)
}

pub(crate) fn cause(notes: &mut Notes) {
    let mounted = cgroup_mount(cgroup_v2()).expect("control groups are mounted");
    let group = Group(
        mounted
            .point
            .join(format!("tracee-cap-events-{}", std::process::id())),
    );
    for (nr, (path, runtime)) in MADE.into_iter().enumerate() {
        let id = id(nr);
        let place = group.0.join(path.replace("ID", &id));
        fs::create_dir_all(place.parent().expect("it is further down")).expect("control groups can be made");
        let before = now();
        fs::create_dir(&place).expect("control groups can be made");
        // Further down is no other container.
        let inner = place.join("inner");
        fs::create_dir(&inner).expect("control groups can be made");
        let made = Truth::Between(before - SLACK, now() + SLACK);
        notes.note(
            path,
            "container_create",
            "mkdir",
            &fields(&id, runtime, made),
            &[],
        );
        fs::remove_dir(&inner).expect("it is empty");
        fs::remove_dir(&place).expect("it is empty");
        let gone: Fields<'_> = &[("runtime", text(runtime)), ("container_id", text(&id))];
        notes.note(path, "container_remove", "rmdir", gone, &[]);
    }
    monitor(notes, &group.0);
}

/// What looks after a container is in a control group of its own.
fn monitor(notes: &mut Notes, group: &Path) {
    let id = format!("conmon-{}", id(MADE.len()));
    let place = group.join(format!("crio-{id}.scope"));
    fs::create_dir(&place).expect("control groups can be made");
    let fields = fields(&id, "crio", Truth::Something);
    notes.absent("a monitor", "container_create", "mkdir", &fields);
    fs::remove_dir(&place).expect("it is empty");
    notes.absent("a monitor", "container_remove", "rmdir", &fields[..2]);
}

/// ns since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since
        .expect("1970 is over")
        .as_nanos()
        .try_into()
        .expect("it fits")
}
