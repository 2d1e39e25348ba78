//! TRC-1029: a container looked at what all processors of the host run.

use detectors_api::prelude::*;

use crate::flags::is_read;

struct SchedDebugRecon;

register!(SchedDebugRecon);

impl EventDetector for SchedDebugRecon {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1029", "sched_debug_recon")
            .event_id(7527)
            .describe("A container looked at what the processors of the host run")
            .on(EventRequirement::new("security_file_open")
                .scope("container=started")
                .data("pathname=/proc/sched_debug,/sys/kernel/debug/sched/debug"))
            .threat(
                Threat::low("sched_debug CPU file was read")
                    .describe(
                        "A container opened the scheduler's report, which lists the processes of the whole host, \
                         those of other containers included. It tells an attacker where they are and what else \
                         there is.",
                    )
                    .tactic("Discovery")
                    .technique("T1613", "Container and Resource Discovery")
                    .property("Category", "discovery"),
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

    use super::*;
    use crate::testing::{fires, open};

    #[test]
    fn reading_in_a_container_is_detected() {
        for path in ["/proc/sched_debug", "/sys/kernel/debug/sched/debug"] {
            for (flags, detected) in [(0, true), (2, true), (1, false), (3, false)] {
                let event = open(path, flags).container("c1", true);
                assert_eq!(fires(SchedDebugRecon, event), detected, "{path} {flags}");
            }
            assert!(!fires(SchedDebugRecon, open(path, 0)), "{path} on the host");
            let starting = open(path, 0).container("c1", false);
            assert!(!fires(SchedDebugRecon, starting), "{path} before the entry point");
        }
        for path in ["/proc/schedstat", "/rootfs/proc/sched_debug", ""] {
            assert!(
                !fires(SchedDebugRecon, open(path, 0).container("c1", true)),
                "{path}"
            );
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/proc/sched_debug", 0).container("c1", true);
        assert!(!fires(SchedDebugRecon, event.clone().without("pathname")));
        assert!(!fires(SchedDebugRecon, event.clone().without("flags")));
        assert!(!fires(
            SchedDebugRecon,
            event.set_exactly("flags", Value::from("0"))
        ));
    }
}
