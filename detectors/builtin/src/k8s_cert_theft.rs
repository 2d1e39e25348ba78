//! TRC-1018: a key or certificate of Kubernetes was read or moved.

use detectors_api::prelude::*;

use crate::flags::is_read;
use crate::path::program;

/// The programs that the keys and certificates are for.
const OWNERS: [&str; 4] = ["kube-apiserver", "kubelet", "kube-controller", "etcd"];

struct K8sCertTheft;

register!(K8sCertTheft);

impl EventDetector for K8sCertTheft {
    fn definition(&self) -> DetectorDefinition {
        DetectorDefinition::new("TRC-1018", "k8s_cert_theft")
            .event_id(7518)
            .describe("A key or certificate of Kubernetes was read or moved")
            .on(EventRequirement::new("security_file_open").data("pathname=/etc/kubernetes/pki/*"))
            .on(EventRequirement::new("security_inode_rename").data("old_path=/etc/kubernetes/pki/*"))
            .store(StoreRequirement::optional(Store::Process))
            .threat(
                Threat::high("K8s TLS certificate theft detected")
                    .describe(
                        "A program that is no part of Kubernetes read or moved the keys that its parts trust each \
                         other by. Whoever has them can speak for the control plane.",
                    )
                    .tactic("Credential Access")
                    .technique("T1528", "Steal Application Access Token")
                    .property("Category", "credential-access"),
            )
            .auto_populate(AutoPopulate::ALL)
    }

    fn on_event(&self, event: &Event<'_>, cx: &Context<'_>) -> Result<Outputs> {
        let stolen = match event.name() {
            "security_file_open" => {
                event.get::<i64>("flags").is_some_and(is_read) && !OWNERS.contains(&program(event, cx))
            }
            _ => true,
        };
        Ok(stolen.then(Output::new).into())
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::proto::event_value::Value;
    use detectors_engine::testkit::detect;

    use super::*;
    use crate::testing::{exec, fires, open, rename};

    const KEY: &str = "/etc/kubernetes/pki/ca.key";

    #[test]
    fn reading_is_detected_unless_an_owner_does_it() {
        for (flags, detected) in [(0, true), (1, false), (2, true), (3, false)] {
            assert_eq!(fires(K8sCertTheft, open(KEY, flags)), detected, "{flags}");
        }
        assert!(fires(K8sCertTheft, open("/etc/kubernetes/pki/etcd/peer.key", 0)));
        for path in ["/etc/kubernetes/admin.conf", "/mnt/etc/kubernetes/pki/ca.key", ""] {
            assert!(!fires(K8sCertTheft, open(path, 0)), "{path}");
        }
        for owner in OWNERS {
            let event = open(KEY, 0).exe(&format!("/usr/local/bin/{owner}"));
            assert!(!fires(K8sCertTheft, event), "{owner}");
        }
        for path in ["/usr/bin/cat", "/tmp/etcd/cat", "/usr/bin/etcd2"] {
            assert!(fires(K8sCertTheft, open(KEY, 0).exe(path)), "{path}");
        }
    }

    #[test]
    fn moving_is_detected_whoever_does_it() {
        assert!(fires(K8sCertTheft, rename(KEY, "/tmp/x")));
        assert!(fires(K8sCertTheft, rename(KEY, "/tmp/x").exe("/usr/bin/etcd")));
        assert!(!fires(K8sCertTheft, rename("/tmp/x", KEY)));
    }

    #[test]
    fn without_path_or_flags_nothing_is_said() {
        assert!(!fires(K8sCertTheft, open(KEY, 0).without("pathname")));
        assert!(!fires(K8sCertTheft, open(KEY, 0).without("flags")));
        let text = open(KEY, 0).set_exactly("flags", Value::from("0"));
        assert!(!fires(K8sCertTheft, text));
        assert!(!fires(K8sCertTheft, rename(KEY, "/tmp/x").without("old_path")));
    }

    #[test]
    fn the_process_store_knows_owners_whose_path_the_event_does_not_tell() {
        let owner = detect(K8sCertTheft, &[exec("/usr/bin/etcd"), open(KEY, 0)]);
        assert!(owner.is_empty(), "{owner:?}");
        assert_eq!(
            detect(K8sCertTheft, &[exec("/usr/bin/cat"), open(KEY, 0)]).len(),
            1
        );
    }
}
