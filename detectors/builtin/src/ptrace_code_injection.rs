//! TRC-103: a process wrote into another one's memory through ptrace.

use detectors_api::prelude::*;

struct PtraceCodeInjection;

register!(PtraceCodeInjection);

impl EventDetector for PtraceCodeInjection {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-103", "ptrace_code_injection")
            .event_id(7525)
            .describe("A process wrote into another one's memory through ptrace")
            // PTRACE_POKETEXT and PTRACE_POKEDATA
            .on(EventRequirement::new("ptrace").data("request=4,5"))
            .threat(
                Threat::high("Code injection detected using ptrace")
                    .describe(
                        "A process changed a word of the program or the data of one that it traces. Debuggers set \
                         breakpoints that way; others make a trusted process do their work.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1055.008", "Ptrace System Calls")
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
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;

    use super::*;
    use crate::testing::fires;

    #[test]
    fn only_requests_that_write_words_are_detected() {
        for request in -1..=16_i64 {
            let event = TestEvent::new("ptrace").set("request", request);
            assert_eq!(
                fires(PtraceCodeInjection, event),
                matches!(request, 4 | 5),
                "{request}"
            );
        }
    }

    #[test]
    fn without_a_request_nothing_is_said() {
        let event = TestEvent::new("ptrace").set("request", 4);
        assert!(!fires(PtraceCodeInjection, event.clone().without("request")));
        let named = event.set_exactly("request", Value::from("PTRACE_POKETEXT"));
        assert!(!fires(PtraceCodeInjection, named));
    }
}
