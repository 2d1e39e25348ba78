//! The engine against a plain interpreter, which takes one event at a time and one detector after the other.
//!
//! Random sets of detectors - without memory, and with memory of every reach, in chains, with filters, failing and panicking -
//! see random events, in windows and batches cut anyhow, on several threads.

use std::collections::BTreeMap;

use detectors_api::detector::{Detector, Kind, State};
use detectors_api::event::EventBatch;
use detectors_api::prelude::*;
use detectors_api::testkit::{TestEvent, batches};
use detectors_engine::{Counts, Detection, EngineBuilder};
use detectors_stores::{Settings, Stores};
use proptest::prelude::*;

const PANIC: &str = "an unlucky number";
const SECOND: i64 = 1_000_000_000;

/// What a detector of the test does; it has its place in the set as its number.
#[derive(Clone, Debug)]
struct Plan {
    reach: Option<Reach>,
    /// Recorded events that it consumes, by number; with the highest pid it wants of them.
    recorded: Vec<(usize, u32)>,
    /// Detectors before it whose events it consumes; with the highest sum it wants of them.
    chained: Vec<(usize, u64)>,
    /// It gives this many outputs, modulo 3, plus what it has summed up.
    outputs: u64,
    /// It fails whenever the sum is divisible by this.
    fails: u64,
}

const EVENTS: [&str; 3] = ["security_file_open", "ptrace", "sched_process_exec"];

/// Sums up what it sees: with memory over all that shares a state, without over the event alone.
#[derive(Clone, Debug)]
struct Summing {
    number: usize,
    plan: Plan,
}

impl Summing {
    fn definition(&self) -> DetectorDefinition {
        let mut definition = DetectorDefinition::new(id(self.number), event(self.number))
            .field("sum", FieldType::UInt64)
            .auto_populate(AutoPopulate::DETECTED_FROM);
        for (input, pid) in &self.plan.recorded {
            definition =
                definition.on(EventRequirement::new(EVENTS[*input]).scope(format!("hostPid<={pid}")));
        }
        for (input, sum) in &self.plan.chained {
            definition = definition.on(EventRequirement::new(event(*input)).data(format!("sum<={sum}")));
        }
        definition
    }

    fn look(&self, sum: &mut u64, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        let process = event.process().entity_id().unwrap_or_default();
        let known = cx.processes().get_process(process).is_ok();
        *sum += event.seq() + u64::from(known) + event.get::<u64>("sum").unwrap_or_default() % 7;
        if sum.is_multiple_of(5) {
            cx.warn("divisible by five");
        }
        if sum.is_multiple_of(self.plan.fails) {
            if sum.is_multiple_of(2) {
                std::panic::panic_any(PANIC);
            }
            return Err("an odd number".into());
        }
        let output = |number| Output::new().with("sum", *sum + number);
        Ok((0..(*sum + self.plan.outputs) % 3).map(output).collect())
    }
}

fn id(number: usize) -> String {
    // The order of ids is not that of the chain.
    format!("{}-{number}", char::from(b'Z' - (number % 5) as u8))
}

fn event(number: usize) -> String {
    format!("summed_{number}")
}

impl EventDetector for Summing {
    fn definition(&self) -> DetectorDefinition {
        self.definition()
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        self.look(&mut 0, event, cx)
    }
}

macro_rules! remembering {
    ($($name:ident, $reach:expr;)*) => {$(
        struct $name(Summing);

        impl StatefulDetector for $name {
            type State = u64;
            const REACH: Reach = $reach;

            fn definition(&self) -> DetectorDefinition {
                self.0.definition()
            }

            fn on_event(&self, sum: &mut u64, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
                self.0.look(sum, event, cx)
            }
        }
    )*};
}
remembering! {
    OfProcess, Reach::PerProcess;
    OfContainer, Reach::PerContainer;
    OfAll, Reach::Global;
}

fn detector(number: usize, plan: &Plan) -> Box<dyn Detector> {
    let summing = Summing {
        number,
        plan: plan.clone(),
    };
    match plan.reach {
        None => Box::new(summing),
        Some(Reach::PerProcess) => Box::new(Stateful(OfProcess(summing))),
        Some(Reach::PerContainer) => Box::new(Stateful(OfContainer(summing))),
        Some(Reach::Global) => Box::new(Stateful(OfAll(summing))),
    }
}

/// Detectors that consume recorded events and those of detectors before them; chains are no longer than allowed.
fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let reach = prop_oneof![
        Just(None),
        Just(Some(Reach::PerProcess)),
        Just(Some(Reach::PerContainer)),
        Just(Some(Reach::Global)),
    ];
    let inputs = prop::collection::vec((0..3_usize, 1..5_u32), 1..4);
    let chained = prop::collection::vec((any::<prop::sample::Index>(), 0..3_000_u64), 0..3);
    let plan = (reach, inputs, chained, 0..3_u64, 4..30_u64);
    prop::collection::vec(plan, 1..7).prop_map(|plans| {
        let mut levels: Vec<usize> = Vec::new();
        let of = |(number, (reach, recorded, chained, outputs, fails)): (usize, (_, _, Vec<_>, _, _))| {
            let chained: Vec<(usize, u64)> = chained
                .into_iter()
                .filter(|_| number > 0)
                .map(|(input, sum): (prop::sample::Index, u64)| (input.index(number), sum))
                .filter(|(input, _)| levels[*input] < detectors_engine::MAX_LEVELS)
                .collect();
            levels.push(
                chained
                    .iter()
                    .map(|(input, _)| levels[*input] + 1)
                    .max()
                    .unwrap_or(1),
            );
            Plan {
                reach,
                recorded,
                chained,
                outputs,
                fails,
            }
        };
        plans.into_iter().enumerate().map(of).collect()
    })
}

fn events() -> impl Strategy<Value = Vec<TestEvent>> {
    let event = (0..3_usize, 1..5_u32, 0..3_u32, 0..40_i64).prop_map(|(kind, pid, container, seconds)| {
        let event = TestEvent::new(EVENTS[kind])
            .process(pid, u64::from(pid))
            .at_ns((1_000 + seconds) * SECOND);
        match container {
            0 => event,
            number => event.container(&format!("container-{number}"), true),
        }
    });
    prop::collection::vec(event, 1..80)
}

/// What detectors find in events, said as plainly as possible.
struct Interpreter<'a> {
    detectors: Vec<Box<dyn Detector>>,
    plans: &'a [Plan],
    /// By detector and key: the state, and when it was last used.
    states: BTreeMap<(usize, String), (State, i64)>,
    /// By detector: the latest time of its events.
    now: Vec<i64>,
    counts: BTreeMap<String, Counts>,
    found: Vec<(u64, u8, String, u32, u64)>,
}

impl Interpreter<'_> {
    /// Shows `event` to all detectors, level by level; those with smaller ids come first.
    fn show(&mut self, event: &Event<'_>, stores: &Stores, retention_ns: Option<i64>) {
        // What was found on the level before: the detector's number and the detection.
        let mut level = vec![(None, event.to_proto())];
        for depth in 1.. {
            let mut next = Vec::new();
            let mut indexes: BTreeMap<usize, u32> = BTreeMap::new();
            for (producer, input) in &level {
                let input = Event::from_message(event.seq(), input);
                for number in 0..self.plans.len() {
                    let Some(passes) = passes(&self.plans[number], *producer, &input) else {
                        continue;
                    };
                    let counts = self.counts.entry(id(number)).or_default();
                    counts.seen += 1;
                    if !passes {
                        continue;
                    }
                    counts.passed += 1;
                    for sum in self.call(number, &input, stores, retention_ns) {
                        let index = indexes.entry(number).or_default();
                        self.found.push((event.seq(), depth, id(number), *index, sum));
                        *index += 1;
                        next.push((Some(number), self.detection(number, &input, sum)));
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            next.sort_by_key(|(number, _)| number.map(id));
            level = next;
        }
    }

    fn detection(&self, number: usize, input: &Event<'_>, sum: u64) -> detectors_api::proto::Event {
        detectors_api::proto::Event {
            name: event(number),
            data: Output::new().with("sum", sum).data,
            ..input.to_proto()
        }
    }

    /// The sums that the detector gives out.
    fn call(
        &mut self,
        number: usize,
        event: &Event<'_>,
        stores: &Stores,
        retention_ns: Option<i64>,
    ) -> Vec<u64> {
        let time = event.timestamp_ns().unwrap_or_default();
        let stores = stores.at(event.seq(), time);
        let notes = detectors_api::detector::Notes::default();
        let context = Context::new(&stores).noting(&notes);
        let now = &mut self.now[number];
        *now = time.max(*now);
        let counts = self.counts.entry(id(number)).or_default();
        let result = match self.detectors[number].kind() {
            Kind::Stateless(detector) => std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                detector.on_event(event, &context)
            })),
            Kind::Stateful(session) => {
                let key = match session.reach() {
                    Reach::Global => String::new(),
                    Reach::PerProcess => format!("{:?}", event.process().entity_id()),
                    Reach::PerContainer => event.container().id().to_owned(),
                };
                let entry = (number, key);
                let kept = self
                    .states
                    .remove(&entry)
                    .filter(|(_, used)| retention_ns.is_none_or(|retention| *now - *used <= retention));
                let mut state = kept.map_or_else(|| session.new_state(), |(state, _)| state);
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    session.on_event(&mut state, event, &context)
                }));
                if result.is_ok() {
                    self.states.insert(entry, (state, *now));
                }
                result
            }
        };
        counts.warnings += notes.count();
        match result {
            Ok(Ok(outputs)) => {
                counts.outputs += outputs.len() as u64;
                outputs.into_iter().map(|output| sum(&output.data)).collect()
            }
            Ok(Err(_)) => {
                counts.errors += 1;
                Vec::new()
            }
            Err(_) => {
                counts.panics += 1;
                Vec::new()
            }
        }
    }
}

/// Whether an event gets to a detector: `None` if it does not consume events of this type.
fn passes(plan: &Plan, producer: Option<usize>, event: &Event<'_>) -> Option<bool> {
    let verdicts: Vec<bool> = match producer {
        None => {
            let pid = event.process().host_pid().unwrap_or_default();
            let wanted = plan
                .recorded
                .iter()
                .filter(|(input, _)| EVENTS[*input] == event.name());
            wanted.map(|(_, most)| pid <= *most).collect()
        }
        Some(producer) => {
            let sum = event.get::<u64>("sum").unwrap_or_default();
            let wanted = plan.chained.iter().filter(|(input, _)| *input == producer);
            wanted.map(|(_, most)| sum <= *most).collect()
        }
    };
    (!verdicts.is_empty()).then(|| verdicts.contains(&true))
}

fn sum(data: &[detectors_api::proto::EventValue]) -> u64 {
    match data.first().and_then(|field| field.value.as_ref()) {
        Some(detectors_api::proto::event_value::Value::UInt64(sum)) => *sum,
        other => panic!("{other:?} is no sum"),
    }
}

type Found = (Vec<(u64, u8, String, u32, u64)>, BTreeMap<String, Counts>);

fn stores(retention: Option<i64>) -> Stores {
    Stores::with(Settings {
        retention_ns: retention.map(i64::cast_unsigned),
        ..Settings::default()
    })
}

fn interpreted(plans: &[Plan], events: &[TestEvent], retention: Option<i64>) -> Found {
    let whole = batches(events);
    let mut stores = stores(retention);
    stores.apply(&whole).expect("the events are in order");
    let detectors: Vec<_> = plans
        .iter()
        .enumerate()
        .map(|(number, plan)| detector(number, plan))
        .collect();
    let mut interpreter = Interpreter {
        counts: (0..plans.len())
            .map(|number| (id(number), Counts::default()))
            .collect(),
        now: vec![0; plans.len()],
        detectors,
        plans,
        states: BTreeMap::new(),
        found: Vec::new(),
    };
    let mut order: Vec<_> = whole
        .iter()
        .flat_map(|batch| (0..batch.len()).map(move |row| batch.event(row)))
        .collect();
    order.sort_by_key(Event::seq);
    for event in &order {
        interpreter.show(event, &stores, retention);
    }
    interpreter.found.sort();
    (interpreter.found, interpreter.counts)
}

/// The events with sequence numbers from `from` up to, but not including, `to`, in batches of at most `size`; the last first.
fn window(whole: &[EventBatch], from: u64, to: u64, size: usize) -> Vec<EventBatch> {
    let mut pieces = Vec::new();
    for batch in whole {
        let mut offset = batch.seqs().partition_point(|seq| *seq < from);
        let end = batch.seqs().partition_point(|seq| *seq < to);
        while offset < end {
            let len = size.min(end - offset);
            pieces.push(batch.slice(offset, len));
            offset += len;
        }
    }
    pieces.reverse();
    pieces
}

fn run(
    plans: &[Plan],
    events: &[TestEvent],
    retention: Option<i64>,
    cuts: &[u64],
    size: usize,
    threads: usize,
) -> Found {
    let detectors = plans
        .iter()
        .enumerate()
        .map(|(number, plan)| detector(number, plan));
    let built = EngineBuilder::new().detectors(detectors).build();
    assert_eq!(built.refusals, []);
    let mut engine = built.engine;
    let whole = batches(events);
    let mut stores = stores(retention);
    let mut ends: Vec<u64> = cuts.to_vec();
    ends.push(u64::MAX);
    ends.sort_unstable();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.expect("threads can be made");
    let mut found: Vec<Detection> = Vec::new();
    let mut from = 0;
    for to in ends {
        let window = window(&whole, from, to, size);
        stores.advance(&window, to).expect("windows are in order");
        found.extend(pool.install(|| engine.process(&window, &stores)));
        from = to;
    }
    let plain = |detection: Detection| {
        let (seq, level, id, index) = detection.order();
        (seq, level, id.to_owned(), index, sum(&detection.event.data))
    };
    let counts = engine.stats().map(|stats| (stats.detector.clone(), stats.counts));
    let counts = counts.collect();
    (found.into_iter().map(plain).collect(), counts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_engine_does_as_a_plain_interpreter(
        plans in plans(),
        events in events(),
        retention in prop_oneof![Just(None), (1..20_i64).prop_map(|seconds| Some(seconds * SECOND))],
        cuts in prop::collection::vec(1..80_u64, 0..6),
        size in 1..20_usize,
        threads in 1..5_usize,
    ) {
        // The panics of detectors are on purpose.
        std::panic::set_hook(Box::new(|_| {}));
        let expected = interpreted(&plans, &events, retention);
        prop_assert_eq!(run(&plans, &events, retention, &cuts, size, threads), expected);
    }
}
