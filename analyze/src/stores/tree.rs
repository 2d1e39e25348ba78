//! Who started whom, as a tree.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::error::Result;
use detectors_api::stores::ProcessInfo;

use super::mentions::contexts;
use super::processes::{Known, Processes, life_facts, process_facts};
use crate::facts::Facts;
use crate::made::made;
use crate::table::Named;

/// Processes that a path shows at most: untrusted events can make up endless ancestries.
pub(crate) const MAX_PATH: usize = 64;

/// A process in the tree.
struct Node<'a> {
    known: Known<'a>,
    /// Place in the order in which the tree is printed.
    position: u64,
    /// Number of ancestors.
    depth: u32,
    path: String,
}

/// All processes as a tree, in the order in which it is printed.
pub(super) fn tree(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &node_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let contexts = contexts(&capture.reader)?;
        let processes = Processes::of(&stores, &contexts, &capture.reader)?;
        let order = Order::of(&processes);
        let labels: Vec<String> = processes.all.iter().map(|known| label(&known.process)).collect();
        let mut all: Vec<Option<Known<'_>>> = processes.all.into_iter().map(Some).collect();
        let nodes = (0..).zip(&order.visits).filter_map(|(position, visit)| {
            Some(Node {
                known: all[visit.index].take()?,
                position,
                depth: visit.depth,
                path: order.path(visit.index, &labels),
            })
        });
        rows.add_all(nodes, node_facts)
    })
}

fn node_facts<'r, 'a>(nodes: &'r [Node<'a>]) -> Facts<'r, Node<'a>> {
    let facts = Facts::about(nodes)
        .u64("position", |node| Some(node.position))
        .u32("depth", |node| Some(node.depth))
        .text("path", |node| &node.path);
    let facts = process_facts(facts, |node| &node.known.process);
    life_facts(facts, |node| &node.known)
}

/// What a process is called in a path: `bash(900)`.
fn label(process: &ProcessInfo<'_>) -> String {
    let file = process.exe.rsplit('/').next().unwrap_or_default();
    let name = [process.name, process.exec_name, file]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or("?");
    match process.host_pid {
        0 => format!("{name}(?)"),
        pid => format!("{name}({pid})"),
    }
}

/// The path of a process: `systemd(1)/sshd(712)/bash(900)`. `ancestry` begins with the process; if it has more than
/// [`MAX_PATH`] entries, the path begins with an ellipsis.
pub(crate) fn path_of(ancestry: &[ProcessInfo<'_>]) -> String {
    let labels: Vec<_> = ancestry.iter().take(MAX_PATH).map(label).collect();
    joined(&labels, ancestry.len() > MAX_PATH)
}

/// Labels, beginning with the one that comes last, as a path.
fn joined(labels: &[impl AsRef<str>], cut: bool) -> String {
    let mut path = String::new();
    if cut {
        path.push_str("…/");
    }
    for (index, label) in labels.iter().rev().enumerate() {
        if index > 0 {
            path.push('/');
        }
        path.push_str(label.as_ref());
    }
    path
}

/// The tree, depth first; siblings in the order of the processes.
struct Order {
    visits: Vec<Visit>,
    parents: Vec<Option<usize>>,
}

#[derive(Clone, Copy)]
struct Visit {
    index: usize,
    depth: u32,
}

impl Order {
    fn of(processes: &Processes<'_>) -> Self {
        let parents = processes.all.iter().enumerate().map(|(index, known)| {
            let parent = known.process.parent_entity_id?;
            let seq = known.seqs.map_or(u64::MAX, |(first, _)| first);
            processes.position(parent, seq).filter(|parent| *parent != index)
        });
        Self::of_parents(parents.collect())
    }

    fn of_parents(mut parents: Vec<Option<usize>>) -> Self {
        let mut children = vec![Vec::new(); parents.len()];
        for (index, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent].push(index);
            }
        }
        let roots = (0..parents.len()).filter(|index| parents[*index].is_none());
        // Forged events can make processes each other's ancestors; then the first one stands for a root.
        let starts: Vec<usize> = roots.chain(0..parents.len()).collect();
        let mut visits = Vec::with_capacity(parents.len());
        let mut visited = vec![false; parents.len()];
        for start in starts {
            if visited[start] {
                continue;
            }
            parents[start] = None;
            let mut stack = vec![Visit {
                index: start,
                depth: 0,
            }];
            while let Some(visit) = stack.pop() {
                if std::mem::replace(&mut visited[visit.index], true) {
                    continue;
                }
                visits.push(visit);
                let depth = visit.depth.saturating_add(1);
                let below = children[visit.index].iter().rev();
                stack.extend(below.map(|index| Visit { index: *index, depth }));
            }
        }
        Self { visits, parents }
    }

    fn path(&self, index: usize, labels: &[String]) -> String {
        let mut line = std::iter::successors(Some(index), |index| self.parents[*index]);
        let shown: Vec<&str> = line
            .by_ref()
            .take(MAX_PATH)
            .map(|index| labels[index].as_str())
            .collect();
        joined(&shown, line.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Index and depth of each process, in the order of the tree.
    fn order(parents: &[Option<usize>]) -> (Vec<(usize, u32)>, Order) {
        let order = Order::of_parents(parents.to_vec());
        let visits = order.visits.iter().map(|visit| (visit.index, visit.depth));
        (visits.collect(), order)
    }

    #[test]
    fn parents_come_before_children_and_siblings_in_order() {
        let (visits, order) = order(&[None, Some(0), Some(0), Some(1), None, Some(2)]);
        assert_eq!(visits, [(0, 0), (1, 1), (3, 2), (2, 1), (5, 2), (4, 0)]);
        let labels = ["a", "b", "c", "d", "e", "f"].map(str::to_owned);
        assert_eq!(order.path(5, &labels), "a/c/f");
        assert_eq!(order.path(4, &labels), "e");
    }

    #[test]
    fn circles_are_cut_at_their_first_process() {
        let (visits, order) = order(&[Some(2), Some(0), Some(1), Some(1), None]);
        assert_eq!(visits, [(4, 0), (0, 0), (1, 1), (2, 2), (3, 2)]);
        let labels = ["a", "b", "c", "d", "e"].map(str::to_owned);
        assert_eq!(order.path(3, &labels), "a/b/d");
    }

    #[test]
    fn long_paths_show_their_end() {
        let parents: Vec<_> = (0..100_000_usize).map(|index| index.checked_sub(1)).collect();
        let labels: Vec<_> = (0..parents.len()).map(|index| index.to_string()).collect();
        let (visits, order) = order(&parents);
        assert_eq!(visits.last(), Some(&(99_999, 99_999)));
        let path = order.path(99_999, &labels);
        assert!(
            path.starts_with("…/99936/99937/") && path.ends_with("/99998/99999"),
            "{path}"
        );
        assert!(order.path(63, &labels).starts_with("0/1/"));
        assert!(order.path(64, &labels).starts_with("…/1/2/"));
    }
}
