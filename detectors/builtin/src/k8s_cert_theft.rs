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
    use detectors_api::testkit::TestEvent;
    use detectors_engine::testkit::detect;

    use super::*;

    fn open(path: &str, flags: i64) -> TestEvent {
        TestEvent::new("security_file_open")
            .set("pathname", path)
            .set("flags", flags)
    }

    fn detected(event: TestEvent) -> bool {
        !detect(K8sCertTheft, &[event]).is_empty()
    }

    #[test]
    fn reading_is_detected_unless_the_owner_does_it() {
        let key = "/etc/kubernetes/pki/ca.key";
        assert!(detected(open(key, 0)));
        assert!(detected(open("/etc/kubernetes/pki/etcd/peer.key", 2)));
        assert!(detected(open(key, 0).exe("/usr/bin/cat")));
        assert!(detected(open(key, 0).exe("/tmp/etcd/cat")));
        for event in [
            open(key, 1),
            open("/etc/kubernetes/admin.conf", 0),
            open("/mnt/etc/kubernetes/pki/ca.key", 0),
            open(key, 0).exe("/usr/local/bin/etcd"),
            open(key, 0).exe("/usr/bin/kubelet"),
            open(key, 0).without("flags"),
            open(key, 0).without("pathname"),
            open(key, 0).set_exactly("flags", Value::from("0")),
        ] {
            assert!(!detected(event.clone()), "{event:?}");
        }
    }

    #[test]
    fn moving_is_detected_whoever_does_it() {
        let rename = |from: &str, to: &str| {
            TestEvent::new("security_inode_rename")
                .set("old_path", from)
                .set("new_path", to)
        };
        assert!(detected(rename("/etc/kubernetes/pki/ca.key", "/tmp/x")));
        assert!(detected(
            rename("/etc/kubernetes/pki/ca.key", "/tmp/x").exe("/usr/bin/etcd")
        ));
        assert!(!detected(rename("/tmp/x", "/etc/kubernetes/pki/ca.key")));
    }

    #[test]
    fn the_process_store_knows_owners_whose_path_the_event_does_not_tell() {
        let exec = |path: &str| TestEvent::new("sched_process_exec").set("pathname", path);
        let read = || open("/etc/kubernetes/pki/ca.key", 0);
        let owner = detect(K8sCertTheft, &[exec("/usr/bin/etcd"), read()]);
        assert!(owner.is_empty(), "{owner:?}");
        assert_eq!(detect(K8sCertTheft, &[exec("/usr/bin/cat"), read()]).len(), 1);
    }
}
