//! The state of the container store as rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use detectors_api::stores::Runtime;

use super::ContainerStore;
use super::history::{Directory, Facts, Start};
use super::inputs::{ContainerFacts, Pod};
use super::lives::low_half;
use super::path::container_of;
use crate::rows::{Row, RowsError, rows};

const HIERARCHY: &str = "hierarchy";
const CONTAINER: &str = "container";
const DIRECTORY: &str = "directory";

rows! {
    table "keyframes/container";
    /// A container, a directory of one, or the hierarchy that counts.
    #[derive(Clone, Debug, Default)]
    struct Kept {
        /// `container`, `directory` or `hierarchy`.
        kind: String,
        /// Number of the hierarchy, or inode number of the directory.
        number: Option<u64>,
        /// Path of the directory.
        path: Option<String>,
        /// When the directory was removed: ns since the Unix epoch.
        removed_ns: Option<u64>,
        container_id: Option<String>,
        runtime: Option<String>,
        start_ns: Option<u64>,
        /// Whether the container's directory says when it started.
        start_exact: Option<bool>,
        end_ns: Option<u64>,
        /// Whether a directory of the container has been seen.
        observed: Option<bool>,
        name: Option<String>,
        image: Option<String>,
        image_digest: Option<String>,
        started_ns: Option<u64>,
        pod_name: Option<String>,
        pod_uid: Option<String>,
        pod_namespace: Option<String>,
        pod_sandbox: Option<bool>,
        error: Option<String>,
    }
}

impl ContainerStore {
    pub(super) fn to_keyframe(&self) -> RecordBatch {
        let mut rows = vec![Kept {
            kind: HIERARCHY.to_owned(),
            number: Some(self.hierarchy.into()),
            ..Kept::default()
        }];
        for (id, container) in &self.containers {
            if let Some(facts) = container.facts.latest() {
                rows.push(Kept::of_container(id, facts, container.observed));
            }
        }
        let directories = self
            .cgroups
            .values()
            .filter_map(|cgroup| cgroup.directory.as_ref());
        rows.extend(directories.map(|directory| Kept {
            kind: DIRECTORY.to_owned(),
            number: Some(directory.cgroup_id),
            path: Some(directory.path.to_string()),
            removed_ns: directory.removed_ns,
            ..Kept::default()
        }));
        Kept::to_batch(&rows)
    }

    pub(super) fn restore_keyframe(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        for (row, kept) in Kept::from_batch(rows)?.into_iter().enumerate() {
            let null = |column| RowsError::Null {
                table: Kept::TABLE,
                column,
                row,
            };
            let nonsense = |column, value: String, reason: &str| RowsError::Value {
                table: Kept::TABLE,
                column,
                row,
                value,
                reason: reason.to_owned(),
            };
            match kept.kind.as_str() {
                HIERARCHY => {
                    let number = kept.number.ok_or_else(|| null("number"))?;
                    self.hierarchy = u32::try_from(number).map_err(|_| {
                        nonsense(
                            "number",
                            number.to_string(),
                            "hierarchies have numbers of 32 bits",
                        )
                    })?;
                }
                CONTAINER => {
                    let id = kept.container_id.clone().ok_or_else(|| null("container_id"))?;
                    let id: Arc<str> = id.into();
                    if self.containers.contains_key(&id) {
                        return Err(nonsense("container_id", id.to_string(), "it is there twice"));
                    }
                    let observed = kept.observed.unwrap_or_default();
                    self.set(seq, &id, kept.into_facts());
                    self.count(seq, |known| known + 1);
                    self.containers.entry(id).or_default().observed = observed;
                }
                DIRECTORY => {
                    let cgroup_id = kept.number.ok_or_else(|| null("number"))?;
                    let path = kept.path.ok_or_else(|| null("path"))?;
                    let Some(found) = container_of(&path) else {
                        return Err(nonsense("path", path, "it is in no container"));
                    };
                    let number = low_half(cgroup_id);
                    if kept.removed_ns.is_none() {
                        let container = self.containers.get_mut(found.id).ok_or_else(|| {
                            nonsense("path", path.clone(), "its container comes in no row before it")
                        })?;
                        container.directories.insert(number);
                        if found.root {
                            container.roots.insert(number);
                        }
                    }
                    let cgroup = self.cgroups.entry(number).or_default();
                    if cgroup.directory.is_some() {
                        return Err(nonsense("number", cgroup_id.to_string(), "it is there twice"));
                    }
                    cgroup.container.set(seq, Some(found.id.into()));
                    cgroup.directory = Some(Directory {
                        cgroup_id,
                        path: path.into(),
                        removed_ns: kept.removed_ns,
                    });
                }
                _ => return Err(nonsense("kind", kept.kind, "this version does not know it")),
            }
        }
        Ok(())
    }
}

impl Kept {
    fn of_container(id: &str, facts: &Facts, observed: bool) -> Self {
        let told = &facts.told;
        let pod = |part: fn(&Pod) -> &String| told.pod.as_ref().map(part).cloned();
        Self {
            kind: CONTAINER.to_owned(),
            container_id: Some(id.to_owned()),
            runtime: Some(told.runtime.to_string()),
            start_ns: facts.start.map(|start| start.ns),
            start_exact: facts.start.map(|start| start.exact),
            end_ns: facts.end_ns,
            observed: Some(observed),
            name: Some(told.name.clone()),
            image: Some(told.image.clone()),
            image_digest: Some(told.image_digest.clone()),
            started_ns: told.started_ns,
            pod_name: pod(|pod| &pod.name),
            pod_uid: pod(|pod| &pod.uid),
            pod_namespace: pod(|pod| &pod.namespace),
            pod_sandbox: told.pod.as_ref().map(|pod| pod.sandbox),
            error: facts.error.as_deref().map(str::to_owned),
            ..Self::default()
        }
    }

    fn into_facts(self) -> Facts {
        let runtime = self
            .runtime
            .as_deref()
            .and_then(Runtime::from_name)
            .unwrap_or_default();
        let pod = Pod {
            name: self.pod_name.unwrap_or_default(),
            uid: self.pod_uid.unwrap_or_default(),
            namespace: self.pod_namespace.unwrap_or_default(),
            sandbox: self.pod_sandbox.unwrap_or_default(),
        };
        let told = ContainerFacts {
            runtime,
            name: self.name.unwrap_or_default(),
            image: self.image.unwrap_or_default(),
            image_digest: self.image_digest.unwrap_or_default(),
            started_ns: self.started_ns,
            pod: pod.or_none(),
        };
        Facts {
            start: self.start_ns.map(|ns| Start {
                ns,
                exact: self.start_exact.unwrap_or_default(),
            }),
            end_ns: self.end_ns,
            told: told.into(),
            error: self.error.map(Arc::from),
        }
    }
}
