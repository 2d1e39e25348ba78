//! Moving together what is still known, when what is forgotten goes.

use super::chunked::Chunked;
use super::facts::{Ending, Facts, Index, Look, Setting, Values};
use super::intern::{Mover, Text, Texts};
use super::table::{Group, ProcessTable};
use super::thread::ThreadTable;
use super::timeline::{Head, Timelines};

/// The new places of processes or threads, by their old ones; none for those that are gone.
pub(super) struct Moves(Vec<Option<Index>>);

impl Moves {
    /// Those of which `kept` is true are moved together.
    pub(super) fn of<T>(all: &Chunked<T>, kept: impl Fn(&T) -> bool) -> Self {
        let mut new = (0..).map(Index::at);
        let moves = all.iter().map(|one| kept(one).then(|| new.next()).flatten());
        Self(moves.collect())
    }

    pub(super) fn get(&self, index: Index) -> Option<Index> {
        self.0.get(index.position()).copied().flatten()
    }

    /// Numbers, with new places.
    pub(super) fn pairs<T>(
        &self,
        pairs: impl Iterator<Item = (T, Index)>,
    ) -> impl Iterator<Item = (T, Index)> {
        pairs.filter_map(|(number, index)| Some((number, self.get(index)?)))
    }

    /// Drops those that are gone from a table of all.
    fn retain<T>(&self, all: &mut Chunked<T>) {
        let mut moves = self.0.iter();
        all.retain(|_| moves.next().is_some_and(Option::is_some));
    }
}

/// Numbers values anew, leaving out those that nobody has any more.
struct Renumbering<'a> {
    from: &'a Values,
    texts: Texts,
    looks: Mover<'a, Look>,
    settings: Mover<'a, Setting>,
    endings: Mover<'a, Ending>,
}

impl<'a> Renumbering<'a> {
    fn new(from: &'a Values) -> Self {
        Self {
            from,
            texts: Texts::default(),
            looks: Mover::new(&from.looks),
            settings: Mover::new(&from.settings),
            endings: Mover::new(&from.endings),
        }
    }

    fn facts(&mut self, facts: &mut Facts, moves: &Moves) {
        let mut text = |text: &mut Text| self.texts.take(&self.from.texts, text);
        self.looks.take(&mut facts.look, |look| {
            text(&mut look.name);
            text(&mut look.path);
            text(&mut look.exec_name);
        });
        self.settings.take(&mut facts.setting, |setting| {
            text(&mut setting.container);
            setting.adopted_by = setting.adopted_by.and_then(|adopter| moves.get(adopter));
        });
        self.endings.take(&mut facts.ending, |_| {});
        facts.parent = facts.parent.and_then(|parent| moves.get(parent));
    }

    fn finish(self) -> Values {
        Values {
            texts: self.texts,
            looks: self.looks.to,
            settings: self.settings.to,
            endings: self.endings.to,
        }
    }
}

impl ProcessTable {
    /// Drops the processes that are gone, and everything about them and about `threads` that are gone. The names of threads
    /// are numbered anew, too.
    pub(super) fn move_together(&mut self, moves: &Moves, threads: &Moves, names: &mut ThreadTable) {
        moves.retain(&mut self.processes);
        let values = std::mem::take(&mut self.values);
        let mut renumbering = Renumbering::new(&values);
        for process in self.processes.iter_mut() {
            renumbering.facts(&mut process.version.facts, moves);
            (process.last_child, process.elder) = (None, None);
        }
        for version in self.past.versions_mut() {
            renumbering.facts(&mut version.facts, moves);
        }
        for thread in names.threads.iter_mut() {
            renumbering.texts.take(&values.texts, &mut thread.name);
        }
        self.values = renumbering.finish();
        for child in (0..self.processes.len()).map(Index::at) {
            if let Some(parent) = self.facts(child).parent {
                self.add_child(parent, child);
            }
        }
        self.forgotten = self.processes.len() - self.present().count();

        let groups: Vec<_> = swap(moves.pairs(swap(self.groups.drain()))).collect();
        let heads = groups.iter().map(|(_, group)| group.threads);
        let (timelines, heads) = moved(&self.threads, heads, threads);
        self.threads = timelines;
        let groups = groups.into_iter().zip(heads);
        self.groups = groups
            .map(|((index, group), threads)| (index, Group { threads, ..group }))
            .collect();

        let adopters: Vec<_> = swap(moves.pairs(swap(self.adopters.drain()))).collect();
        let (timelines, heads) = moved(&self.adopted, adopters.iter().map(|(_, head)| *head), moves);
        self.adopted = timelines;
        self.adopters = adopters.into_iter().map(|(index, _)| index).zip(heads).collect();
    }
}

impl ThreadTable {
    /// Drops the threads that are gone, and what only questions about events before `seq` depend on.
    pub(super) fn move_together(&mut self, seq: u64, processes: &Moves, moves: &Moves) {
        moves.retain(&mut self.threads);
        for thread in self.threads.iter_mut() {
            // A thread goes with its process.
            thread.process = processes.get(thread.process).unwrap_or(thread.process);
        }
        self.by_id.compact(seq, |index| moves.get(index));
        self.coarse = moves.pairs(self.coarse.drain()).collect();
        self.aliases = moves.pairs(self.aliases.drain(..)).collect();
        self.exited = self.exited.iter().filter_map(|index| moves.get(*index)).collect();
        self.forgotten = self.threads.iter().filter(|thread| thread.is_forgotten()).count();
    }
}

fn swap<A, B>(pairs: impl Iterator<Item = (A, B)>) -> impl Iterator<Item = (B, A)> {
    pairs.map(|(one, other)| (other, one))
}

/// The same timelines of what is still there, with their heads.
fn moved(
    timelines: &Timelines<Index>,
    heads: impl Iterator<Item = Head>,
    moves: &Moves,
) -> (Timelines<Index>, Vec<Head>) {
    let mut kept = Vec::new();
    let mut count = 0;
    for (owner, head) in heads.enumerate() {
        let entries = timelines.all(head);
        kept.extend(entries.filter_map(|(at, entry)| Some((at, owner, moves.get(entry.value)?))));
        count = owner + 1;
    }
    let mut heads = vec![Head::default(); count];
    let timelines = timelines.copy(kept, &mut heads);
    (timelines, heads)
}
