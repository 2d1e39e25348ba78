//! The sensor on the kernel that runs the test: needs root and BTF, and says so where it has to skip.

use std::process::Command;

use ebpf::abi::{Body, Record};
use ebpf::filters::{Filters, PathFilter, Values};
use ebpf::{Config, Scope, Sensor};

/// The sensor, or the reason why this machine cannot run the test.
fn load(config: &Config) -> Option<Sensor> {
    match Sensor::load(config) {
        Ok(sensor) => Some(sensor),
        Err(error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_))) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn skip(reason: &str) {
    // Straight to the descriptor: the test harness captures what is printed.
    let note = format!("SKIPPED, no live sensor here: {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

fn stop(sensor: &mut Sensor) -> Vec<Record> {
    sensor.stop();
    let mut records = Vec::new();
    loop {
        let drained = sensor.drain().expect("records can be read");
        records.extend(drained.records);
        if drained.empty {
            return records;
        }
    }
}

#[test]
fn a_command_is_seen() {
    let Some(mut sensor) = load(&Config::default()) else {
        return;
    };
    for report in sensor.reports() {
        println!("{report:?}");
    }
    let status = Command::new("/bin/sh").args(["-c", "exit 7"]).status().unwrap();
    assert_eq!(status.code(), Some(7));
    let records = stop(&mut sensor);
    let counters = sensor.counters().unwrap();
    println!("{} records, {counters:?}", records.len());
    for record in records.iter().filter(|record| record.head.comm() == "sh") {
        println!("{record:?}");
    }
    assert_eq!(
        records.len() as u64 + counters.ring_full,
        counters.produced.iter().flatten().sum::<u64>()
    );
    let exec = records
        .iter()
        .find_map(|record| match &record.body {
            Body::Exec(exec) if exec.argv == ["/bin/sh", "-c", "exit 7"] => Some(exec),
            _ => None,
        })
        .unwrap();
    assert_eq!(exec.cmdpath, "/bin/sh");
    assert_eq!(
        exec.path,
        std::fs::canonicalize("/bin/sh").unwrap().to_string_lossy()
    );
}

#[test]
fn control_groups_are_seen() {
    let Some(root) = unified_hierarchy() else {
        return skip("no cgroup v2 file system is mounted");
    };
    let Some(mut sensor) = load(&Config::default()) else {
        return;
    };
    let name = format!("tracee-cap-test-{}", std::process::id());
    let script = "mkdir $1/$2 && echo $$ > $1/$2/cgroup.procs && exec sh -c \
                  'stat -c %i $1/$2; echo $$ > $1/cgroup.procs && rmdir $1/$2' moved $1 $2";
    let output = Command::new("/bin/sh")
        .args(["-c", script, "mover", &root, &name])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let inode: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();

    let records = stop(&mut sensor);
    let path = format!("/{name}");
    let ours: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.body {
            Body::CgroupMkdir(cgroup) => Some(("made", cgroup, None)),
            Body::CgroupRmdir(cgroup) => Some(("removed", cgroup, None)),
            Body::CgroupAttach(attach) => Some(("attached", &attach.cgroup, Some(attach))),
            _ => None,
        })
        .filter(|(_, cgroup, _)| cgroup.path == path)
        .collect();
    let kinds: Vec<_> = ours.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, ["made", "attached", "removed"]);
    for (kind, cgroup, attach) in &ours {
        assert_eq!((cgroup.id, cgroup.hierarchy), (inode, 0), "{kind}");
        if let Some(attach) = attach {
            assert_eq!(attach.comm, "sh");
            // The moved task is the one that executed the inner shell.
            assert!(records.iter().any(|record| record.head.tid == attach.tid
                && matches!(&record.body, Body::Exec(exec) if exec.argv.iter().any(|text| text == "moved"))));
        }
    }
}

/// Where the unified hierarchy is mounted.
fn unified_hierarchy() -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("procfs is mounted");
    let mut words = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    words
        .find(|words| words[2] == "cgroup2")
        .map(|words| words[1].to_owned())
}

#[test]
fn tasks_are_listed_exactly() {
    let Some(mut sensor) = load(&Config {
        scope: Scope::Machine,
        ..Config::default()
    }) else {
        return;
    };
    let tasks = sensor.tasks().unwrap();
    let coarse = ebpf::tasks::from_procfs().unwrap();
    let own = tasks.iter().find(|task| task.tid == std::process::id()).unwrap();
    let other = coarse.iter().find(|task| task.tid == std::process::id()).unwrap();
    println!("{own:?}\n{other:?}");
    assert_eq!(own.start / 10_000_000 * 10_000_000, other.start);
    assert_eq!(own.parent_start / 10_000_000 * 10_000_000, other.parent_start);
    assert_eq!(
        (own.pid, own.ppid, &own.comm, &own.exe, own.uid),
        (other.pid, other.ppid, &other.comm, &other.exe, other.uid)
    );
}

/// The paths of files in `directory` that this process is seen to open, while filters are set.
fn opened(filters: Filters, directory: &std::path::Path) -> Option<Vec<String>> {
    let mut sensor = load(&Config {
        events: vec!["security_file_open".to_owned()],
        filters,
        ..Config::default()
    })?;
    for name in ["a/one", "b/two"] {
        // The recorder's own process is never seen.
        let status = Command::new("/bin/cat")
            .arg(directory.join(name))
            .status()
            .expect("cat runs");
        assert!(status.success());
    }
    let records = stop(&mut sensor);
    let opens = records.iter().filter_map(|record| match &record.body {
        Body::Open(open) => Some(open.path.clone()),
        _ => None,
    });
    Some(
        opens
            .filter(|path| std::path::Path::new(path).starts_with(directory))
            .collect(),
    )
}

#[test]
fn filters_keep_the_rest_out_of_the_ring_buffer() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let [one, two] = ["a/one", "b/two"].map(|name| directory.join(name));
    for file in [&one, &two] {
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(file, "text").unwrap();
    }
    let [one, two] = [one, two].map(|path| path.to_str().unwrap().to_owned());
    let both = vec![one.clone(), two.clone()];
    let Some(all) = opened(Filters::default(), &directory) else {
        return;
    };
    assert_eq!(all, both);
    let uid = nix::unistd::getuid().as_raw();
    let own_ns = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        let text = link.to_str().unwrap();
        text[text.find('[').unwrap() + 1..text.len() - 1]
            .parse::<u32>()
            .unwrap()
    };
    let any_of = |values: &[u32]| Values {
        any_of: values.to_vec(),
        none_of: Vec::new(),
    };
    let none_of = |values: &[u32]| Values {
        any_of: Vec::new(),
        none_of: values.to_vec(),
    };
    let comm = |name: &str| Values {
        any_of: vec![name.to_owned()],
        none_of: Vec::new(),
    };
    let path = |path: String| {
        vec![PathFilter {
            event: "security_file_open",
            path,
        }]
    };
    let none = Filters::default;
    let cases: Vec<(&str, Filters, Vec<String>)> = vec![
        (
            "uid",
            Filters {
                uid: any_of(&[uid, 4711]),
                ..none()
            },
            both.clone(),
        ),
        (
            "another uid",
            Filters {
                uid: any_of(&[4711]),
                ..none()
            },
            vec![],
        ),
        (
            "not uid",
            Filters {
                uid: none_of(&[uid]),
                ..none()
            },
            vec![],
        ),
        (
            "not another uid",
            Filters {
                uid: none_of(&[4711]),
                ..none()
            },
            both.clone(),
        ),
        (
            "comm",
            Filters {
                comm: comm("cat"),
                ..none()
            },
            both.clone(),
        ),
        (
            "another comm",
            Filters {
                comm: comm("ca"),
                ..none()
            },
            vec![],
        ),
        (
            "pid",
            Filters {
                host_pid: any_of(&[1]),
                pid: any_of(&[1]),
                ..none()
            },
            vec![],
        ),
        (
            "mount namespace",
            Filters {
                mnt_ns: any_of(&[own_ns("mnt")]),
                ..none()
            },
            both.clone(),
        ),
        (
            "another mount namespace",
            Filters {
                mnt_ns: any_of(&[1]),
                ..none()
            },
            vec![],
        ),
        (
            "pid namespace",
            Filters {
                pid_ns: none_of(&[own_ns("pid")]),
                ..none()
            },
            vec![],
        ),
        (
            "in a container",
            Filters {
                in_container: Some(true),
                ..none()
            },
            vec![],
        ),
        (
            "in no container",
            Filters {
                in_container: Some(false),
                ..none()
            },
            both,
        ),
        (
            "directory",
            Filters {
                paths: path(format!("{}/a/", directory.display())),
                ..none()
            },
            vec![one.clone()],
        ),
        (
            "file",
            Filters {
                paths: path(two.clone()),
                ..none()
            },
            vec![two],
        ),
        (
            "both",
            Filters {
                uid: any_of(&[uid]),
                paths: path(one.clone()),
                ..none()
            },
            vec![one],
        ),
    ];
    for (what, filters, expected) in cases {
        assert_eq!(opened(filters, &directory), Some(expected), "{what}");
    }
}

/// Names of control groups, whether the reader takes them for those of containers, and whether the kernel is sure of it.
fn names() -> [(String, bool, bool); 6] {
    let id = "0123456789abcdef".repeat(4);
    [
        ("tracee-cap-test".to_owned(), false, false),
        (id.clone(), true, true),
        (format!("docker-{id}.scope"), true, true),
        // Anything long enough behind a prefix is an id, and Garden has ids of its own.
        ("docker-not-an-id-but-long-enough".to_owned(), true, false),
        ("0a1b2c3d-1111-2222-3333-4444".to_owned(), true, false),
        // A monitor is in no container.
        (format!("libpod-conmon-{id}.scope"), false, false),
    ]
}

/// The control groups of [`names`] whose tasks are seen with the filter.
fn seen_in(in_container: bool, root: &str) -> Option<Vec<String>> {
    let names = names().map(|(name, ..)| name);
    let place = format!("{root}/tracee-cap-{}", std::process::id());
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().canonicalize().expect("a path");
    let mut sensor = load(&Config {
        events: vec!["security_file_open".to_owned()],
        filters: Filters {
            in_container: Some(in_container),
            ..Filters::default()
        },
        ..Config::default()
    })?;
    let mut seen = Vec::new();
    for name in &names {
        // A new group of CPUs has none to begin with.
        let script = "for group in $1 $1/$2; do mkdir -p $group; for what in cpus mems; do \
                      if [ -e $4/cpuset.$what ]; then cat $4/cpuset.$what > $group/cpuset.$what; fi; done; done; \
                      echo $$ > $1/$2/cgroup.procs && cat $3 && echo $$ > $4/cgroup.procs && rmdir $1/$2";
        let status = Command::new("/bin/sh")
            .args(["-c", script, "sh", &place, name])
            .args([path.as_os_str(), root.as_ref()])
            .status()
            .expect("sh runs");
        assert!(status.success(), "{name}");
    }
    std::fs::remove_dir(place).expect("it is empty");
    let mut now: &str = "";
    for record in &stop(&mut sensor) {
        match &record.body {
            Body::CgroupMkdir(cgroup) => {
                let made = cgroup.path.rsplit('/').next().unwrap_or_default();
                now = names
                    .iter()
                    .find(|name| *name == made)
                    .map_or(now, String::as_str);
            }
            Body::Open(open) if std::path::Path::new(&open.path) == path => seen.push(now.to_owned()),
            _ => {}
        }
    }
    Some(seen)
}

#[test]
fn filters_by_container_let_pass_what_the_reader_keeps() {
    // The hierarchy that tells the containers of a machine.
    let root = if ebpf::kernel::cgroup_v2() {
        unified_hierarchy()
    } else {
        Some("/sys/fs/cgroup/cpuset".to_owned())
    };
    let Some(root) = root.filter(|root| std::path::Path::new(root).is_dir()) else {
        return skip("no hierarchy of control groups is mounted");
    };
    let (Some(inside), Some(outside)) = (seen_in(true, &root), seen_in(false, &root)) else {
        return;
    };
    for (name, container, sure) in names() {
        let short = name.len() < 28;
        assert_eq!(inside.contains(&name), !short, "{name} with containers");
        assert_eq!(outside.contains(&name), !sure, "{name} without containers");
        assert!(inside.contains(&name) || !container, "{name}");
        assert!(outside.contains(&name) || container, "{name}");
    }
}
