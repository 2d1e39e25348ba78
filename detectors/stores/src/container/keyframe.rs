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
                    self.placed += 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn row(kind: &str) -> Kept {
        Kept {
            kind: kind.to_owned(),
            ..Kept::default()
        }
    }

    fn container(id: &str) -> Kept {
        Kept {
            container_id: Some(id.to_owned()),
            ..row(CONTAINER)
        }
    }

    fn directory(number: u64, path: &str) -> Kept {
        Kept {
            number: Some(number),
            path: Some(path.to_owned()),
            ..row(DIRECTORY)
        }
    }

    #[test]
    fn keyframes_that_make_no_sense_are_refused() {
        let id = &PATH["/docker/".len()..];
        for (rows, error) in [
            (
                vec![row("hierarchy")],
                "column `number` of the table keyframes/container has a null in row 0",
            ),
            (
                vec![Kept {
                    number: Some(1 << 32),
                    ..row(HIERARCHY)
                }],
                "column `number` of the table keyframes/container has `4294967296` in row 0: \
                 hierarchies have numbers of 32 bits",
            ),
            (
                vec![container("a"), container("a")],
                "column `container_id` of the table keyframes/container has `a` in row 1: it is there twice",
            ),
            (
                vec![directory(1, "/user.slice")],
                "column `path` of the table keyframes/container has `/user.slice` in row 0: it is in no container",
            ),
            (
                vec![directory(1, PATH), container(id)],
                &format!(
                    "column `path` of the table keyframes/container has `{PATH}` in row 0: \
                     its container comes in no row before it"
                ),
            ),
            (
                vec![container(id), directory(1, PATH), directory((1 << 32) | 1, PATH)],
                "column `number` of the table keyframes/container has `4294967297` in row 2: it is there twice",
            ),
            (
                vec![row("volume")],
                "column `kind` of the table keyframes/container has `volume` in row 0: this version does not know it",
            ),
        ] {
            let refused = ContainerStore::default().restore_keyframe(1, &Kept::to_batch(&rows));
            assert_eq!(refused.expect_err("nonsense").to_string(), error);
        }
    }

    #[test]
    fn a_keyframe_of_a_keyframe_is_the_same() {
        let id = &PATH["/docker/".len()..];
        let rows = [
            Kept {
                number: Some(4),
                ..row(HIERARCHY)
            },
            Kept {
                runtime: Some("docker".to_owned()),
                start_ns: Some(3),
                start_exact: Some(true),
                observed: Some(true),
                name: Some("web".to_owned()),
                image: Some(String::new()),
                image_digest: Some(String::new()),
                pod_name: Some("web-0".to_owned()),
                pod_uid: Some("u-1".to_owned()),
                pod_namespace: Some("shop".to_owned()),
                pod_sandbox: Some(true),
                error: Some("timed out".to_owned()),
                ..container(id)
            },
            directory(5, PATH),
            // What is left of a container that has been forgotten.
            Kept {
                removed_ns: Some(9),
                ..directory(6, &format!("/docker/{}", "f".repeat(64)))
            },
        ];
        let mut store = ContainerStore::default();
        let batch = Kept::to_batch(&rows);
        store.restore_keyframe(1, &batch).expect("a keyframe");
        assert_eq!(store.to_keyframe(), batch);
    }
}
