//! The same events give the same detections, however they are cut and however many threads there are.

use detectors_api::detector::Detector;
use detectors_api::event::EventBatch;
use detectors_api::prelude::*;
use detectors_api::testkit::{TestEvent, batches};
use detectors_engine::{Counts, Detection, EngineBuilder};
use detectors_stores::Stores;
use proptest::prelude::*;

/// Consumes `inputs` and passes on what it gets, with the running binary as of the event; sometimes twice, sometimes not
/// at all, sometimes with an error or a panic.
struct Relay {
    id: &'static str,
    event: &'static str,
    inputs: &'static [&'static str],
}

impl EventDetector for Relay {
    fn definition(&self) -> DetectorDefinition {
        let definition = DetectorDefinition::new(self.id, self.event)
            .field("pid", FieldType::UInt32)
            .auto_populate(AutoPopulate::ALL);
        self.inputs.iter().fold(definition, |definition, input| {
            definition.on(EventRequirement::new(*input).scope("hostPid!=3"))
        })
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        let pid = event.process().host_pid().unwrap_or_default();
        let id = event.process().entity_id().unwrap_or_default();
        let exe = cx.processes().get_process(id).map_or("", |process| process.exe);
        let output = Output::new().with("pid", pid).with("exe", exe);
        match (event.seq() + self.id.len() as u64) % 7 {
            0 => Err("unlucky number".into()),
            1 => std::panic::panic_any("very unlucky number"),
            2 => Ok(vec![output.clone(), output].into()),
            3 => Ok(Outputs::none()),
            _ => Ok(output.into()),
        }
    }
}

const RELAYS: [Relay; 5] = [
    Relay {
        id: "R-1",
        event: "relayed_1",
        inputs: &["security_file_open", "sched_process_exec"],
    },
    Relay {
        id: "R-22",
        event: "relayed_2",
        inputs: &["relayed_1", "ptrace"],
    },
    Relay {
        id: "R-3",
        event: "relayed_3",
        inputs: &["relayed_1", "relayed_2"],
    },
    Relay {
        id: "A-444",
        event: "relayed_4",
        inputs: &["relayed_3"],
    },
    Relay {
        id: "Z-5",
        event: "relayed_5",
        inputs: &["relayed_4", "relayed_1"],
    },
];

fn events() -> impl Strategy<Value = Vec<TestEvent>> {
    let event = (0..5_usize, 1..5_u32, 1..5_u32).prop_map(|(kind, pid, other)| {
        let process = |name: &str| TestEvent::new(name).process(pid, u64::from(pid));
        match kind {
            0 => process("security_file_open"),
            1 => process("ptrace").parent(other, u64::from(other)),
            2 => process("sched_process_exec")
                .set("pathname", format!("/bin/{other}"))
                .parent(other, u64::from(other)),
            3 => process("sched_process_fork")
                .set("child_tid", other)
                .set("child_pid", other)
                .set("start_time", u64::from(other)),
            _ => process("sched_process_exit"),
        }
    });
    prop::collection::vec(event, 1..60)
}

/// Cuts every batch into pieces of the sizes given, in turn, and turns their order around.
fn cut(batches: &[EventBatch], sizes: &[usize]) -> Vec<EventBatch> {
    let mut sizes = sizes.iter().copied().cycle();
    let mut pieces = Vec::new();
    for batch in batches {
        let mut offset = 0;
        while offset < batch.len() {
            let len = sizes.next().unwrap_or(1).min(batch.len() - offset);
            pieces.push(batch.slice(offset, len));
            offset += len;
        }
    }
    pieces.reverse();
    pieces
}

fn run(batches: &[EventBatch], threads: usize) -> (Vec<Detection>, Vec<Counts>) {
    let built = EngineBuilder::new()
        .detectors(RELAYS.map(|relay| Box::new(relay) as Box<dyn Detector>))
        .build();
    assert_eq!(built.refusals, []);
    let mut engine = built.engine;
    let mut stores = Stores::new();
    stores.apply(batches).expect("the first window");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let detections = pool
        .expect("threads can be made")
        .install(|| engine.process(batches, &stores));
    let counts = engine.stats().map(|stats| stats.counts).collect();
    (detections, counts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn neither_batches_nor_threads_matter(events in events(), sizes in prop::collection::vec(1..9_usize, 1..5)) {
        // The panics are on purpose.
        std::panic::set_hook(Box::new(|_| {}));
        let whole = batches(&events);
        let expected = run(&whole, 1);
        let sorted = expected.0.is_sorted_by(|a, b| a.order() < b.order());
        prop_assert!(sorted, "places are unique and in order");
        for threads in [1, 2, 8] {
            prop_assert_eq!(&run(&cut(&whole, &sizes), threads), &expected, "{} threads", threads);
        }
    }

    #[test]
    fn windows_do_not_matter(events in events(), at in 0..60_u64) {
        std::panic::set_hook(Box::new(|_| {}));
        let whole = batches(&events);
        let (before, after): (Vec<_>, Vec<_>) = whole
            .iter()
            .map(|batch| {
                let split = batch.seqs().partition_point(|seq| *seq <= at);
                (batch.slice(0, split), batch.slice(split, batch.len() - split))
            })
            .unzip();
        let mut engine = EngineBuilder::new()
            .detectors(RELAYS.map(|relay| Box::new(relay) as Box<dyn Detector>))
            .build()
            .engine;
        let mut stores = Stores::new();
        let mut detections = Vec::new();
        for window in [before, after] {
            stores.apply(&window).expect("windows come in order");
            detections.extend(engine.process(&window, &stores));
        }
        prop_assert_eq!(detections, run(&whole, 2).0);
    }
}
