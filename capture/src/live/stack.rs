//! The user stack of the task that caused an event.

use detectors_api::event::RecordedEvent;
use detectors_api::proto::{StackAddress, UserStackTrace};

/// Tells the events of a task where it was in its program: instruction addresses, the innermost first. What is not known is left out.
pub(super) fn tell(addresses: &[u64], events: &mut [RecordedEvent]) {
    if addresses.is_empty() {
        return;
    }
    let stack = UserStackTrace {
        addresses: addresses
            .iter()
            .map(|&address| StackAddress {
                address,
                symbol: String::new(),
            })
            .collect(),
    };
    let workloads = events
        .iter_mut()
        .filter_map(|event| event.event.workload.as_mut());
    for thread in workloads
        .filter_map(|workload| workload.process.as_mut())
        .filter_map(|process| process.thread.as_mut())
    {
        thread.user_stack_trace = Some(stack.clone());
    }
}
