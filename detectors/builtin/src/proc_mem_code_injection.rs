//! TRC-1024: the memory of a process was opened for writing.

use detectors_api::prelude::*;

use crate::flags::is_write;
use crate::process_memory::{PATTERN, is_process_memory};

struct ProcMemCodeInjection;

register!(ProcMemCodeInjection);

impl EventDetector for ProcMemCodeInjection {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1024", "proc_mem_code_injection")
            .event_id(7523)
            .describe("The memory of a process was opened for writing")
            .on(EventRequirement::new("security_file_open").data(format!("pathname={PATTERN}")))
            .threat(
                Threat::high("Code injection detected through /proc/<pid>/mem file")
                    .describe(
                        "A process opened the memory of a process as a file to write it. Whoever can do that decides \
                         what that process does next, under its name and with its rights.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1055.009", "Proc Memory")
                    .property("Category", "defense-evasion"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let write = event.get::<i64>("flags").is_some_and(is_write);
        let memory = event.get::<&str>("pathname").is_some_and(is_process_memory);
        Ok((write && memory).then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;

    use super::*;
    use crate::testing::{fires, open};

    #[test]
    fn writing_the_memory_of_a_process_is_detected() {
        for (path, flags, detected) in [
            ("/proc/1/mem", 1, true),
            ("/proc/self/mem", 2, true),
            ("/rootfs/proc/17/mem", 0o100_001, true),
            ("/proc/1/mem", 0, false),
            ("/proc/1/mem", 3, false),
            ("/proc/1/task/1/mem", 1, false),
            ("/proc/1/clear_refs", 1, false),
            ("/dev/mem", 1, false),
        ] {
            assert_eq!(
                fires(ProcMemCodeInjection, open(path, flags)),
                detected,
                "{path} {flags}"
            );
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/proc/1/mem", 1);
        assert!(!fires(ProcMemCodeInjection, event.clone().without("pathname")));
        assert!(!fires(ProcMemCodeInjection, event.clone().without("flags")));
        assert!(!fires(
            ProcMemCodeInjection,
            event.set_exactly("flags", Value::from("1"))
        ));
    }
}
