//! What Kubernetes writes on containers.

use std::collections::HashMap;

use detectors_stores::container::Pod;

const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_UID: &str = "io.kubernetes.pod.uid";
/// Label of a container's name in its pod.
pub(crate) const CONTAINER_NAME: &str = "io.kubernetes.container.name";

/// The pod that labels speak of. A sandbox has `sandbox` as the value of `sandbox_mark`.
pub(crate) fn pod(labels: &HashMap<String, String>, sandbox_mark: Option<&String>) -> Option<Pod> {
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    Pod {
        name: label(POD_NAME),
        uid: label(POD_UID),
        namespace: label(POD_NAMESPACE),
        sandbox: sandbox_mark.is_some_and(|mark| mark == "sandbox"),
    }
    .or_none()
}
