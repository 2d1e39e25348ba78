//! TRC-1027: what runs at certain times was changed.

use detectors_api::prelude::*;

use crate::exec::starts;
use crate::flags::is_write;

/// Where it is set down what runs when, and for whom.
const TABLES: [&str; 11] = [
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.deny",
    "/etc/cron.allow",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/etc/cron.d/*",
    "/var/spool/cron/crontabs/*",
    "/var/spool/anacron/*",
];

/// What sets it down.
const PROGRAMS: [&str; 4] = ["crontab", "at", "batch", "launchd"];

struct ScheduledTaskMod;

register!(ScheduledTaskMod);

impl EventDetector for ScheduledTaskMod {
    fn definition(&self) -> DetectorDefinition {
        let tables = TABLES.join(",");
        DetectorDefinition::new("TRC-1027", "scheduled_task_mod")
            .event_id(7528)
            .describe("What runs at certain times was changed")
            .on(EventRequirement::new("security_file_open").data(format!("pathname={tables}")))
            .on(EventRequirement::new("security_inode_rename").data(format!("new_path={tables}")))
            .on(EventRequirement::new("sched_process_exec"))
            .threat(
                Threat::medium("Scheduled tasks modification detected")
                    .describe(
                        "A table of scheduled tasks was written or replaced, or a program that schedules tasks was \
                         started. A task of the attacker's comes back by itself for as long as it is there.",
                    )
                    .tactic("Persistence")
                    .technique("T1053.003", "Cron")
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
    fn writing_or_replacing_a_table_is_detected() {
        for path in [
            "/etc/crontab",
            "/etc/anacrontab",
            "/etc/cron.deny",
            "/etc/cron.allow",
            "/etc/cron.hourly/x",
            "/etc/cron.daily/x",
            "/etc/cron.weekly/x",
            "/etc/cron.monthly/x",
            "/etc/cron.d/x",
            "/var/spool/cron/crontabs/root",
            "/var/spool/anacron/cron.daily",
        ] {
            assert!(fires(ScheduledTaskMod, open(path, 1)), "{path}");
            assert!(fires(ScheduledTaskMod, open(path, 2)), "{path}");
            assert!(!fires(ScheduledTaskMod, open(path, 0)), "{path}");
            assert!(fires(ScheduledTaskMod, rename("/tmp/x", path)), "{path}");
            assert!(!fires(ScheduledTaskMod, rename(path, "/tmp/x")), "{path}");
        }
        for path in [
            "/etc/crontab.bak",
            "/etc/cron.d",
            "/home/me/etc/crontab",
            "var/spool/anacron/x",
            "",
        ] {
            assert!(!fires(ScheduledTaskMod, open(path, 1)), "{path}");
            assert!(!fires(ScheduledTaskMod, rename("/tmp/x", path)), "{path}");
        }
    }

    #[test]
    fn programs_that_schedule_are_detected_though_an_interpreter_runs() {
        for program in [
            "/usr/bin/crontab",
            "/usr/bin/at",
            "/usr/bin/batch",
            "/sbin/launchd",
        ] {
            assert!(fires(ScheduledTaskMod, exec(program)), "{program}");
            let script = exec("/usr/bin/dash").set("cmdpath", program);
            assert!(fires(ScheduledTaskMod, script), "{program}");
        }
        for program in [
            "/usr/bin/atq",
            "/usr/bin/cat",
            "/usr/sbin/cron",
            "/usr/bin/at/x",
            "",
        ] {
            assert!(!fires(ScheduledTaskMod, exec(program)), "{program}");
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/etc/crontab", 1);
        assert!(!fires(ScheduledTaskMod, event.clone().without("pathname")));
        assert!(!fires(ScheduledTaskMod, event.clone().without("flags")));
        assert!(!fires(
            ScheduledTaskMod,
            event.set_exactly("flags", Value::from("1"))
        ));
        let unnamed = rename("/tmp/x", "/etc/crontab").without("new_path");
        assert!(!fires(ScheduledTaskMod, unnamed));
    }
}
