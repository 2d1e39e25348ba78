//! The answer as of event N is the answer of a plain fold of what came before: no history, no bookkeeping, one table of what
//! is the case now. It stays the same when history is dropped, and when a store begins with a keyframe.

use std::collections::{BTreeMap, BTreeSet};

use detectors_api::stores::{ContainerFilter, Runtime, Stores as _};
use detectors_api::testkit::{TestEvent, batches};
use detectors_stores::container::{ContainerFacts, ContainerInput};
use detectors_stores::rows::Row as _;
use detectors_stores::{Input, Settings, Stores};
use proptest::prelude::*;

const IDS: [&str; 2] = [
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
];
const NAMES: [&str; 3] = ["", "web", "db"];

/// Directories: path, container and whether it is the container's own. `H` and `K` stand for ids.
const TREE: [(&str, Option<(usize, bool)>); 8] = [
    ("/", None),
    ("/user.slice", None),
    ("/docker/H", Some((0, true))),
    ("/docker/H/init", Some((0, false))),
    ("/elsewhere/H", Some((0, true))),
    ("/docker/K", Some((1, true))),
    ("/docker/K/a/b", Some((1, false))),
    ("/docker/H/docker/K", Some((1, true))),
];

fn path(place: usize) -> String {
    TREE[place].0.replace('H', IDS[0]).replace('K', IDS[1])
}

#[derive(Clone, Debug)]
enum Fact {
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
    fn is_event(&self) -> bool {
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
fn facts() -> impl Strategy<Value = Vec<(Fact, u64)>> {
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

fn event(fact: &Fact, ns: u64) -> Option<TestEvent> {
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

fn input(fact: &Fact, ns: u64) -> Option<ContainerInput> {
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

/// A directory of a container. The last one with a number is what the number stands for.
#[derive(Clone, Debug)]
struct Directory {
    cgroup: u64,
    place: usize,
    removed: Option<u64>,
    /// Something else has the number.
    replaced: bool,
}

/// What is the case of a container now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    docker: Option<bool>,
    name: &'static str,
    start: Option<u64>,
    exact: bool,
    reported: Option<u64>,
    end: Option<u64>,
    observed: bool,
}

#[derive(Debug, Default)]
struct Now {
    directories: Vec<Directory>,
    containers: BTreeMap<usize, State>,
    swept: u64,
}

impl Now {
    fn current(&mut self, cgroup: u64) -> Option<&mut Directory> {
        let same_number = |directory: &&mut Directory| {
            !directory.replaced && directory.cgroup & 0xffff_ffff == cgroup & 0xffff_ffff
        };
        self.directories.iter_mut().rev().find(same_number)
    }

    fn roots(&self, id: usize) -> usize {
        let root = |directory: &&Directory| {
            TREE[directory.place].1 == Some((id, true)) && directory.removed.is_none() && !directory.replaced
        };
        self.directories.iter().filter(root).count()
    }

    fn remove(&mut self, cgroup: u64, ns: u64) {
        let Some(directory) = self
            .current(cgroup)
            .filter(|directory| directory.removed.is_none())
        else {
            return;
        };
        directory.removed = Some(ns);
        if let Some((id, true)) = TREE[directory.place].1 {
            self.end_without_roots(id, ns);
        }
    }

    fn end_without_roots(&mut self, id: usize, ns: u64) {
        if self.roots(id) > 0 {
            return;
        }
        if let Some(state) = self.containers.get_mut(&id).filter(|state| state.end.is_none()) {
            state.end = Some(ns);
            for directory in &mut self.directories {
                if TREE[directory.place].1.is_some_and(|(of, _)| of == id) {
                    directory.removed.get_or_insert(ns);
                }
            }
        }
    }

    fn replace(&mut self, cgroup: u64, ns: u64) {
        self.remove(cgroup, ns);
        if let Some(directory) = self.current(cgroup) {
            directory.replaced = true;
        }
    }

    fn live(&mut self, id: usize, since: u64) -> &mut State {
        let state = self.containers.entry(id).or_default();
        if state.end.is_some_and(|end| end <= since) {
            (state.start, state.exact, state.reported, state.end) = (None, false, None, None);
        }
        state
    }

    fn appear(&mut self, (cgroup, place): (u64, usize), ns: u64, since: u64, start: Option<(u64, bool)>) {
        let Some((id, root)) = TREE[place].1 else {
            self.replace(cgroup, ns);
            return;
        };
        let compatible = |one: u64, other: u64| one == other || one == 0 || other == 0;
        let known = self.current(cgroup).is_some_and(|directory| {
            directory.place == place
                && compatible(directory.cgroup >> 32, cgroup >> 32)
                && directory.removed.is_none_or(|removed| since <= removed)
        });
        if !known {
            self.replace(cgroup, ns.min(since));
            let state = self.live(id, since);
            state.observed = true;
            let removed = state.end;
            self.directories.push(Directory {
                cgroup,
                place,
                removed,
                replaced: false,
            });
        }
        let live = self
            .current(cgroup)
            .is_some_and(|directory| directory.removed.is_none());
        let Some(state) = self.containers.get_mut(&id) else {
            return;
        };
        if path(place).starts_with("/docker/") {
            state.docker = state.docker.or(Some(true));
        }
        if root && live {
            begin(state, start);
        }
    }

    fn apply(&mut self, fact: &Fact, ns: u64) {
        match *fact {
            Fact::Made { cgroup, place } => self.appear((cgroup, place), ns, ns, Some((ns, false))),
            Fact::Removed { cgroup, place } => {
                let compatible = |one: u64, other: u64| one == other || one == 0 || other == 0;
                if self.current(cgroup).is_some_and(|directory| {
                    directory.place == place && compatible(directory.cgroup >> 32, cgroup >> 32)
                }) {
                    self.remove(cgroup, ns);
                    return;
                }
                self.replace(cgroup, ns);
                if let Some((id, root)) = TREE[place].1
                    && let Some(state) = self.containers.get_mut(&id).filter(|state| state.end.is_none())
                {
                    state.observed = true;
                    if root {
                        self.end_without_roots(id, ns);
                    }
                }
            }
            Fact::Created { id, name, ctime } => {
                let state = self.live(id, if ctime == 0 { ns } else { ctime });
                if state.end.is_none() && ctime != 0 {
                    begin(state, Some((ctime, true)));
                }
                state.docker = state.docker.or(Some(true));
                rename(state, name);
            }
            Fact::Ended { id } => {
                if self.containers.get(&id).is_some_and(|state| !state.observed) {
                    self.end_without_roots(id, ns);
                }
            }
            Fact::Found {
                cgroup,
                place,
                ctime,
                dead,
            } => {
                let ctime = ctime.filter(|_| !dead);
                self.appear(
                    (cgroup, place),
                    ns,
                    ctime.unwrap_or(ns),
                    ctime.map(|ns| (ns, true)),
                );
                if dead && TREE[place].1.is_some() {
                    self.remove(cgroup, ns);
                }
            }
            Fact::Gone { cgroup } => self.remove(cgroup, ns),
            Fact::Told { id, name } => {
                if let Some(state) = self.containers.get_mut(&id) {
                    state.docker = state.docker.or(Some(false));
                    state.reported = Some(ns);
                    rename(state, name);
                }
            }
            Fact::Refused { .. } => {}
        }
    }

    /// What the passing of time does after an event at `ns`.
    fn sweep(&mut self, ns: u64, retention: Option<u64>) {
        let Some(retention) = retention else { return };
        let stretch = ns / (retention / 8).max(1);
        if stretch > self.swept {
            self.swept = stretch;
            let horizon = ns.saturating_sub(retention);
            self.containers
                .retain(|_, state| state.end.is_none_or(|end| end >= horizon));
            for directory in &mut self.directories {
                directory.replaced |= directory.removed.is_some_and(|removed| removed < horizon);
            }
        }
    }
}

fn begin(state: &mut State, start: Option<(u64, bool)>) {
    if let Some((ns, exact)) = start
        && (state.start.is_none() || exact && !state.exact)
    {
        (state.start, state.exact) = (Some(ns), exact);
    }
}

fn rename(state: &mut State, name: usize) {
    if !NAMES[name].is_empty() {
        state.name = NAMES[name];
    }
}

/// Everything that can be asked.
#[derive(Debug, PartialEq, Eq)]
struct Answers {
    /// By start and id: id, runtime, name, start, start as reported, end.
    all: Vec<(
        Option<u64>,
        String,
        &'static str,
        String,
        Option<u64>,
        Option<u64>,
    )>,
    live: Vec<String>,
    by_name: Vec<Option<String>>,
    by_cgroup: Vec<Option<String>>,
    count: u64,
}

impl Answers {
    fn of_store(stores: &Stores, seq: u64) -> Self {
        let view = stores.at(seq, 0);
        let view = view.containers();
        let containers = stores.containers().at(seq, 0).all();
        let all = containers.iter().map(|container| {
            assert_eq!(view.get_container(container.id).as_ref(), Ok(container));
            (
                container.start_ns,
                container.id.to_owned(),
                container.runtime.as_str(),
                container.name.to_owned(),
                container.reported_start_ns,
                container.end_ns,
            )
        });
        let live = view
            .list_containers(&ContainerFilter::default())
            .expect("healthy");
        Self {
            all: all.collect(),
            live: live.iter().map(|container| container.id.to_owned()).collect(),
            by_name: NAMES
                .map(|name| {
                    view.get_container_by_name(name)
                        .ok()
                        .map(|found| found.id.to_owned())
                })
                .into(),
            by_cgroup: (0..5)
                .map(|cgroup| {
                    view.get_container_by_cgroup(cgroup)
                        .ok()
                        .map(|found| found.id.to_owned())
                })
                .collect(),
            count: view.metrics().item_count,
        }
    }

    fn of_plain_fold(now: &mut Now) -> Self {
        let id = |id: &usize| IDS[*id].to_owned();
        let mut all: Vec<_> = now
            .containers
            .iter()
            .map(|(of, state)| {
                let runtime = match state.docker {
                    None => "unknown",
                    Some(true) => "docker",
                    Some(false) => "podman",
                };
                (
                    state.start,
                    id(of),
                    runtime,
                    state.name.to_owned(),
                    state.reported,
                    state.end,
                )
            })
            .collect();
        all.sort();
        let of_name = |name: &&str| {
            let named = now
                .containers
                .iter()
                .filter(|(_, state)| state.name == *name && !name.is_empty());
            let best =
                named.min_by_key(|(of, state)| (state.end.is_some(), std::cmp::Reverse(state.start), **of));
            best.map(|(of, _)| id(of))
        };
        let by_name = NAMES.iter().map(of_name).collect();
        let live = all
            .iter()
            .filter(|container| container.5.is_none())
            .map(|container| container.1.clone())
            .collect();
        let by_cgroup = (0..5)
            .map(|cgroup| {
                let (of, _) = TREE[now.current(cgroup)?.place].1?;
                now.containers.contains_key(&of).then(|| id(&of))
            })
            .collect();
        Self {
            count: all.len() as u64,
            all,
            live,
            by_name,
            by_cgroup,
        }
    }
}

/// What happens, as inputs and events by sequence number.
fn recording(facts: &[(Fact, u64)]) -> (Vec<Input>, Vec<TestEvent>) {
    let (mut inputs, mut events) = (Vec::new(), Vec::new());
    for (fact, ns) in facts {
        events.extend(event(fact, *ns));
        inputs.extend(input(fact, *ns).map(|row| Input {
            store: "container".to_owned(),
            seq: events.len() as u64 + 1,
            rows: ContainerInput::to_batch(&[row]),
        }));
    }
    (inputs, events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]
    #[test]
    fn every_moment_is_as_a_plain_fold_has_it(
        facts in facts(),
        retention in prop::option::of(20..200_u64),
        compactions in prop::collection::btree_set(0..40_u64, 0..6),
        cut in 1..40_u64,
    ) {
        let settings = Settings { retention_ns: retention, ..Settings::default() };
        let (inputs, events) = recording(&facts);
        let batches = batches(&events);
        let end = events.len() as u64 + 2;
        let cut = cut.min(end - 1);

        let mut whole = Stores::with(settings.clone());
        let mut kept = Stores::with(settings.clone());
        for input in &inputs {
            whole.add_input(input.clone()).expect("nothing applied yet");
            kept.add_input(input.clone()).expect("nothing applied yet");
        }
        whole.advance(&batches, end).expect("in order");

        // One that drops history while it goes on.
        let part = |from: u64, until: u64| batches.iter().filter_map(|batch| {
            let rows: Vec<usize> = batch.seqs().iter().enumerate()
                .filter(|(_, seq)| (from..until).contains(*seq)).map(|(row, _)| row).collect();
            let (first, last) = (*rows.first()?, *rows.last()?);
            Some(batch.slice(first, last - first + 1))
        }).collect::<Vec<_>>();
        let mut from = 0;
        for seq in compactions.iter().copied().filter(|seq| *seq < end) {
            kept.advance(&part(from, seq), seq).expect("in order");
            kept.compact(seq.saturating_sub(2));
            kept.compact(seq);
            from = seq;
        }
        kept.advance(&part(from, end), end).expect("in order");
        let dropped = from;

        // One that begins in the middle.
        let mut first = Stores::with(settings.clone());
        for input in &inputs {
            first.add_input(input.clone()).expect("nothing applied yet");
        }
        first.advance(&part(0, cut), cut).expect("in order");
        let frames: Vec<_> = first.keyframes().into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect();
        let mut second = Stores::with(settings);
        second.restore(cut, &frames, inputs).expect("a keyframe");
        second.advance(&part(cut, end), end).expect("in order");

        let mut now = Now::default();
        let mut moments = vec![Answers::of_plain_fold(&mut now)];
        let mut known = BTreeSet::new();
        for (fact, ns) in &facts {
            now.apply(fact, *ns);
            if fact.is_event() {
                now.sweep(*ns, retention);
                moments.push(Answers::of_plain_fold(&mut now));
            }
            known.extend(now.containers.keys().copied());
        }
        // Inputs after the last event.
        moments.push(Answers::of_plain_fold(&mut now));
        for (seq, answers) in (0..).zip(&moments) {
            prop_assert_eq!(&Answers::of_store(&whole, seq), answers, "as of {}", seq);
            if seq >= dropped {
                prop_assert_eq!(&Answers::of_store(&kept, seq), answers, "compacted, as of {}", seq);
            }
            if seq >= cut {
                prop_assert_eq!(&Answers::of_store(&second, seq), answers, "from {}, as of {}", cut, seq);
            }
        }
        // Without a retention time, nothing is ever forgotten.
        for id in known.into_iter().filter(|_| retention.is_none()) {
            prop_assert!(whole.containers().best_known(IDS[id]).is_some());
        }
        kept.compact(u64::MAX);
        prop_assert_eq!(kept.containers().history().count(), now.containers.len());
    }
}
