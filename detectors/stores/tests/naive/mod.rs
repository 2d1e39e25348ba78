//! A plain fold of processes: no history, no packing, no bookkeeping; tables of what is the case now. What the process
//! store says as of an event must be what this one says after it.

use std::collections::{BTreeMap, BTreeSet};

use detectors_api::entity::entity_id;

/// A task: pid or tid, and start.
pub(crate) type Task = (u32, u64);

/// What an event tells.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Fork {
        parent: Task,
        child: Task,
    },
    Clone {
        process: Task,
        parent: Task,
        thread: Task,
    },
    Exec {
        task: Task,
        parent: Task,
        path: u8,
    },
    Exit {
        task: Task,
        complete: bool,
        code: i32,
    },
    ThreadExit {
        process: Task,
        thread: Task,
        complete: bool,
    },
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// When it happened: ns since the Unix epoch.
    pub(crate) time: u64,
    /// As whom the process acted.
    pub(crate) uid: u32,
    pub(crate) what: What,
}

/// A process, by what is known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) pid: u32,
    pub(crate) start: Option<u64>,
    pub(crate) id: u32,
    pub(crate) parent: Option<usize>,
    pub(crate) adopter: Option<usize>,
    pub(crate) exe: String,
    pub(crate) uid: Option<u32>,
    pub(crate) exit: Option<u64>,
    pub(crate) code: Option<i32>,
    pub(crate) leader_exit: Option<u64>,
    pub(crate) complete: bool,
    /// Another one has its pid.
    pub(crate) presumed: bool,
    pub(crate) last_exit: u64,
    pub(crate) inferred: bool,
    pub(crate) forgotten: bool,
}

/// A thread other than a leader.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) task: Task,
    pub(crate) process: usize,
    pub(crate) exit: Option<u64>,
    pub(crate) forgotten: bool,
}

/// What is the case now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    pub(crate) rows: Vec<Row>,
    pub(crate) threads: Vec<Thread>,
    children: BTreeSet<(usize, usize)>,
    by_pid: BTreeMap<u32, usize>,
    /// Who can be meant by an id: processes, and threads.
    by_id: BTreeMap<u32, Vec<usize>>,
    threads_by_id: BTreeMap<u32, Vec<usize>>,
    retention: Option<u64>,
    swept: u64,
    /// Events since then.
    events: usize,
    /// When it is.
    time: u64,
}

impl Now {
    pub(crate) fn with(retention: Option<u64>) -> Self {
        Self {
            retention,
            ..Self::default()
        }
    }

    /// A task that was there before the first event.
    pub(crate) fn was_running(&mut self, task: Task, exe: &str) {
        let row = self.actor(task, 0);
        self.rows[row].exe = exe.to_owned();
    }

    pub(crate) fn apply(&mut self, fact: &Fact) {
        self.time = fact.time;
        self.events += 1;
        match &fact.what {
            What::Fork { parent, child } => self.fork(*parent, *child, fact.uid),
            What::Clone {
                process,
                parent,
                thread,
            } => {
                let row = self.actor(*process, fact.uid);
                let parent = self.find(parent.0, entity_id(parent.0, parent.1), Some(parent.1));
                self.meet(parent, row);
                self.thread(row, *thread);
            }
            What::Exec { task, parent, path } => {
                let row = self.actor(*task, fact.uid);
                let parent = self.find(parent.0, entity_id(parent.0, parent.1), None);
                self.rows[row].exe = format!("/bin/p{path}");
                self.meet(parent, row);
                for thread in self.threads.iter_mut().filter(|thread| thread.process == row) {
                    thread.exit = thread.exit.or(Some(fact.time));
                }
                let row = &mut self.rows[row];
                if !row.complete && row.leader_exit.is_some_and(|exit| exit < fact.time) {
                    (row.exit, row.leader_exit, row.code) = (None, None, None);
                    row.presumed = false;
                }
            }
            What::Exit { task, complete, code } => {
                let row = self.actor(*task, fact.uid);
                self.learn_exit(row);
                let news = self.rows[row].leader_exit.is_none();
                if news {
                    self.rows[row].leader_exit = Some(fact.time);
                }
                self.end(row, fact.time, news, *complete, *code);
            }
            What::ThreadExit {
                process,
                thread,
                complete,
            } => {
                // The event of a thread does not tell when the leader started.
                let row = self.find(process.0, entity_id(process.0, process.1), None);
                self.rows[row].inferred = false;
                self.rows[row].uid = Some(fact.uid);
                if *complete {
                    self.learn_exit(row);
                }
                let thread = self.thread(row, *thread);
                let news = self.threads[thread].exit.is_none();
                self.threads[thread].exit.get_or_insert(fact.time);
                self.end(row, fact.time, news, *complete, 0);
            }
        }
        self.sweep(fact.time);
    }

    fn fork(&mut self, parent: Task, child: Task, uid: u32) {
        let parent = self.actor(parent, uid);
        let id = entity_id(child.0, child.1);
        let unknown_and_dead = self
            .latest(id)
            .is_some_and(|row| self.rows[row].exit.is_some() && self.rows[row].start.is_none());
        let child = if unknown_and_dead {
            self.add(child.0, id, Some(child.1))
        } else {
            self.find(child.0, id, Some(child.1))
        };
        let Row { exe, uid, .. } = self.rows[parent].clone();
        let row = &mut self.rows[child];
        row.inferred = false;
        row.uid = row.uid.or(uid);
        if row.exe.is_empty() {
            row.exe = exe;
        }
        if parent != child && row.parent.is_none() {
            row.parent = Some(parent);
            self.children.insert((parent, child));
        }
    }

    /// It ends as it is told, and not as it was presumed.
    fn learn_exit(&mut self, row: usize) {
        let row = &mut self.rows[row];
        if row.presumed {
            (row.exit, row.leader_exit, row.code) = (None, None, None);
            (row.complete, row.presumed, row.last_exit) = (false, false, 0);
        }
    }

    /// Another one has its pid.
    fn presume_ended(&mut self, row: usize) {
        if self.rows[row].exit.is_some() || self.time == 0 {
            return;
        }
        for thread in self.threads.iter_mut().filter(|thread| thread.process == row) {
            thread.exit = thread.exit.or(Some(self.time));
        }
        let row = &mut self.rows[row];
        row.presumed = true;
        row.leader_exit = row.leader_exit.or(Some(self.time));
        row.last_exit = row.last_exit.max(self.time);
        row.exit = Some(row.last_exit);
    }

    /// An exit of one of its threads.
    fn end(&mut self, row: usize, time: u64, news: bool, complete: bool, code: i32) {
        let alive = self
            .threads
            .iter()
            .any(|thread| thread.process == row && thread.exit.is_none());
        let row = &mut self.rows[row];
        row.complete |= complete;
        if news {
            if row.last_exit <= time && (row.complete || row.leader_exit.is_some()) {
                row.code = Some(code);
            }
            row.last_exit = row.last_exit.max(time);
        }
        let over = row.complete || row.presumed || row.leader_exit.is_some() && !alive;
        row.exit = over.then_some(row.last_exit);
    }

    fn thread(&mut self, process: usize, task: Task) -> usize {
        let bearers = self.threads_by_id.entry(entity_id(task.0, task.1)).or_default();
        let same = |index: &&usize| {
            let thread = &self.threads[**index];
            thread.process == process && thread.task == task
        };
        if let Some(known) = bearers.iter().rev().find(same) {
            return *known;
        }
        bear(bearers, self.threads.len());
        self.threads.push(Thread {
            task,
            process,
            exit: None,
            forgotten: false,
        });
        if !self.rows[process].complete && !self.rows[process].presumed {
            self.rows[process].exit = None;
        }
        self.threads.len() - 1
    }

    fn actor(&mut self, task: Task, uid: u32) -> usize {
        let row = self.find(task.0, entity_id(task.0, task.1), Some(task.1));
        self.rows[row].uid = Some(uid);
        self.rows[row].inferred = false;
        row
    }

    /// The latest row that may be this process.
    fn find(&mut self, pid: u32, id: u32, start: Option<u64>) -> usize {
        let same = |row: &Row| {
            let same_start = start.is_none() || row.start.is_none() || row.start == start;
            row.pid == pid && same_start
        };
        let bearers = self.by_id.get(&id).into_iter().flatten();
        match bearers.copied().rev().find(|row| same(&self.rows[*row])) {
            None => self.add(pid, id, start),
            Some(known) => {
                if self.rows[known].start.is_none() && start.is_some() {
                    self.rows[known].start = start;
                    self.take_pid(known);
                }
                known
            }
        }
    }

    fn add(&mut self, pid: u32, id: u32, start: Option<u64>) -> usize {
        self.rows.push(Row {
            pid,
            start,
            id,
            inferred: true,
            ..Row::default()
        });
        let row = self.rows.len() - 1;
        bear(self.by_id.entry(id).or_default(), row);
        self.take_pid(row);
        row
    }

    fn take_pid(&mut self, row: usize) {
        let Row { pid, start, .. } = self.rows[row];
        let started_later = |other: &usize| self.rows[*other].start > start;
        if !self.by_pid.get(&pid).is_some_and(started_later) {
            let former = self.by_pid.insert(pid, row);
            if let Some(former) = former.filter(|former| *former != row && start.is_some()) {
                self.presume_ended(former);
            }
        }
    }

    fn meet(&mut self, parent: usize, child: usize) {
        let row = &mut self.rows[child];
        if row.parent.is_none() && parent != child {
            row.parent = Some(parent);
        } else if row.parent.is_some() && row.parent != Some(parent) && parent != child {
            row.adopter = Some(parent);
        } else {
            return;
        }
        self.children.insert((parent, child));
    }

    fn sweep(&mut self, time: u64) {
        let Some(retention) = self.retention else { return };
        let stretch = time / (retention / 8);
        let threads = self.threads.iter().filter(|thread| !thread.forgotten);
        if stretch <= self.swept || self.events * 16 < self.known() + threads.count() {
            return;
        }
        (self.swept, self.events) = (stretch, 0);
        let horizon = time.saturating_sub(retention);
        let mut kept: BTreeSet<usize> = (0..self.rows.len())
            .filter(|row| {
                !self.rows[*row].forgotten && self.rows[*row].exit.is_none_or(|exit| exit >= horizon)
            })
            .collect();
        loop {
            let more: BTreeSet<_> = kept
                .iter()
                .flat_map(|row| [self.rows[*row].parent, self.rows[*row].adopter])
                .flatten()
                .filter(|row| !kept.contains(row))
                .collect();
            if more.is_empty() {
                break;
            }
            kept.extend(more);
        }
        for (index, row) in self.rows.iter_mut().enumerate() {
            row.forgotten = !kept.contains(&index);
        }
        for thread in &mut self.threads {
            thread.forgotten |=
                self.rows[thread.process].forgotten || thread.exit.is_some_and(|exit| exit < horizon);
        }
        self.by_pid.retain(|_, row| kept.contains(row));
        for bearers in self.by_id.values_mut() {
            bearers.retain(|row| kept.contains(row));
        }
        for bearers in self.threads_by_id.values_mut() {
            bearers.retain(|thread| !self.threads[*thread].forgotten);
        }
    }

    pub(crate) fn latest(&self, id: u32) -> Option<usize> {
        self.by_id.get(&id)?.last().copied()
    }

    pub(crate) fn latest_thread(&self, id: u32) -> Option<&Thread> {
        Some(&self.threads[*self.threads_by_id.get(&id)?.last()?])
    }

    pub(crate) fn by_pid(&self, pid: u32) -> Option<usize> {
        self.by_pid.get(&pid).copied()
    }

    pub(crate) fn ancestry(&self, id: u32) -> Vec<u32> {
        let mut rows = Vec::new();
        let mut next = self.latest(id);
        while let Some(row) = next.filter(|row| !rows.contains(row)) {
            rows.push(row);
            next = self.rows[row].parent;
        }
        rows.into_iter().map(|row| self.rows[row].pid).collect()
    }

    /// Start and pid of the children.
    pub(crate) fn children(&self, id: u32) -> Vec<(Option<u64>, u32)> {
        let parent = self.latest(id);
        let children = self
            .children
            .iter()
            .filter(|(of, child)| Some(*of) == parent && !self.rows[*child].forgotten);
        let mut found: Vec<_> = children
            .map(|(_, child)| (self.rows[*child].start, self.rows[*child].pid))
            .collect();
        found.sort_unstable();
        found
    }

    /// Start, tid and exit of the threads, the leader included.
    pub(crate) fn threads_of(&self, id: u32) -> Vec<(Option<u64>, u32, Option<u64>)> {
        let Some(process) = self.latest(id) else {
            return Vec::new();
        };
        let row = &self.rows[process];
        let others = self
            .threads
            .iter()
            .filter(|thread| thread.process == process && !thread.forgotten);
        let mut found: Vec<_> = others
            .map(|thread| (Some(thread.task.1), thread.task.0, thread.exit))
            .collect();
        found.push((row.start, row.pid, row.leader_exit.or(row.exit)));
        found.sort_unstable();
        found
    }

    pub(crate) fn known(&self) -> usize {
        self.rows.iter().filter(|row| !row.forgotten).count()
    }
}

/// A new bearer of an id. Eight are told apart.
fn bear(bearers: &mut Vec<usize>, new: usize) {
    bearers.push(new);
    if bearers.len() > 8 {
        bearers.remove(0);
    }
}
