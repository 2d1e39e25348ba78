//! TRC-104: memory that had been writable and executable became executable only.

use detectors_api::prelude::*;

struct DynamicCodeLoading;

register!(DynamicCodeLoading);

impl EventDetector for DynamicCodeLoading {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-104", "dynamic_code_loading")
            .event_id(7509)
            .describe("Memory that had been writable and executable became executable only")
            // The alert for protection that goes from write and execute to execute alone.
            .on(EventRequirement::new("mem_prot_alert").data("alert=4"))
            .threat(
                Threat::medium("Dynamic code loading detected")
                    .describe(
                        "A process wrote code into its memory and then sealed it to run it. Packed malware unpacks \
                         itself like that; so do compilers that work just in time.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1027.002", "Software Packing")
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
    fn only_the_alert_for_sealed_code_is_detected() {
        for alert in 0..=6_i64 {
            let event = TestEvent::new("mem_prot_alert").set("alert", alert);
            assert_eq!(fires(DynamicCodeLoading, event), alert == 4, "{alert}");
        }
    }

    #[test]
    fn without_a_number_of_the_alert_nothing_is_said() {
        let event = TestEvent::new("mem_prot_alert").set("alert", 4);
        assert!(!fires(DynamicCodeLoading, event.clone().without("alert")));
        let named = event.set_exactly("alert", Value::from("4"));
        assert!(!fires(DynamicCodeLoading, named));
    }
}
