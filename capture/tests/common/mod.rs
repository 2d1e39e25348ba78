//! Events for tests.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(dead_code, reason = "every test file uses a part of it")]

use detectors_api::event::RecordedEvent;
use detectors_api::proto::{self, EventValue, event_value::Value};

/// Event number `n`: of one of five types, by one of seven processes; every tenth is not what the catalogue says.
pub(crate) fn event(n: u64) -> RecordedEvent {
    let value = |name: &str, value| EventValue {
        name: name.to_owned(),
        value: Some(value),
    };
    let (name, id, data) = match n % 5 {
        0 | 1 => (
            "security_file_open",
            730,
            vec![
                value("pathname", Value::Str(format!("/etc/file-{}", n % 97))),
                value("flags", Value::Int32(n as i32)),
                value("dev", Value::UInt32(5)),
                value("inode", Value::UInt64(n * 3)),
                value("ctime", Value::UInt64(u64::MAX - n)),
                value("syscall_pathname", Value::Str(String::new())),
            ],
        ),
        2 => (
            "close",
            3,
            vec![
                value("fd", Value::Int32(n as i32)),
                value("returnValue", Value::Int64(-1)),
            ],
        ),
        3 => (
            "no_such_event",
            99_999,
            vec![value("what", Value::Bytes(vec![0, 255]))],
        ),
        _ => ("security_socket_connect", 735, vec![]),
    };
    let process = proto::Process {
        executable: Some(proto::Executable {
            path: format!("/bin/tool-{}", n % 7),
        }),
        host_pid: Some((n % 7) as u32 + 100),
        pid: Some((n % 7) as u32),
        thread: Some(proto::Thread {
            name: "tool".to_owned(),
            host_tid: Some(1),
            syscall: "openat".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut recorded = RecordedEvent::from(proto::Event {
        timestamp: Some(detectors_api::event::timestamp_from_ns(
            1_700_000_000_000_000_000 + n as i64 * 1000,
        )),
        id,
        name: name.to_owned(),
        workload: Some(proto::Workload {
            process: Some(process),
            ..Default::default()
        }),
        data,
        ..Default::default()
    });
    if n % 10 == 9 {
        recorded.unmapped = Some(r#"{"/odd":1}"#.to_owned());
        recorded.kernel.processor = Some(3);
        recorded.event.timestamp = None;
    }
    recorded
}

/// All events of a capture.
pub(crate) fn read_all(reader: &capture::CaptureReader) -> Vec<(u64, RecordedEvent)> {
    reader.events().unwrap().collect::<Result<_, _>>().unwrap()
}

/// Events 0 to `count`, numbered.
pub(crate) fn expected(count: u64) -> Vec<(u64, RecordedEvent)> {
    (0..count).map(|n| (n, event(n))).collect()
}
