//! TRC-1030: an entry of the system call table leads elsewhere, as the sensor found.

use detectors_api::prelude::*;

struct SyscallHooking;

register!(SyscallHooking);

impl EventDetector for SyscallHooking {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1030", "syscall_hooking")
            .event_id(7531)
            .describe("A system call is served by code from outside of the kernel")
            .on(EventRequirement::new("hooked_syscall"))
            .threat(
                Threat::high("Syscall table hooking detected")
                    .describe(
                        "An entry of the system call table leads to code that is not the kernel's own. Rootkits do \
                         this to hide files, processes and connections from every program.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1014", "Rootkit")
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

    use super::*;
    use crate::testing::fires;

    #[test]
    fn every_hook_that_the_sensor_found_is_detected() {
        let hook = TestEvent::new("hooked_syscall")
            .set("syscall", "getdents64")
            .set("owner", "diamorphine");
        assert!(fires(SyscallHooking, hook.clone()));
        assert!(fires(SyscallHooking, hook.without("owner")));
        // What the sensor finds before it is known whether that is a hook.
        assert!(!fires(SyscallHooking, TestEvent::new("syscall_table_check")));
    }
}
