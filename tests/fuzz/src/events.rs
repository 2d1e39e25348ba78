//! Events to try detectors on: of few types, with values that differ in kind, place and presence.

use detectors_api::event::EventBatch;
use detectors_api::proto::SockAddr;
use detectors_api::proto::event_value::Value;
use detectors_api::testkit::{TestEvent, batches};

/// The events, in batches of one type each.
pub(crate) fn window() -> Vec<EventBatch> {
    batches(&[
        TestEvent::new("security_file_open")
            .set("pathname", "/etc/shadow")
            .set("flags", 0x8_0002)
            .set("inode", u64::MAX)
            .container("aa55", true),
        TestEvent::new("security_file_open")
            .set("pathname", "a*b?c,d\\e ü")
            .set("flags", -1)
            .comm("weird \u{7f} name")
            .uid(0),
        TestEvent::new("security_file_open").without("pathname").pid(1),
        TestEvent::new("security_file_open").set_exactly("flags", Value::Str("O_RDONLY".to_owned())),
        TestEvent::new("sched_process_exec")
            .set("pathname", "/dev/shm/x")
            .set("argv", vec!["x".to_owned(), String::new(), "-e".to_owned()])
            .set("env", vec!["LD_PRELOAD=/x.so".to_owned()]),
        TestEvent::new("sched_process_exec")
            .without("argv")
            .container("bb", false),
        TestEvent::new("security_socket_connect").set("sockfd", 1).set(
            "remote_addr",
            SockAddr {
                sa_family: 2,
                sin_addr: "198.51.100.7".to_owned(),
                sin_port: 443,
                ..SockAddr::default()
            },
        ),
        TestEvent::new("magic_write")
            .set("pathname", "/tmp/.x")
            .set("bytes", &b"\x7fELF\x02"[..]),
        TestEvent::new("hooked_syscall").set("syscall", "read"),
        TestEvent::new("sys_enter").set("syscall", 101),
        TestEvent::new("ptrace").set("request", 4_i64).set("pid", 7),
    ])
}
