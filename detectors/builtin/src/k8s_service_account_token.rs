//! TRC-108: the token of a Kubernetes service account was read in a container.

use detectors_api::prelude::*;

use crate::flags::is_read;
use crate::path::program;

/// The programs that work with their token, by the name of their file.
const EXEMPT: [&str; 7] = [
    "flanneld",
    "kube-proxy",
    "etcd",
    "kube-apiserver",
    "coredns",
    "kube-controller",
    "kubectl",
];

struct K8sServiceAccountToken;

register!(K8sServiceAccountToken);

impl EventDetector for K8sServiceAccountToken {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-108", "k8s_service_account_token")
            .event_id(7515)
            .describe("The token of a Kubernetes service account was read in a container")
            .on(EventRequirement::new("security_file_open")
                .data("pathname=*secrets/kubernetes.io/serviceaccount/*token")
                .scope("container=started"))
            .store(StoreRequirement::optional(Store::Process))
            .threat(
                Threat::info("K8s service account token file read")
                    .describe(
                        "A program in a pod read the token by which the pod is known to the Kubernetes API. Many do \
                         so in good faith; so does everyone who wants to go on from that pod.",
                    )
                    .tactic("Credential Access")
                    .technique("T1212", "Exploitation for Credential Access")
                    .property("Category", "credential-access")
                    .property("Kubernetes_Technique", "Container service account"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        let stolen = event.get::<i64>("flags").is_some_and(is_read) && !EXEMPT.contains(&program(event, cx));
        Ok(stolen.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_api::testkit::TestEvent;

    use super::*;
    use crate::testing::{fires, open};

    const TOKEN: &str = "/run/secrets/kubernetes.io/serviceaccount/token";

    fn read(path: &str) -> TestEvent {
        open(path, 0).container("c1", true)
    }

    #[test]
    fn reading_in_a_container_is_detected() {
        for (flags, detected) in [(0, true), (1, false), (2, true), (3, false)] {
            let event = open(TOKEN, flags).container("c1", true);
            assert_eq!(fires(K8sServiceAccountToken, event), detected, "{flags}");
        }
        assert!(!fires(K8sServiceAccountToken, open(TOKEN, 0)), "on the host");
        let starting = open(TOKEN, 0).container("c1", false);
        assert!(!fires(K8sServiceAccountToken, starting), "before the entry point");
    }

    #[test]
    fn a_token_is_one_wherever_it_is_mounted() {
        for (path, detected) in [
            (
                "/run/secrets/kubernetes.io/serviceaccount/..2026_01_01/token",
                true,
            ),
            ("/x/secrets/kubernetes.io/serviceaccount/my-token", true),
            ("/x/secrets/kubernetes.io/serviceaccount/a\nb/token", true),
            ("/run/secrets/kubernetes.io/serviceaccount/ca.crt", false),
            ("/run/secrets/kubernetes.io/serviceaccount/token2", false),
            ("/run/secrets/kubernetes-io/serviceaccount/token", false),
            ("/run/secrets/token", false),
            ("", false),
        ] {
            assert_eq!(fires(K8sServiceAccountToken, read(path)), detected, "{path:?}");
        }
    }

    #[test]
    fn programs_that_need_their_token_may_read_it() {
        for name in EXEMPT {
            let event = read(TOKEN).exe(&format!("/usr/bin/{name}"));
            assert!(!fires(K8sServiceAccountToken, event), "{name}");
        }
        for path in ["/usr/bin/cat", "/tmp/kubectl/cat", "/usr/bin/kubectl2", ""] {
            assert!(fires(K8sServiceAccountToken, read(TOKEN).exe(path)), "{path}");
        }
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        assert!(!fires(K8sServiceAccountToken, read(TOKEN).without("pathname")));
        assert!(!fires(K8sServiceAccountToken, read(TOKEN).without("flags")));
        let text = read(TOKEN).set_exactly("flags", Value::from("0"));
        assert!(!fires(K8sServiceAccountToken, text));
    }
}
