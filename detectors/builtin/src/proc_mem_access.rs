//! TRC-1023: the memory of a process was opened for reading.

use detectors_api::prelude::*;

use crate::flags::is_read;
use crate::process_memory::{PATTERN, is_process_memory};

struct ProcMemAccess;

register!(ProcMemAccess);

impl EventDetector for ProcMemAccess {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1023", "proc_mem_access")
            .event_id(7522)
            .describe("The memory of a process was opened for reading")
            .on(EventRequirement::new("security_file_open").data(format!("pathname={PATTERN}")))
            .threat(
                Threat::high("Process memory access detected")
                    .describe(
                        "A process opened the memory of a process as a file to read it. Passwords and keys that a \
                         program works with lie there in the clear.",
                    )
                    .tactic("Credential Access")
                    .technique("T1003.007", "Proc Filesystem")
                    .property("Category", "credential-access"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let read = event.get::<i64>("flags").is_some_and(is_read);
        let memory = event.get::<&str>("pathname").is_some_and(is_process_memory);
        Ok((read && memory).then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;

    use super::*;
    use crate::testing::{fires, open};

    #[test]
    fn reading_the_memory_of_a_process_is_detected() {
        for (path, flags, detected) in [
            ("/proc/1/mem", 0, true),
            ("/proc/self/mem", 2, true),
            ("/rootfs/proc/17/mem", 0o100_000, true),
            ("/proc/1/mem", 1, false),
            ("/proc/1/mem", 3, false),
            ("/proc/1/task/1/mem", 0, false),
            ("/proc/1/maps", 0, false),
            ("/proc/mem", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(
                fires(ProcMemAccess, open(path, flags)),
                detected,
                "{path} {flags}"
            );
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/proc/1/mem", 0);
        assert!(!fires(ProcMemAccess, event.clone().without("pathname")));
        assert!(!fires(ProcMemAccess, event.clone().without("flags")));
        assert!(!fires(
            ProcMemAccess,
            event.set_exactly("flags", Value::from("0"))
        ));
    }
}
