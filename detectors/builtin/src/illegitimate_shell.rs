//! TRC-1016: a web server became a shell.

use detectors_api::prelude::*;

/// Shells, by the name of the thread.
const SHELLS: [&str; 8] = ["ash", "bash", "csh", "ksh", "sh", "tcsh", "zsh", "dash"];

/// Web servers, by the name of the thread, of which the kernel keeps 15 bytes.
const SERVERS: [&str; 7] = [
    "nginx",
    "httpd",
    "httpd-foregroun",
    "http-nio",
    "lighttpd",
    "apache",
    "apache2",
];

struct IllegitimateShell;

register!(IllegitimateShell);

impl EventDetector for IllegitimateShell {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1016", "illegitimate_shell")
            .event_id(7514)
            .describe("A web server executed a shell")
            .on(EventRequirement::new("sched_process_exec")
                .data(format!("prev_comm={}", SERVERS.join(",")))
                .scope(format!("comm={}", SHELLS.join(","))))
            .threat(
                Threat::medium("Web server spawned a shell")
                    .describe(
                        "A process of a web server turned into a shell. Web servers hardly ever need one; attackers \
                         who found a hole in what they serve do.",
                    )
                    .tactic("Initial Access")
                    .technique("T1190", "Exploit Public-Facing Application")
                    .property("Category", "initial-access"),
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

    fn becomes(before: &str, after: &str) -> TestEvent {
        TestEvent::new("sched_process_exec")
            .set("prev_comm", before)
            .comm(after)
    }

    #[test]
    fn every_server_that_becomes_a_shell_is_detected() {
        for server in SERVERS {
            for shell in SHELLS {
                assert!(
                    fires(IllegitimateShell, becomes(server, shell)),
                    "{server} {shell}"
                );
            }
            for other in ["php", "bash5", "fish", "SH", ""] {
                assert!(
                    !fires(IllegitimateShell, becomes(server, other)),
                    "{server} {other}"
                );
            }
        }
        for other in ["sshd", "nginx2", "http-nio-8080-e", "httpd-foreground", ""] {
            assert!(!fires(IllegitimateShell, becomes(other, "sh")), "{other}");
        }
    }

    #[test]
    fn without_the_former_name_nothing_is_said() {
        let event = becomes("nginx", "sh");
        assert!(!fires(IllegitimateShell, event.clone().without("prev_comm")));
        let bytes = event.set_exactly("prev_comm", Value::Bytes(b"nginx".to_vec()));
        assert!(!fires(IllegitimateShell, bytes));
    }
}
