//! TRC-1025: a process wrote to the memory of another one with `process_vm_writev`.

use detectors_api::prelude::*;

struct ProcessVmWriteInject;

register!(ProcessVmWriteInject);

impl EventDetector for ProcessVmWriteInject {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1025", "process_vm_write_inject")
            .event_id(7524)
            .describe("A process wrote to the memory of another one with process_vm_writev")
            .on(EventRequirement::new("process_vm_writev"))
            .threat(
                Threat::high("Code injection detected using process_vm_writev syscall")
                    .describe(
                        "A process wrote, or tried to write, to the memory of another one. That is a way to make \
                         the other one run foreign code, under its name and with its rights.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1055", "Process Injection")
                    .property("Category", "defense-evasion"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        // The caller names the target as its own pid namespace does.
        let own = event.process().pid().unwrap_or_default();
        let other = event
            .get::<i64>("pid")
            .is_some_and(|target| target != i64::from(own));
        Ok(other.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;

    use super::*;
    use crate::testing::fires;

    /// Process 4200 of the host is process 7 where it lives.
    fn write(target: i32) -> TestEvent {
        TestEvent::new("process_vm_writev").pid(7).set("pid", target)
    }

    #[test]
    fn writing_to_others_is_detected() {
        assert!(fires(ProcessVmWriteInject, write(8)));
        assert!(fires(ProcessVmWriteInject, write(4200)));
        let failed = write(8).set("returnValue", -1_i64);
        assert!(fires(ProcessVmWriteInject, failed), "the attempt counts");
        assert!(!fires(ProcessVmWriteInject, write(7)));
    }

    #[test]
    fn without_a_target_nothing_is_said() {
        assert!(!fires(ProcessVmWriteInject, write(8).without("pid")));
        assert!(!fires(
            ProcessVmWriteInject,
            write(8).set_exactly("pid", Value::from("8"))
        ));
    }
}
