//! TRC-109: the setting of address space layout randomisation was read.

use detectors_api::prelude::*;

use crate::flags::is_read;

struct AslrInspection;

register!(AslrInspection);

impl EventDetector for AslrInspection {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-109", "aslr_inspection")
            .event_id(7501)
            .describe("The setting of address space layout randomisation was read")
            .on(EventRequirement::new("security_file_open").data("pathname=/proc/sys/kernel/randomize_va_space"))
            .threat(
                Threat::info("ASLR inspection detected")
                    .describe(
                        "A process looked up whether addresses are randomised. Exploits that corrupt memory need to \
                         know.",
                    )
                    .tactic("Privilege Escalation")
                    .technique("T1068", "Exploitation for Privilege Escalation")
                    .property("Category", "privilege-escalation"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let read = event.get::<i64>("flags").is_some_and(is_read);
        Ok(read.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;

    use super::*;

    fn open(flags: Value) -> TestEvent {
        TestEvent::new("security_file_open")
            .set("pathname", "/proc/sys/kernel/randomize_va_space")
            .set_exactly("flags", flags)
    }

    #[test]
    fn reading_is_detected_whatever_the_width_of_the_flags() {
        for (flags, detected) in [
            (Value::Int32(0), 1),
            (Value::Int64(2), 1),
            (Value::Int32(1), 0),
            (Value::Int64(1), 0),
            (Value::from("0"), 0),
        ] {
            assert_eq!(
                detect(AslrInspection, &[open(flags.clone())]).len(),
                detected,
                "{flags:?}"
            );
        }
    }

    #[test]
    fn other_files_are_nobodys_business() {
        let other = open(Value::Int32(0)).set("pathname", "/proc/sys/kernel/osrelease");
        assert!(detect(AslrInspection, &[other]).is_empty());
    }
}
