//! TRC-1013: a container connected to the API of its Kubernetes cluster.

use std::net::IpAddr;

use detectors_api::prelude::*;

/// The variable that tells a container where the API is.
const VARIABLE: &str = "KUBERNETES_SERVICE_HOST=";

struct K8sApiConnection;

register!(Stateful(K8sApiConnection));

impl StatefulDetector for K8sApiConnection {
    /// Where the API is, as the container's programs were last told.
    type State = Option<IpAddr>;
    const REACH: Reach = Reach::PerContainer;

    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1013", "k8s_api_connection")
            .event_id(7517)
            .version(Version::new(0, 1, 0))
            .describe("A container connected to the API of its Kubernetes cluster")
            .field("ip", FieldType::String)
            .on(EventRequirement::new("sched_process_exec").scope("container=started"))
            .on(EventRequirement::new("security_socket_connect").scope("container=started"))
            // Without it nobody says where the API is.
            .enrichment(EnrichmentRequirement::required("environment"))
            .threat(
                Threat::low("Kubernetes API server connection detected")
                    .describe(
                        "A program in a container connected to the cluster's API server. Few workloads need to; an \
                         attacker who got into one asks there what else runs and what the workload may do.",
                    )
                    .tactic("Discovery")
                    .technique("T1526", "Cloud Service Discovery")
                    .property("Category", "discovery")
                    .property("MITRE ATT&CK", "Discovery: Cloud Service Discovery"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, api: &mut Option<IpAddr>, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        if event.name() == "sched_process_exec" {
            let environment = event.get::<TextList<'_>>("env");
            let host = environment
                .as_ref()
                .and_then(|environment| environment.iter().find_map(|entry| entry.strip_prefix(VARIABLE)))
                .map_or("", str::trim);
            match address(host) {
                Some(address) => *api = Some(address),
                None if host.is_empty() => {}
                None => cx.warn(format_args!(
                    "the API server is said to be at `{host}`, which is no address: connections to it are not recognised"
                )),
            }
            return Ok(Outputs::none());
        }
        let peer = event
            .get::<SockAddrRef<'_>>("remote_addr")
            .filter(SockAddrRef::is_inet)
            .and_then(|peer| address(peer.address));
        let connected = peer.filter(|peer| *api == Some(*peer));
        Ok(connected
            .map(|address| Output::new().with("ip", address.to_string()))
            .into())
    }
}

/// The address that `text` stands for. There are several ways to write one, and two to reach an IPv4 one.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::SockAddr;
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;
    use detectors_engine::{EngineBuilder, Reason};

    use super::*;

    fn exec(environment: &[&str]) -> TestEvent {
        let environment: Vec<_> = environment.iter().map(|&entry| entry.to_owned()).collect();
        TestEvent::new("sched_process_exec")
            .set("env", environment)
            .container("c1", true)
    }

    fn connect(address: &str) -> TestEvent {
        let peer = if address.contains(':') {
            SockAddr {
                sa_family: 10,
                sin6_addr: address.to_owned(),
                sin6_port: 443,
                ..SockAddr::default()
            }
        } else {
            SockAddr {
                sa_family: 2,
                sin_addr: address.to_owned(),
                sin_port: 443,
                ..SockAddr::default()
            }
        };
        TestEvent::new("security_socket_connect")
            .set("remote_addr", peer)
            .container("c1", true)
    }

    /// The numbers of the events that are reported, each with the address.
    fn found(events: &[TestEvent]) -> Vec<(u64, String)> {
        detect(Stateful(K8sApiConnection), events)
            .into_iter()
            .map(|detection| match detection.event.data.as_slice() {
                [field] if field.name == "ip" => match &field.value {
                    Some(Value::Str(ip)) => (detection.seq, ip.clone()),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn connections_to_the_address_that_the_container_was_told_are_reported() {
        let told = exec(&["HOME=/", "KUBERNETES_SERVICE_HOST= 10.96.0.1 "]);
        let events = [
            connect("10.96.0.1"),
            told,
            connect("10.96.0.1"),
            connect("10.96.0.2"),
            exec(&["HOME=/"]),
            connect("10.96.0.1"),
            exec(&["KUBERNETES_SERVICE_HOST="]),
            connect("10.96.0.1"),
            exec(&["KUBERNETES_SERVICE_HOST=10.96.0.2"]),
            connect("10.96.0.1"),
            connect("10.96.0.2"),
        ];
        let ip = |last| format!("10.96.0.{last}");
        assert_eq!(found(&events), [(3, ip(1)), (6, ip(1)), (8, ip(1)), (11, ip(2))]);
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        let events = [
            exec(&["KUBERNETES_SERVICE_HOST=FD00:0:0::1"]),
            connect("fd00::1"),
            exec(&["KUBERNETES_SERVICE_HOST=10.96.0.1"]),
            connect("::ffff:10.96.0.1"),
            connect("::10.96.0.1"),
        ];
        let expected = [(2, "fd00::1".to_owned()), (4, "10.96.0.1".to_owned())];
        assert_eq!(found(&events), expected);
    }

    #[test]
    fn only_the_variable_itself_tells_the_address() {
        for environment in [
            "MY_KUBERNETES_SERVICE_HOST=10.96.0.1",
            "HINT=KUBERNETES_SERVICE_HOST=10.96.0.1",
            "KUBERNETES_SERVICE_HOST",
            "KUBERNETES_SERVICE_HOST=api.example",
        ] {
            let events = [exec(&[environment]), connect("10.96.0.1")];
            assert_eq!(found(&events), [], "{environment}");
        }
    }

    #[test]
    fn what_one_container_was_told_says_nothing_about_others() {
        let told = exec(&["KUBERNETES_SERVICE_HOST=10.96.0.1"]);
        let other = connect("10.96.0.1").container("c2", true);
        assert_eq!(found(&[told.clone(), other]), []);
        let starting = told.clone().container("c1", false);
        assert_eq!(found(&[starting, connect("10.96.0.1")]), []);
        let starting = connect("10.96.0.1").container("c1", false);
        assert_eq!(found(&[told.clone(), starting]), []);
        let host = |event: TestEvent| event.container("", true);
        assert_eq!(found(&[host(told), host(connect("10.96.0.1"))]), []);
    }

    #[test]
    fn without_an_address_nothing_is_said() {
        let told = exec(&["KUBERNETES_SERVICE_HOST=10.96.0.1"]);
        let local = SockAddr {
            sa_family: 1,
            sun_path: "10.96.0.1".to_owned(),
            ..SockAddr::default()
        };
        for event in [
            connect("").set("remote_addr", local),
            connect("").set("remote_addr", SockAddr::default()),
            connect("10.96.0.1").without("remote_addr"),
            connect("10.96.0.1").set_exactly("remote_addr", Value::from("10.96.0.1")),
        ] {
            assert_eq!(found(&[told.clone(), event.clone()]), [], "{event:?}");
        }
        for event in [
            told.clone().without("env"),
            told.set_exactly("env", Value::from("KUBERNETES_SERVICE_HOST=10.96.0.1")),
        ] {
            assert_eq!(found(&[event.clone(), connect("10.96.0.1")]), [], "{event:?}");
        }
    }

    #[test]
    fn without_environments_it_is_refused() {
        let built = EngineBuilder::new().detector(Stateful(K8sApiConnection)).build();
        let reasons: Vec<_> = built.refusals.iter().map(|refusal| &refusal.reason).collect();
        let name = "environment".to_owned();
        assert_eq!(reasons, [&Reason::Enrichment { name }]);
    }
}
