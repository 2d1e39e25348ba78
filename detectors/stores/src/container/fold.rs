//! How inputs and events change the container store.

use std::sync::Arc;

use arrow::array::RecordBatch;
use detectors_api::event::Event;
use detectors_api::stores::Runtime;

use super::history::{Container, Directory, Facts, Start};
use super::inputs::{ContainerFacts, ContainerInput, Kind, Pod};
use super::path::container_of;
use super::{ContainerStore, Unsettled};
use crate::fold::Fold;
use crate::rows::{Row, RowsError};

/// The part of a cgroup's inode number that counts.
#[expect(clippy::cast_possible_truncation, reason = "the upper half does not count")]
pub(super) const fn low_half(cgroup_id: u64) -> u32 {
    cgroup_id as u32
}

/// Where and when the fold is.
#[derive(Clone, Copy)]
struct Moment {
    seq: u64,
    /// ns since the Unix epoch.
    ns: u64,
}

/// A directory that something says there is.
struct Sighting<'a> {
    cgroup_id: u64,
    path: &'a str,
    /// The earliest time at which it is known to have existed, ns since the Unix epoch.
    since_ns: u64,
    start: Option<Start>,
}

impl Fold for ContainerStore {
    fn event_types(&self) -> &'static [&'static str] {
        &[
            "cgroup_mkdir",
            "cgroup_rmdir",
            "container_create",
            "container_remove",
            "existing_container",
        ]
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

    fn event(&mut self, event: &Event<'_>) {
        let applied = match event.name() {
            "cgroup_mkdir" => self.made(event),
            "cgroup_rmdir" => self.removed(event),
            "container_create" | "existing_container" => self.announced(event),
            "container_remove" => self.ended(event),
            _ => Some(()),
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

    fn made(&mut self, event: &Event<'_>) -> Option<()> {
        let now = moment(event)?;
        let (cgroup_id, path) = (event.get::<u64>("cgroup_id")?, event.get::<&str>("cgroup_path")?);
        if event.get::<u32>("hierarchy_id")? == self.hierarchy {
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

    fn removed(&mut self, event: &Event<'_>) -> Option<()> {
        let now = moment(event)?;
        let (cgroup_id, path) = (event.get::<u64>("cgroup_id")?, event.get::<&str>("cgroup_path")?);
        if event.get::<u32>("hierarchy_id")? != self.hierarchy {
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

    fn announced(&mut self, event: &Event<'_>) -> Option<()> {
        let now = moment(event)?;
        let id = event.get::<&str>("container_id").filter(|id| !id.is_empty())?;
        let text = |field: &str| event.get::<&str>(field).unwrap_or_default().to_owned();
        let ctime = event.get::<u64>("ctime").filter(|ns| *ns != 0);
        let pod = Pod {
            name: text("pod_name"),
            uid: text("pod_uid"),
            namespace: text("pod_namespace"),
            sandbox: event.get::<bool>("pod_sandbox").unwrap_or_default(),
        };
        let told = ContainerFacts {
            runtime: Runtime::from_name(&text("runtime")).unwrap_or_default(),
            name: text("container_name"),
            image: text("container_image"),
            image_digest: text("container_image_digest"),
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

    fn ended(&mut self, event: &Event<'_>) -> Option<()> {
        let now = moment(event)?;
        let id = event.get::<&str>("container_id").filter(|id| !id.is_empty())?;
        if let Some((id, container)) = self.alive(id)
            && !container.observed
        {
            self.end(now, &id);
        }
        Some(())
    }

    /// A directory is there, or was a moment ago.
    fn appear(&mut self, now: Moment, seen: &Sighting<'_>) {
        let number = low_half(seen.cgroup_id);
        let Some(found) = container_of(seen.path) else {
            self.vacate(now, number);
            return;
        };
        let known = self.directory(number).is_some_and(|directory| {
            directory.is(seen.cgroup_id, seen.path)
                && directory
                    .removed_ns
                    .is_none_or(|removed| seen.since_ns <= removed)
        });
        let id = if known {
            Arc::from(found.id)
        } else {
            // Who had the number before is gone, at the latest since then.
            let ns = now.ns.min(seen.since_ns);
            self.vacate(Moment { ns, ..now }, number);
            self.add_directory(now, seen, found.id, found.root)
        };
        let live = self.is_live(number);
        self.update(now.seq, &id, |facts| {
            facts.run_by(found.runtime);
            if found.root && live {
                facts.begin(seen.start);
            }
        });
    }

    /// A directory that was not known; gives its container's id.
    fn add_directory(&mut self, now: Moment, seen: &Sighting<'_>, id: &str, root: bool) -> Arc<str> {
        let number = low_half(seen.cgroup_id);
        let id = self.live(now.seq, id, seen.since_ns);
        let container = self.containers.entry(Arc::clone(&id)).or_default();
        container.observed = true;
        // If the container has ended since, so has the directory.
        let removed_ns = container.facts.latest().and_then(|facts| facts.end_ns);
        if removed_ns.is_none() {
            container.directories.insert(number);
            if root {
                container.roots.insert(number);
            }
        }
        let cgroup = self.cgroups.entry(number).or_default();
        cgroup.directory = Some(Directory {
            cgroup_id: seen.cgroup_id,
            path: seen.path.into(),
            removed_ns,
        });
        cgroup.container.set(now.seq, Some(Arc::clone(&id)));
        self.unsettled.cgroups.insert(number);
        id
    }

    /// The directory with this number is gone, if it was there.
    fn vanish(&mut self, now: Moment, number: u32) {
        let Some(cgroup) = self.cgroups.get_mut(&number) else {
            return;
        };
        let Some(directory) = cgroup
            .directory
            .as_mut()
            .filter(|directory| directory.removed_ns.is_none())
        else {
            return;
        };
        directory.removed_ns = Some(now.ns);
        let Some(id) = cgroup.container.latest().map(Arc::clone) else {
            return;
        };
        if let Some(container) = self.containers.get_mut(&id) {
            container.directories.remove(&number);
            if container.roots.remove(&number) && container.roots.is_empty() {
                self.end(now, &id);
            }
        }
    }

    /// The number does not stand for the directory any more that it stood for.
    fn vacate(&mut self, now: Moment, number: u32) {
        self.vanish(now, number);
        if let Some(cgroup) = self.cgroups.get_mut(&number) {
            cgroup.directory = None;
            cgroup.container.set(now.seq, None);
            self.unsettled.cgroups.insert(number);
        }
    }

    /// A container is told to exist at `since_ns`: it begins, or lives again if it had ended before. Gives its id.
    fn live(&mut self, seq: u64, id: &str, since_ns: u64) -> Arc<str> {
        let (id, facts) = match self.containers.get_key_value(id) {
            Some((id, container)) => (Arc::clone(id), container.facts.latest()),
            None => (Arc::from(id), None),
        };
        let facts = match facts {
            None => {
                self.count(seq, |known| known + 1);
                Facts::default()
            }
            Some(facts) if facts.end_ns.is_some_and(|end| end <= since_ns) => facts.revived(),
            Some(_) => return id,
        };
        self.set(seq, &id, facts);
        id
    }

    /// A container has ended, and with it all of its directories.
    fn end(&mut self, now: Moment, id: &str) {
        if let Some(container) = self.containers.get_mut(id) {
            container.roots.clear();
            for number in std::mem::take(&mut container.directories) {
                let cgroup = self.cgroups.get_mut(&number);
                if let Some(directory) = cgroup.and_then(|cgroup| cgroup.directory.as_mut()) {
                    directory.removed_ns = Some(now.ns);
                }
            }
        }
        self.update(now.seq, id, |facts| facts.end_ns = Some(now.ns));
    }

    /// A runtime was asked about a container.
    fn tell(&mut self, seq: u64, id: &str, change: impl FnOnce(&mut Facts)) {
        if !self.update(seq, id, change) {
            self.unusable += 1;
        }
    }

    /// What is known about a container changes. Whether there is one.
    fn update(&mut self, seq: u64, id: &str, change: impl FnOnce(&mut Facts)) -> bool {
        let known = self.containers.get_key_value(id);
        let Some((id, mut facts)) =
            known.and_then(|(id, container)| Some((Arc::clone(id), container.facts.latest()?.clone())))
        else {
            return false;
        };
        change(&mut facts);
        self.set(seq, &id, facts);
        true
    }

    pub(super) fn set(&mut self, seq: u64, id: &Arc<str>, facts: Facts) {
        if !facts.told.name.is_empty() {
            let ids = self.names.entry(facts.told.name.as_str().into()).or_default();
            ids.insert(Arc::clone(id));
        }
        let container = self.containers.entry(Arc::clone(id)).or_default();
        container.facts.set(seq, Some(facts));
        self.unsettled.containers.insert(Arc::clone(id));
    }

    pub(super) fn count(&mut self, seq: u64, change: impl FnOnce(u64) -> u64) {
        let known = self.known.latest().copied().unwrap_or_default();
        self.known.set(seq, Some(change(known)));
    }

    /// The container with this id, if it lives.
    fn alive(&mut self, id: &str) -> Option<(Arc<str>, &mut Container)> {
        let id = Arc::clone(self.containers.get_key_value(id)?.0);
        let container = self.containers.get_mut(&id)?;
        container
            .facts
            .latest()?
            .end_ns
            .is_none()
            .then_some((id, container))
    }

    fn directory(&self, number: u32) -> Option<&Directory> {
        self.cgroups.get(&number)?.directory.as_ref()
    }

    /// Whether a directory with this number exists in a container.
    fn is_live(&self, number: u32) -> bool {
        self.directory(number)
            .is_some_and(|directory| directory.removed_ns.is_none())
    }
}

fn moment(event: &Event<'_>) -> Option<Moment> {
    let ns = u64::try_from(event.timestamp_ns()?).ok()?;
    Some(Moment { seq: event.seq(), ns })
}
