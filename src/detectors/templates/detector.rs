//! ACME-001: a program read the password hashes.
//!
//! To make it one of the built-in detectors, put this file into `detectors/builtin/src/` and name it in `lib.rs`
//! (`mod password_hashes_read;`); `cargo test -p detectors-builtin password_hashes_read` runs its tests. Any other crate that depends on `detectors-api`,
//! and on `detectors-engine` for the tests, does as well, if the program links it.

use detectors_api::prelude::*;

/// Programs that check passwords.
const CHECKERS: [&str; 5] = ["sshd", "su", "sudo", "login", "unix_chkpwd"];

struct PasswordHashesRead;

// From here on every engine of this program knows it.
register!(PasswordHashesRead);

impl EventDetector for PasswordHashesRead {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("ACME-001", "password_hashes_read")
            .describe("A program read the password hashes")
            .tag("credentials")
            .field("path", FieldType::String)
            .field("program", FieldType::String)
            // Filters run over columns of many events at once: put into them whatever they can say.
            .on(EventRequirement::new("security_file_open")
                .data("pathname=/etc/shadow")
                .data("pathname=/etc/gshadow"))
            .threat(
                Threat::medium("Password hashes read")
                    .describe("A program that does not check passwords read their hashes. They can be cracked elsewhere.")
                    .tactic("Credential Access")
                    .technique("T1003", "OS Credential Dumping"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    // Called for events that pass the filters, for many at once. Stores are asked through `cx`, as of the event. What has
    // to be remembered between events is a matter for a `StatefulDetector`.
    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let program = event.thread().name();
        let path = event
            .get::<&str>("pathname")
            .filter(|_| !CHECKERS.contains(&program));
        Ok(path
            .map(|path| Output::new().with("path", path).with("program", program))
            .into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;

    use super::*;

    fn opened(path: &str, program: &str) -> usize {
        let event = TestEvent::new("security_file_open")
            .set("pathname", path)
            .comm(program);
        detect(PasswordHashesRead, &[event]).len()
    }

    #[test]
    fn whoever_checks_passwords_may_read_them() {
        assert_eq!(opened("/etc/shadow", "cat"), 1);
        assert_eq!(opened("/etc/gshadow", "cat"), 1);
        assert_eq!(opened("/etc/shadow", "sshd"), 0);
        assert_eq!(opened("/etc/passwd", "cat"), 0);
    }
}
