//! How inputs and events change the container store.

use std::sync::Arc;

use arrow::array::RecordBatch;
use detectors_api::stores::Runtime;

use super::history::Start;
use super::inputs::{ContainerFacts, ContainerInput, Kind, Pod};
use super::lives::{Moment, Sighting, low_half};
use super::path::container_of;
use super::{ContainerStore, Unsettled};
use crate::fold::Fold;
use crate::reads::{Reads, Seen};
use crate::rows::{Row, RowsError};

/// What the store reads of events; the modules below name the places of the fields.
const READS: [Reads; 5] = [
    Reads {
        event_type: "cgroup_mkdir",
        fields: cgroup::FIELDS,
    },
    Reads {
        event_type: "cgroup_rmdir",
        fields: cgroup::FIELDS,
    },
    Reads {
        event_type: "container_remove",
        fields: &["container_id"],
    },
    Reads {
        event_type: "container_create",
        fields: container::FIELDS,
    },
    Reads {
        event_type: "existing_container",
        fields: container::FIELDS,
    },
];

mod cgroup {
    pub(super) const FIELDS: &[&str] = &["hierarchy_id", "cgroup_id", "cgroup_path"];
    pub(super) const HIERARCHY: usize = 0;
    pub(super) const ID: usize = 1;
    pub(super) const PATH: usize = 2;
}

mod container {
    pub(super) const FIELDS: &[&str] = &[
        "container_id",
        "ctime",
        "runtime",
        "container_name",
        "container_image",
        "container_image_digest",
        "pod_name",
        "pod_uid",
        "pod_namespace",
        "pod_sandbox",
    ];
    pub(super) const ID: usize = 0;
    pub(super) const CTIME: usize = 1;
    pub(super) const RUNTIME: usize = 2;
    pub(super) const NAME: usize = 3;
    pub(super) const IMAGE: usize = 4;
    pub(super) const DIGEST: usize = 5;
    pub(super) const POD_NAME: usize = 6;
    pub(super) const POD_UID: usize = 7;
    pub(super) const POD_NAMESPACE: usize = 8;
    pub(super) const POD_SANDBOX: usize = 9;
}

impl Fold for ContainerStore {
    fn reads(&self) -> &'static [Reads] {
        &READS
    }

    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        for (row, input) in ContainerInput::from_batch(rows)?.into_iter().enumerate() {
            self.take(seq, input).map_err(|column| RowsError::Null {
                table: ContainerInput::TABLE,
                column,
                row,
            })?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Seen<'_>) {
        let applied = match event.kind() {
            0 => self.made(event),
            1 => self.removed(event),
            2 => self.ended(event),
            _ => self.announced(event),
        };
        self.unusable += u64::from(applied.is_none());
    }

    fn keyframe(&self) -> Option<RecordBatch> {
        Some(self.to_keyframe())
    }

    fn restore(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        self.restore_keyframe(seq, rows)
    }

    fn weight(&self) -> u64 {
        (self.containers.len() + self.cgroups.len() + 1) as u64
    }

    fn things(&self) -> u64 {
        self.known.latest().copied().unwrap_or_default() + self.placed
    }

    fn compact(&mut self, seq: u64) {
        self.known.compact(seq);
        let Unsettled { containers, cgroups } = std::mem::take(&mut self.unsettled);
        for id in containers {
            let Some(container) = self.containers.get_mut(&id) else {
                continue;
            };
            for dropped in container.facts.compact(seq) {
                let name = dropped.told.name.as_str();
                let kept = container
                    .facts
                    .values()
                    .any(|(.., facts)| facts.told.name == name);
                if !kept && let Some(ids) = self.names.get_mut(name) {
                    ids.remove(&id);
                    if ids.is_empty() {
                        self.names.remove(name);
                    }
                }
            }
            if container.facts.is_empty() {
                self.containers.remove(&id);
            } else if !container.facts.is_settled() {
                self.unsettled.containers.insert(id);
            }
        }
        for number in cgroups {
            let Some(cgroup) = self.cgroups.get_mut(&number) else {
                continue;
            };
            cgroup.container.compact(seq);
            if cgroup.container.is_empty() {
                self.cgroups.remove(&number);
            } else if !cgroup.container.is_settled() {
                self.unsettled.cgroups.insert(number);
            }
        }
    }

    fn forget(&mut self, seq: u64, horizon_ns: u64) {
        let past = |ns: Option<u64>| ns.is_some_and(|ns| ns < horizon_ns);
        for (number, cgroup) in &mut self.cgroups {
            if cgroup
                .directory
                .as_ref()
                .is_some_and(|directory| past(directory.removed_ns))
            {
                cgroup.directory = None;
                self.placed -= 1;
                cgroup.container.set(seq, None);
                self.unsettled.cgroups.insert(*number);
            }
        }
        let mut forgotten = 0;
        for (id, container) in &mut self.containers {
            if container.facts.latest().is_some_and(|facts| past(facts.end_ns)) {
                container.facts.set(seq, None);
                container.observed = false;
                self.unsettled.containers.insert(Arc::clone(id));
                forgotten += 1;
            }
        }
        self.count(seq, |known| known.saturating_sub(forgotten));
    }
}

impl ContainerStore {
    /// Takes an input. Gives the column that must not be null if one is.
    fn take(&mut self, seq: u64, input: ContainerInput) -> Result<(), &'static str> {
        let Some(kind) = input.kind() else {
            self.unknown_inputs += 1;
            return Ok(());
        };
        let now = Moment {
            seq,
            ns: input.arrived_ns,
        };
        match kind {
            Kind::Directory => {
                let cgroup_id = input.cgroup_id.ok_or("cgroup_id")?;
                self.hierarchy = input.hierarchy.unwrap_or(self.hierarchy);
                let path = input.path.as_deref().ok_or("path")?;
                let sighting = Sighting {
                    cgroup_id,
                    path,
                    since_ns: input.ctime_ns.unwrap_or(now.ns),
                    start: input.ctime_ns.map(|ns| Start { ns, exact: true }),
                };
                self.appear(now, &sighting);
                let number = low_half(cgroup_id);
                if input.dead == Some(true) && self.is_live(number) {
                    self.vanish(now, number);
                }
            }
            Kind::Removed => {
                let cgroup_id = input.cgroup_id.ok_or("cgroup_id")?;
                if input
                    .hierarchy
                    .is_none_or(|hierarchy| hierarchy == self.hierarchy)
                {
                    self.vanish(now, low_half(cgroup_id));
                }
            }
            Kind::Enriched => {
                let id = input.container_id.as_deref().ok_or("container_id")?.to_owned();
                self.tell(seq, &id, |facts| facts.tell(input.into_facts()));
            }
            Kind::EnrichmentFailed => {
                let id = input.container_id.as_deref().ok_or("container_id")?;
                let error = input.error.as_deref().ok_or("error")?;
                self.tell(seq, id, |facts| facts.error = Some(error.into()));
            }
        }
        Ok(())
    }

    fn made(&mut self, event: &Seen<'_>) -> Option<()> {
        let now = moment(event)?;
        let (cgroup_id, path) = (event.number::<u64>(cgroup::ID)?, event.text(cgroup::PATH)?);
        if event.number::<u32>(cgroup::HIERARCHY)? == self.hierarchy {
            let start = Start {
                ns: now.ns,
                exact: false,
            };
            let sighting = Sighting {
                cgroup_id,
                path,
                since_ns: now.ns,
                start: Some(start),
            };
            self.appear(now, &sighting);
        }
        Some(())
    }

    fn removed(&mut self, event: &Seen<'_>) -> Option<()> {
        let now = moment(event)?;
        let (cgroup_id, path) = (event.number::<u64>(cgroup::ID)?, event.text(cgroup::PATH)?);
        if event.number::<u32>(cgroup::HIERARCHY)? != self.hierarchy {
            return Some(());
        }
        let number = low_half(cgroup_id);
        if self
            .directory(number)
            .is_some_and(|directory| directory.is(cgroup_id, path))
        {
            self.vanish(now, number);
            return Some(());
        }
        // Its making was not seen.
        self.vacate(now, number);
        if let Some(found) = container_of(path)
            && let Some((id, container)) = self.alive(found.id)
        {
            container.observed = true;
            if found.root && container.roots.is_empty() {
                self.end(now, &id);
            }
        }
        Some(())
    }

    fn announced(&mut self, event: &Seen<'_>) -> Option<()> {
        let now = moment(event)?;
        let id = event.text(container::ID).filter(|id| !id.is_empty())?;
        let text = |field| event.text(field).unwrap_or_default().to_owned();
        let ctime = event.number::<u64>(container::CTIME).filter(|ns| *ns != 0);
        let pod = Pod {
            name: text(container::POD_NAME),
            uid: text(container::POD_UID),
            namespace: text(container::POD_NAMESPACE),
            sandbox: event.flag(container::POD_SANDBOX).unwrap_or_default(),
        };
        let told = ContainerFacts {
            runtime: Runtime::from_name(&text(container::RUNTIME)).unwrap_or_default(),
            name: text(container::NAME),
            image: text(container::IMAGE),
            image_digest: text(container::DIGEST),
            started_ns: None,
            pod: pod.or_none(),
        };
        let id = self.live(now.seq, id, ctime.unwrap_or(now.ns));
        self.update(now.seq, &id, |facts| {
            if facts.end_ns.is_none() {
                facts.begin(ctime.map(|ns| Start { ns, exact: true }));
            }
            facts.tell(told);
        });
        Some(())
    }

    fn ended(&mut self, event: &Seen<'_>) -> Option<()> {
        let now = moment(event)?;
        let id = event.text(container::ID).filter(|id| !id.is_empty())?;
        if let Some((id, container)) = self.alive(id)
            && !container.observed
        {
            self.end(now, &id);
        }
        Some(())
    }
}

fn moment(event: &Seen<'_>) -> Option<Moment> {
    let ns = event.time_ns()?;
    Some(Moment { seq: event.seq(), ns })
}
