//! TRC-1015: a program was written to a hidden place.

use detectors_api::prelude::*;

use crate::elf::is_elf;

struct HiddenFileCreated;

register!(HiddenFileCreated);

impl EventDetector for HiddenFileCreated {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1015", "hidden_file_created")
            .event_id(7511)
            .describe("A program was written to a hidden file or below a hidden directory")
            .on(EventRequirement::new("magic_write").data("pathname=*/.*"))
            .threat(
                Threat::medium("Hidden executable creation detected")
                    .describe(
                        "The beginning of a program was written to a file whose name, or whose directory's name, \
                         begins with a dot. Listings leave such names out, so that people overlook them.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1564.001", "Hidden Files and Directories")
                    .property("Category", "defense-evasion"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let program = event.get::<&[u8]>("bytes").is_some_and(is_elf);
        Ok(program.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;

    use super::*;
    use crate::testing::fires;

    const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0";

    fn write(path: &str, bytes: &[u8]) -> TestEvent {
        TestEvent::new("magic_write")
            .set("pathname", path)
            .set("bytes", bytes)
    }

    #[test]
    fn a_program_in_a_hidden_place_is_detected() {
        for (path, bytes, detected) in [
            ("/tmp/.x", ELF, true),
            ("/home/me/.cache/tool", ELF, true),
            ("/tmp/../x", ELF, true),
            ("/tmp/.x", &ELF[..4], true),
            ("/tmp/.x", &ELF[..3], false),
            ("/tmp/.x", b"#!/bin/sh", false),
            ("/tmp/.x", b"", false),
            ("/tmp/x.y", ELF, false),
            (".x", ELF, false),
            ("", ELF, false),
        ] {
            assert_eq!(
                fires(HiddenFileCreated, write(path, bytes)),
                detected,
                "{path} {bytes:?}"
            );
        }
    }

    #[test]
    fn without_path_or_bytes_nothing_is_said() {
        let event = write("/tmp/.x", ELF);
        assert!(!fires(HiddenFileCreated, event.clone().without("pathname")));
        assert!(!fires(HiddenFileCreated, event.clone().without("bytes")));
        assert!(!fires(
            HiddenFileCreated,
            event.set_exactly("bytes", Value::from("\x7fELF"))
        ));
    }
}
