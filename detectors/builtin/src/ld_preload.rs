//! TRC-107: a library is forced into programs, by the environment or by the preload file.

use detectors_api::prelude::*;

use crate::flags::is_write;

/// The variables that tell the dynamic loader where else to look.
const VARIABLES: [&str; 2] = ["LD_PRELOAD", "LD_LIBRARY_PATH"];

struct LdPreload;

register!(LdPreload);

impl EventDetector for LdPreload {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-107", "ld_preload")
            .event_id(7519)
            .describe("A library is forced into programs, by the environment or by the preload file")
            .field("LD_PRELOAD", FieldType::String)
            .field("LD_LIBRARY_PATH", FieldType::String)
            .on(EventRequirement::new("sched_process_exec"))
            .on(EventRequirement::new("security_file_open").data("pathname=*/etc/ld.so.preload"))
            .on(EventRequirement::new("security_inode_rename").data("new_path=*/etc/ld.so.preload"))
            // Without it, the preload file is still watched.
            .enrichment(EnrichmentRequirement::optional("environment"))
            .threat(
                Threat::medium("LD_PRELOAD code injection detected")
                    .describe(
                        "A program was started with a library of the starter's choice, or the list of libraries that \
                         every program loads was replaced. That is a way to hide, to persist and to steal secrets.",
                    )
                    .tactic("Persistence")
                    .technique("T1574", "Hijack Execution Flow")
                    .property("Category", "persistence"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let output = match event.name() {
            "sched_process_exec" => event
                .get::<TextList<'_>>("env")
                .and_then(|environment| environment.iter().find_map(forced)),
            "security_file_open" => {
                let write = event.get::<i64>("flags").is_some_and(is_write);
                write.then(Output::new)
            }
            _ => Some(Output::new()),
        };
        Ok(output.into())
    }
}

/// The detection of a variable that forces a library, named after it.
fn forced(assignment: &str) -> Option<Output> {
    let (name, _) = assignment.split_once('=')?;
    VARIABLES
        .contains(&name)
        .then(|| Output::new().with(name, assignment))
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;
    use detectors_engine::{EngineBuilder, Reason};

    use super::*;

    fn data(event: TestEvent) -> Option<Vec<(String, Value)>> {
        let mut detections = detect(LdPreload, &[event]);
        assert!(detections.len() <= 1);
        Some(
            detections
                .pop()?
                .event
                .data
                .into_iter()
                .filter_map(|field| Some((field.name, field.value?)))
                .collect(),
        )
    }

    fn exec(environment: &[&str]) -> TestEvent {
        let environment: Vec<_> = environment.iter().map(|&entry| entry.to_owned()).collect();
        TestEvent::new("sched_process_exec").set("env", environment)
    }

    #[test]
    fn the_first_variable_that_forces_a_library_is_reported_in_full() {
        let found = |name: &str, text: &str| Some(vec![(name.to_owned(), Value::from(text))]);
        assert_eq!(
            data(exec(&["HOME=/", "LD_PRELOAD=/tmp/x.so", "LD_LIBRARY_PATH=/tmp"])),
            found("LD_PRELOAD", "LD_PRELOAD=/tmp/x.so")
        );
        assert_eq!(
            data(exec(&["LD_LIBRARY_PATH=", "LD_PRELOAD=/tmp/x.so"])),
            found("LD_LIBRARY_PATH", "LD_LIBRARY_PATH=")
        );
        assert_eq!(
            data(exec(&["LD_PRELOADED=1", "OLD_PRELOAD=x", "LD_PRELOAD"])),
            None
        );
        assert_eq!(data(exec(&[]).without("env")), None);
    }

    #[test]
    fn writing_the_preload_file_is_reported() {
        let open = |path: &str, flags: i64| {
            TestEvent::new("security_file_open")
                .set("pathname", path)
                .set("flags", flags)
        };
        assert_eq!(data(open("/etc/ld.so.preload", 1)), Some(Vec::new()));
        assert_eq!(data(open("/mnt/etc/ld.so.preload", 2)), Some(Vec::new()));
        assert_eq!(data(open("/etc/ld.so.preload", 0)), None);
        assert_eq!(data(open("/etc/ld.so.conf", 1)), None);
        let rename = |path: &str| TestEvent::new("security_inode_rename").set("new_path", path);
        assert_eq!(data(rename("/etc/ld.so.preload")), Some(Vec::new()));
        assert_eq!(data(rename("/etc/ld.so.preload.bak")), None);
    }

    #[test]
    fn without_environments_it_runs_and_says_so() {
        let built = EngineBuilder::new().detector(LdPreload).build();
        assert!(built.refusals.is_empty());
        let reasons: Vec<_> = built.warnings.iter().map(|warning| &warning.reason).collect();
        let name = "environment".to_owned();
        assert_eq!(reasons, [&Reason::Enrichment { name }]);
        assert_eq!(
            built.warnings[0].to_string(),
            "detector TRC-107: enrichment environment: the events were recorded without enrichment environment; \
             turn it on when recording"
        );
    }
}
