//! TRC-1014: a container mounted a device.

use detectors_api::prelude::*;

struct DiskMount;

register!(DiskMount);

impl EventDetector for DiskMount {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1014", "disk_mount")
            .event_id(7506)
            .describe("A container mounted a device")
            .on(EventRequirement::new("security_sb_mount")
                .data("dev_name=/dev/*")
                .scope("container=started"))
            .threat(
                Threat::high("Container device mount detected")
                    .describe(
                        "A container mounted a device of the host. On a disk of the host it can read and change \
                         every file, which is as good as being root there.",
                    )
                    .tactic("Privilege Escalation")
                    .technique("T1611", "Escape to Host")
                    .property("Category", "privilege-escalation"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, _event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        Ok(Output::new().into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;

    use super::*;
    use crate::testing::fires;

    fn mount(device: &str) -> TestEvent {
        TestEvent::new("security_sb_mount")
            .set("dev_name", device)
            .set("path", "/mnt")
    }

    #[test]
    fn mounting_a_device_in_a_container_is_detected() {
        for device in ["/dev/sda1", "/dev/mapper/root", "/dev/"] {
            assert!(fires(DiskMount, mount(device).container("c1", true)), "{device}");
            assert!(!fires(DiskMount, mount(device)), "{device} on the host");
            let starting = mount(device).container("c1", false);
            assert!(!fires(DiskMount, starting), "{device} before the entry point");
        }
        for device in ["tmpfs", "proc", "/home", "/mnt/dev/sda1", "dev/sda1", ""] {
            assert!(!fires(DiskMount, mount(device).container("c1", true)), "{device}");
        }
    }

    #[test]
    fn without_a_device_nothing_is_said() {
        let event = mount("/dev/sda1").container("c1", true);
        assert!(!fires(DiskMount, event.clone().without("dev_name")));
        let bytes = event.set_exactly("dev_name", Value::Bytes(b"/dev/sda1".to_vec()));
        assert!(!fires(DiskMount, bytes));
    }
}
