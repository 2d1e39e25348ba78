//! Events and filters by chance, from few values, so that they meet.

use detectors_api::event::{KernelContext, RecordedEvent};
use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use detectors_api::testkit::TestEvent;
use proptest::prelude::*;
use proptest::sample::select;

const TEXTS: [&str; 7] = [
    "",
    "/etc/shadow",
    "/etc/passwd",
    "/tmp/a",
    "/tmp/ab",
    "/tmp/*",
    "a,é",
];
const PATTERNS: [&str; 10] = [
    "*",
    "/etc/*",
    "*/shadow",
    "/tmp/?",
    "/tmp/a,/etc/passwd",
    r"/tmp/\*",
    "*a*",
    "",
    r"a\,?",
    "*s*d*",
];

/// The fields that are drawn, by event.
const EVENTS: [(&str, &[&str]); 6] = [
    ("security_file_open", &["pathname", "flags", "inode", "dev"]),
    (
        "sched_process_exec",
        &["pathname", "argv", "invoked_from_kernel", "interp", "inode"],
    ),
    ("magic_write", &["pathname", "bytes", "returnValue"]),
    ("ptrace", &["request", "pid", "addr", "returnValue"]),
    ("sys_enter", &["syscall"]),
    ("pipe", &["pipefd", "returnValue"]),
];

/// Events of one type, with what sensors leave out and importers get wrong.
pub(crate) fn recording() -> impl Strategy<Value = (&'static str, Vec<RecordedEvent>)> {
    select(EVENTS.to_vec()).prop_flat_map(|(event, fields)| {
        let draws = prop::collection::vec(prop::collection::vec(any::<u8>(), 24), 0..24);
        draws.prop_map(move |draws| {
            (
                event,
                draws.iter().map(|draw| recorded(event, fields, draw)).collect(),
            )
        })
    })
}

fn recorded(name: &str, fields: &[&str], draw: &[u8]) -> RecordedEvent {
    let mut draw = draw.iter().map(|byte| usize::from(*byte));
    let mut next = |below: usize| draw.next().unwrap_or_default() % below;
    let mut recorded = TestEvent::new(name).process(next(4) as u32, 7).to_recorded();
    let event = &mut recorded.event;
    for field in fields {
        let entry = event
            .data
            .iter()
            .position(|value| value.name == *field)
            .expect("the event has it");
        event.data[entry].value = event.data[entry].value.take().map(|value| drawn(&value, next(8)));
    }
    let entry = event
        .data
        .iter()
        .position(|value| value.name == fields[0])
        .expect("the event has it");
    match next(16) {
        0 => _ = event.data.remove(entry),
        1 => event.data[entry].value = None,
        2 => event.data[entry].value = Some(Value::Int64(2)),
        3 => event.data[entry].value = Some(Value::from("/etc/shadow")),
        4 => event.data[entry].value = Some(Value::from(vec![1_u64, 300])),
        5 => {
            // The first of equal names counts.
            let mut again = event.data[entry].clone();
            again.value = Some(Value::from("/tmp/a"));
            event.data.push(again);
        }
        6 => event.timestamp = None,
        7 => event.workload = None,
        _ => {}
    }
    let (place, name, many) = (next(4), next(TEXTS.len()), next(3));
    if let Some(workload) = &mut event.workload {
        let text = TEXTS[name].to_owned();
        if place < 2 {
            workload.container = Some(proto::Container {
                id: ["c0ffee", ""][next(8) / 7].to_owned(),
                started: place == 1,
                name: text.clone(),
                image: (many > 0).then(|| proto::ContainerImage {
                    name: text.clone(),
                    ..Default::default()
                }),
            });
        }
        if many == 1 {
            workload.k8s = Some(proto::K8s {
                pod: Some(proto::Pod {
                    name: text.clone(),
                    ..Default::default()
                }),
                namespace: None,
            });
        }
        if let Some(process) = &mut workload.process {
            process.pid = (next(4) > 0).then(|| next(4) as u32);
            process.real_user = (many > 0).then(|| proto::User {
                id: Some(many as u32 - 1),
            });
            if place > 1 {
                process.ancestors = vec![proto::Process {
                    unique_id: Some(5),
                    pid: Some(next(4) as u32),
                    host_pid: Some(next(4) as u32),
                    ..Default::default()
                }];
            }
            if let Some(thread) = &mut process.thread {
                thread.name = text;
                thread.syscall = ["read", "openat", ""][next(3)].to_owned();
            }
        }
    }
    recorded.kernel = KernelContext {
        processor: (next(2) > 0).then(|| next(4) as u32),
        cgroup_id: (next(2) > 0).then(|| 1 << (32 * next(2))),
        mount_ns: (next(2) > 0).then_some(2),
        pid_ns: None,
        host_name: (next(2) > 0).then(|| TEXTS[next(TEXTS.len())].to_owned()),
    };
    recorded
}

/// A value of the same type, by chance.
fn drawn(value: &Value, chance: usize) -> Value {
    let number = [-13_i32, -1, 0, 1, 2, 101, 257, i32::MAX][chance];
    let text = TEXTS[chance % TEXTS.len()];
    match value {
        Value::Int32(_) => Value::Int32(number),
        Value::Int64(_) => Value::Int64(i64::from(number)),
        Value::UInt32(_) => Value::UInt32(number.unsigned_abs()),
        Value::UInt64(_) => Value::UInt64(if chance == 0 { u64::MAX } else { chance as u64 }),
        Value::Pointer(_) => Value::Pointer(chance as u64),
        Value::Bool(_) => Value::Bool(chance > 3),
        Value::Bytes(_) => Value::Bytes(vec![0x7f, 0x45, 0x4c][..chance % 4].to_vec()),
        Value::StrArray(_) => Value::from(vec![text.to_owned(), "sh".to_owned()][..chance % 3].to_vec()),
        Value::Int32Array(_) => Value::from(vec![number, 2][..chance % 3].to_vec()),
        Value::Str(_) => Value::from(text),
        other => other.clone(),
    }
}

pub(crate) fn data_filters() -> impl Strategy<Value = Vec<String>> {
    let equality = || select(vec!["=", "!="]);
    let operator = select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let text = (
        select(vec!["pathname", "argv", "interp"]),
        equality(),
        select(PATTERNS.to_vec()),
    );
    let signed = (
        select(vec!["flags", "returnValue", "request", "pipefd", "pid"]),
        operator.clone(),
        select(vec!["-13", "-1", "0", "1", "0x2", "0o1"]),
    );
    let unsigned = (
        select(vec!["inode", "dev", "addr"]),
        operator,
        select(vec!["0", "1", "0x4", "4"]),
    );
    let numbers = (
        select(vec!["flags", "returnValue"]),
        equality(),
        select(vec!["1,2", "-13,0x0"]),
    );
    let bytes = (
        select(vec!["bytes"]),
        equality(),
        select(vec!["7f*", "*4c", "0x7f45", "", "?f45*"]),
    );
    let flag = (
        select(vec!["invoked_from_kernel"]),
        equality(),
        select(vec!["true", "0"]),
    );
    let syscall = (
        select(vec!["syscall"]),
        equality(),
        select(vec!["ptrace", "read,101", "openat", "2147483647"]),
    );
    let filter =
        prop_oneof![3 => text, 2 => signed, 2 => unsigned, 1 => numbers, 2 => bytes, 1 => flag, 2 => syscall];
    let written = filter.prop_map(|(field, operator, value)| format!("{field}{operator}{value}"));
    prop::collection::vec(written, 0..10)
}

pub(crate) fn scope_filters() -> impl Strategy<Value = Vec<String>> {
    let operator = select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let number = (
        select(vec![
            "p",
            "pid",
            "processId",
            "hostPid",
            "tid",
            "hostTid",
            "ppid",
            "hostParentProcessId",
            "uid",
            "userId",
            "processorId",
            "mntns",
            "pidns",
            "cgroupId",
            "timestamp",
        ]),
        operator,
        select(vec!["0", "1", "2", "0x100000000"]),
    );
    let number = number.prop_filter("out of range", |(name, _, value)| {
        !value.starts_with("0x") || ["cgroupId", "timestamp"].contains(name)
    });
    let text = (
        select(vec![
            "comm",
            "processName",
            "syscall",
            "containerId",
            "containerName",
            "containerImage",
            "podName",
            "podNamespace",
            "podUid",
            "hostName",
        ]),
        select(vec!["=", "!="]),
        select(vec!["*", "/etc/*", "c0*", "open*,read", "*a*", "?read"]),
    );
    let written =
        prop_oneof![number, text].prop_map(|(name, operator, value)| format!("{name}{operator}{value}"));
    let place = select(vec![
        "container",
        "container=started",
        "container=true",
        "container!=false",
        "host",
        "not-container",
        "container=false",
        "container!=true",
    ]);
    let filter = prop_oneof![3 => written, 1 => place.prop_map(str::to_owned)];
    prop::collection::vec(filter, 0..3)
}
