//! TRC-102: a process asked to be traced, so that no debugger can attach.

use detectors_api::prelude::*;

struct AntiDebugging;

register!(AntiDebugging);

impl EventDetector for AntiDebugging {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-102", "anti_debugging")
            .event_id(7500)
            .describe("A process asked to be traced by its parent")
            // PTRACE_TRACEME
            .on(EventRequirement::new("ptrace").data("request=0"))
            .threat(
                Threat::low("Anti-Debugging detected")
                    .describe(
                        "A process made itself traced by its parent. A process has one tracer at most, so malware does \
                         this to keep debuggers away; debuggers do it too, to start what they debug.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1622", "Debugger Evasion")
                    .property("Category", "defense-evasion"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;

    use super::*;

    #[test]
    fn only_requests_to_be_traced_are_detected() {
        let ptrace = |request: i64| TestEvent::new("ptrace").set("request", request);
        let detections = detect(AntiDebugging, &[ptrace(16), ptrace(0), ptrace(1)]);
        let seqs: Vec<_> = detections.iter().map(|detection| detection.seq).collect();
        assert_eq!(seqs, [2]);
    }
}
