//! How containers and their directories come and go.

use std::sync::Arc;

use super::ContainerStore;
use super::history::{Container, Directory, Facts, Start};
use super::path::container_of;

/// The part of a cgroup's inode number that counts.
#[expect(clippy::cast_possible_truncation, reason = "the upper half does not count")]
pub(super) const fn low_half(cgroup_id: u64) -> u32 {
    cgroup_id as u32
}

/// Where and when the fold is.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) seq: u64,
    /// ns since the Unix epoch.
    pub(super) ns: u64,
}

/// A directory that something says there is.
pub(super) struct Sighting<'a> {
    pub(super) cgroup_id: u64,
    pub(super) path: &'a str,
    /// The earliest time at which it is known to have existed, ns since the Unix epoch.
    pub(super) since_ns: u64,
    pub(super) start: Option<Start>,
}

impl ContainerStore {
    /// A directory is there, or was a moment ago.
    pub(super) fn appear(&mut self, now: Moment, seen: &Sighting<'_>) {
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
        self.placed += u64::from(cgroup.directory.is_none());
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
    pub(super) fn vanish(&mut self, now: Moment, number: u32) {
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
    pub(super) fn vacate(&mut self, now: Moment, number: u32) {
        self.vanish(now, number);
        if let Some(cgroup) = self.cgroups.get_mut(&number) {
            self.placed -= u64::from(cgroup.directory.take().is_some());
            cgroup.container.set(now.seq, None);
            self.unsettled.cgroups.insert(number);
        }
    }

    /// A container is told to exist at `since_ns`: it begins, or lives again if it had ended before. Gives its id.
    pub(super) fn live(&mut self, seq: u64, id: &str, since_ns: u64) -> Arc<str> {
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
    pub(super) fn end(&mut self, now: Moment, id: &str) {
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
    pub(super) fn tell(&mut self, seq: u64, id: &str, change: impl FnOnce(&mut Facts)) {
        if !self.update(seq, id, change) {
            self.unusable += 1;
        }
    }

    /// What is known about a container changes. Whether there is one.
    pub(super) fn update(&mut self, seq: u64, id: &str, change: impl FnOnce(&mut Facts)) -> bool {
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
    pub(super) fn alive(&mut self, id: &str) -> Option<(Arc<str>, &mut Container)> {
        let id = Arc::clone(self.containers.get_key_value(id)?.0);
        let container = self.containers.get_mut(&id)?;
        container
            .facts
            .latest()?
            .end_ns
            .is_none()
            .then_some((id, container))
    }

    pub(super) fn directory(&self, number: u32) -> Option<&Directory> {
        self.cgroups.get(&number)?.directory.as_ref()
    }

    /// Whether a directory with this number exists in a container.
    pub(super) fn is_live(&self, number: u32) -> bool {
        self.directory(number)
            .is_some_and(|directory| directory.removed_ns.is_none())
    }
}
