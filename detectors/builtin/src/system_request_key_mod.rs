//! TRC-1031: a container reached for the keys that command the host's kernel.

use detectors_api::prelude::*;

use crate::flags::is_write;

struct SystemRequestKeyMod;

register!(SystemRequestKeyMod);

impl EventDetector for SystemRequestKeyMod {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1031", "system_request_key_mod")
            .event_id(7532)
            .describe("A container set up or sent a system request key")
            .on(EventRequirement::new("security_file_open")
                .scope("container=started")
                .data("pathname=/proc/sys/kernel/sysrq,/proc/sysrq-trigger"))
            .threat(
                Threat::high("System request key configuration modification")
                    .describe(
                        "A container opened for writing what enables the system request keys, or what presses one. \
                         These keys make the host's kernel restart, crash or kill everything at once.",
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

    #[test]
    fn writing_in_a_container_is_detected() {
        for path in ["/proc/sys/kernel/sysrq", "/proc/sysrq-trigger"] {
            for (flags, detected) in [(1, true), (2, true), (0, false), (3, false)] {
                let event = open(path, flags).container("c1", true);
                assert_eq!(fires(SystemRequestKeyMod, event), detected, "{path} {flags}");
            }
            assert!(!fires(SystemRequestKeyMod, open(path, 1)), "{path} on the host");
            let starting = open(path, 1).container("c1", false);
            assert!(
                !fires(SystemRequestKeyMod, starting),
                "{path} before the entry point"
            );
        }
        for path in ["/proc/sys/kernel/panic", "/rootfs/proc/sysrq-trigger", ""] {
            assert!(
                !fires(SystemRequestKeyMod, open(path, 1).container("c1", true)),
                "{path}"
            );
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/proc/sysrq-trigger", 1).container("c1", true);
        assert!(!fires(SystemRequestKeyMod, event.clone().without("pathname")));
        assert!(!fires(SystemRequestKeyMod, event.clone().without("flags")));
        assert!(!fires(
            SystemRequestKeyMod,
            event.set_exactly("flags", Value::from("1"))
        ));
    }
}
