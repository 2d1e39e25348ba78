//! From what a detector returns to an event of its own.

use detectors_api::definition::AutoPopulate;
use detectors_api::event::Event;
use detectors_api::output::Output;
use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use detectors_api::stores::{ProcessInfo, Stores as _};

use crate::ANCESTRY_DEPTH;
use crate::dispatch::AsOf;
use crate::slot::Slot;

/// Name under which the user-space stack of the triggering event is kept in `detected_from.data`.
const STACK: &str = "stack_addresses";

pub(crate) fn populate(slot: &Slot, output: Output, event: &Event<'_>, stores: &AsOf<'_>) -> proto::Event {
    let definition = &slot.definition;
    let flags = output.auto_populate.unwrap_or(definition.auto_populate);
    let mut workload = event.workload_message();
    if let Some(process) = workload.as_mut().and_then(|workload| workload.process.as_mut()) {
        if process.executable.is_none() {
            let path = process.unique_id.and_then(|id| stores.executable_path(id));
            process.executable = path.map(|path| proto::Executable {
                path: path.to_owned(),
            });
        }
        let depth = output
            .ancestry_depth
            .unwrap_or(if flags.contains(AutoPopulate::ANCESTRY) {
                ANCESTRY_DEPTH
            } else {
                0
            });
        add_ancestry(process, depth, stores);
    }
    let threat = match output.threat {
        Some(threat) => Some(threat.to_proto()),
        None if flags.contains(AutoPopulate::THREAT) => slot.threat.clone(),
        None => None,
    };
    // The data is the dear part: nobody has read most of it so far.
    let detected_from = flags
        .contains(AutoPopulate::DETECTED_FROM)
        .then(|| detected_from(event));
    proto::Event {
        timestamp: event.timestamp(),
        id: definition.event.number(),
        name: definition.event.name.clone(),
        policies: event.policies(),
        workload,
        data: output.data,
        threat,
        detected_from,
    }
}

/// The triggering event, as its detection carries it.
fn detected_from(event: &Event<'_>) -> proto::DetectedFrom {
    let mut data = event.data_messages();
    let stack = event.stack_addresses();
    if !stack.is_empty() {
        data.push(proto::EventValue {
            name: STACK.to_owned(),
            value: Some(Value::from(stack)),
        });
    }
    proto::DetectedFrom {
        id: event.id().cast_unsigned(),
        name: event.name().to_owned(),
        data,
        parent: event.detected_from().cloned().map(Box::new),
    }
}

/// Replaces the parent that an event carries by `depth` ancestors, as far as they are known.
fn add_ancestry(process: &mut proto::Process, depth: u32, stores: &AsOf<'_>) {
    let Ok(depth) = usize::try_from(depth) else { return };
    if depth == 0 {
        return;
    }
    // The null object of a missing store has no ancestry either.
    let ancestry = |id: u32, entries: usize| stores.processes().get_ancestry(id, entries).unwrap_or_default();
    let own = process
        .unique_id
        .map(|id| ancestry(id, depth.saturating_add(1)))
        .unwrap_or_default();
    if let [_, ancestors @ ..] = own.as_slice()
        && !ancestors.is_empty()
    {
        process.ancestors = ancestors.iter().map(ancestor).collect();
        return;
    }
    // An unknown process still names its parent, which may be known.
    let parent = process.ancestors.first().and_then(|parent| parent.unique_id);
    let ancestors = parent.map(|id| ancestry(id, depth)).unwrap_or_default();
    if !ancestors.is_empty() {
        process.ancestors = ancestors.iter().map(ancestor).collect();
    }
}

fn ancestor(info: &ProcessInfo<'_>) -> proto::Process {
    proto::Process {
        unique_id: Some(info.entity_id),
        host_pid: (info.host_pid != 0).then_some(info.host_pid),
        pid: info.pid,
        thread: (!info.name.is_empty()).then(|| proto::Thread {
            name: info.name.to_owned(),
            ..Default::default()
        }),
        executable: (!info.exe.is_empty()).then(|| proto::Executable {
            path: info.exe.to_owned(),
        }),
        ..Default::default()
    }
}
