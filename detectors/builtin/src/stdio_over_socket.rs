//! TRC-101: standard input, output or error of a process is a network connection, as in a reverse shell.

use detectors_api::prelude::*;

struct StdioOverSocket;

register!(StdioOverSocket);

impl EventDetector for StdioOverSocket {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-101", "stdio_over_socket")
            .event_id(7529)
            .version(Version::new(2, 0, 0))
            .describe("Standard input, output or error of a process is a network connection")
            .field("IP address", FieldType::String)
            .field("Port", FieldType::String)
            .field("File descriptor", FieldType::Int32)
            .on(EventRequirement::new("security_socket_connect").data("sockfd>=0").data("sockfd<=2"))
            .on(EventRequirement::new("socket_dup").data("newfd>=0").data("newfd<=2"))
            .threat(
                Threat::high("Process standard input/output over socket detected")
                    .describe(
                        "A process reads its input from, or writes its output to, a network peer. That is how a reverse \
                         shell hands control to someone elsewhere.",
                    )
                    .tactic("Execution")
                    .technique("T1059.004", "Unix Shell")
                    .property("Category", "execution"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, _cx: &Context<'_>) -> Result<Outputs> {
        let descriptor = match event.name() {
            "security_socket_connect" => event.get::<i32>("sockfd"),
            _ => event.get::<i32>("newfd"),
        };
        let peer = event
            .get::<SockAddrRef<'_>>("remote_addr")
            .filter(|peer| peer.is_inet() && peer.port != 0);
        let (Some(descriptor @ 0..=2), Some(peer)) = (descriptor, peer) else {
            return Ok(Outputs::none());
        };
        Ok(Output::new()
            .with("IP address", peer.address)
            .with("Port", peer.port.to_string())
            .with("File descriptor", descriptor)
            .into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::SockAddr;
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;

    use super::*;

    fn peer(family: i32, address: &str, port: u32) -> SockAddr {
        let address = address.to_owned();
        match family {
            1 => SockAddr {
                sa_family: family,
                sun_path: address,
                ..SockAddr::default()
            },
            10 => SockAddr {
                sa_family: family,
                sin6_addr: address,
                sin6_port: port,
                ..SockAddr::default()
            },
            _ => SockAddr {
                sa_family: family,
                sin_addr: address,
                sin_port: port,
                ..SockAddr::default()
            },
        }
    }

    fn connect(descriptor: i32, peer: SockAddr) -> TestEvent {
        TestEvent::new("security_socket_connect")
            .set("sockfd", descriptor)
            .set("remote_addr", peer)
    }

    fn dup(descriptor: i32, peer: SockAddr) -> TestEvent {
        TestEvent::new("socket_dup")
            .set("oldfd", 3)
            .set("newfd", descriptor)
            .set("remote_addr", peer)
    }

    #[test]
    fn a_standard_descriptor_on_the_network_is_reported_with_its_peer() {
        let detections = detect(
            StdioOverSocket,
            &[
                connect(0, peer(2, "198.51.100.7", 4444)),
                dup(2, peer(10, "2001:db8::1", 443)),
            ],
        );
        let values: Vec<_> = detections
            .iter()
            .flat_map(|detection| &detection.event.data)
            .filter_map(|field| Some((field.name.as_str(), field.value.clone()?)))
            .collect();
        assert_eq!(
            values,
            [
                ("IP address", Value::from("198.51.100.7")),
                ("Port", Value::from("4444")),
                ("File descriptor", Value::Int32(0)),
                ("IP address", Value::from("2001:db8::1")),
                ("Port", Value::from("443")),
                ("File descriptor", Value::Int32(2)),
            ]
        );
    }

    #[test]
    fn all_else_is_not() {
        for event in [
            connect(3, peer(2, "198.51.100.7", 4444)),
            connect(-1, peer(2, "198.51.100.7", 4444)),
            connect(0, peer(2, "198.51.100.7", 0)),
            connect(0, peer(1, "/run/log.sock", 0)),
            connect(0, peer(0, "", 0)),
            connect(0, peer(2, "", 0)).without("remote_addr"),
            dup(5, peer(10, "2001:db8::1", 443)),
        ] {
            assert!(
                detect(StdioOverSocket, std::slice::from_ref(&event)).is_empty(),
                "{event:?}"
            );
        }
    }
}
