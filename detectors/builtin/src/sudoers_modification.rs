//! TRC-1028: who may act as root was changed.

use detectors_api::prelude::*;

use crate::flags::is_write;

/// The files that decide it.
const FILES: [&str; 4] = [
    "/etc/sudoers",
    "/private/etc/sudoers",
    "/etc/sudoers.d/*",
    "/private/etc/sudoers.d/*",
];

struct SudoersModification;

register!(SudoersModification);

impl EventDetector for SudoersModification {
    fn definition(&self) -> DetectorDefinition {
        let files = FILES.join(",");
        DetectorDefinition::new("TRC-1028", "sudoers_modification")
            .event_id(7530)
            .describe("A file that decides who may act as root was changed")
            .on(EventRequirement::new("security_file_open").data(format!("pathname={files}")))
            .on(EventRequirement::new("security_inode_rename").data(format!("new_path={files}")))
            .threat(
                Threat::medium("Sudoers file modification detected")
                    .describe(
                        "A file of sudo's settings was written or replaced. One line in it is enough for a user to \
                         become root whenever they like.",
                    )
                    .tactic("Privilege Escalation")
                    .technique("T1548.003", "Sudo and Sudo Caching")
                    .property("Category", "privilege-escalation"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let changed = match event.name() {
            "security_file_open" => event.get::<i64>("flags").is_some_and(is_write),
            _ => true,
        };
        Ok(changed.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;

    use super::*;
    use crate::testing::{fires, open, rename};

    #[test]
    fn writing_or_replacing_the_settings_of_sudo_is_detected() {
        for path in [
            "/etc/sudoers",
            "/private/etc/sudoers",
            "/etc/sudoers.d/me",
            "/private/etc/sudoers.d/me",
        ] {
            assert!(fires(SudoersModification, open(path, 1)), "{path}");
            assert!(fires(SudoersModification, open(path, 2)), "{path}");
            assert!(!fires(SudoersModification, open(path, 0)), "{path}");
            assert!(fires(SudoersModification, rename("/tmp/x", path)), "{path}");
            assert!(!fires(SudoersModification, rename(path, "/tmp/x")), "{path}");
        }
        for path in ["/etc/sudoers.tmp", "/etc/sudo.conf", "/mnt/etc/sudoers", ""] {
            assert!(!fires(SudoersModification, open(path, 1)), "{path}");
            assert!(!fires(SudoersModification, rename("/tmp/x", path)), "{path}");
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        let event = open("/etc/sudoers", 1);
        assert!(!fires(SudoersModification, event.clone().without("pathname")));
        assert!(!fires(SudoersModification, event.clone().without("flags")));
        assert!(!fires(
            SudoersModification,
            event.set_exactly("flags", Value::from("1"))
        ));
        let unnamed = rename("/tmp/x", "/etc/sudoers").without("new_path");
        assert!(!fires(SudoersModification, unnamed));
    }
}
