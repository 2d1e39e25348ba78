//! Events that tell of containers: made, removed, and there when the recording began. They follow from the control groups.

use detectors_api::proto;
use detectors_api::proto::event_value::Value;
use detectors_api::stores::Runtime;
use detectors_stores::container::ContainerFacts;

/// A container was made.
pub(super) const CREATED: &str = "container_create";
/// A container was removed.
pub(super) const REMOVED: &str = "container_remove";
/// A container is there when the recording begins.
pub(super) const EXISTING: &str = "existing_container";

/// The fields of [`CREATED`] and [`EXISTING`]. What no runtime has told is empty; `made_ns`: since the Unix epoch.
pub(super) fn described(
    id: &str,
    runtime: Runtime,
    made_ns: u64,
    facts: &ContainerFacts,
) -> Vec<proto::EventValue> {
    let pod = facts.pod.clone().unwrap_or_default();
    fields([
        ("runtime", Value::Str(runtime.as_str().to_owned())),
        ("container_id", Value::Str(id.to_owned())),
        ("ctime", Value::Int64(made_ns.cast_signed())),
        ("container_image", Value::Str(facts.image.clone())),
        ("container_image_digest", Value::Str(facts.image_digest.clone())),
        ("container_name", Value::Str(facts.name.clone())),
        ("pod_name", Value::Str(pod.name)),
        ("pod_namespace", Value::Str(pod.namespace)),
        ("pod_uid", Value::Str(pod.uid)),
        ("pod_sandbox", Value::Bool(pod.sandbox)),
    ])
}

/// The fields of [`REMOVED`].
pub(super) fn removed(id: &str, runtime: Runtime) -> Vec<proto::EventValue> {
    fields([
        ("runtime", Value::Str(runtime.as_str().to_owned())),
        ("container_id", Value::Str(id.to_owned())),
    ])
}

fn fields<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Vec<proto::EventValue> {
    fields
        .into_iter()
        .map(|(name, value)| proto::EventValue {
            name: name.to_owned(),
            value: Some(value),
        })
        .collect()
}
