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
use ebpf::abi::{Body, RawValue, Record};
use ebpf::{Config, EventReport, Sensor, Status};

#[path = "hooks/causes.rs"]
mod causes;

/// What a cause says: names and values.
type Truth = HashMap<String, String>;

/// Runs a cause while `events` are recorded: what it knows, its events, and how the sensor gets them.
fn record(events: &[&str], cause: &str) -> Option<(Truth, Vec<Seen>, Vec<EventReport>)> {
    let config = Config {
        events: events.iter().map(ToString::to_string).collect(),
        ..Config::default()
    };
    let mut sensor = match Sensor::load(&config) {
        Ok(sensor) => sensor,
        Err(error @ (ebpf::Error::Capabilities(_) | ebpf::Error::Btf(_) | ebpf::Error::Machine(_))) => {
            // Straight to the descriptor: the test harness captures what is printed.
            let note = format!("SKIPPED, no live sensor here: {error}\n");
            nix::unistd::write(std::io::stderr(), note.as_bytes()).expect("stderr is open");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
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
    let reports = sensor.reports().to_vec();
    for report in reports.iter().filter(|report| events.contains(&report.event)) {
        println!("{report:?}");
    }
    println!("{text}");
    for seen in &seen {
        println!("{seen:?}");
    }
    Some((truth, seen, reports))
}

/// An event with its fields by name.
#[derive(Debug)]
struct Seen {
    event: &'static str,
    fields: HashMap<&'static str, RawValue>,
}

impl Seen {
    fn of(record: &Record, pid: u32) -> Option<Self> {
        let Body::Event(event) = &record.body else {
            return None;
        };
        if record.head.pid != pid {
            return None;
        }
        let definition = catalogue().by_internal_id(event.event).expect("an event");
        let fields = event.fields.iter();
        Some(Self {
            event: definition.name,
            fields: fields
                .map(|(number, value)| (definition.fields[usize::from(*number)].name, value.clone()))
                .collect(),
        })
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
