//! `tracee/containers`: containers by id.

use detectors_api::stores::ContainerStore as _;
use serde_json::json;

use super::Data;
use crate::container::ContainersAt;

pub(super) const SCHEMA: &str = concat!(
    r#"{"container_ctime":"int","container_id":"string","container_image":"string","container_name":"string","#,
    r#""k8s_pod_id":"string","k8s_pod_name":"string","k8s_pod_namespace":"string","k8s_pod_sandbox":"bool"}"#
);

/// What is known about the container with this id: all of it.
pub(super) fn get(containers: ContainersAt<'_>, id: &str) -> Option<Data> {
    let container = containers.get_container(id).ok()?;
    let pod = container.pod;
    let data = [
        ("container_ctime", json!(container.start_ns.unwrap_or_default())),
        ("container_id", json!(container.id)),
        ("container_image", json!(container.image)),
        ("container_name", json!(container.name)),
        ("k8s_pod_id", json!(pod.map_or("", |pod| pod.uid))),
        ("k8s_pod_name", json!(pod.map_or("", |pod| pod.name))),
        ("k8s_pod_namespace", json!(pod.map_or("", |pod| pod.namespace))),
        ("k8s_pod_sandbox", json!(pod.is_some_and(|pod| pod.sandbox))),
    ];
    Some(
        data.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}
