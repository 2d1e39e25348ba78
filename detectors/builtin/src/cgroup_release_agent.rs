//! TRC-1010: a container may have said what the kernel runs when a control group empties.

use detectors_api::prelude::*;

use crate::flags::is_write;
use crate::path::base;

/// The name of the files that say it.
const FILE: &str = "release_agent";

struct CgroupReleaseAgent;

register!(CgroupReleaseAgent);

impl EventDetector for CgroupReleaseAgent {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1010", "cgroup_release_agent")
            .event_id(7503)
            .describe("A container opened a release_agent file for writing, or put another file in its place")
            .on(EventRequirement::new("security_file_open")
                .data(format!("pathname=*{FILE}*"))
                .scope("container=started"))
            .on(EventRequirement::new("security_inode_rename")
                .data(format!("new_path=*{FILE}*"))
                .scope("container=started"))
            .threat(
                Threat::high("Cgroups release agent file modification")
                    .describe(
                        "A container may have chosen the program that the kernel runs when a control group empties. \
                         It runs on the host as root: whoever chooses it has left the container.",
                    )
                    .tactic("Privilege Escalation")
                    .technique("T1611", "Escape to Host")
                    .property("Category", "privilege-escalation"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let written = match event.name() {
            "security_file_open" if event.get::<i64>("flags").is_some_and(is_write) => "pathname",
            "security_file_open" => return Ok(Outputs::none()),
            _ => "new_path",
        };
        // The filters let pass whatever has the name somewhere.
        let agent = event.get::<&str>(written).is_some_and(|path| base(path) == FILE);
        Ok(agent.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;

    use super::*;
    use crate::testing::{fires, open, rename};

    const PATH: &str = "/sys/fs/cgroup/rdma/release_agent";

    #[test]
    fn writing_in_a_container_is_detected() {
        for (flags, detected) in [(0, false), (1, true), (2, true), (3, false)] {
            let event = open(PATH, flags).container("c1", true);
            assert_eq!(fires(CgroupReleaseAgent, event), detected, "{flags}");
        }
        assert!(!fires(CgroupReleaseAgent, open(PATH, 1)), "on the host");
        let starting = open(PATH, 1).container("c1", false);
        assert!(!fires(CgroupReleaseAgent, starting), "before the entry point");
    }

    #[test]
    fn replacing_in_a_container_is_detected() {
        assert!(fires(
            CgroupReleaseAgent,
            rename("/tmp/x", PATH).container("c1", true)
        ));
        assert!(!fires(CgroupReleaseAgent, rename("/tmp/x", PATH)), "on the host");
        assert!(!fires(
            CgroupReleaseAgent,
            rename(PATH, "/tmp/x").container("c1", true)
        ));
    }

    #[test]
    fn the_name_alone_counts() {
        for (path, detected) in [
            ("/release_agent", true),
            ("release_agent", true),
            ("/x/release_agent/", true),
            ("/release_agent/x", false),
            ("/x/release_agent2", false),
            ("/x/my_release_agent", false),
            ("", false),
        ] {
            let write = open(path, 1).container("c1", true);
            assert_eq!(fires(CgroupReleaseAgent, write), detected, "{path}");
            let rename = rename("/tmp/x", path).container("c1", true);
            assert_eq!(fires(CgroupReleaseAgent, rename), detected, "{path}");
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let write = open(PATH, 1).container("c1", true);
        assert!(!fires(CgroupReleaseAgent, write.clone().without("pathname")));
        assert!(!fires(CgroupReleaseAgent, write.clone().without("flags")));
        let text = write.set_exactly("flags", Value::from("1"));
        assert!(!fires(CgroupReleaseAgent, text));
        let nowhere = rename("/tmp/x", PATH).without("new_path").container("c1", true);
        assert!(!fires(CgroupReleaseAgent, nowhere));
    }
}
