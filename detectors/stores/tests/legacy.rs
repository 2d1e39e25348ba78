//! The old data sources, asked as signatures ask them.

use detectors_api::entity::entity_id;
use detectors_api::proto;
use detectors_api::proto::event_value::Value as Field;
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::container::{ContainerFacts, ContainerInput, Pod};
use detectors_stores::legacy::{Data, DataSourceError, DataSources, Key, SourceId, VERSION};
use detectors_stores::rows::Row as _;
use detectors_stores::{Input, Settings, Stores};
use serde_json::{Value, json};

const B: u64 = 1_700_000_000_000_000_000;
/// After all events.
const END: u64 = 1_000_000;
/// A tenth of a second in ns.
const TENTH: u64 = 100_000_000;
/// [`B`] as text, without its seconds.
const MINUTE: &str = "2023-11-14T22:13:";

type Task = (u32, u64);

const P: Task = (100, B);
const C: Task = (200, B + 10 * TENTH);
/// A thread of [`C`].
const T: Task = (201, B + 15 * TENTH);
/// The first process of the host.
const S: Task = (1, B - 10 * TENTH);

fn id(task: Task) -> u32 {
    entity_id(task.0, task.1)
}

/// Tenths of a second after the beginning.
fn at(tenths: u64) -> i64 {
    (B + tenths * TENTH).cast_signed()
}

/// A task starts: a process, or a thread of `leader`. Pids in namespaces are a tenth of those on the host.
fn start(time: i64, parent: Task, leader: Task, child: Task) -> TestEvent {
    let ns = |pid: u32| if pid == T.0 { 21 } else { pid / 10 };
    TestEvent::new("sched_process_fork")
        .at_ns(time)
        .process(parent.0, parent.1)
        .comm("")
        .set("parent_process_tid", parent.0)
        .set("parent_process_pid", parent.0)
        .set("parent_process_ns_pid", ns(parent.0))
        .set("parent_process_start_time", parent.1)
        .set("leader_tid", leader.0)
        .set("leader_pid", leader.0)
        .set("leader_ns_tid", ns(leader.0))
        .set("leader_ns_pid", ns(leader.0))
        .set("leader_start_time", leader.1)
        .set("child_tid", child.0)
        .set("child_ns_tid", ns(child.0))
        .set("child_pid", leader.0)
        .set("child_ns_pid", ns(leader.0))
        .set("start_time", child.1)
}

fn fork(time: i64, parent: Task, child: Task) -> TestEvent {
    start(time, parent, child, child)
}

fn exec(time: i64, process: Task, path: &str) -> TestEvent {
    TestEvent::new("sched_process_exec")
        .at_ns(time)
        .process(process.0, process.1)
        .pid(process.0 / 10)
        .comm("")
        .set("cmdpath", path)
        .set("pathname", path)
        .set("dev", 8_u32)
        .set("inode", 77_u64)
        .set("ctime", B)
        .set("inode_mode", 0o100_755_u32)
}

fn exit(time: i64, process: Task) -> TestEvent {
    TestEvent::new("sched_process_exit")
        .at_ns(time)
        .process(process.0, process.1)
        .pid(process.0 / 10)
        .comm("")
}

fn told(events: &[TestEvent]) -> Stores {
    let mut stores = Stores::new();
    stores.apply(&batches(events)).expect("events are in order");
    stores
}

/// As of event `seq`, whose time is `tenths`.
fn ask(stores: &Stores, (seq, tenths): (u64, u64), source: &str, key: &Key) -> Result<Data, DataSourceError> {
    DataSources::new(stores, seq, at(tenths))
        .get("tracee", source)?
        .up_to_version(VERSION)?
        .get(key)
}

/// A process at some time, long after all events.
fn process(stores: &Stores, process: Task, time: i64) -> Value {
    let key = Key::process(id(process), time);
    let data = ask(stores, (END, 1000), "process_tree", &key).expect("known");
    assert_eq!(data.len(), 1);
    data["process_info"]["Info"].clone()
}

fn life() -> Stores {
    told(&[
        fork(at(10), P, C),
        exec(at(20), C, "/usr/bin/some-long-binary-name"),
        exec(at(30), C, "/bin/second"),
        exit(at(40), C),
    ])
}

#[test]
fn schemas_keys_and_versions_are_those_of_tracee() {
    let stores = Stores::with(Settings {
        dns: true,
        ..Settings::default()
    });
    let sources = DataSources::new(&stores, 0, 0);
    assert_eq!(
        sources.list(),
        [SourceId::Containers, SourceId::Dns, SourceId::ProcessTree]
    );
    let expected: [(&str, &[&str], &str); 3] = [
        (
            "containers",
            &["string"],
            r#"{"container_ctime":"int","container_id":"string","container_image":"string","container_name":"string","k8s_pod_id":"string","k8s_pod_name":"string","k8s_pod_namespace":"string","k8s_pod_sandbox":"bool"}"#,
        ),
        (
            "dns",
            &["string"],
            r#"{"dns_queries":"[]string","dns_root":"string","ip_addresses":"[]string"}"#,
        ),
        (
            "process_tree",
            &[
                "datasource.ProcKey",
                "datasource.ThreadKey",
                "datasource.LineageKey",
            ],
            r#"{"process_info":"datasource.TimeRelevantInfo[datasource.ProcessInfo]","process_lineage":"datasource.TimeRelevantInfo[datasource.ProcessLineage]","thread_info":"datasource.TimeRelevantInfo[datasource.ThreadInfo]"}"#,
        ),
    ];
    for (name, keys, schema) in expected {
        let source = sources.get("tracee", name).expect("there");
        assert_eq!((source.namespace(), source.id().as_str()), ("tracee", name));
        assert_eq!(source.version(), 1);
        assert_eq!(source.keys(), keys);
        assert_eq!(source.schema(), schema);
        serde_json::from_str::<Data>(schema).expect("a schema is JSON");
    }
}

#[test]
fn what_cannot_be_answered_says_why() {
    let stores = Stores::new();
    let sources = DataSources::new(&stores, 0, 0);
    let error = |source: &str, key: &Key| {
        let source = sources.get("tracee", source).expect("there");
        source.get(key).expect_err("nothing is known")
    };
    for (error, text) in [
        (
            sources.get("tracee", "dns").expect_err("not recorded"),
            "there is no data source tracee/dns; there are tracee/containers, tracee/process_tree",
        ),
        (
            sources.get("acme", "containers").expect_err("no such namespace"),
            "there is no data source acme/containers; there are tracee/containers, tracee/process_tree",
        ),
        (
            error("process_tree", &Key::text("7")),
            "the data source tracee/process_tree takes no string as key, but datasource.ProcKey, \
             datasource.ThreadKey, datasource.LineageKey",
        ),
        (
            error("containers", &Key::process(7, 0)),
            "the data source tracee/containers takes no datasource.ProcKey as key, but string",
        ),
        (
            error("containers", &Key::text("0f")),
            "the data source tracee/containers has no data about `0f`",
        ),
        (
            error("process_tree", &Key::lineage(7, at(0), 5)),
            "the data source tracee/process_tree has no data about lineage of process 7 at 2023-11-14T22:13:20Z",
        ),
        (
            sources
                .get("tracee", "containers")
                .and_then(|source| source.up_to_version(0))
                .expect_err("too new"),
            "the data source tracee/containers has version 1, but only versions up to 0 are supported: update \
             whatever asks it",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
    assert!(error("process_tree", &Key::thread(7, 0)).is_not_found());
    assert!(
        error("containers", &Key::text("")).is_not_found(),
        "the empty id is no container"
    );
    let source = sources.get("tracee", "containers").expect("there");
    assert!(matches!(
        source.get_json(&json!(7)),
        Err(DataSourceError::InvalidKey(_))
    ));
    assert!(source.get_json(&json!("0f")).expect_err("unknown").is_not_found());
}

#[test]
fn a_container_has_all_its_values() {
    let container = "a".repeat(64);
    let facts = |pod| ContainerFacts {
        name: "web".to_owned(),
        image: "nginx:1".to_owned(),
        pod,
        ..ContainerFacts::default()
    };
    let pod = Pod {
        name: "web-0".to_owned(),
        uid: "1-2-3".to_owned(),
        namespace: "shop".to_owned(),
        sandbox: true,
    };
    for (pod, uid, sandbox) in [(None, "", false), (Some(pod), "1-2-3", true)] {
        let rows = [
            ContainerInput::directory(5, 0, 9, format!("/docker/{container}"), Some(B)),
            ContainerInput::enriched(5, container.clone(), &facts(pod)),
        ];
        let mut stores = Stores::new();
        let input = Input {
            store: "container".to_owned(),
            seq: 1,
            rows: ContainerInput::to_batch(&rows),
        };
        stores.add_input(input).expect("nothing applied yet");
        stores.advance(&[], 5).expect("in order");
        let key = Key::text(container.as_str());
        let data = ask(&stores, (1, 0), "containers", &key).expect("known");
        assert_eq!(
            Value::from(data),
            json!({
                "container_ctime": B,
                "container_id": container,
                "container_image": "nginx:1",
                "container_name": "web",
                "k8s_pod_id": uid,
                "k8s_pod_name": if sandbox { "web-0" } else { "" },
                "k8s_pod_namespace": if sandbox { "shop" } else { "" },
                "k8s_pod_sandbox": sandbox,
            })
        );
        assert!(ask(&stores, (0, 0), "containers", &key).is_err(), "not yet known");
        let short = Key::text(&container[..12]);
        assert!(
            ask(&stores, (1, 0), "containers", &short).is_err(),
            "ids are not cut short"
        );
    }
}

#[test]
fn names_and_addresses_have_their_chain_and_its_root() {
    let answer = |name: &str, record_type: &str, value: &str| proto::DnsResourceRecord {
        name: name.to_owned(),
        r#type: record_type.to_owned(),
        ip: value.to_owned(),
        cname: value.to_owned(),
        ttl: 60,
        ..Default::default()
    };
    let response = |time, name: &str| {
        let packet = proto::Dns {
            qr: 1,
            questions: vec![proto::DnsQuestion {
                name: name.to_owned(),
                ..Default::default()
            }],
            answers: vec![
                answer(name, "CNAME", "mid.com"),
                answer("mid.com", "A", "1.1.1.1"),
            ],
            ..Default::default()
        };
        TestEvent::new("net_packet_dns")
            .at_ns(time)
            .set("proto_dns", Field::Dns(packet))
    };
    let mut stores = Stores::with(Settings {
        dns: true,
        ..Settings::default()
    });
    let events = [response(at(0), "d1.com"), response(at(10), "d2.com")];
    stores.apply(&batches(&events)).expect("in order");
    let get = |moment, query: &str| ask(&stores, moment, "dns", &Key::text(query)).map(Value::from);
    assert_eq!(
        get((1, 0), "1.1.1.1"),
        Ok(json!({"dns_queries": ["d1.com", "mid.com"], "dns_root": "d1.com", "ip_addresses": ["1.1.1.1"]}))
    );
    assert_eq!(
        get((2, 10), "1.1.1.1"),
        Ok(json!({
            "dns_queries": ["d2.com", "d1.com", "mid.com"],
            "dns_root": "d2.com",
            "ip_addresses": ["1.1.1.1"],
        }))
    );
    assert!(get((2, 1000), "1.1.1.1").expect_err("expired").is_not_found());
    assert!(get((2, 10), "3.3.3.3").expect_err("unknown").is_not_found());
}

#[test]
fn a_process_is_told_as_it_was_at_the_time_that_is_asked_for() {
    let stores = life();
    for (time, pid, path, alive, exit) in [
        (at(5), 0, "", false, "1970-01-01T00:00:00Z"),
        (at(15), 200, "", true, "1970-01-01T00:00:00Z"),
        (
            at(25),
            200,
            "/usr/bin/some-long-binary-name",
            true,
            "1970-01-01T00:00:00Z",
        ),
        (at(35), 200, "/bin/second", true, "1970-01-01T00:00:00Z"),
        (at(40), 200, "/bin/second", true, "2023-11-14T22:13:24Z"),
        (at(40) + 1, 200, "/bin/second", false, "2023-11-14T22:13:24Z"),
    ] {
        let info = process(&stores, C, time);
        let told = (
            &info["Pid"],
            &info["ExecutionBinary"]["Path"],
            &info["IsAlive"],
            &info["ExitTime"],
        );
        assert_eq!(
            told,
            (&json!(pid), &json!(path), &json!(alive), &json!(exit)),
            "{time}"
        );
    }
    assert_eq!(
        process(&stores, P, at(0))["ChildProcessesIds"],
        json!({}),
        "not yet born"
    );
    assert_eq!(
        process(&stores, P, at(40))["ChildProcessesIds"],
        json!({"200": id(C)})
    );
    assert_eq!(
        process(&stores, P, at(41))["ChildProcessesIds"],
        json!({}),
        "dead"
    );
}

#[test]
fn a_process_has_all_its_members() {
    let key = Key::process(id(C), at(35));
    let data = ask(&life(), (END, 1000), "process_tree", &key).expect("known");
    let nothing = json!({
        "Path": "", "Hash": "", "Inode": 0, "Device": 0, "Ctime": "0001-01-01T00:00:00Z", "Mode": 0,
    });
    assert_eq!(
        Value::from(data),
        json!({
            "process_info": {
                "Timestamp": format!("{MINUTE}23.5Z"),
                "Info": {
                    "EntityId": id(C),
                    "Pid": 200,
                    "NsPid": 20,
                    "Ppid": 100,
                    "ContainerId": "",
                    "Cmd": [],
                    "ExecutionBinary": {
                        "Path": "/bin/second",
                        "Hash": "",
                        "Inode": 77,
                        "Device": 8,
                        "Ctime": format!("{MINUTE}20Z"),
                        "Mode": 0o100_755,
                    },
                    "Interpreter": nothing,
                    "Interp": nothing,
                    "StartTime": format!("{MINUTE}21Z"),
                    "ExecTime": "1970-01-01T00:00:00Z",
                    "ExitTime": "1970-01-01T00:00:00Z",
                    "ParentEntityId": id(P),
                    "ThreadsIds": {"200": id(C)},
                    "ChildProcessesIds": {},
                    "IsAlive": true,
                },
            },
        })
    );
}

#[test]
fn nothing_is_told_that_happened_after_the_event() {
    let stores = life();
    let key = Key::process(id(C), i64::MAX);
    let data = ask(&stores, (2, 20), "process_tree", &key).expect("known");
    let found = &data["process_info"];
    assert_eq!(
        found["Timestamp"],
        format!("{MINUTE}22Z"),
        "the time of the event"
    );
    assert_eq!(found["Info"]["IsAlive"], true);
    assert_eq!(
        found["Info"]["ExecutionBinary"]["Path"],
        "/usr/bin/some-long-binary-name"
    );
    assert!(
        ask(&stores, (0, 0), "process_tree", &key)
            .expect_err("unknown")
            .is_not_found(),
        "before any event"
    );
}

#[test]
fn an_exit_that_overtook_the_fork_still_counts() {
    let stores = told(&[exit(at(40), C), fork(at(10), P, C)]);
    let info = process(&stores, C, at(50));
    assert_eq!(info["IsAlive"], false);
    assert_eq!(info["ExitTime"], format!("{MINUTE}24Z"));
}

#[test]
fn threads_are_told_while_they_live() {
    let stores = told(&[
        fork(at(10), P, C),
        start(at(15), P, C, T).process(C.0, C.1),
        exit(at(17), C).thread(T.0, T.1),
    ]);
    let threads = |time| process(&stores, C, time)["ThreadsIds"].clone();
    assert_eq!(threads(at(14)), json!({"200": id(C)}));
    assert_eq!(threads(at(16)), json!({"200": id(C), "201": id(T)}));
    assert_eq!(threads(at(18)), json!({"200": id(C)}));

    let thread = |task, time| {
        let data = ask(&stores, (END, 1000), "process_tree", &Key::thread(id(task), time));
        data.expect("known")["thread_info"]["Info"].clone()
    };
    assert_eq!(
        thread(T, at(16)),
        json!({
            "EntityId": id(T),
            "Tid": 201,
            "NsTid": 21,
            "Pid": 200,
            "UserId": 1000,
            "GroupId": 0,
            "Name": "",
            "StartTime": format!("{MINUTE}21.5Z"),
            "ExitTime": "1970-01-01T00:00:00Z",
            "ProcessEntityId": id(C),
            "IsAlive": true,
        })
    );
    let dead = thread(T, at(18));
    assert_eq!(
        (&dead["IsAlive"], &dead["ExitTime"]),
        (&json!(false), &json!(format!("{MINUTE}21.7Z")))
    );
    let unborn = thread(T, at(12));
    assert_eq!((&unborn["IsAlive"], &unborn["Tid"]), (&json!(false), &json!(0)));
    assert_eq!(
        thread(C, at(16))["ProcessEntityId"],
        id(C),
        "a leader is a thread as well"
    );
}

fn lineage(stores: &Stores, process: Task, time: i64, depth: i64) -> Vec<(Value, Value)> {
    let key = Key::lineage(id(process), time, depth);
    let data = ask(stores, (END, 1000), "process_tree", &key).expect("known");
    let list = data["process_lineage"].as_array().expect("a plain list").iter();
    list.map(|entry| (entry["Info"]["Pid"].clone(), entry["Timestamp"].clone()))
        .collect()
}

#[test]
fn a_lineage_has_every_parent_as_it_was_when_its_child_started() {
    const G: Task = (300, B + 30 * TENTH);
    let stores = told(&[
        fork(at(0), S, P),
        fork(at(10), P, C),
        exec(at(20), C, "/bin/second"),
        fork(at(30), C, G),
    ]);
    let time = |second: &str| json!(format!("{MINUTE}{second}Z"));
    let full = [
        (json!(300), time("35")),
        (json!(200), time("23")),
        (json!(100), time("21")),
        (json!(1), time("20")),
    ];
    assert_eq!(lineage(&stores, G, at(150), 5), full);
    assert_eq!(
        lineage(&stores, G, at(150), 1),
        full[..2],
        "one more than the depth"
    );
    for depth in [0, -1, i64::MIN] {
        assert_eq!(lineage(&stores, G, at(150), depth), full[..1]);
    }
    assert_eq!(lineage(&stores, G, at(150), i64::MAX), full);
    assert_eq!(lineage(&stores, C, at(5), 5).len(), 1, "not yet born");
}

#[test]
fn a_lineage_ends_at_the_first_process_of_a_pid_namespace() {
    // Pid 10 on the host is 1 in its namespace.
    const INIT: Task = (10, B);
    const APP: Task = (20, B + 10 * TENTH);
    let stores = told(&[fork(at(0), S, INIT), fork(at(10), INIT, APP)]);
    let pids: Vec<_> = lineage(&stores, APP, at(20), 9)
        .into_iter()
        .map(|(pid, _)| pid)
        .collect();
    assert_eq!(pids, [20, 10]);
}

#[test]
fn a_lineage_of_parents_in_a_loop_ends() {
    let stores = told(&[
        exec(at(10), P, "/bin/a").parent(C.0, C.1),
        exec(at(20), C, "/bin/b").parent(P.0, P.1),
    ]);
    let pids: Vec<_> = lineage(&stores, C, at(30), i64::MAX)
        .into_iter()
        .map(|(pid, _)| pid)
        .collect();
    assert_eq!(pids, [200, 100]);
}

#[test]
fn an_adopted_process_is_a_child_of_its_adopter_from_then_on() {
    let stores = told(&[
        fork(at(10), P, C),
        exec(at(20), C, "/bin/daemon"),
        exit(at(25), P),
        exec(at(30), C, "/bin/daemon").parent(S.0, S.1),
    ]);
    let children = |parent, time| process(&stores, parent, time)["ChildProcessesIds"].clone();
    assert_eq!(children(P, at(22)), json!({"200": id(C)}));
    assert_eq!(children(S, at(22)), json!({}), "not yet adopted");
    assert_eq!(children(S, at(31)), json!({"200": id(C)}));
    assert_eq!(
        process(&stores, C, at(31))["ParentEntityId"],
        id(P),
        "its creator"
    );
}
