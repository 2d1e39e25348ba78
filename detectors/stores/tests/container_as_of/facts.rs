//! What can happen to containers.

use detectors_api::stores::Runtime;
use detectors_api::testkit::TestEvent;
use detectors_stores::container::{ContainerFacts, ContainerInput};
use proptest::prelude::*;

pub(crate) const IDS: [&str; 2] = [
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
];
pub(crate) const NAMES: [&str; 3] = ["", "web", "db"];

/// Directories: path, container and whether it is the container's own. `H` and `K` stand for ids.
pub(crate) const TREE: [(&str, Option<(usize, bool)>); 8] = [
    ("/", None),
    ("/user.slice", None),
    ("/docker/H", Some((0, true))),
    ("/docker/H/init", Some((0, false))),
    ("/elsewhere/H", Some((0, true))),
    ("/docker/K", Some((1, true))),
    ("/docker/K/a/b", Some((1, false))),
    ("/docker/H/docker/K", Some((1, true))),
];

pub(crate) fn path(place: usize) -> String {
    TREE[place].0.replace('H', IDS[0]).replace('K', IDS[1])
}

#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Made {
        cgroup: u64,
        place: usize,
    },
    Removed {
        cgroup: u64,
        place: usize,
    },
    Created {
        id: usize,
        name: usize,
        ctime: u64,
    },
    Ended {
        id: usize,
    },
    Found {
        cgroup: u64,
        place: usize,
        ctime: Option<u64>,
        dead: bool,
    },
    Gone {
        cgroup: u64,
    },
    Told {
        id: usize,
        name: usize,
    },
    Refused {
        id: usize,
    },
}

impl Fact {
    pub(crate) fn is_event(&self) -> bool {
        matches!(
            self,
            Self::Made { .. } | Self::Removed { .. } | Self::Created { .. } | Self::Ended { .. }
        )
    }
}

/// Few numbers, so that they come back all the time; some with an upper half.
fn cgroup() -> impl Strategy<Value = u64> {
    (1..4_u64, prop::sample::select(vec![0, 0, 1 << 32, 2 << 32])).prop_map(|(low, high)| low | high)
}

/// What happened, and when (ns).
pub(crate) fn facts() -> impl Strategy<Value = Vec<(Fact, u64)>> {
    let place = || 0..TREE.len();
    let id = || 0..IDS.len();
    let name = || 0..NAMES.len();
    let fact = prop_oneof![
        3 => (cgroup(), place()).prop_map(|(cgroup, place)| Fact::Made { cgroup, place }),
        3 => (cgroup(), place()).prop_map(|(cgroup, place)| Fact::Removed { cgroup, place }),
        1 => (id(), name(), 0..300_u64).prop_map(|(id, name, ctime)| Fact::Created { id, name, ctime }),
        1 => id().prop_map(|id| Fact::Ended { id }),
        2 => (cgroup(), place(), prop::option::of(1..300_u64), any::<bool>())
            .prop_map(|(cgroup, place, ctime, dead)| Fact::Found { cgroup, place, ctime, dead }),
        1 => cgroup().prop_map(|cgroup| Fact::Gone { cgroup }),
        2 => (id(), name()).prop_map(|(id, name)| Fact::Told { id, name }),
        1 => id().prop_map(|id| Fact::Refused { id }),
    ];
    prop::collection::vec((fact, 0..30_u64), 1..40).prop_map(|facts| {
        let timed = facts.into_iter().enumerate();
        timed
            .map(|(index, (fact, jitter))| (fact, index as u64 * 10 + jitter))
            .collect()
    })
}

pub(crate) fn event(fact: &Fact, ns: u64) -> Option<TestEvent> {
    let cgroup_event = |name: &str, cgroup: u64, place: usize| {
        TestEvent::new(name)
            .set("cgroup_id", cgroup)
            .set("cgroup_path", path(place))
            .set("hierarchy_id", 0_u32)
    };
    let event = match fact {
        Fact::Made { cgroup, place } => cgroup_event("cgroup_mkdir", *cgroup, *place),
        Fact::Removed { cgroup, place } => cgroup_event("cgroup_rmdir", *cgroup, *place),
        Fact::Created { id, name, ctime } => TestEvent::new("container_create")
            .set("runtime", "docker")
            .set("container_id", IDS[*id])
            .set("container_name", NAMES[*name])
            .set("ctime", *ctime),
        Fact::Ended { id } => TestEvent::new("container_remove").set("container_id", IDS[*id]),
        _ => return None,
    };
    Some(event.at_ns(ns.cast_signed()))
}

fn told(name: usize, ns: u64) -> ContainerFacts {
    ContainerFacts {
        runtime: Runtime::Podman,
        name: NAMES[name].to_owned(),
        started_ns: Some(ns),
        ..ContainerFacts::default()
    }
}

pub(crate) fn input(fact: &Fact, ns: u64) -> Option<ContainerInput> {
    Some(match fact {
        Fact::Found {
            cgroup,
            place,
            dead: true,
            ..
        } => ContainerInput::dead_directory(ns, 0, *cgroup, path(*place)),
        Fact::Found {
            cgroup, place, ctime, ..
        } => ContainerInput::directory(ns, 0, *cgroup, path(*place), *ctime),
        Fact::Gone { cgroup } => ContainerInput::removed(ns, 0, *cgroup),
        Fact::Told { id, name } => ContainerInput::enriched(ns, IDS[*id], &told(*name, ns)),
        Fact::Refused { id } => ContainerInput::enrichment_failed(ns, IDS[*id], "timed out"),
        _ => return None,
    })
}
