//! TRC-105: a program was executed from memory.

use detectors_api::prelude::*;

use crate::path::IN_MEMORY;

struct FilelessExecution;

register!(FilelessExecution);

impl EventDetector for FilelessExecution {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-105", "fileless_execution")
            .event_id(7510)
            .describe("A program was executed from memory instead of a file system")
            .on(EventRequirement::new("sched_process_exec").data(format!("pathname={IN_MEMORY}")))
            .threat(
                Threat::high("Fileless execution detected")
                    .describe(
                        "A program was started that lies in memory only (an anonymous memory file or a shared-memory \
                         mount). Malware does this to leave nothing on disk.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1620", "Reflective Code Loading")
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

    fn exec(path: &str) -> usize {
        detect(
            FilelessExecution,
            &[TestEvent::new("sched_process_exec").set("pathname", path)],
        )
        .len()
    }

    #[test]
    fn programs_in_memory_are_detected() {
        for path in ["memfd:payload", "memfd:", "/dev/shm/x", "/run/shm/a/b"] {
            assert_eq!(exec(path), 1, "{path}");
        }
        for path in ["/usr/bin/true", "/dev/shmoo", "/tmp/memfd:x", ""] {
            assert_eq!(exec(path), 0, "{path}");
        }
    }
}
