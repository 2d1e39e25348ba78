//! The container store: which containers there are, and which one a cgroup belongs to, as of any event.
//!
//! A container is known by the directories that its runtime makes for it in the cgroup file system ([`container_of`]). The
//! store is fed with those that existed when a recording started and with what runtimes told ([`ContainerInput`]), and with
//! the events `cgroup_mkdir`, `cgroup_rmdir`, `container_create`, `container_remove` and `existing_container`. Rules:
//!
//! * A container lives from the first sight of a directory of it to the removal of the last one that is its own (a *root*, as
//!   opposed to directories further down). Then it can still be asked for, and has an end. If it comes back, such as when it
//!   is restarted, it has a new start and no end.
//! * It started when its root was made: as the directory says (its ctime), else as the event that announced it.
//! * Directories further down change nothing about it. What runtimes told is known from then on, not before, and is not
//!   unlearned; [`ContainerStore::best_known`] is the way to ask for what was only learned later.
//! * A cgroup is known by the low 32 bits of its directory's inode number, as in events. Numbers come back: a cgroup belongs to
//!   the container of the directory that had the number last. Directories outside of containers belong to none.
//! * One hierarchy counts: the one that inputs name, which is that of cgroup ids in events; else that of cgroup v2.
//! * `container_remove` also comes when a directory further down is removed, so it counts only for containers of which no
//!   directory was ever seen.

mod fold;
mod history;
mod inputs;
mod keyframe;
mod lives;
mod path;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use detectors_api::stores::ContainerInfo;

use history::{Cgroup, Container, History};
pub use inputs::{ContainerFacts, ContainerInput, Pod};
pub use path::{CgroupContainer, container_of};
pub use view::{ContainerVersion, ContainersAt};

/// The container store of a recording, with its history.
#[derive(Debug, Default)]
pub struct ContainerStore {
    /// By id.
    containers: BTreeMap<Arc<str>, Container>,
    /// By the low half of the inode number.
    cgroups: BTreeMap<u32, Cgroup>,
    /// Number of cgroups that have a directory.
    placed: u64,
    /// Ids of the containers that have, or had, a name.
    names: BTreeMap<Box<str>, BTreeSet<Arc<str>>>,
    /// Number of containers that can be found.
    known: History<u64>,
    /// The hierarchy that counts.
    hierarchy: u32,
    /// What has history that [`Fold::compact`](crate::fold::Fold::compact) can drop.
    unsettled: Unsettled,
    unusable: u64,
    unknown_inputs: u64,
}

#[derive(Debug, Default)]
struct Unsettled {
    containers: BTreeSet<Arc<str>>,
    cgroups: BTreeSet<u32>,
}

impl ContainerStore {
    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> ContainersAt<'_> {
        ContainersAt::new(self, seq, time_ns)
    }

    /// The container with this id, with all that anything in the recording tells about it, however late. Detectors never see
    /// this: it is for people who look back.
    #[must_use]
    pub fn best_known(&self, id: &str) -> Option<ContainerInfo<'_>> {
        let (id, container) = self.containers.get_key_value(id)?;
        let (.., facts) = container.facts.values().next_back()?;
        Some(facts.info(id))
    }

    /// Everything that was known about containers, and when: by id, then by sequence number.
    pub fn history(&self) -> impl Iterator<Item = ContainerVersion<'_>> {
        self.containers.iter().flat_map(|(id, container)| {
            let versions = container.facts.values();
            versions.map(|(from_seq, until_seq, facts)| ContainerVersion {
                from_seq,
                until_seq,
                container: facts.info(id),
                error: facts.error.as_deref(),
            })
        })
    }

    /// Number of events and inputs that could not be used: they lacked an id, a path or a time, or told about a container that
    /// is not known.
    #[must_use]
    pub fn unusable(&self) -> u64 {
        self.unusable
    }

    /// Number of inputs of a kind that only a newer version knows.
    #[must_use]
    pub fn unknown_inputs(&self) -> u64 {
        self.unknown_inputs
    }
}
