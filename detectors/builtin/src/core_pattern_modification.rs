//! TRC-1011: a container may have said what the kernel runs when a program crashes.

use detectors_api::prelude::*;

use crate::flags::is_write;

struct CorePatternModification;

register!(CorePatternModification);

impl EventDetector for CorePatternModification {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1011", "core_pattern_modification")
            .event_id(7504)
            .describe("A container opened the setting of what handles core dumps for writing")
            .on(EventRequirement::new("security_file_open")
                .data("pathname=*/proc/sys/kernel/core_pattern")
                .scope("container=started"))
            .threat(
                Threat::high("Core dumps configuration file modification detected")
                    .describe(
                        "A container may have changed what becomes of core dumps. The kernel can hand them to a \
                         program, which it runs on the host as root: whoever sets it has left the container.",
                    )
                    .tactic("Privilege Escalation")
                    .technique("T1611", "Escape to Host")
                    .property("Category", "privilege-escalation"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let write = event.get::<i64>("flags").is_some_and(is_write);
        Ok(write.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;

    use super::*;
    use crate::testing::{fires, open};

    const FILE: &str = "/proc/sys/kernel/core_pattern";

    #[test]
    fn writing_in_a_container_is_detected() {
        for (flags, detected) in [(0, false), (1, true), (2, true), (3, false)] {
            for path in [FILE, "/host/proc/sys/kernel/core_pattern"] {
                let event = open(path, flags).container("c1", true);
                assert_eq!(fires(CorePatternModification, event), detected, "{path} {flags}");
            }
        }
        assert!(!fires(CorePatternModification, open(FILE, 1)), "on the host");
        let starting = open(FILE, 1).container("c1", false);
        assert!(
            !fires(CorePatternModification, starting),
            "before the entry point"
        );
        for path in ["/proc/sys/kernel/core_uses_pid", "/sys/kernel/core_pattern", ""] {
            let event = open(path, 1).container("c1", true);
            assert!(!fires(CorePatternModification, event), "{path}");
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open(FILE, 1).container("c1", true);
        assert!(!fires(CorePatternModification, event.clone().without("pathname")));
        assert!(!fires(CorePatternModification, event.clone().without("flags")));
        let text = event.set_exactly("flags", Value::from("1"));
        assert!(!fires(CorePatternModification, text));
    }
}
