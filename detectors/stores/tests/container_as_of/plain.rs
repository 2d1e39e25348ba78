//! The plain fold: what is the case now.

use std::collections::BTreeMap;

use crate::facts::{Fact, NAMES, TREE, path};

/// A directory of a container. The last one with a number is what the number stands for.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) cgroup: u64,
    pub(crate) place: usize,
    pub(crate) removed: Option<u64>,
    /// Something else has the number.
    pub(crate) replaced: bool,
}

/// What is the case of a container now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) docker: Option<bool>,
    pub(crate) name: &'static str,
    pub(crate) start: Option<u64>,
    pub(crate) exact: bool,
    pub(crate) reported: Option<u64>,
    pub(crate) end: Option<u64>,
    pub(crate) observed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Now {
    directories: Vec<Directory>,
    pub(crate) containers: BTreeMap<usize, State>,
    swept: u64,
}

impl Now {
    pub(crate) fn current(&mut self, cgroup: u64) -> Option<&mut Directory> {
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

    pub(crate) fn apply(&mut self, fact: &Fact, ns: u64) {
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
    pub(crate) fn sweep(&mut self, ns: u64, retention: Option<u64>) {
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
