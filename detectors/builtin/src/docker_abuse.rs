//! TRC-1019: a container used the socket of Docker's engine.

use detectors_api::prelude::*;

use crate::flags::is_write;

/// How the path of the socket ends.
const SOCKET: &str = "docker.sock";

struct DockerAbuse;

register!(DockerAbuse);

impl EventDetector for DockerAbuse {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1019", "docker_abuse")
            .event_id(7507)
            .describe("A container opened the socket of Docker's engine for writing, or connected to it")
            .on(EventRequirement::new("security_file_open")
                .data(format!("pathname=*{SOCKET}"))
                .scope("container=started"))
            .on(EventRequirement::new("security_socket_connect").scope("container=started"))
            .threat(
                Threat::medium("Docker socket abuse detected")
                    .describe(
                        "A container can give orders to Docker's engine. One order is enough to start a container \
                         that owns the host.",
                    )
                    .tactic("Privilege Escalation")
                    .technique("T1068", "Exploitation for Privilege Escalation")
                    .property("Category", "privilege-escalation"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let used = match event.name() {
            "security_file_open" => event.get::<i64>("flags").is_some_and(is_write),
            _ => event
                .get::<SockAddrRef<'_>>("remote_addr")
                .is_some_and(|peer| peer.is_unix() && peer.address.ends_with(SOCKET)),
        };
        Ok(used.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::SockAddr;
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;

    use super::*;
    use crate::testing::{fires, open};

    const PATH: &str = "/var/run/docker.sock";

    fn connect(peer: SockAddr) -> TestEvent {
        TestEvent::new("security_socket_connect").set("remote_addr", peer)
    }

    fn unix(path: &str) -> SockAddr {
        SockAddr {
            sa_family: 1,
            sun_path: path.to_owned(),
            ..SockAddr::default()
        }
    }

    #[test]
    fn connecting_in_a_container_is_detected() {
        for path in [PATH, "/host/run/docker.sock", "/tmp/mydocker.sock"] {
            let event = connect(unix(path));
            assert!(fires(DockerAbuse, event.clone().container("c1", true)), "{path}");
            assert!(!fires(DockerAbuse, event.clone()), "{path} on the host");
            let starting = event.container("c1", false);
            assert!(!fires(DockerAbuse, starting), "{path} before the entry point");
        }
        let inet = SockAddr {
            sa_family: 2,
            sin_addr: "docker.sock".to_owned(),
            sun_path: PATH.to_owned(),
            ..SockAddr::default()
        };
        for peer in [unix("/run/docker.sock.1"), unix("/run/log.sock"), unix(""), inet] {
            let event = connect(peer).container("c1", true);
            assert!(!fires(DockerAbuse, event.clone()), "{event:?}");
        }
        let event = connect(unix(PATH)).container("c1", true);
        assert!(!fires(DockerAbuse, event.clone().without("remote_addr")));
        assert!(!fires(
            DockerAbuse,
            event.set_exactly("remote_addr", Value::from(PATH))
        ));
    }

    #[test]
    fn opening_for_writing_in_a_container_is_detected() {
        for (flags, detected) in [(0, false), (1, true), (2, true), (3, false)] {
            let event = open(PATH, flags).container("c1", true);
            assert_eq!(fires(DockerAbuse, event), detected, "{flags}");
        }
        assert!(!fires(DockerAbuse, open(PATH, 1)), "on the host");
        let event = open(PATH, 1).container("c1", true);
        assert!(!fires(
            DockerAbuse,
            event.clone().set("pathname", "/run/docker.sock.1")
        ));
        assert!(!fires(DockerAbuse, event.clone().without("pathname")));
        assert!(!fires(DockerAbuse, event.clone().without("flags")));
        assert!(!fires(DockerAbuse, event.set_exactly("flags", Value::from("1"))));
    }
}
