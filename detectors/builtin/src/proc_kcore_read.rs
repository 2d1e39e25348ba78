//! TRC-1021: a container opened the memory of the kernel.

use detectors_api::prelude::*;

use crate::flags::is_read;

struct ProcKcoreRead;

register!(ProcKcoreRead);

impl EventDetector for ProcKcoreRead {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1021", "proc_kcore_read")
            .event_id(7521)
            .describe("A container opened the memory of the kernel for reading")
            .on(EventRequirement::new("security_file_open")
                .data("pathname=*/proc/kcore")
                .scope("container=started"))
            .threat(
                Threat::medium("Kcore memory file read")
                    .describe(
                        "A container can read all physical memory, and with it the secrets of the host and of every \
                         other container.",
                    )
                    .tactic("Privilege Escalation")
                    .technique("T1611", "Escape to Host")
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

    use super::*;
    use crate::testing::{fires, open};

    const FILE: &str = "/proc/kcore";

    #[test]
    fn reading_is_detected_whatever_the_width_of_the_flags() {
        for (flags, detected) in [
            (Value::Int32(0), true),
            (Value::Int32(1), false),
            (Value::Int32(2), true),
            (Value::Int32(3), false),
            (Value::Int64(0), true),
            (Value::Int64(1), false),
            (Value::from("0"), false),
        ] {
            let event = open(FILE, 0).set_exactly("flags", flags.clone());
            assert_eq!(
                fires(ProcKcoreRead, event.container("c1", true)),
                detected,
                "{flags:?}"
            );
        }
        let event = open(FILE, 0).container("c1", true);
        assert!(!fires(ProcKcoreRead, event.clone().without("flags")));
        assert!(!fires(ProcKcoreRead, event.without("pathname")));
    }

    #[test]
    fn only_that_file_and_only_in_containers() {
        assert!(fires(
            ProcKcoreRead,
            open("/host/proc/kcore", 0).container("c1", true)
        ));
        assert!(!fires(ProcKcoreRead, open(FILE, 0)), "on the host");
        let starting = open(FILE, 0).container("c1", false);
        assert!(!fires(ProcKcoreRead, starting), "before the entry point");
        for path in ["/proc/kcore2", "/proc/1/kcore", "/kcore", ""] {
            assert!(
                !fires(ProcKcoreRead, open(path, 0).container("c1", true)),
                "{path}"
            );
        }
    }
}
