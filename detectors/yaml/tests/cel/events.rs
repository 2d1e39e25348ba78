//! What expressions see of events.

use detectors_api::proto;
use detectors_api::proto::event_value::Value as Field;
use detectors_api::testkit::TestEvent;
use detectors_yaml::cel::{EvalError, Value};

use crate::{assert_true, value_for, value_of_message};

fn exec() -> TestEvent {
    TestEvent::new("sched_process_exec")
        .set("pathname", "/usr/bin/bash")
        .set("argv", vec!["bash".to_owned(), "-c".to_owned(), "id".to_owned()])
        .exe("/usr/bin/bash")
        .comm("bash")
        .parent(7, 1)
        .pid(12)
        .uid(0)
        .syscall("execve")
        .container("c0ffee", true)
        .image("web", "nginx:1", "sha256:1")
        .pod("web-1", "prod", "uid-1")
}

#[test]
fn who_did_it() {
    assert_true(
        &exec(),
        &[
            "workload.process.pid == 12u && workload.process.pid == 12 && workload.process.pid > 11",
            "workload.process.pid < 12.5 && workload.process.pid in [11, 12] && 12 == workload.process.pid",
            "workload.process.host_pid == 4200 && workload.process.unique_id > 0",
            "workload.process.executable.path == '/usr/bin/bash' && workload.process.real_user.id == 0",
            "workload.process.thread.name == 'bash' && workload.process.thread.syscall == 'execve'",
            "workload.process.thread.tid == 4200 && workload.process.thread.host_tid == 4200u && !workload.process.thread.compat",
            "workload.process.thread.start_time > timestamp('2025-01-01T00:00:00Z')",
            "workload.process.ancestors[0].host_pid == 7u && size(workload.process.ancestors) == 1",
            "workload.process.thread.unique_id == workload.process.unique_id",
            "workload.container.id == 'c0ffee' && workload.container.name == 'web' && workload.container.started",
            "workload.container.image.name == 'nginx:1' && workload.container.image.repo_digests == ['sha256:1']",
            "workload.k8s.pod.name == 'web-1' && workload.k8s.pod.uid == 'uid-1' && workload.k8s.namespace.name == 'prod'",
            "size(workload.k8s.pod.labels) == 0 && !('app' in workload.k8s.pod.labels)",
            "event.workload.process.pid == 12 && event.workload.container.id == 'c0ffee'",
            "type(workload.process) == tracee.v1beta1.Process && workload == event.workload",
        ],
    );
}

#[test]
fn names_that_the_page_uses() {
    assert_true(
        &exec(),
        &[
            "workload.process.uid == 0 && workload.process.name == 'bash'",
            "workload.kubernetes.pod.name == 'web-1' && workload.kubernetes.namespace.name == 'prod'",
            "event.workload.process.name == 'bash' && has(workload.kubernetes) && has(workload.process.name)",
            "workload.process.ancestors[0].uid == null",
        ],
    );
}

#[test]
fn the_event_itself() {
    assert_true(
        &exec(),
        &[
            "event.name == 'sched_process_exec' && event.id > 0 && type(event.id) == int",
            "timestamp == event.timestamp && timestamp.getFullYear() == 2026",
            "event.data.exists(d, d.name == 'argv' && d.str_array.value.exists(a, a == '-c'))",
            "event.data.filter(d, has(d.str_array)).map(d, d.name).exists(n, n == 'argv')",
            "event.data[0].str == '' || event.data[0].name != ''",
            "size(event.policies.matched) == 0 && event.threat.name == '' && event.threat.severity == 0",
            "event.detected_from.name == '' && event.detected_from.parent.parent.id == 0u",
            "event == event && [event][0].name == event.name && dyn(event).workload.process.pid == 12",
            "tracee.v1beta1.Severity.HIGH == 3 && tracee.v1beta1.sa_family_t.AF_INET6 == 10",
        ],
    );
}

#[test]
fn fields_by_name() {
    assert_true(
        &exec(),
        &[
            "getEventData('pathname') == '/usr/bin/bash' && getEventData(event, 'pathname').startsWith('/usr')",
            "basename(getEventData('pathname')) == 'bash' && getEventData('pathname') in ['/usr/bin/bash']",
            "hasData('pathname') && hasData(event, 'pathname') && !hasData('nothing')",
            "['pathname', 'nothing'].exists(f, getEventData(f) == '/usr/bin/bash')",
            "getEventData([event][0], 'pathname') == getEventData(dyn(event), 'pathname')",
            "type(getEventData('dev')) == uint && type(getEventData('pathname')) == string",
        ],
    );
}

#[test]
fn lists_and_messages_of_fields() {
    assert_true(
        &exec(),
        &[
            "getEventData('argv') == ['bash', '-c', 'id'] && '-c' in getEventData('argv')",
            "join(getEventData('argv'), ' ') == 'bash -c id' && getEventData('argv')[1] == '-c'",
            "getEventData('argv').exists(a, a.startsWith('-')) && size(getEventData('argv')) == 3",
        ],
    );
    let connect = TestEvent::new("security_socket_connect").set(
        "remote_addr",
        proto::SockAddr {
            sa_family: 2,
            sin_addr: "10.0.0.1".to_owned(),
            sin_port: 443,
            ..Default::default()
        },
    );
    assert_true(
        &connect,
        &[
            "getEventData('remote_addr').sin_addr == '10.0.0.1' && getEventData('remote_addr').sin_port == 443",
            "getEventData('remote_addr').sa_family == tracee.v1beta1.sa_family_t.AF_INET",
            "event.data.exists(d, d.sockaddr.sin_port == 443u) && getEventData('remote_addr').sun_path == ''",
        ],
    );
    let event = proto::Event {
        data: [
            ("numbers", Field::from(vec![1_i32, 2])),
            ("addresses", Field::from(vec![u64::MAX])),
            ("seconds", Field::from(1.5)),
            ("pointer", Field::Pointer(16)),
            (
                "mark",
                Field::Credentials(proto::Credentials {
                    uid: Some(7),
                    ..Default::default()
                }),
            ),
        ]
        .map(|(name, value)| proto::EventValue {
            name: name.to_owned(),
            value: Some(value),
        })
        .to_vec(),
        ..Default::default()
    };
    for source in [
        "getEventData('numbers') == [1, 2] && getEventData('addresses')[0] == 18446744073709551615u",
        "getEventData('seconds') == 1.5 && getEventData('pointer') == 16u",
        "getEventData('mark').uid == 7 && getEventData('mark').gid == null && event.data[4].credentials.uid == 7u",
        "event.data[0].int32_array.value == [1, 2] && event.data[0].str == '' && !has(event.data[0].str)",
    ] {
        assert_eq!(
            value_of_message(&event, source),
            Ok(Value::Bool(true)),
            "{source}"
        );
    }
}

#[test]
fn null_is_no_value() {
    let event = TestEvent::new("sched_process_exec")
        .set("pathname", "/bin/sh")
        .without("argv");
    assert_true(
        &event,
        &[
            "getEventData('nothing') == null && getEventData('nothing') != 'x' && !(getEventData('nothing') == 'x')",
            "!(getEventData('nothing') in SHELLS) && getEventData('pathname') in SHELLS",
            "!hasData('argv') && getEventData('argv') == null",
        ],
    );
    for source in [
        "getEventData('nothing') > 3",
        "getEventData('nothing').startsWith('x')",
        "basename(getEventData('nothing'))",
    ] {
        assert!(
            matches!(value_for(&event, source), Err(EvalError::NoOverload { .. })),
            "{source}"
        );
    }
    let unset = proto::Event {
        data: vec![proto::EventValue {
            name: "f".to_owned(),
            value: None,
        }],
        ..Default::default()
    };
    assert_eq!(
        value_of_message(&unset, "hasData('f') && getEventData('f') == null"),
        Ok(Value::Bool(true))
    );
}

#[test]
fn what_an_event_does_not_have() {
    let nobody = proto::Event {
        name: "close".to_owned(),
        ..Default::default()
    };
    for source in [
        "event.workload.container.id == '' && event.workload.process.pid == null && !has(event.workload)",
        "event.timestamp == timestamp(0) && event.workload.process.thread.name == ''",
        "event.workload.process.thread.start_time == timestamp(0) && !has(event.workload.process)",
    ] {
        assert_eq!(
            value_of_message(&nobody, source),
            Ok(Value::Bool(true)),
            "{source}"
        );
    }
    for source in [
        "workload.container.id == ''",
        "workload.process.pid == null",
        "has(workload.process)",
        "workload == workload",
    ] {
        assert_eq!(
            value_of_message(&nobody, source),
            Err(EvalError::Unset("workload")),
            "{source}"
        );
    }
    assert_eq!(
        value_of_message(&nobody, "timestamp > timestamp(0)"),
        Err(EvalError::Unset("timestamp"))
    );
    let bare = proto::Event {
        workload: Some(proto::Workload::default()),
        ..Default::default()
    };
    assert_eq!(
        value_of_message(
            &bare,
            "workload.container.id == '' && workload.process.pid == null"
        ),
        Ok(Value::Bool(true))
    );
    assert!(matches!(
        value_of_message(&bare, "workload.process.pid > 1"),
        Err(EvalError::NoOverload { .. })
    ));
}
