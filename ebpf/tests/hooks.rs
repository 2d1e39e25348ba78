//! Events of memory, modules, writing, BPF and integrity, from real causes: needs root and BTF, and says so where it has to skip.
//!
//! The recorder does not see itself, so each cause is a process of its own: this program again, with the name of a cause. It says
//! on its standard output what it knows of what is to be seen.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, which says what it saw where it fails"
)]

use std::collections::HashMap;
use std::process::Command;

use detectors_api::catalogue::catalogue;
use ebpf::abi::{Body, Event, RawValue, Record};
use ebpf::{Config, EventReport, Sensor, Status};

#[path = "hooks/causes.rs"]
mod causes;

/// What a cause says: names and values.
type Truth = HashMap<String, String>;

/// The sensor, recording `events`, or none where this machine cannot run it.
fn load(events: &[&str], kernel_text: Option<std::ops::Range<u64>>) -> Option<Sensor> {
    let config = Config {
        events: events.iter().map(ToString::to_string).collect(),
        kernel_text,
        ..Config::default()
    };
    match Sensor::load(&config) {
        Ok(sensor) => Some(sensor),
        Err(error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_))) => {
            skip(&format!("no live sensor here: {error}"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs a cause while `events` are recorded: what it knows, its events, and how the sensor gets them.
fn record(events: &[&str], cause: &str) -> Option<(Truth, Vec<Seen>, Vec<EventReport>)> {
    let mut sensor = load(events, None)?;
    let (truth, seen) = run(&mut sensor, cause);
    let reports = sensor.reports().to_vec();
    for report in reports.iter().filter(|report| events.contains(&report.event)) {
        println!("{report:?}");
    }
    Some((truth, seen, reports))
}

/// Runs a cause and stops the sensor: what the cause knows, and its events.
fn run(sensor: &mut Sensor, cause: &str) -> (Truth, Vec<Seen>) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "cause", "--nocapture", "--test-threads=1"])
        .env("CAUSE", cause)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let truth = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    sensor.stop();
    let mut seen = Vec::new();
    loop {
        let drained = sensor.drain().expect("records can be read");
        seen.extend(drained.records.iter().filter_map(|record| Seen::of(record, pid)));
        if drained.empty {
            break;
        }
    }
    println!("{text}");
    for seen in &seen {
        println!("{seen:?}");
    }
    (truth, seen)
}

fn skip(reason: &str) {
    // Straight to the descriptor: the test harness captures what is printed.
    let note = format!("SKIPPED, {reason}\n");
    nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
}

/// An event with its fields by name.
#[derive(Debug)]
struct Seen {
    event: &'static str,
    fields: HashMap<&'static str, RawValue>,
}

impl Seen {
    fn of(record: &Record, pid: u32) -> Option<Self> {
        match &record.body {
            Body::Event(event) if record.head.pid == pid => Some(Self::read(event)),
            _ => None,
        }
    }

    fn read(event: &Event) -> Self {
        let definition = catalogue().by_internal_id(event.event).expect("an event");
        let fields = event.fields.iter();
        Self {
            event: definition.name,
            fields: fields
                .map(|(number, value)| (definition.fields[usize::from(*number)].name, value.clone()))
                .collect(),
        }
    }

    fn number(&self, field: &str) -> Option<u64> {
        match self.fields.get(field)? {
            RawValue::Number(number) => Some(*number),
            other => panic!("{field} is {other:?}"),
        }
    }

    fn text(&self, field: &str) -> Option<&str> {
        match self.fields.get(field)? {
            RawValue::Text(text) => Some(text),
            other => panic!("{field} is {other:?}"),
        }
    }
}

/// What the way that an event is got loses.
fn loses<'a>(reports: &'a [EventReport], event: &str) -> &'a [String] {
    match reports
        .iter()
        .find(|report| report.event == event)
        .map(|report| &report.status)
    {
        Some(Status::Hooked { loses, .. }) => loses,
        other => panic!("{event}: {other:?}"),
    }
}

#[test]
#[ignore = "not a test, but what the others start"]
fn cause() {
    causes::run(&std::env::var("CAUSE").expect("a cause has a name"));
}

#[test]
fn memory_that_becomes_suspect_is_seen() {
    let events = [
        "mem_prot_alert",
        "security_mmap_file",
        "security_file_mprotect",
        "shared_object_loaded",
    ];
    let Some((truth, seen, reports)) = record(&events, "memory") else {
        return;
    };
    let address = |name: &str| truth[name].parse::<u64>().unwrap();
    let alerts: Vec<_> = seen
        .iter()
        .filter(|seen| seen.event == "mem_prot_alert")
        .map(|seen| {
            let number = |field| seen.number(field);
            (
                number("alert"),
                number("addr"),
                number("len"),
                number("prot"),
                number("prev_prot"),
                seen.text("pathname"),
            )
        })
        .collect();
    let path = Some(truth["path"].as_str());
    let page = Some(4096);
    for expected in [
        (
            Some(1),
            Some(address("anonymous")),
            Some(8192),
            Some(7),
            Some(0),
            None,
        ),
        (Some(4), Some(address("plain")), page, Some(5), Some(3), None),
        (Some(3), Some(address("plain")), page, Some(7), Some(5), None),
        (Some(2), Some(address("file")), page, Some(5), Some(1), path),
    ] {
        assert!(alerts.contains(&expected), "{expected:?} is not in {alerts:?}");
    }
    let find = |event: &str, field: &str, value: u64| {
        seen.iter()
            .find(|seen| seen.event == event && seen.number(field) == Some(value))
            .unwrap_or_else(|| panic!("no {event} with {field} {value}"))
    };
    let changed = find("security_file_mprotect", "addr", address("file"));
    assert_eq!(changed.text("pathname"), path);
    assert_eq!(
        (
            changed.number("prot"),
            changed.number("prev_prot"),
            changed.number("len")
        ),
        (Some(5), Some(1), page)
    );
    assert_eq!(changed.number("ctime"), Some(address("ctime")));
    assert_eq!(changed.number("pkey"), None);
    let keyed = seen
        .iter()
        .find(|seen| seen.event == "security_file_mprotect" && seen.fields.contains_key("pkey"));
    assert_eq!(keyed.and_then(|keyed| keyed.number("pkey")), Some(u64::MAX));
    let mapped: Vec<_> = seen
        .iter()
        .filter(|seen| seen.event == "security_mmap_file" && seen.text("pathname") == path)
        .collect();
    assert_eq!(mapped.len(), 2);
    assert_eq!(
        (mapped[0].number("prot"), mapped[1].number("prot")),
        (Some(1), Some(5))
    );
    for mapped in mapped {
        assert_eq!(mapped.number("inode"), Some(address("inode")));
        assert_eq!(mapped.number("ctime"), Some(address("ctime")));
        assert_eq!(mapped.number("mmap_flags"), Some(2));
        assert_eq!(mapped.number("flags").map(|flags| flags & 3), Some(0));
    }
    let loaded: Vec<_> = seen
        .iter()
        .filter(|seen| seen.event == "shared_object_loaded")
        .filter_map(|seen| seen.text("pathname"))
        .collect();
    assert_eq!(loaded.iter().filter(|loaded| Some(**loaded) == path).count(), 1);
    assert!(loaded.iter().any(|path| path.contains("libc.so")), "{loaded:?}");
    for event in events {
        let loses = loses(&reports, event);
        assert!(!loses.iter().any(|loss| loss.contains("ctime")), "{loses:?}");
    }
}

#[test]
fn what_is_written_is_seen() {
    let events = [
        "vfs_read",
        "vfs_readv",
        "vfs_write",
        "vfs_writev",
        "__kernel_write",
        "magic_write",
        "file_modification",
    ];
    let Some((truth, seen, reports)) = record(&events, "writing") else {
        return;
    };
    if let Some(account) = truth.get("account") {
        // SAFETY: nothing is pointed to.
        assert_eq!(unsafe { libc::acct(std::ptr::null()) }, 0);
        std::fs::remove_file(account).unwrap();
    }
    let path = Some(truth["path"].as_str());
    let ours: Vec<_> = seen.iter().filter(|seen| seen.text("pathname") == path).collect();
    assert!(
        ours.iter()
            .all(|seen| seen.number("inode") == truth["inode"].parse().ok())
    );
    let number = |seen: &Seen, field| seen.number(field).unwrap().cast_signed();
    let transfers: Vec<_> = ours
        .iter()
        .filter(|seen| seen.event.starts_with("vfs_"))
        .map(|seen| {
            let size = if seen.event.ends_with('v') {
                "vlen"
            } else {
                "count"
            };
            (
                seen.event,
                number(seen, size),
                number(seen, "pos"),
                number(seen, "returnValue"),
            )
        })
        .collect();
    assert_eq!(
        transfers,
        [
            ("vfs_write", 42, 0, 42),
            ("vfs_write", 3, 100, 3),
            ("vfs_writev", 2, 42, 8),
            ("vfs_writev", 2, 0, 11),
            ("vfs_read", 7, 11, 7),
            ("vfs_read", 9, 50, 9),
            ("vfs_readv", 2, 18, 5),
            ("vfs_write", 7, 0, 7),
            ("vfs_write", 5, 7, 5),
        ]
    );
    let magic = |seen: &Seen| match &seen.fields["bytes"] {
        RawValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    };
    let begun: Vec<_> = ours
        .iter()
        .filter(|seen| seen.event == "magic_write")
        .map(|seen| (magic(seen), number(seen, "returnValue")))
        .collect();
    let expected = [
        ("\u{7f}ELF, and more than thirty-two b", 42),
        ("first", 11),
        ("changed", 7),
    ];
    assert_eq!(begun, expected.map(|(text, ret)| (text.to_owned(), ret)));

    let time = |name: &str| truth[name].parse::<i64>().unwrap();
    let modified: Vec<_> = seen
        .iter()
        .filter(|seen| seen.event == "file_modification" && seen.text("file_path") == path)
        .map(|seen| (number(seen, "old_ctime"), number(seen, "new_ctime")))
        .collect();
    assert_eq!(modified.len(), 3, "{modified:?}");
    assert_eq!(
        modified[1..],
        [
            (time("old_ctime"), time("new_ctime")),
            (time("old_cut"), time("new_cut")),
        ]
    );

    let by_kernel = reports
        .iter()
        .any(|report| report.event == "__kernel_write" && report.status != Status::Unavailable);
    if by_kernel && let Some(inode) = truth.get("account_inode") {
        // The kernel keeps the file open through a mount of its own, which hangs nowhere: its path is not known.
        let written = |event: &str, field: &str| {
            let of_account = |seen: &&Seen| seen.event == event && seen.number("inode") == inode.parse().ok();
            seen.iter().find(of_account).and_then(|seen| seen.number(field))
        };
        assert_eq!(written("__kernel_write", "count"), Some(64));
        assert_eq!(written("magic_write", "returnValue"), Some(64));
    }
}

#[test]
fn modules_are_seen() {
    let events = [
        "module_load",
        "module_free",
        "do_init_module",
        "security_kernel_read_file",
        "security_kernel_post_read_file",
    ];
    let Some((truth, seen, _)) = record(&events, "module") else {
        return;
    };
    let Some(path) = truth.get("module").map(String::as_str) else {
        return skip("no module could be loaded");
    };
    let expected = [
        "security_kernel_read_file",
        "security_kernel_post_read_file",
        "module_load",
        "do_init_module",
        "module_free",
    ];
    let events: Vec<_> = seen.iter().map(|seen| seen.event).collect();
    assert_eq!(events, expected);
    for of_module in &seen[2..] {
        assert_eq!(of_module.text("name"), Some("dummy"));
        assert_eq!(of_module.text("version").unwrap_or_default(), truth["version"]);
        assert_eq!(
            of_module.text("src_version").unwrap_or_default(),
            truth["srcversion"]
        );
    }
    assert_eq!(seen[3].number("returnValue"), Some(0));
    for of_file in [0, 1, 2] {
        assert_eq!(seen[of_file].text("pathname"), Some(path));
    }
    assert_eq!(seen[0].number("inode"), truth["inode"].parse().ok());
    assert_eq!(seen[2].number("inode"), truth["inode"].parse().ok());
    assert_eq!(seen[1].number("size"), truth["size"].parse().ok());
}

#[test]
fn bpf_programs_and_maps_are_seen() {
    let events = ["security_bpf", "security_bpf_map", "security_bpf_prog"];
    let Some((truth, seen, _)) = record(&events, "bpf") else {
        return;
    };
    let commands: Vec<_> = seen.iter().filter_map(|seen| seen.number("cmd")).collect();
    assert_eq!(commands, [0, 5, 15, 15, 15, 13, 15, 14]);
    let maps: Vec<_> = seen
        .iter()
        .filter(|seen| seen.event == "security_bpf_map")
        .map(|seen| (seen.number("map_id"), seen.text("map_name")))
        .collect();
    assert_eq!(maps, [(truth["map"].parse().ok(), Some("map_of_a_test")); 2]);
    let programs: Vec<_> = seen
        .iter()
        .filter(|seen| seen.event == "security_bpf_prog")
        .map(|seen| {
            (
                seen.number("id"),
                seen.number("type"),
                seen.text("name"),
                seen.number("load"),
            )
        })
        .collect();
    let program = |load| {
        (
            truth["program"].parse().ok(),
            Some(1),
            Some("prog_of_a_test"),
            Some(load),
        )
    };
    assert_eq!(programs, [program(1), program(0)]);
}

/// Names of the kernel's symbols, by address.
fn symbols() -> HashMap<u64, Vec<String>> {
    let mut symbols: HashMap<_, Vec<_>> = HashMap::new();
    for line in std::fs::read_to_string("/proc/kallsyms").unwrap().lines() {
        let mut words = line.split(' ');
        let address = u64::from_str_radix(words.next().unwrap(), 16).unwrap();
        symbols
            .entry(address)
            .or_default()
            .push(words.nth(1).unwrap().to_owned());
    }
    symbols
}

#[test]
fn a_kernel_that_was_not_changed_shows_no_hooks() {
    let events = [
        "syscall_table_check",
        "hooked_syscall",
        "print_net_seq_ops",
        "hooked_seq_ops",
        "hooked_proc_fops",
    ];
    let Some(mut sensor) = load(&events, None) else {
        return;
    };
    let found: Vec<_> = sensor.check_integrity().unwrap().iter().map(Seen::read).collect();
    assert!(found.is_empty(), "{found:?}");
    let (_, seen) = run(&mut sensor, "listing");
    assert!(seen.is_empty(), "{seen:?}");
}

/// Nothing here can hook a kernel. So the sensor is told that the kernel's code is elsewhere, and all that it looks at is a hook.
#[test]
fn what_leads_elsewhere_is_told_with_where_it_leads() {
    let events = [
        "syscall_table_check",
        "hooked_syscall",
        "print_net_seq_ops",
        "hooked_seq_ops",
        "hooked_proc_fops",
    ];
    let Some(mut sensor) = load(&events, Some(8..16)) else {
        return;
    };
    let symbols = symbols();
    let is_called = |address: u64, name: &str| {
        symbols
            .get(&address)
            .is_some_and(|names| names.iter().any(|found| found == name))
    };
    let is_given = |sensor: &Sensor, event: &str| {
        let report = sensor
            .reports()
            .iter()
            .find(|report| report.event == event)
            .unwrap();
        println!("{report:?}");
        report.status != Status::Unavailable
    };
    let found: Vec<_> = sensor.check_integrity().unwrap().iter().map(Seen::read).collect();
    let of = |event: &str| {
        found
            .iter()
            .filter(|seen| seen.event == event)
            .collect::<Vec<_>>()
    };
    if is_given(&sensor, "syscall_table_check") {
        let table: HashMap<_, _> = of("syscall_table_check")
            .iter()
            .map(|entry| {
                (
                    entry.number("syscall_id").unwrap(),
                    entry.number("syscall_address").unwrap(),
                )
            })
            .collect();
        assert!((400..548).contains(&table.len()), "{}", table.len());
        for (call, name) in [
            (0, "__x64_sys_read"),
            (59, "__x64_sys_execve"),
            (321, "__x64_sys_bpf"),
        ] {
            assert!(is_called(table[&call], name), "{name}: {:x}", table[&call]);
        }
        let named = table
            .values()
            .filter(|address| symbols.contains_key(*address))
            .count();
        assert_eq!(named, table.len(), "all that is in the table is a function");
        let hook = of("hooked_syscall")
            .into_iter()
            .find(|hook| hook.text("function") == Some("__x64_sys_execve"))
            .expect("a hook");
        assert_eq!(hook.text("syscall"), Some("execve"));
        assert_eq!(hook.text("owner"), Some("system"));
        assert_eq!(hook.text("address"), Some(format!("{:x}", table[&59]).as_str()));
    }
    if is_given(&sensor, "print_net_seq_ops") {
        let lists = of("print_net_seq_ops");
        let RawValue::Numbers(functions) = &lists[0].fields["net_seq_ops"] else {
            panic!("{lists:?}");
        };
        assert_eq!(functions.len(), 24);
        for (place, name) in [
            (0, "tcp4_seq_show"),
            (2, "tcp_seq_next"),
            (4, "tcp6_seq_show"),
            (15, "udp_seq_stop"),
            (16, "raw_seq_show"),
            (21, "raw_seq_start"),
        ] {
            assert!(is_called(functions[place], name), "{name}: {functions:x?}");
        }
    }
    let again: Vec<_> = sensor.check_integrity().unwrap().iter().map(Seen::read).collect();
    assert!(
        again
            .iter()
            .all(|seen| !["hooked_syscall", "hooked_seq_ops"].contains(&seen.event)),
        "a hook is told once"
    );
    assert_eq!(again.is_empty(), found.is_empty());

    let given = is_given(&sensor, "hooked_proc_fops");
    let (_, seen) = run(&mut sensor, "listing");
    if given {
        let listers: Vec<_> = seen
            .iter()
            .map(|seen| &seen.fields["hooked_fops_pointers"])
            .collect();
        let root = listers.iter().any(|functions| {
            matches!(functions, RawValue::Numbers(functions) if is_called(functions[0], "proc_root_readdir") && functions[1] == 0)
        });
        assert!(root, "{listers:?}");
    }
}
