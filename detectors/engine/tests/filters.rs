//! What filters mean, and that all ways to evaluate them agree: of columns, of a row, and of an event that is in no batch.

use detectors_api::catalogue::catalogue;
use detectors_api::event::{Event, KernelContext};
use detectors_api::proto::event_value::Value;
use detectors_api::testkit::{TestEvent, batches};
use detectors_engine::filter::{FieldInfo, Filter, FilterError};
use proptest::prelude::*;

fn compile(
    event: &str,
    architecture: Option<&str>,
    data: &[&str],
    scope: &[&str],
) -> Result<Filter, Vec<FilterError>> {
    let fields = FieldInfo::of_event(catalogue().get(event).expect("known event"), architecture);
    let owned = |filters: &[&str]| {
        filters
            .iter()
            .map(|&filter| filter.to_owned())
            .collect::<Vec<_>>()
    };
    Filter::new(&fields, &owned(data), &owned(scope))
}

fn filter(event: &str, data: &[&str], scope: &[&str]) -> Filter {
    compile(event, Some("amd64"), data, scope).expect("well-formed filters")
}

/// Whether `event` passes; all ways must say the same.
fn passes(event: &TestEvent, data: &[&str], scope: &[&str]) -> bool {
    let filter = filter(&event.to_recorded().event.name, data, scope);
    let batches = batches(std::slice::from_ref(event));
    let selected = filter.select(&batches[0]) == [0];
    let recorded = event.to_recorded();
    for event in [batches[0].event(0), Event::from_recorded(0, &recorded)] {
        assert_eq!(selected, filter.matches(&event), "{data:?} {scope:?} {event:?}");
    }
    selected
}

fn open() -> TestEvent {
    TestEvent::new("security_file_open")
        .set("pathname", "/etc/shadow")
        .set("flags", 0x80002)
        .set("inode", u64::MAX)
}

#[test]
fn data_operators() {
    for (filters, expected) in [
        (&["pathname=/etc/shadow"][..], true),
        (&["pathname=/etc/passwd"], false),
        (&["pathname=/etc/passwd,/etc/shadow"], true),
        (&["pathname=/etc/passwd", "pathname=/etc/shadow"], true),
        (&["pathname=/etc/*", "pathname!=*/shadow"], false),
        (&["pathname=/etc/*", "pathname!=*/passwd"], true),
        (&["pathname!=/etc/passwd,/etc/shadow"], false),
        (&["pathname=/etc/sha?ow"], true),
        (&[r"pathname=/etc/\*"], false),
        (&["pathname=*", "flags>0"], true),
        (&["flags=0x80002"], true),
        (&["flags=524290"], true),
        (&["flags=0o2000002"], true),
        (&["flags>524290"], false),
        (&["flags>=524290"], true),
        (&["flags>0", "flags<0x80002"], false),
        (&["flags>0", "flags<=0x80002"], true),
        (&["flags=1,2", "flags>0"], false),
        (&["flags!=1", "flags!=2"], true),
        (&["inode=18446744073709551615"], true),
        (&["pathname=/etc/shadow", "flags=1"], false),
        (&["syscall_pathname="], true),
        (&["syscall_pathname!="], false),
    ] {
        assert_eq!(passes(&open(), filters, &[]), expected, "{filters:?}");
    }
}

#[test]
fn a_missing_field_matches_nothing() {
    let missing = open().without("pathname");
    for filters in [["pathname=*"], ["pathname!=/x"]] {
        assert!(!passes(&missing, &filters, &[]));
    }
    // A null in its column is missing too.
    let unset = TestEvent::new("sched_process_exec").without("env").without("pwd");
    assert!(!passes(&unset, &["env!=X"], &[]));
}

#[test]
fn what_an_event_says_beyond_its_columns_counts() {
    let wide = open().set_exactly("flags", Value::Int64(1 << 40));
    assert!(passes(&wide, &["flags>0x80002"], &[]));
    let text = open().set_exactly("flags", Value::from("2"));
    assert!(!passes(&text, &["flags=2"], &[]));
    assert!(!passes(&text, &["flags!=2"], &[]));
}

#[test]
fn a_return_value_is_a_field_like_any_other() {
    let ptrace = TestEvent::new("ptrace").set("returnValue", -1);
    assert!(passes(&ptrace, &["returnValue<0"], &[]));
    assert!(!passes(&ptrace, &["returnValue>=0"], &[]));
}

#[test]
fn lists_and_flags() {
    let exec = TestEvent::new("sched_process_exec")
        .set("argv", vec!["sh".to_owned(), "-c".to_owned()])
        .set("invoked_from_kernel", true);
    assert!(passes(&exec, &["argv=-c"], &[]));
    assert!(!passes(&exec, &["argv!=-?"], &[]));
    assert!(passes(&exec, &["argv!=-x", "invoked_from_kernel=true"], &[]));
    assert!(!passes(&exec, &["invoked_from_kernel=false"], &[]));
}

#[test]
fn system_calls_have_names_and_numbers() {
    let enter = |number: i64| TestEvent::new("sys_enter").set("syscall", number);
    // As the page has it: two names of one field.
    let suspicious = ["syscall=ptrace", "syscall=process_vm_writev"];
    assert!(passes(&enter(101), &suspicious, &[]));
    assert!(passes(&enter(311), &suspicious, &[]));
    assert!(!passes(&enter(0), &suspicious, &[]));
    assert!(passes(&enter(0), &["syscall!=ptrace"], &[]));
    assert!(passes(&enter(0), &["syscall=read,ptrace,5"], &[]));

    let hooked = TestEvent::new("hooked_syscall").set("syscall", "ptrace");
    assert!(passes(&hooked, &["syscall=101"], &[]));
    assert!(passes(&hooked, &["syscall=ptr*"], &[]));
    assert!(!passes(&hooked, &["syscall!=101"], &[]));
    let stack = TestEvent::new("stack_pivot").set_exactly("syscall", Value::from("ptrace"));
    assert!(passes(&stack, &["syscall=ptrace"], &[]));

    let arm = compile("sys_enter", Some("arm64"), &["syscall=ptrace"], &[]).expect("known there");
    let batches = batches(&[enter(101), enter(117)]);
    assert_eq!(arm.select(&batches[0]), [1]);
}

#[test]
fn system_calls_that_cannot_be_meant_are_refused() {
    let mut said = String::new();
    for (event, architecture, filter) in [
        ("sys_enter", Some("amd64"), "syscall=ptrac"),
        ("sys_enter", Some("amd64"), "syscall=ptr*"),
        ("sys_enter", None, "syscall=ptrace"),
        ("sys_enter", Some("arm64"), "syscall=read,futex_waitv"),
        ("hooked_syscall", Some("amd64"), "syscall=99999"),
        ("hooked_syscall", None, "syscall=101"),
        ("stack_pivot", None, "syscall=ptrac"),
    ] {
        let errors = compile(event, architecture, &[filter], &[]).expect_err("it is wrong");
        let where_ = architecture.unwrap_or("unknown architecture");
        said += &format!("{event} on {where_}:\n{}\n\n", errors[0]);
    }
    insta::assert_snapshot!(said);
}

#[test]
fn bytes_are_written_in_hexadecimal() {
    let write = TestEvent::new("magic_write").set("bytes", &b"\x7fELF\x02"[..]);
    for (filter, expected) in [
        ("bytes=7f454c46*", true),
        ("bytes=0x7F454C46*", true),
        ("bytes=7f454c4602", true),
        ("bytes=7f454c46", false),
        ("bytes=??454c460?", true),
        ("bytes!=cafebabe*", true),
        ("bytes=*4c46*", true),
    ] {
        assert_eq!(passes(&write, &[filter], &[]), expected, "{filter}");
    }
    for filter in ["bytes=7f4", "bytes=ELF", "bytes>7f"] {
        assert!(compile("magic_write", None, &[filter], &[]).is_err(), "{filter}");
    }
}

#[test]
fn a_rejection_says_which_filters_and_what_the_event_has() {
    let filter = filter(
        "security_file_open",
        &["pathname=/etc/passwd", "pathname!=/x", "flags=0", "inode>0"],
        &["container=started", "comm=cat", "podName=web"],
    );
    let batches = batches(&[open()]);
    let reasons: Vec<_> = filter
        .rejections(&batches[0].event(0))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        reasons,
        [
            "`container=started`: the event has no container",
            "`comm=cat`: comm is \"sh\"",
            "`podName=web`: the event has no podName",
            "`pathname=/etc/passwd`, `pathname!=/x`: pathname is \"/etc/shadow\"",
            "`flags=0`: flags is 524290",
        ]
    );
}

#[test]
fn scopes() {
    let event = open()
        .process(4200, 1)
        .pid(7)
        .parent(4100, 1)
        .uid(0)
        .comm("cat")
        .syscall("openat")
        .container("c0ffee", false)
        .kernel(KernelContext {
            processor: Some(3),
            cgroup_id: Some(1 << 40),
            mount_ns: Some(11),
            pid_ns: Some(12),
            host_name: Some("web".to_owned()),
        });
    for (scopes, expected) in [
        (&["pid=7"][..], true),
        (&["p=7"], true),
        (&["processId=8"], false),
        (&["pid!=1"], true),
        (&["pid!=7"], false),
        (&["hostPid=4200"], true),
        (&["hostParentProcessId=4100"], true),
        (&["ppid=4100", "uid=0"], true),
        (&["uid>0"], false),
        (&["comm=c?t", "processName!=dog"], true),
        (&["syscall=open*"], true),
        (&["processorId=3", "mntns=11", "pidNamespace=12"], true),
        (&["cgroupId=0x10000000000", "hostName=web"], true),
        (&["processorId<3"], false),
        (&["container"], true),
        (&["container=true"], true),
        (&["container=started"], false),
        (&["container=false"], false),
        (&["not-container"], false),
        (&["host"], false),
        (&["containerId=c0*"], true),
        (&["podName!=x"], false),
        (&["timestamp>0", "tid=4200", "hostTid=4200"], true),
    ] {
        assert_eq!(passes(&event, &[], scopes), expected, "{scopes:?}");
    }
    assert!(passes(
        &open(),
        &[],
        &["not-container", "host", "container=false"]
    ));
    assert!(passes(&open().container("c", true), &[], &["container=started"]));
}

fn events() -> impl Strategy<Value = Vec<TestEvent>> {
    let path = prop::sample::select(vec![
        "",
        "/etc/shadow",
        "/etc/passwd",
        "/tmp/a",
        "/tmp/ab",
        "/tmp/*",
    ]);
    let event = (path, -3..4_i64, 0..4_u64, 0..4_u32, 0..6_u8).prop_map(|(path, flags, inode, pid, odd)| {
        let event = TestEvent::new("security_file_open")
            .set("pathname", path)
            .set("flags", flags)
            .set("inode", inode)
            .process(pid, 7)
            .syscall(["open", "openat", ""][pid as usize % 3]);
        match odd {
            0 => event.without("pathname"),
            1 => event.set_exactly("flags", Value::Int64(flags << 33)),
            2 => event.set_exactly("pathname", Value::Int32(1)),
            3 => event.container("c0ffee", pid > 1),
            _ => event,
        }
    });
    prop::collection::vec(event, 0..40)
}

fn data_filter() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["=", "!="]);
    let any = prop::sample::select(vec!["=", "!=", "<", ">", "<=", ">="]);
    let text = prop::sample::select(vec![
        "*",
        "/etc/*",
        "*/shadow",
        "/tmp/?",
        "/tmp/a,/etc/passwd",
        r"/tmp/\*",
        "*a*",
        "",
    ]);
    prop_oneof![
        (operator, text).prop_map(|(operator, text)| format!("pathname{operator}{text}")),
        (any.clone(), -3..4_i64).prop_map(|(operator, number)| format!("flags{operator}{number}")),
        (any, 0..4_u64).prop_map(|(operator, number)| format!("inode{operator}{number:#x}")),
    ]
}

proptest! {
    #[test]
    fn column_by_column_and_event_by_event_agree(
        events in events(),
        data in prop::collection::vec(data_filter(), 0..5),
        scope in prop::sample::subsequence(
            vec!["container", "pid!=1", "hostPid<3", "syscall=open*", "timestamp>0", "container=started"], 0..3),
    ) {
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        let filter = filter("security_file_open", &data, &scope);
        for batch in batches(&events) {
            let expected: Vec<_> = (0..batch.len()).filter(|row| filter.matches(&batch.event(*row))).collect();
            for event in batch.events() {
                let recorded = events[event.seq() as usize - 1].to_recorded();
                prop_assert_eq!(filter.matches(&Event::from_recorded(event.seq(), &recorded)), filter.matches(&event));
            }
            prop_assert_eq!(filter.select(&batch), expected);
            // A slice has the dictionary of the whole.
            let half = batch.slice(batch.len() / 2, batch.len() - batch.len() / 2);
            let expected: Vec<_> = (0..half.len()).filter(|row| filter.matches(&half.event(*row))).collect();
            prop_assert_eq!(filter.select(&half), expected);
        }
    }
}
