//! What detectors find in events, said as plainly as possible: one event at a time, in order, without a capture, columns,
//! windows, threads or dispatch.
//!
//! Shared with the engine are the detectors themselves and the stores' folds, which are told one event after the other and
//! are asked before they know the next.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use detectors_api::catalogue::{FieldType, catalogue};
use detectors_api::definition::{AutoPopulate, DetectorDefinition, EventRequirement};
use detectors_api::detector::{Context, Detector, DetectorParams, Kind, Notes, Reach, State};
use detectors_api::event::{BatchBuilder, Event, EventBatch, RecordedEvent};
use detectors_api::output::Output;
use detectors_api::proto::event_value::Value;
use detectors_api::proto::{self, EventValue};
use detectors_api::stores::{ProcessInfo, Store, Stores as _};
use detectors_engine::{ANCESTRY_DEPTH, Counts, Detection, Restriction};
use detectors_stores::{Input, Settings, Stores, StoresAt};

use crate::filters::passes;

/// What was found, in order, and what each detector did, by id.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) detections: Vec<Detection>,
    pub(crate) counts: BTreeMap<String, Counts>,
}

/// The recording as the interpreter is told it.
pub(crate) struct Recording<'a> {
    /// In order, with their sequence numbers.
    pub(crate) events: &'a [(u64, RecordedEvent)],
    pub(crate) settings: Settings,
    pub(crate) inputs: Vec<Input>,
    /// The events that cannot be read. Nobody gets to know of them …
    pub(crate) unread: BTreeSet<u64>,
    /// … but that stores know everything before these numbers, which was kept for them.
    pub(crate) keyframes: Vec<u64>,
}

impl Recording<'_> {
    /// Stores that have been told nothing.
    fn new_stores(&self) -> Stores {
        let mut stores = Stores::with(self.settings.clone());
        for input in &self.inputs {
            stores.add_input(input.clone()).expect("the capture took it");
        }
        stores
    }

    /// Stores that have been told everything before the event at `place`.
    fn stores_before(&self, place: usize) -> Stores {
        let mut stores = self.new_stores();
        for (seq, event) in &self.events[..place] {
            stores
                .advance(&alone(*seq, event), seq + 1)
                .expect("the events are in order");
        }
        stores
    }
}

/// An event in a batch of its own.
fn alone(seq: u64, event: &RecordedEvent) -> Vec<EventBatch> {
    let mut builder = BatchBuilder::new(0);
    builder.push(seq, event);
    builder.finish().batches
}

/// Which events detectors get.
pub(crate) struct Wanted<'a> {
    /// What is found in others is not told.
    pub(crate) range: RangeInclusive<u64>,
    /// Others are kept from all detectors, but not from the stores.
    pub(crate) restriction: Option<&'a dyn Restriction>,
}

/// A detector that runs.
struct Running {
    definition: DetectorDefinition,
    detector: Box<dyn Detector>,
    /// By key: the state, and when it was last used.
    states: BTreeMap<String, (State, i64)>,
    /// The latest time of the events that it was given; ns.
    now: i64,
    counts: Counts,
}

/// What detectors are shown: a recorded event, or a detection.
struct Shown<'a> {
    /// As filters see it.
    message: RecordedEvent,
    /// As detectors see it.
    event: Event<'a>,
    /// Its type and the fields of that; none, if it is a recorded event that the catalogue does not know, which nobody gets.
    known: Option<(String, BTreeMap<String, FieldType>)>,
    /// Whether detectors may see it.
    permitted: bool,
}

/// Shows a recording to those of `detectors` that run.
pub(crate) fn interpret(
    recording: &Recording<'_>,
    detectors: Vec<Box<dyn Detector>>,
    run: &BTreeSet<String>,
    wanted: &Wanted<'_>,
) -> Found {
    let mut running: Vec<Running> = detectors.into_iter().map(Running::new).collect();
    running.retain(|detector| run.contains(&detector.definition.id));
    running.sort_by(|a, b| a.definition.id.cmp(&b.definition.id));
    let mut stores = recording.new_stores();
    let mut keyframes = recording.keyframes.iter().peekable();
    let mut detections = Vec::new();
    for (place, (seq, event)) in recording.events.iter().enumerate() {
        while keyframes.next_if(|keyframe| *keyframe <= seq).is_some() {
            if !recording.unread.is_empty() {
                stores = recording.stores_before(place);
            }
        }
        if recording.unread.contains(seq) {
            continue;
        }
        let batches = alone(*seq, event);
        stores
            .advance(&batches, seq + 1)
            .expect("the events are in order");
        let before: Vec<_> = running.iter().map(|detector| detector.counts).collect();
        let view = batches[0].event(0);
        let permitted = wanted.restriction.is_none_or(|restriction| {
            let stores = stores.at(*seq, view.timestamp_ns().unwrap_or_default());
            restriction.holds(&view, &Context::new(&stores))
        });
        let shown = Shown::recorded(event, view, permitted);
        let found = find(&mut running, shown, &stores);
        if wanted.range.contains(seq) {
            detections.extend(found);
        } else {
            // What is not asked for is remembered, but not counted.
            for (detector, before) in running.iter_mut().zip(before) {
                detector.counts = before;
            }
        }
    }
    let counts = running
        .into_iter()
        .map(|detector| (detector.definition.id, detector.counts));
    Found {
        detections,
        counts: counts.collect(),
    }
}

/// Shows an event to all detectors, then what they found in it, then what was found in that, and so on.
fn find(running: &mut [Running], recorded: Shown<'_>, stores: &Stores) -> Vec<Detection> {
    let produced: BTreeMap<String, BTreeMap<String, FieldType>> = running
        .iter()
        .map(|detector| &detector.definition.event)
        .map(|event| {
            let fields = event.fields.iter();
            let fields = fields.map(|field| (field.name.clone(), field.field_type));
            (event.name.clone(), fields.collect())
        })
        .collect();
    let seq = recorded.event.seq();
    let mut found = Vec::new();
    let mut level = show(running, 1, &[recorded], stores);
    while !level.is_empty() {
        let inputs: Vec<_> = level
            .iter()
            .map(|detection| Shown {
                message: RecordedEvent::from((*detection.event).clone()),
                event: Event::from_message(seq, &detection.event),
                known: produced
                    .get_key_value(&detection.event.name)
                    .map(|(name, fields)| (name.clone(), fields.clone())),
                permitted: true,
            })
            .collect();
        let next = show(running, level[0].level + 1, &inputs, stores);
        drop(inputs);
        found.extend(std::mem::replace(&mut level, next));
    }
    found
}

/// What detectors make of `inputs`, in the order of their ids. It is of this level.
fn show(running: &mut [Running], level: u8, inputs: &[Shown<'_>], stores: &Stores) -> Vec<Detection> {
    let mut found = Vec::new();
    for detector in running {
        let events = inputs.iter().flat_map(|input| detector.look(input, stores));
        let events: Vec<_> = events.collect();
        found.extend((0..).zip(events).map(|(index, event)| Detection {
            seq: inputs[0].event.seq(),
            level,
            detector_id: detector.definition.id.as_str().into(),
            index,
            event: Box::new(event),
        }));
    }
    found
}

impl<'a> Shown<'a> {
    fn recorded(message: &RecordedEvent, event: Event<'a>, permitted: bool) -> Self {
        let known = catalogue().get(&message.event.name).map(|definition| {
            let fields = definition
                .carried()
                .map(|(name, field_type)| (name.to_owned(), field_type));
            (definition.name.to_owned(), fields.collect())
        });
        Self {
            message: message.clone(),
            event,
            known,
            permitted,
        }
    }
}

impl Running {
    fn new(mut detector: Box<dyn Detector>) -> Self {
        let params = DetectorParams {
            stores: Store::ALL.into_iter().collect(),
            ..DetectorParams::default()
        };
        detector.init(&params).expect("detectors of the test start");
        Self {
            definition: detector.definition(),
            detector,
            states: BTreeMap::new(),
            now: 0,
            counts: Counts::default(),
        }
    }

    /// The detections that the detector gives for an event, if it gets it.
    fn look(&mut self, input: &Shown<'_>, stores: &Stores) -> Vec<proto::Event> {
        let Some((event_type, fields)) = &input.known else {
            return Vec::new();
        };
        let wanted: Vec<&EventRequirement> = self
            .definition
            .events
            .iter()
            .filter(|requirement| requirement.name == *event_type)
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        self.counts.seen += 1;
        let declared = |name: &str| fields.get(name).copied();
        let lets_pass = |requirement: &&EventRequirement| {
            passes(&input.message, &declared, &requirement.data, &requirement.scope)
        };
        if !input.permitted || !wanted.iter().any(lets_pass) {
            return Vec::new();
        }
        self.counts.passed += 1;
        let retention = stores
            .retention_ns()
            .map(|ns| i64::try_from(ns).unwrap_or(i64::MAX));
        let stores = stores.at(input.event.seq(), input.event.timestamp_ns().unwrap_or_default());
        let outputs = self.call(&input.event, &stores, retention);
        self.counts.outputs += outputs.len() as u64;
        outputs
            .into_iter()
            .map(|output| populated(&self.definition, output, &input.message.event, &stores))
            .collect()
    }

    /// What the detector returns; nothing, if it fails. A state that was not used for longer than `retention` (ns) starts anew.
    fn call(&mut self, event: &Event<'_>, stores: &StoresAt<'_>, retention: Option<i64>) -> Vec<Output> {
        self.now = self.now.max(event.timestamp_ns().unwrap_or_default());
        let notes = Notes::default();
        let context = Context::new(stores).noting(&notes);
        let result = match self.detector.kind() {
            Kind::Stateless(detector) => {
                catch_unwind(AssertUnwindSafe(|| detector.on_event(event, &context)))
            }
            Kind::Stateful(session) => {
                let key = match session.reach() {
                    Reach::Global => String::new(),
                    Reach::PerProcess => format!("{:?}", event.process().entity_id()),
                    Reach::PerContainer => event.container().id().to_owned(),
                };
                let kept = self.states.remove(&key).filter(|(_, used)| {
                    retention.is_none_or(|retention| self.now.saturating_sub(*used) <= retention)
                });
                let mut state = kept.map_or_else(|| session.new_state(), |(state, _)| state);
                let result = catch_unwind(AssertUnwindSafe(|| session.on_event(&mut state, event, &context)));
                if result.is_ok() {
                    self.states.insert(key, (state, self.now));
                }
                result
            }
        };
        self.counts.warnings += notes.count();
        match result {
            Ok(Ok(outputs)) => outputs.into_iter().collect(),
            Ok(Err(_)) => {
                self.counts.errors += 1;
                Vec::new()
            }
            Err(_) => {
                self.counts.panics += 1;
                Vec::new()
            }
        }
    }
}

/// A detection: what the detector says, with who did it, and what the detector or this output asks for.
fn populated(
    definition: &DetectorDefinition,
    output: Output,
    trigger: &proto::Event,
    stores: &StoresAt<'_>,
) -> proto::Event {
    let flags = output.auto_populate.unwrap_or(definition.auto_populate);
    let mut detection = proto::Event {
        timestamp: trigger.timestamp,
        id: definition.event.number(),
        name: definition.event.name.clone(),
        policies: trigger.policies.clone(),
        workload: trigger.workload.clone(),
        data: output.data,
        threat: None,
        detected_from: None,
    };
    let process = detection
        .workload
        .as_mut()
        .and_then(|workload| workload.process.as_mut());
    if let Some(process) = process {
        if process.executable.is_none()
            && let Some(path) = process.unique_id.and_then(|id| stores.executable_path(id))
        {
            process.executable = Some(proto::Executable {
                path: path.to_owned(),
            });
        }
        let asked_for = if flags.contains(AutoPopulate::ANCESTRY) {
            ANCESTRY_DEPTH
        } else {
            0
        };
        let depth = output.ancestry_depth.unwrap_or(asked_for) as usize;
        let known = ancestors(process, depth, stores);
        if !known.is_empty() {
            process.ancestors = known;
        }
    }
    if let Some(threat) = output.threat {
        detection.threat = Some(threat.to_proto());
    } else if flags.contains(AutoPopulate::THREAT) {
        detection.threat = definition.threat.as_ref().map(|threat| threat.to_proto());
    }
    if flags.contains(AutoPopulate::DETECTED_FROM) {
        let mut data = trigger.data.clone();
        let thread = trigger
            .workload
            .as_ref()
            .and_then(|workload| workload.process.as_ref()?.thread.as_ref());
        let stack = thread.and_then(|thread| thread.user_stack_trace.as_ref());
        let addresses: Vec<u64> = stack
            .into_iter()
            .flat_map(|stack| stack.addresses.iter().map(|frame| frame.address))
            .collect();
        if !addresses.is_empty() {
            data.push(EventValue {
                name: "stack_addresses".to_owned(),
                value: Some(Value::from(addresses)),
            });
        }
        detection.detected_from = Some(proto::DetectedFrom {
            id: trigger.id as u32,
            name: trigger.name.clone(),
            data,
            parent: trigger.detected_from.clone().map(Box::new),
        });
    }
    detection
}

/// Up to `depth` ancestors of a process, the parent first: those that the store knows; of a process that it does not know, the
/// parent that the event names, and its ancestors.
fn ancestors(process: &proto::Process, depth: usize, stores: &StoresAt<'_>) -> Vec<proto::Process> {
    if depth == 0 {
        return Vec::new();
    }
    let line = |id: Option<u32>, length| {
        let line = id.map(|id| stores.processes().get_ancestry(id, length).unwrap_or_default());
        line.unwrap_or_default()
    };
    let mut known = line(process.unique_id, depth + 1);
    if known.len() > 1 {
        known.remove(0);
    } else {
        known = line(
            process.ancestors.first().and_then(|parent| parent.unique_id),
            depth,
        );
    }
    let ancestor = |info: ProcessInfo<'_>| proto::Process {
        unique_id: Some(info.entity_id),
        host_pid: Some(info.host_pid).filter(|pid| *pid != 0),
        pid: info.pid,
        thread: Some(info.name)
            .filter(|name| !name.is_empty())
            .map(|name| proto::Thread {
                name: name.to_owned(),
                ..proto::Thread::default()
            }),
        executable: Some(info.exe)
            .filter(|exe| !exe.is_empty())
            .map(|exe| proto::Executable { path: exe.to_owned() }),
        ..proto::Process::default()
    };
    known.into_iter().map(ancestor).collect()
}
