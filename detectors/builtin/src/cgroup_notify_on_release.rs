//! TRC-106: a container asked to be told when a control group empties.

use detectors_api::prelude::*;

use crate::flags::is_write;

struct CgroupNotifyOnRelease;

register!(CgroupNotifyOnRelease);

impl EventDetector for CgroupNotifyOnRelease {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-106", "cgroup_notify_on_release")
            .event_id(7502)
            .describe("A container opened a notify_on_release file of a control group for writing")
            .on(EventRequirement::new("security_file_open")
                .data("pathname=*/notify_on_release")
                .scope("container=started"))
            .threat(
                Threat::high("Cgroups notify_on_release file modification")
                    .describe(
                        "A container may have switched on the notice that the kernel gives when a control group \
                         empties. The kernel gives it by running a program on the host, so it is half of a way out.",
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

    const FILE: &str = "/sys/fs/cgroup/rdma/x/notify_on_release";

    #[test]
    fn writing_in_a_container_is_detected() {
        for (flags, detected) in [(0, false), (1, true), (2, true), (3, false)] {
            let event = open(FILE, flags).container("c1", true);
            assert_eq!(fires(CgroupNotifyOnRelease, event), detected, "{flags}");
        }
        assert!(!fires(CgroupNotifyOnRelease, open(FILE, 1)), "on the host");
        let starting = open(FILE, 1).container("c1", false);
        assert!(!fires(CgroupNotifyOnRelease, starting), "before the entry point");
        for path in [
            "notify_on_release",
            "/x/notify_on_release2",
            "/x/my_notify_on_release",
            "",
        ] {
            let event = open(path, 1).container("c1", true);
            assert!(!fires(CgroupNotifyOnRelease, event), "{path}");
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open(FILE, 1).container("c1", true);
        assert!(!fires(CgroupNotifyOnRelease, event.clone().without("pathname")));
        assert!(!fires(CgroupNotifyOnRelease, event.clone().without("flags")));
        let text = event.set_exactly("flags", Value::from("1"));
        assert!(!fires(CgroupNotifyOnRelease, text));
    }
}
