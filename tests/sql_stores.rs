//! SQL over what stores know: a written capture of a small host, whose answers are known.
//!
//! `sql/stores.sql` has the questions; the snapshot, their answers.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, LazyLock};

use assert_cmd::Command;
use capture::{CaptureWriter, Header, Host, WriterOptions};
use detectors_api::proto::{self, event_value::Value};
use detectors_api::testkit::TestEvent;
use detectors_engine::Detection;
use detectors_stores::Input;
use detectors_stores::container::{ContainerFacts, ContainerInput, Pod};
use detectors_stores::custom;
use detectors_stores::process::TaskSnapshot;
use detectors_stores::rows::Row;
use detectors_stores::symbol::Kallsyms;
use detectors_stores::system::HostFacts;
use insta::assert_snapshot;
use tempfile::TempDir;

/// 2023-11-14T22:13:20Z.
const B: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy)]
struct Task {
    pid: u32,
    start_ns: u64,
    comm: &'static str,
}

const fn task(pid: u32, start_ns: u64, comm: &'static str) -> Task {
    Task { pid, start_ns, comm }
}

const SYSTEMD: Task = task(1, B - 1000 * SECOND, "systemd");
const SSHD: Task = task(712, B - 900 * SECOND, "sshd");
const BASH: Task = task(900, B + SECOND, "bash");
const CURL: Task = task(901, B + 3 * SECOND, "curl");
/// The pid of bash comes back.
const NGINX: Task = task(900, B + 100 * SECOND, "nginx");

const CONTAINER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const KALLSYMS: &str = "\
ffffffff81000000 T _stext
ffffffff81000100 T commit_creds
ffffffff81800000 T _etext
ffffffffc0001000 t nf_hook\t[nf_tables]
";

fn at(seconds: u64) -> i64 {
    (B + seconds * SECOND).cast_signed()
}

fn event(name: &str, seconds: u64, actor: Task) -> TestEvent {
    TestEvent::new(name)
        .at_ns(at(seconds))
        .process(actor.pid, actor.start_ns)
        .comm(actor.comm)
}

fn fork(seconds: u64, parent: Task, child: Task) -> TestEvent {
    event("sched_process_fork", seconds, parent)
        .set("parent_process_tid", parent.pid)
        .set("parent_process_pid", parent.pid)
        .set("parent_process_ns_pid", parent.pid)
        .set("parent_process_start_time", parent.start_ns)
        .set("child_tid", child.pid)
        .set("child_pid", child.pid)
        .set("child_ns_pid", child.pid)
        .set("start_time", child.start_ns)
}

fn exec(seconds: u64, process: Task, path: &str, argv: &[&str]) -> TestEvent {
    event("sched_process_exec", seconds, process)
        .set("cmdpath", path)
        .set("pathname", path)
        .set(
            "argv",
            Value::StrArray(proto::StringArray {
                value: argv.iter().map(|word| (*word).to_owned()).collect(),
            }),
        )
}

fn exit(seconds: u64, process: Task, code: i32) -> TestEvent {
    event("sched_process_exit", seconds, process)
        .set("exit_code", code)
        .set("process_group_exit", Value::Bool(true))
}

fn connect(seconds: u64, process: Task, address: &str) -> TestEvent {
    event("security_socket_connect", seconds, process).set(
        "remote_addr",
        Value::Sockaddr(proto::SockAddr {
            sa_family: 2,
            sin_addr: address.to_owned(),
            sin_port: 443,
            ..Default::default()
        }),
    )
}

/// `shop.test` is an alias of `edge.test`, which has an address for a minute.
fn answer(seconds: u64) -> TestEvent {
    let record = |name: &str, r#type: &str, ttl| proto::DnsResourceRecord {
        name: name.to_owned(),
        r#type: r#type.to_owned(),
        class: "IN".to_owned(),
        ttl,
        ..Default::default()
    };
    let packet = proto::Dns {
        qr: 1,
        questions: vec![proto::DnsQuestion {
            name: "shop.test".to_owned(),
            r#type: "A".to_owned(),
            class: "IN".to_owned(),
        }],
        answers: vec![
            proto::DnsResourceRecord {
                cname: "edge.test".to_owned(),
                ..record("shop.test", "CNAME", 3600)
            },
            proto::DnsResourceRecord {
                ip: "192.0.2.7".to_owned(),
                ..record("edge.test", "A", 60)
            },
        ],
        ..Default::default()
    };
    event("net_packet_dns", seconds, CURL).set("proto_dns", Value::Dns(packet))
}

fn cgroup(seconds: u64, name: &str) -> TestEvent {
    event(name, seconds, SYSTEMD)
        .set("cgroup_id", 77_u64)
        .set("cgroup_path", format!("/system.slice/docker-{CONTAINER}.scope"))
        .set("hierarchy_id", 0_u32)
}

/// What happens, by sequence number.
fn events() -> Vec<TestEvent> {
    vec![
        fork(1, SSHD, BASH),
        exec(2, BASH, "/usr/bin/bash", &["bash", "-i"]),
        fork(3, BASH, CURL),
        exec(3, CURL, "/usr/bin/curl", &["curl", "https://shop.test"]),
        answer(4),
        connect(10, CURL, "192.0.2.7"),
        exit(11, CURL, 6),
        exit(12, BASH, 0),
        cgroup(20, "cgroup_mkdir"),
        fork(100, SYSTEMD, NGINX),
        exec(101, NGINX, "/usr/sbin/nginx", &["nginx"]),
        connect(102, NGINX, "192.0.2.7"),
        cgroup(103, "cgroup_rmdir"),
    ]
}

fn input<R: Row>(store: &str, seq: u64, rows: &[R]) -> Input {
    Input {
        store: store.to_owned(),
        seq,
        rows: R::to_batch(rows),
    }
}

fn inputs() -> Vec<Input> {
    let running = |task: Task, parent: Option<Task>, exe: &str| TaskSnapshot {
        host_pid: task.pid,
        host_tid: task.pid,
        pid: task.pid,
        tid: task.pid,
        host_ppid: parent.map_or(0, |parent| parent.pid),
        ppid: parent.map_or(0, |parent| parent.pid),
        start_ns: task.start_ns,
        parent_start_ns: parent.map_or(0, |parent| parent.start_ns),
        comm: task.comm.to_owned(),
        exe: exe.to_owned(),
        ..TaskSnapshot::default()
    };
    let host = HostFacts {
        sysname: "Linux".to_owned(),
        release: "6.8.0".to_owned(),
        machine: "x86_64".to_owned(),
        hostname: "web-1".to_owned(),
        os_release: "NAME=\"Ubuntu\"\nVERSION=\"24.04\"\n".to_owned(),
        init_namespaces: vec!["pid=4026531836".to_owned()],
        ..HostFacts::default()
    };
    let facts = ContainerFacts {
        name: "web".to_owned(),
        image: "nginx:1.27".to_owned(),
        pod: Some(Pod {
            name: "web-0".to_owned(),
            namespace: "shop".to_owned(),
            ..Pod::default()
        }),
        ..ContainerFacts::default()
    };
    let name: custom::StoreName = "ip_reputation".parse().expect("a name");
    let entry = custom::Change::Write {
        source: "feed".to_owned(),
        key: "192.0.2.7".to_owned(),
        data: serde_json::json!({"status": "deny", "severity": 8}),
    };
    vec![
        input(
            "process",
            0,
            &[
                running(SYSTEMD, None, "/usr/lib/systemd/systemd"),
                running(SSHD, Some(SYSTEMD), "/usr/sbin/sshd"),
            ],
        ),
        input("system", 0, &[host]),
        Input {
            store: "symbol".to_owned(),
            seq: 0,
            rows: Kallsyms::read(KALLSYMS.as_bytes())
                .expect("text can be read")
                .rows,
        },
        Input {
            store: custom::CUSTOM.to_owned(),
            seq: 0,
            rows: custom::Change::to_batch(&name, &[entry]),
        },
        input(
            "container",
            9,
            &[ContainerInput::enriched(B + 21 * SECOND, CONTAINER, &facts)],
        ),
    ]
}

/// `web.tcap`, and `idle.tcap`: nothing but a fork, on a host of which nothing is known.
static CAPTURES: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = TempDir::new().expect("a directory");
    let header = Header {
        host: Host {
            architecture: "x86_64".to_owned(),
            ..Host::default()
        },
        ..Header::default()
    };
    let mut writer = writer(&directory, "web.tcap", header);
    for (seq, event) in (0_u64..).zip(events()) {
        // Inputs and detections come as a recorder gets them.
        for input in inputs().into_iter().filter(|input| input.seq == seq) {
            writer.add_input(input).expect("in order");
        }
        writer.push(&event.to_recorded());
        writer.flush().expect("flushed");
    }
    let detection = Detection {
        seq: 5,
        level: 1,
        detector_id: Arc::from("TEST-1"),
        index: 0,
        event: Box::new(proto::Event {
            name: "bad_address".to_owned(),
            threat: Some(proto::Threat {
                name: "A bad address".to_owned(),
                severity: proto::Severity::High.into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    writer.write_detections(&replay::detection_rows(&[detection]));
    writer.finish().expect("finished");

    let mut idle = self::writer(&directory, "idle.tcap", Header::default());
    idle.push(&fork(5, SSHD, BASH).to_recorded());
    idle.finish().expect("finished");
    directory
});

fn writer(directory: &TempDir, name: &str, header: Header) -> CaptureWriter {
    let options = WriterOptions {
        segment_rows: 5,
        ..WriterOptions::default()
    };
    CaptureWriter::create(directory.path().join(name), header, options).expect("created")
}

fn sql(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("tracee-cap").expect("the binary is built");
    command.env_remove("TRACEE_CAP_LOG");
    command.current_dir(CAPTURES.path()).arg("sql").args(args);
    command.output().expect("it runs")
}

fn answered(args: &[&str]) -> String {
    let output = sql(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn stores_answer() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql/stores.sql");
    let questions = fs::read_to_string(file).expect("read");
    let answers: Vec<_> = questions
        .split_inclusive(";\n")
        .map(|question| {
            format!(
                "{question}{}",
                answered(&["web.tcap", "-o", "table", "-q", question])
            )
        })
        .collect();
    assert!(answers.len() > 10);
    assert_snapshot!(answers.join(""));
}

#[test]
fn captures_are_asked_one_by_one() {
    let both = |query| sql(&["web.tcap", "idle.tcap", "-q", query]);
    let output = both(
        "SELECT capture, process_path(child.process_id, 0, capture) AS path FROM processes child \
         WHERE host_pid = 900 ORDER BY capture, start_time",
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"capture\":\"idle.tcap\",\"path\":\"sshd(712)/sshd(900)\"}\n\
         {\"capture\":\"web.tcap\",\"path\":\"systemd(1)/sshd(712)/sshd(900)\"}\n\
         {\"capture\":\"web.tcap\",\"path\":null}\n"
    );
    // What a capture does not know is null, not empty.
    let output = both(
        "SELECT capture, dns_names('192.0.2.7', 5, capture) AS names, syscall_name(2, capture) AS two, \
         is_kernel_text(18446744071578845184, capture) AS text, symbol_at(18446744071578845185, 0, capture)['name'] AS symbol \
         FROM (SELECT DISTINCT capture FROM events) ORDER BY capture",
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "{\"capture\":\"idle.tcap\",\"names\":null,\"two\":null,\"text\":null,\"symbol\":null}\n\
         {\"capture\":\"web.tcap\",\"names\":[\"shop.test\",\"edge.test\"],\"two\":\"open\",\"text\":true,\"symbol\":\"_stext\"}\n"
    );
    let output = both("SELECT process_at(process_id, seq) FROM sched_process_exec");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 captures are open"));
}

#[test]
fn wrong_calls_are_explained() {
    let told: Vec<_> = [
        "process_at(1)",
        "process_at('bash', 1)",
        "process_at(1, 1.5)",
        "process_at(1, 2, 'other.tcap')",
        "ancestors(1, 2, 3, 4)",
        "container_at(true, 1)",
        "dns_names(3, 1)",
        "symbol_at('commit_creds')",
        "syscall_id(2)",
    ]
    .iter()
    .map(|call| {
        let output = sql(&["web.tcap", &format!("SELECT {call}")]);
        assert_eq!(output.status.code(), Some(2), "{call}: {output:?}");
        format!("{call}\n  {}", String::from_utf8_lossy(&output.stderr))
    })
    .collect();
    assert_snapshot!(told.join(""));
}

/// Every event is asked about, so that answers before, between and after changes are compared with those of the tables.
#[test]
fn functions_and_tables_agree() {
    for query in [
        "SELECT count(*) AS n FROM events e JOIN process_versions v ON e.seq >= v.from_seq AND (v.until_seq IS NULL OR e.seq < v.until_seq) \
         WHERE coalesce(process_at(v.process_id, e.seq)['exe'], '') <> coalesce(v.exe, '')",
        "SELECT count(*) AS n FROM events e JOIN container_versions v ON e.seq >= v.from_seq AND (v.until_seq IS NULL OR e.seq < v.until_seq) \
         WHERE container_at(v.container_id, e.seq)['end_time'] IS DISTINCT FROM v.end_time",
        "SELECT count(*) AS n FROM syscalls WHERE name IS NOT NULL AND (syscall_id(name) <> id OR syscall_name(id) <> name)",
        "SELECT count(*) AS n FROM symbols WHERE symbol_at(address)['name'] <> name",
    ] {
        assert_eq!(answered(&["web.tcap", query]), "{\"n\":0}\n", "{query}");
    }
}
