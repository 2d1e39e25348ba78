//! What the built-in detectors cost: all of them together, and each alone.
//!
//! `cargo bench -p detectors-builtin --bench builtin -- [EVENTS]` runs them over that many events (400,000 by default) of
//! `fixtures::generator`, in memory, on one thread. Times are those that the kernel gave to the thread on a CPU, so what else runs
//! counts as little as possible. An event costs nothing where no detector asks for its type; so besides the time per event of the
//! recording there is that per event of the types that the detector asks for. Of all detectors together there is also what
//! it takes to find the events that they want, and what it takes to run the detectors over these.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;

use detectors_api::event::{BatchBuilder, EventBatch};
use detectors_api::stores::Store;
use detectors_builtin::detectors;
use detectors_engine::{Engine, EngineBuilder, Purpose};
use detectors_stores::Stores;
use fixtures::generator::Generator;

/// Time of all runs of a set of detectors, at least: the kernel counts in ticks of some ms.
const ENOUGH_NS: u64 = 500_000_000;
/// Runs of a set of detectors, at most.
const MOST_RUNS: u64 = 500;
/// Events that the engine gets at a time.
const WINDOW: usize = 20_000;

/// Events in windows, and what is known as of each.
struct Recording {
    windows: Vec<Vec<EventBatch>>,
    stores: Stores,
    events: usize,
}

impl Recording {
    fn generate(events: usize) -> Self {
        let mut generator = Generator::new(1);
        let mut stores = Stores::new();
        let mut windows = Vec::new();
        let mut seq = 0;
        for first in (0..events).step_by(WINDOW) {
            let mut builder = BatchBuilder::default();
            for event in generator.by_ref().take(WINDOW.min(events - first)) {
                seq += 1;
                builder.push(seq, &event);
            }
            let batches = builder.finish().batches;
            stores.apply(&batches).expect("the events are numbered in order");
            windows.push(batches);
        }
        Self {
            windows,
            stores,
            events,
        }
    }

    /// Number of events of these types.
    fn count(&self, types: &[&str]) -> usize {
        let batches = self.windows.iter().flatten();
        let wanted = batches.filter(|batch| types.contains(&batch.event_type()));
        wanted.map(|batch| batch.seqs().len()).sum()
    }
}

/// What a set of detectors did.
struct Figures {
    /// Events of the types that they ask for.
    inputs: usize,
    /// Events that passed their filters, each detector counted by itself.
    calls: u64,
    detections: usize,
    /// Mean of all runs, ns, the making of the engine included; `None` without inputs.
    time: Option<u64>,
}

/// The engine with the detectors called `id`, or with all.
fn engine(id: Option<&str>) -> Engine {
    let wanted = detectors()
        .into_iter()
        .filter(|detector| id.is_none_or(|id| detector.definition().id == id));
    let registered = EngineBuilder::new()
        .detectors(wanted)
        .enrichments(["environment"])
        .stores(Store::ALL)
        .build();
    assert!(registered.refusals.is_empty(), "{:?}", registered.refusals);
    registered.engine
}

fn measure(recording: &Recording, id: Option<&str>) -> Figures {
    let inputs = recording.count(&engine(id).subscribed_events());
    let (mut calls, mut detections) = (0, 0);
    let (mut runs, mut time) = (0, 0);
    let start = cpu_ns();
    while inputs > 0 && time < ENOUGH_NS && runs < MOST_RUNS {
        let mut engine = engine(id);
        detections = recording
            .windows
            .iter()
            .map(|batches| engine.process(batches, &recording.stores).len())
            .sum();
        calls = engine.stats().map(|stats| stats.counts.passed).sum();
        runs += 1;
        time = cpu_ns() - start;
    }
    Figures {
        inputs,
        calls,
        detections,
        time: time.checked_div(runs),
    }
}

/// What selecting, and running over what was selected, takes for all detectors together: ns for the whole recording.
fn measure_apart(recording: &Recording) -> (u64, u64) {
    let (mut runs, mut selecting, mut running) = (0, 0, 0);
    while selecting + running < ENOUGH_NS {
        let mut engine = engine(None);
        let selector = engine.selector(Purpose::Detect);
        for batches in &recording.windows {
            let start = cpu_ns();
            let survivors: Vec<_> = batches.iter().map(|batch| selector.select(batch)).collect();
            let selected = cpu_ns();
            black_box(engine.run(survivors, &recording.stores, Purpose::Detect));
            selecting += selected - start;
            running += cpu_ns() - selected;
        }
        runs += 1;
    }
    (selecting / runs, running / runs)
}

/// Time that this thread has run on a CPU, in ns.
fn cpu_ns() -> u64 {
    let stat =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells how long a thread ran");
    let ran = stat.split(' ').next().and_then(|ns| ns.parse().ok());
    ran.expect("the first number is the time on a CPU")
}

fn row(name: &str, figures: &Figures, recording: &Recording) {
    let Some(time) = figures.time else {
        println!("{name:34} no event of its types");
        return;
    };
    let time = time as f64;
    println!(
        "{name:34} {:>8} {:>8} {:>10} {:>9.1} {:>9.1} {:>12.0}",
        figures.inputs,
        figures.calls,
        figures.detections,
        time / recording.events as f64,
        time / figures.inputs as f64,
        recording.events as f64 * 1e9 / time,
    );
}

fn main() {
    let events = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(400_000);
    let recording = Recording::generate(events);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.expect("a thread can be started");
    println!("{events} events, 1 thread");
    println!(
        "{:34} {:>8} {:>8} {:>10} {:>9} {:>9} {:>12}",
        "", "inputs", "calls", "detections", "ns/event", "ns/input", "events/s"
    );
    pool.install(|| {
        row("all", &measure(&recording, None), &recording);
        let (selecting, running) = measure_apart(&recording);
        for (name, time) in [("  selecting", selecting), ("  running", running)] {
            println!("{name:34} {:>38.1}", time as f64 / events as f64);
        }
        for detector in detectors() {
            let definition = detector.definition();
            let figures = measure(&recording, Some(&definition.id));
            row(
                &format!("{} {}", definition.id, definition.event.name),
                &figures,
                &recording,
            );
        }
    });
}
