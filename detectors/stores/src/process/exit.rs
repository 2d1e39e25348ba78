//! When a process has ended: with its last thread.

use super::ProcessStore;
use super::actor::Actor;
use super::facts::{Exit, Index, Now, Values};
use super::fold::{SIGNAL, exit};
use super::mention::Mention;
use crate::reads::Seen;

impl ProcessStore {
    /// A task exits.
    pub(super) fn exit(&mut self, now: Now, event: &Seen<'_>, who: &Actor, exit_ns: u64) -> Option<()> {
        let index = self.act(now, who, |_| {})?;
        let host_tid = who.host_tid?;
        let leader = host_tid == who.host_pid?;
        if let Some(parent) = self.mentioned_parent(now, who) {
            self.meet_parent(now, index, parent);
        }
        let complete = event.flag(exit::COMPLETE) == Some(true);
        if leader || complete {
            self.drop_presumption(now, index);
        }
        let news = if leader {
            self.table.exit(index).leader_ns.is_none()
        } else {
            let mention = Mention {
                id: Some(who.thread_id).filter(|id| *id != 0)?,
                ..Mention::started(host_tid, who.start_ns)
            };
            let thread = self.see_thread(now, index, mention, who.tid, who.comm);
            self.end_thread(now, index, thread, exit_ns)
        };
        let earlier_ns = self.table.last_exit_ns(index);
        let last = news && earlier_ns <= exit_ns;
        let last_exit_ns = if news { earlier_ns.max(exit_ns) } else { earlier_ns };
        let code = event.number(exit::CODE);
        let signal = event.number(exit::SIGNAL).map(|code: i32| code & SIGNAL);
        self.settle(now, index, last_exit_ns, |exit| {
            if leader {
                exit.leader_ns = exit.leader_ns.or(Some(exit_ns));
            }
            exit.complete |= complete;
            if last && (exit.complete || exit.leader_ns.is_some()) {
                exit.code = code;
                exit.signal = signal.filter(|signal| *signal != 0);
            }
        });
        Some(())
    }

    /// Notes the exit of a thread, unless one is known. Tells whether it is news.
    fn end_thread(&mut self, now: Now, process: Index, thread: Index, exit_ns: u64) -> bool {
        let news = self.threads.exit(now, thread, exit_ns);
        if news && let Some(group) = self.table.groups.get_mut(&process) {
            group.live = group.live.saturating_sub(1);
        }
        news
    }

    /// Ends all threads but the leader.
    pub(super) fn end_other_threads(&mut self, now: Now, index: Index) {
        let Some(group) = self.table.groups.get(&index).copied() else {
            return;
        };
        // Those that live are not further back than the first of as many.
        let mut live = Vec::new();
        for (_, entry) in self.table.threads.all(group.threads) {
            if live.len() == group.live as usize {
                break;
            }
            if !self.threads.get(entry.value).exited() {
                live.push(entry.value);
            }
        }
        for thread in live {
            self.end_thread(now, index, thread, now.time_ns);
        }
    }

    /// An exec shows that a process lives, even if its former leader has exited: the thread that called it is the leader from
    /// now on.
    pub(super) fn live_on(&mut self, now: Now, index: Index) {
        let exit = self.table.exit(index);
        if !exit.complete && exit.leader_ns.is_some_and(|exit_ns| exit_ns < now.time_ns) {
            let last_exit_ns = self.table.last_exit_ns(index);
            self.settle(now, index, last_exit_ns, |exit| *exit = Exit::default());
        }
    }

    /// A process whose exit was not seen has ended, at the latest now: another one has its pid.
    pub(super) fn presume_ended(&mut self, now: Now, index: Index) {
        if now.time_ns == 0 || self.table.values.is_over(self.table.facts(index)) {
            return;
        }
        self.end_other_threads(now, index);
        let last_exit_ns = self.table.last_exit_ns(index).max(now.time_ns);
        self.settle(now, index, last_exit_ns, |exit| {
            exit.leader_ns = exit.leader_ns.or(Some(now.time_ns));
            exit.presumed = true;
        });
    }

    /// A process exits of which that had been presumed: now it is known when, and how.
    fn drop_presumption(&mut self, now: Now, index: Index) {
        if self.table.exit(index).presumed {
            self.table.update(now, index, |facts, values| {
                values.change_exit(facts, |exit| *exit = Exit::default());
            });
            if let Some(group) = self.table.groups.get_mut(&index) {
                group.last_exit_ns = 0;
            }
        }
    }

    /// What is known of the exit of a process changes. It has exited when its leader has and no thread is known to live, or when
    /// the kernel said that none is left. It then has since its last thread exited.
    pub(super) fn settle(
        &mut self,
        now: Now,
        index: Index,
        last_exit_ns: u64,
        change: impl FnOnce(&mut Exit),
    ) {
        let live = self.table.live_threads(index);
        self.table.update(now, index, |facts, values: &mut Values| {
            values.change_exit(facts, |exit| {
                change(exit);
                let over = exit.complete || exit.presumed || exit.leader_ns.is_some() && live == 0;
                exit.ns = over.then_some(last_exit_ns);
            });
        });
        if last_exit_ns != 0 && self.table.exit(index).ns.is_none() {
            self.table.groups.entry(index).or_default().last_exit_ns = last_exit_ns;
        }
    }
}
