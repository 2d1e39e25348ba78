//! TRC-1017: a kernel module was loaded.

use detectors_api::prelude::*;

struct KernelModuleLoading;

register!(KernelModuleLoading);

impl EventDetector for KernelModuleLoading {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1017", "kernel_module_loading")
            .event_id(7516)
            .describe("A kernel module was loaded")
            .on(EventRequirement::new("module_load"))
            .threat(
                Threat::medium("Kernel module loading detected")
                    .describe(
                        "Code was added to the running kernel. Drivers come that way, and so do rootkits, which can \
                         then hide whatever they like.",
                    )
                    .tactic("Persistence")
                    .technique("T1547.006", "Kernel Modules and Extensions")
                    .property("Category", "persistence"),
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
    fn every_module_is_reported_and_nothing_else() {
        let detections = detect(
            KernelModuleLoading,
            &[
                TestEvent::new("module_load").set("name", "loop"),
                TestEvent::new("module_free").set("name", "loop"),
                TestEvent::new("do_init_module").set("name", "rootkit"),
                TestEvent::new("module_load").without("name"),
            ],
        );
        let seqs: Vec<_> = detections.iter().map(|detection| detection.seq).collect();
        assert_eq!(seqs, [1, 4]);
    }
}
