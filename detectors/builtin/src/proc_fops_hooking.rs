//! TRC-1020: what lists the proc file system leads elsewhere.

use detectors_api::prelude::*;
use detectors_api::proto::event_value::Value as Message;

struct ProcFopsHooking;

register!(ProcFopsHooking);

impl EventDetector for ProcFopsHooking {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1020", "proc_fops_hooking")
            .event_id(7520)
            .describe("A directory of the proc file system is listed by code from outside of the kernel")
            .field(OPERATIONS, FieldType::HookedSyscalls)
            .on(EventRequirement::new("hooked_proc_fops"))
            .threat(
                Threat::high("File operations hooking on proc filesystem detected")
                    .describe(
                        "The functions that list a directory of the proc file system are not the kernel's own. \
                         Programs learn from it which processes there are, so a rootkit that hides some sits here.",
                    )
                    .tactic("Defense Evasion")
                    .technique("T1014", "Rootkit")
                    .property("Category", "defense-evasion"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let Some(Value::Message(message)) = event.value("hooked_fops_pointers") else {
            return Ok(Outputs::none());
        };
        Ok(match *message {
            Message::HookedSyscalls(hooks) if !hooks.value.is_empty() => Output::new()
                .with(OPERATIONS, Message::HookedSyscalls(hooks))
                .into(),
            _ => Outputs::none(),
        })
    }
}

/// The field with the functions that were replaced, and who owns the new ones.
const OPERATIONS: &str = "Hooked proc file operations";

#[cfg(test)]
mod tests {
    use detectors_api::proto::{HookedSymbolData, HookedSyscalls};
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;

    use super::*;
    use crate::testing::fires;

    fn hooks(owners: &[&str]) -> Message {
        Message::HookedSyscalls(HookedSyscalls {
            value: owners
                .iter()
                .map(|&owner| HookedSymbolData {
                    symbol_name: "iterate_shared".to_owned(),
                    module_owner: owner.to_owned(),
                })
                .collect(),
        })
    }

    fn found(hooks: Message) -> TestEvent {
        TestEvent::new("hooked_proc_fops").set_exactly("hooked_fops_pointers", hooks)
    }

    #[test]
    fn the_functions_are_reported_as_the_sensor_found_them() {
        let hooks = hooks(&["rootkit", "hidden"]);
        let detections = detect(ProcFopsHooking, &[found(hooks.clone())]);
        let data: Vec<_> = detections
            .iter()
            .flat_map(|detection| &detection.event.data)
            .map(|field| (field.name.as_str(), field.value.clone()))
            .collect();
        assert_eq!(data, [("Hooked proc file operations", Some(hooks))]);
    }

    #[test]
    fn without_functions_nothing_is_said() {
        assert!(!fires(ProcFopsHooking, found(hooks(&[]))));
        assert!(!fires(ProcFopsHooking, found(Message::from("iterate_shared"))));
        assert!(!fires(
            ProcFopsHooking,
            found(hooks(&["rootkit"])).without("hooked_fops_pointers")
        ));
        assert!(!fires(ProcFopsHooking, TestEvent::new("hooked_proc_fops")));
    }
}
