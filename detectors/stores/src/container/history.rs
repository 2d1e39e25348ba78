//! What is remembered of containers and cgroups.

use std::collections::BTreeSet;
use std::sync::Arc;

use detectors_api::stores::{ContainerInfo, PodInfo, Runtime};

use super::inputs::ContainerFacts;

/// A value that changes, and can go away, with the sequence number from which each held, in order.
#[derive(Debug)]
pub(super) struct History<T>(Vec<(u64, Option<T>)>);

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> History<T> {
    pub(super) fn latest(&self) -> Option<&T> {
        self.0.last()?.1.as_ref()
    }

    /// The value as of event `seq`.
    pub(super) fn at(&self, seq: u64) -> Option<&T> {
        let after = self.0.partition_point(|(since, _)| *since <= seq);
        self.0[after.checked_sub(1)?].1.as_ref()
    }

    /// From event `seq` on it is `value`.
    pub(super) fn set(&mut self, seq: u64, value: Option<T>) {
        self.0.pop_if(|(since, _)| *since == seq);
        if self.latest() != value.as_ref() {
            self.0.push((seq, value));
        }
    }

    /// The values, each with the sequence numbers from which on, and from which on no more, it holds.
    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = (u64, Option<u64>, &T)> {
        self.0.iter().enumerate().filter_map(|(index, (since, value))| {
            let until = self.0.get(index + 1).map(|(since, _)| *since);
            Some((*since, until, value.as_ref()?))
        })
    }

    /// Drops what does not hold any more at event `seq`; gives the dropped values.
    pub(super) fn compact(&mut self, seq: u64) -> Vec<T> {
        let after = self.0.partition_point(|(since, _)| *since <= seq);
        let mut dropped = after.saturating_sub(1);
        // What is gone is as what never was.
        if after > 0 && self.0[dropped].1.is_none() {
            dropped = after;
        }
        self.0.drain(..dropped).filter_map(|(_, value)| value).collect()
    }

    /// Whether there is nothing, and never was.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is nothing to drop.
    pub(super) fn is_settled(&self) -> bool {
        self.0.len() <= 1
    }
}

/// When a container's life began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// ns since the Unix epoch.
    pub(super) ns: u64,
    /// Whether the directory says so, and not the event that announced it.
    pub(super) exact: bool,
}

/// What is known about a container at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) start: Option<Start>,
    /// ns since the Unix epoch; `None` while it lives.
    pub(super) end_ns: Option<u64>,
    /// What runtimes told. What runs the container is also told by its path.
    pub(super) told: Arc<ContainerFacts>,
    /// Why they told nothing the last time that they were asked.
    pub(super) error: Option<Arc<str>>,
}

impl Facts {
    /// What is known when a container lives again: its runtime said the rest about its last life.
    pub(super) fn revived(&self) -> Self {
        let mut facts = Self {
            start: None,
            end_ns: None,
            ..self.clone()
        };
        Arc::make_mut(&mut facts.told).started_ns = None;
        facts
    }

    /// Something tells when the life began.
    pub(super) fn begin(&mut self, start: Option<Start>) {
        if let Some(start) = start
            && self.start.is_none_or(|known| start.exact && !known.exact)
        {
            self.start = Some(start);
        }
    }

    /// A path or an event tells what runs the container.
    pub(super) fn run_by(&mut self, runtime: Runtime) {
        if self.told.runtime == Runtime::Unknown && runtime != Runtime::Unknown {
            Arc::make_mut(&mut self.told).runtime = runtime;
        }
    }

    /// A runtime tells about the container. What it does not know does not erase what was told before.
    pub(super) fn tell(&mut self, news: ContainerFacts) {
        let merged = |news: String, known: &str| if news.is_empty() { known.to_owned() } else { news };
        self.run_by(news.runtime);
        self.error = None;
        self.told = Arc::new(ContainerFacts {
            runtime: self.told.runtime,
            name: merged(news.name, &self.told.name),
            image: merged(news.image, &self.told.image),
            image_digest: merged(news.image_digest, &self.told.image_digest),
            started_ns: news.started_ns.or(self.told.started_ns),
            pod: news.pod.or_else(|| self.told.pod.clone()),
        });
    }

    pub(super) fn info<'a>(&'a self, id: &'a str) -> ContainerInfo<'a> {
        ContainerInfo {
            id,
            name: &self.told.name,
            image: &self.told.image,
            image_digest: &self.told.image_digest,
            runtime: self.told.runtime,
            start_ns: self.start.map(|start| start.ns),
            reported_start_ns: self.told.started_ns,
            end_ns: self.end_ns,
            pod: self.told.pod.as_ref().map(|pod| PodInfo {
                name: &pod.name,
                uid: &pod.uid,
                namespace: &pod.namespace,
                sandbox: pod.sandbox,
            }),
        }
    }
}

/// A container.
#[derive(Debug, Default)]
pub(super) struct Container {
    /// Nothing, once it has been forgotten.
    pub(super) facts: History<Facts>,
    /// Its directories that exist, by cgroup.
    pub(super) directories: BTreeSet<u32>,
    /// Those of them that are its own, and not further down.
    pub(super) roots: BTreeSet<u32>,
    /// Whether a directory of it has ever been seen.
    pub(super) observed: bool,
}

/// What the inode number of a cgroup stands for.
#[derive(Debug, Default)]
pub(super) struct Cgroup {
    /// Id of the container that it belongs to, after its end too.
    pub(super) container: History<Arc<str>>,
    /// The directory that has, or last had, the number, if it is in a container.
    pub(super) directory: Option<Directory>,
}

/// A cgroup's directory in a container.
#[derive(Debug)]
pub(super) struct Directory {
    /// The whole inode number; the upper half is 0 if the source cut it off.
    pub(super) cgroup_id: u64,
    pub(super) path: Box<str>,
    /// ns since the Unix epoch; `None` while it exists.
    pub(super) removed_ns: Option<u64>,
}

impl Directory {
    /// Whether it has this number and path.
    pub(super) fn is(&self, cgroup_id: u64, path: &str) -> bool {
        let (one, other) = (self.cgroup_id >> 32, cgroup_id >> 32);
        *self.path == *path && (one == other || one == 0 || other == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_asked_as_of_any_event() {
        let mut history = History::default();
        assert_eq!(history.at(9), None);
        history.set(3, Some('a'));
        history.set(5, Some('a'));
        history.set(6, Some('b'));
        history.set(6, Some('a'));
        history.set(7, None);
        history.set(9, Some('c'));
        let at: String = (0..11)
            .map(|seq| history.at(seq).copied().unwrap_or('-'))
            .collect();
        assert_eq!(at, "---aaaa--cc");
        let values: Vec<_> = history.values().collect();
        assert_eq!(values, [(3, Some(7), &'a'), (9, None, &'c')]);
    }

    #[test]
    fn compaction_keeps_what_later_questions_need() {
        for seq in 0..12 {
            let mut history = History::default();
            for (since, value) in [(3, Some('a')), (5, Some('b')), (7, None), (9, Some('c'))] {
                history.set(since, value);
            }
            let before: Vec<_> = (seq..14).map(|seq| history.at(seq).copied()).collect();
            let all: Vec<_> = history.values().map(|(.., value)| *value).collect();
            let mut kept = history.compact(seq);
            let after: Vec<_> = (seq..14).map(|seq| history.at(seq).copied()).collect();
            assert_eq!(before, after, "from {seq}");
            kept.extend(history.values().map(|(.., value)| *value));
            assert_eq!(kept, all);
            assert_eq!(history.is_settled(), seq >= 7);
            assert!(!history.is_empty());
        }
    }
}
