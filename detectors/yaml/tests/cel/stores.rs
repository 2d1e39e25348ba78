//! Questions to stores.

use detectors_api::stores::{
    ContainerInfo, DnsResponse, PodInfo, ProcessInfo, Runtime, StoreError, SystemInfo,
};
use detectors_api::testkit::{MockStores, TestEvent, batches};
use detectors_yaml::cel::{EvalError, Value};

use crate::ask;

fn stores() -> MockStores {
    let process = |entity_id, parent_entity_id, name| ProcessInfo {
        entity_id,
        parent_entity_id,
        host_pid: entity_id,
        pid: Some(entity_id),
        name,
        exe: "/bin/sh",
        start_ns: Some(5_500_000_000),
        uid: (entity_id != 3).then_some(0),
        ..Default::default()
    };
    MockStores::new()
        .process(process(1, None, "init"))
        .process(process(2, Some(1), "bash"))
        .process(process(3, Some(2), "curl"))
        .container(ContainerInfo {
            id: "c0ffee",
            name: "web",
            image: "nginx",
            image_digest: "sha256:1",
            runtime: Runtime::Docker,
            start_ns: Some(7_000_000_000),
            pod: Some(PodInfo {
                name: "web-1",
                uid: "u",
                namespace: "prod",
                sandbox: true,
            }),
            ..Default::default()
        })
        .container(ContainerInfo {
            id: "beef",
            name: "db",
            ..Default::default()
        })
        .answer(DnsResponse {
            query: "evil.example".to_owned(),
            ips: vec!["10.0.0.1"],
            domains: vec!["evil.example", "a.example"],
            truncated: false,
        })
        .symbol("do_exit", 4096)
        .syscall(59, "execve")
        .host(SystemInfo {
            architecture: "x86_64".to_owned(),
            hostname: "h".to_owned(),
            boot_time_ns: Some(9_000_000_000),
            ..Default::default()
        })
}

fn holds(stores: &MockStores, source: &str) -> Result<Value, EvalError> {
    let batches = batches(&[TestEvent::new("close")]);
    ask(&batches[0].event(0), stores, source)
}

#[test]
fn answers() {
    let stores = stores();
    for source in [
        "process.get(2u).name == 'bash' && process.get(2u).exe == '/bin/sh' && process.get(2u).pid == 2",
        "process.get(2u).start_time == 5 && process.get(2u).uid == 0 && process.get(2u).entity_id == 2u",
        "process.getAncestry(3u, 10).map(p, p.name) == ['curl', 'bash', 'init']",
        "size(process.getAncestry(3u, 2)) == 2 && process.getAncestry(3u, 0) == [] && process.getAncestry(3u, -1) == []",
        "process.getChildren(1u).map(p, p.name) == ['bash'] && process.getChildren(3u) == []",
        "process.getAncestry(3u, 5).exists(p, p.name == 'init' && p.uid == 0)",
        "container.get('c0ffee').image == 'nginx' && container.get('c0ffee').runtime == 'docker'",
        "container.get('c0ffee').pod.namespace == 'prod' && container.get('c0ffee').pod.sandbox",
        "container.get('c0ffee').start_time == 7 && container.get('c0ffee').image_digest == 'sha256:1'",
        "container.getByName('db').pod == null && container.getByName('db').id == 'beef'",
        "dns.getResponse('evil.example').ips == ['10.0.0.1'] && 'a.example' in dns.getResponse('evil.example').domains",
        "kernel.resolveSymbol(4096u)[0].name == 'do_exit' && kernel.resolveSymbol(4096u)[0].module == 'system'",
        "kernel.getSymbolAddress('do_exit') == 4096u",
        "syscall.getName(59) == 'execve' && syscall.getId('execve') == 59",
        "system.info().architecture == 'x86_64' && system.info().hostname == 'h' && system.info().boot_time == 9",
    ] {
        assert_eq!(holds(&stores, source), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn what_stores_do_not_know() {
    let stores = stores();
    for source in [
        "process.get(9u) == null && process.getAncestry(9u, 5) == [] && process.getChildren(9u) == []",
        // Entity ids have 32 bits; a larger number is nobody's.
        "process.get(4294967298u) == null && process.getChildren(4294967297u) == []",
        "container.get('x') == null && container.getByName('x') == null && dns.getResponse('x') == null",
        "kernel.resolveSymbol(1u) == [] && kernel.getSymbolAddress('x') == 0u",
        "syscall.getName(9999) == '' && syscall.getName(99999999999) == '' && syscall.getId('x') == -1",
        // What is unknown of what is known is null, not 0.
        "process.get(3u).uid == null && process.get(3u).gid == null && process.get(1u).ppid == null",
        "system.info().tracee_start_time == null && system.info().os_name == ''",
    ] {
        assert_eq!(holds(&stores, source), Ok(Value::Bool(true)), "{source}");
    }
    assert_eq!(
        holds(&stores, "process.get(9u).name"),
        Err(EvalError::NoSuchKey("name".into()))
    );
    assert_eq!(
        holds(&stores, "process.get(1u).nam"),
        Err(EvalError::NoSuchKey("nam".into()))
    );
    assert_eq!(
        holds(&stores, "process.get(9u).name == 'x' || true"),
        Ok(Value::Bool(true))
    );
}

#[test]
fn stores_that_are_not_there() {
    for source in [
        "process.get(1u)",
        "process.getAncestry(1u, 1)",
        "process.getChildren(1u)",
        "container.get('a')",
        "dns.getResponse('a')",
        "kernel.resolveSymbol(1u)",
        "kernel.getSymbolAddress('a')",
        "syscall.getName(1)",
        "syscall.getId('a')",
    ] {
        let error = holds(&MockStores::new(), source).expect_err("there is no store");
        assert!(
            matches!(&error, EvalError::Store(StoreError { .. })) && error.to_string().contains("unhealthy"),
            "{source}: {error}"
        );
    }
    assert_eq!(
        holds(&MockStores::new(), "system.info().hostname == ''"),
        Ok(Value::Bool(true))
    );
    assert!(matches!(
        holds(
            &stores(),
            "process.get(workload.container.started ? 1u : uint(dyn(null)))"
        ),
        Err(EvalError::NoOverload { .. })
    ));
}
