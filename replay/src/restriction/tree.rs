//! A process and all its descendants.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use capture::CaptureReader;
use detectors_api::detector::Context;
use detectors_api::event::Event;

use super::actors::{self, Actor};
use crate::Error;

/// Generations that are followed: untrusted events can make up endless ones.
const GENERATIONS: usize = 1024;

/// Which process a tree begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// Every process that has this id in the root pid namespace, one after the other.
    HostPid(u32),
    /// The process with this entity id.
    Entity(u32),
}

/// A root that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a process id (4711, in the root pid namespace) nor an entity id (entity:2953719810)"
)]
pub struct RootError(String);

impl FromStr for Root {
    type Err = RootError;

    fn from_str(text: &str) -> Result<Self, RootError> {
        let root = match text.strip_prefix("entity:") {
            Some(id) => id.parse().map(Self::Entity),
            None => text.parse().map(Self::HostPid),
        };
        root.map_err(|_| RootError(text.to_owned()))
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostPid(pid) => pid.fmt(f),
            Self::Entity(id) => write!(f, "entity:{id}"),
        }
    }
}

/// A process and its descendants: those that it created, those that these created, and so on, whoever adopted them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessTree {
    root: Root,
    bearers: Vec<Bearer>,
    inside: Option<u32>,
}

/// A process that a root means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearer {
    /// Entity id, where it is known.
    pub entity_id: Option<u32>,
    /// Process id in the root pid namespace, where it is known.
    pub host_pid: Option<u32>,
    /// Name; empty if unknown. The last one, if it changed.
    pub comm: String,
    /// When it started: ns since the Unix epoch; `None` if unknown.
    pub start_ns: Option<i64>,
}

impl ProcessTree {
    /// The trees of `roots` in `reader`'s capture.
    ///
    /// # Errors
    /// If the capture cannot be read.
    pub fn find(reader: &CaptureReader, roots: &[Root]) -> Result<Vec<Self>, Error> {
        if roots.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = vec![BTreeMap::new(); roots.len()];
        let mut inside = vec![None; roots.len()];
        actors::each(reader, |actor| {
            for ((root, found), inside) in roots.iter().zip(&mut found).zip(&mut inside) {
                meet(*root, actor, found);
                // A process id may be that of a pid namespace: the one that is meant can be told.
                if let Root::HostPid(pid) = root
                    && actor.pid == Some(*pid)
                {
                    *inside = inside.or(actor.host_pid);
                }
            }
        })?;
        let trees = roots.iter().zip(found).zip(inside);
        Ok(trees
            .map(|((root, found), inside)| {
                let mut bearers: Vec<Bearer> = found.into_values().collect();
                bearers.sort_by_key(|bearer| (bearer.start_ns, bearer.entity_id));
                Self {
                    root: *root,
                    bearers,
                    inside,
                }
            })
            .collect())
    }

    /// Which process it begins with.
    #[must_use]
    pub fn root(&self) -> Root {
        self.root
    }

    /// The processes that the root means, by start; none, if the capture knows of none.
    #[must_use]
    pub fn bearers(&self) -> &[Bearer] {
        &self.bearers
    }

    /// A process in the root pid namespace that has the root's number in its own namespace, if there is one.
    #[must_use]
    pub fn inside(&self) -> Option<u32> {
        self.inside
    }

    /// Whether `event` is of the process or one of its descendants, by what was known as of the event.
    pub(super) fn holds(&self, event: &Event<'_>, cx: &Context<'_>) -> bool {
        let (process, parent) = (event.process(), event.parent());
        // What the event itself tells needs no store.
        if self.is_root(process.entity_id(), process.host_pid())
            || self.is_root(parent.entity_id(), parent.host_pid())
        {
            return true;
        }
        let known = [process.entity_id(), parent.entity_id()];
        // Whom the store does not know may have a parent that it does. Without a store, nobody has ancestors.
        let ancestry = known.into_iter().flatten().find_map(|entity_id| {
            let ancestry = cx.processes().get_ancestry(entity_id, GENERATIONS).ok()?;
            (!ancestry.is_empty()).then_some(ancestry)
        });
        let mut ancestry = ancestry.into_iter().flatten();
        ancestry.any(|process| self.is_root(Some(process.entity_id), Some(process.host_pid)))
    }

    fn is_root(&self, entity_id: Option<u32>, host_pid: Option<u32>) -> bool {
        match self.root {
            Root::HostPid(pid) => host_pid == Some(pid),
            Root::Entity(id) => entity_id == Some(id),
        }
    }
}

impl fmt::Display for ProcessTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

/// Takes note of `actor`, and of its parent, if they are what `root` means.
fn meet(root: Root, actor: &Actor<'_>, found: &mut BTreeMap<Option<u32>, Bearer>) {
    let is_leader = actor.host_tid.is_none() || actor.host_tid == actor.host_pid;
    let own = Bearer {
        entity_id: actor.entity_id,
        host_pid: actor.host_pid,
        // Other threads have names and starts of their own.
        comm: if is_leader { actor.comm } else { "" }.to_owned(),
        start_ns: actor.start_ns.filter(|_| is_leader),
    };
    let parent = Bearer {
        entity_id: actor.parent_entity_id,
        host_pid: actor.parent_host_pid,
        ..Bearer::default()
    };
    for bearer in [own, parent] {
        let is_meant = match root {
            Root::HostPid(pid) => bearer.host_pid == Some(pid),
            Root::Entity(id) => bearer.entity_id == Some(id),
        };
        if !is_meant {
            continue;
        }
        let known = found.entry(bearer.entity_id).or_default();
        known.entity_id = bearer.entity_id;
        known.host_pid = known.host_pid.or(bearer.host_pid);
        known.start_ns = known.start_ns.or(bearer.start_ns);
        if !bearer.comm.is_empty() {
            known.comm = bearer.comm;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots() {
        assert_eq!("4711".parse(), Ok(Root::HostPid(4711)));
        assert_eq!("entity:7".parse(), Ok(Root::Entity(7)));
        for text in ["", "-1", "entity:", "entity:x", "4711 ", "99999999999"] {
            assert!(text.parse::<Root>().is_err(), "{text}");
        }
        assert_eq!(Root::Entity(7).to_string(), "entity:7");
    }

    #[test]
    fn a_pid_that_came_back_has_two_bearers() {
        let actor = |entity_id, comm, start_ns| Actor {
            entity_id: Some(entity_id),
            host_pid: Some(7),
            host_tid: Some(7),
            comm,
            start_ns: Some(start_ns),
            parent_entity_id: Some(1),
            parent_host_pid: Some(1),
            ..Actor::default()
        };
        let mut found = BTreeMap::new();
        for actor in [actor(20, "sh", 5), actor(10, "cron", 1), actor(20, "ls", 5)] {
            meet(Root::HostPid(7), &actor, &mut found);
        }
        let found: Vec<_> = found
            .into_values()
            .map(|bearer| (bearer.entity_id, bearer.comm))
            .collect();
        assert_eq!(
            found,
            [(Some(10), "cron".to_owned()), (Some(20), "ls".to_owned())]
        );
        // Somebody who only ever is a parent is known, too.
        let mut found = BTreeMap::new();
        meet(Root::HostPid(1), &actor(20, "sh", 5), &mut found);
        assert_eq!(found.len(), 1);
    }
}
