//! TRC-1026: a script that runs when the system starts or stops was changed.

use detectors_api::prelude::*;

use crate::exec::starts;
use crate::flags::is_write;

/// Where these scripts lie.
const SCRIPTS: [&str; 11] = [
    "/etc/rc.local",
    "/etc/init.d/*",
    "/etc/rc.d/*",
    "/etc/rc1.d/*",
    "/etc/rc2.d/*",
    "/etc/rc3.d/*",
    "/etc/rc4.d/*",
    "/etc/rc5.d/*",
    "/etc/rc6.d/*",
    "/etc/rcs.d/*",
    "/etc/rcS.d/*",
];

/// What sets them up.
const PROGRAMS: [&str; 1] = ["update-rc.d"];

struct RcdModification;

register!(RcdModification);

impl EventDetector for RcdModification {
    fn definition(&self) -> DetectorDefinition {
        let scripts = SCRIPTS.join(",");
        DetectorDefinition::new("TRC-1026", "rcd_modification")
            .event_id(7526)
            .describe("A script that runs when the system starts or stops was changed")
            .on(EventRequirement::new("security_file_open").data(format!("pathname={scripts}")))
            .on(EventRequirement::new("security_inode_rename").data(format!("new_path={scripts}")))
            .on(EventRequirement::new("sched_process_exec"))
            .threat(
                Threat::medium("Rcd modification detected")
                    .describe(
                        "A script that the system runs by itself when it starts, stops or changes its run level was \
                         written, replaced or set up. What is put there is run again after every restart, as root.",
                    )
                    .tactic("Persistence")
                    .technique("T1037.004", "RC Scripts")
                    .property("Category", "persistence"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let changed = match event.name() {
            "security_file_open" => event.get::<i64>("flags").is_some_and(is_write),
            "sched_process_exec" => starts(event, &PROGRAMS),
            _ => true,
        };
        Ok(changed.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;

    use super::*;
    use crate::testing::{exec, fires, open, rename};

    #[test]
    fn writing_or_replacing_a_script_is_detected() {
        for path in [
            "/etc/rc.local",
            "/etc/init.d/rc.local",
            "/etc/init.d/ssh",
            "/etc/rc.d/rc.local",
            "/etc/rc.d/init.d/network",
            "/etc/rc1.d/K01x",
            "/etc/rc2.d/S01x",
            "/etc/rc3.d/S01x",
            "/etc/rc4.d/S01x",
            "/etc/rc5.d/S01x",
            "/etc/rc6.d/K01x",
            "/etc/rcs.d/S01x",
            "/etc/rcS.d/S01x",
        ] {
            assert!(fires(RcdModification, open(path, 1)), "{path}");
            assert!(fires(RcdModification, open(path, 2)), "{path}");
            assert!(!fires(RcdModification, open(path, 0)), "{path}");
            assert!(fires(RcdModification, rename("/tmp/x", path)), "{path}");
            assert!(!fires(RcdModification, rename(path, "/tmp/x")), "{path}");
        }
        for path in [
            "/etc/rc.local.bak",
            "/etc/init.d",
            "/etc/rc7.d/S01x",
            "/mnt/etc/rc.local",
            "",
        ] {
            assert!(!fires(RcdModification, open(path, 1)), "{path}");
            assert!(!fires(RcdModification, rename("/tmp/x", path)), "{path}");
        }
    }

    #[test]
    fn setting_scripts_up_is_detected_though_an_interpreter_runs() {
        assert!(fires(RcdModification, exec("/usr/sbin/update-rc.d")));
        let by_perl = exec("/usr/bin/perl").set("cmdpath", "/usr/sbin/update-rc.d");
        assert!(fires(RcdModification, by_perl));
        assert!(!fires(RcdModification, exec("/usr/bin/perl")));
        assert!(!fires(RcdModification, exec("/usr/sbin/update-rc.d/x")));
        // Tracee looks at the process, which may be all there is.
        let bare = exec("/usr/sbin/update-rc.d")
            .without("cmdpath")
            .without("pathname");
        assert!(fires(RcdModification, bare));
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/etc/rc.local", 1);
        assert!(!fires(RcdModification, event.clone().without("pathname")));
        assert!(!fires(RcdModification, event.clone().without("flags")));
        assert!(!fires(
            RcdModification,
            event.set_exactly("flags", Value::from("1"))
        ));
        let unnamed = rename("/tmp/x", "/etc/rc.local").without("new_path");
        assert!(!fires(RcdModification, unnamed));
    }
}
