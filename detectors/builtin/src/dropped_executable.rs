//! TRC-1022: an executable that the image did not bring was written in a container.

use detectors_api::prelude::*;

use crate::elf::is_elf;
use crate::path::IN_MEMORY;

struct DroppedExecutable;

register!(DroppedExecutable);

impl EventDetector for DroppedExecutable {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1022", "dropped_executable")
            .event_id(7508)
            .describe("An executable was written to a file in a container")
            .field("path", FieldType::String)
            .on(EventRequirement::new("magic_write")
                .data(format!("pathname!={IN_MEMORY}"))
                .scope("container=started"))
            .threat(
                Threat::medium("New executable dropped")
                    .describe(
                        "A program appeared in a running container that its image did not bring. Containers are not \
                         changed once they run; who breaks into one often brings tools along.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1036", "Masquerading")
                    .property("Category", "defense-evasion"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let executable = event.get::<&[u8]>("bytes").is_some_and(is_elf);
        let path = event.get::<&str>("pathname").filter(|_| executable);
        Ok(path.map(|path| Output::new().with("path", path)).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;

    use super::*;

    fn write(path: &str, bytes: &[u8]) -> TestEvent {
        TestEvent::new("magic_write")
            .set("pathname", path)
            .set("bytes", bytes.to_vec())
            .container("c1", true)
    }

    #[test]
    fn a_new_executable_is_reported_with_its_path() {
        let detections = detect(DroppedExecutable, &[write("/tmp/x", b"\x7fELF\x02\x01\x01")]);
        let [detection] = detections.as_slice() else {
            panic!("{detections:?}");
        };
        let [field] = detection.event.data.as_slice() else {
            panic!("{detection:?}");
        };
        assert_eq!(
            (field.name.as_str(), &field.value),
            ("path", &Some(Value::from("/tmp/x")))
        );
    }

    #[test]
    fn all_else_is_not() {
        let elf = b"\x7fELF";
        for event in [
            write("/tmp/x", b"#!/bin/sh\n"),
            write("/tmp/x", b"\x7fEL"),
            write("/tmp/x", b""),
            write("memfd:x", elf),
            write("/dev/shm/x", elf),
            write("/run/shm/a/x", elf),
            write("/tmp/x", elf).container("c1", false),
            write("/tmp/x", elf).container("", false),
            write("/tmp/x", elf).without("pathname"),
            write("/tmp/x", elf).without("bytes"),
            write("/tmp/x", elf).set_exactly("pathname", Value::Bytes(b"/tmp/x".to_vec())),
            write("/tmp/x", elf).set_exactly("bytes", Value::from("\x7fELF")),
        ] {
            assert!(
                detect(DroppedExecutable, std::slice::from_ref(&event)).is_empty(),
                "{event:?}"
            );
        }
    }
}
