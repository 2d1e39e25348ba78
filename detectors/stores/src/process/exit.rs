//! When a process has ended: with its last thread.

use detectors_api::event::Event;

use super::ProcessStore;
use super::facts::{Exit, Index, Now};
use super::fold::SIGNAL;
use super::mention::Mention;

impl ProcessStore {
    /// A task exits.
    pub(super) fn exit(&mut self, now: Now, event: &Event<'_>, exit_ns: u64) -> Option<()> {
        let index = self.actor(now, event)?;
        let thread = event.thread();
        let host_tid = thread.host_tid()?;
        let leader = host_tid == event.process().host_pid()?;
        if let Some(parent) = self.mentioned_parent(now, event) {
            self.meet_parent(now, index, parent);
        }
        let news = if leader {
            self.table.facts(index).exit.leader_ns.is_none()
        } else {
            let start_ns = thread.start_time_ns().and_then(|ns| u64::try_from(ns).ok());
            let mention = Mention {
                id: thread.entity_id().filter(|id| *id != 0)?,
                ..Mention::started(host_tid, start_ns.unwrap_or_default())
            };
            let name = self.table.texts.number(thread.name());
            let thread = self.see_thread(now, index, mention, thread.tid(), name);
            self.end_thread(now, index, thread, exit_ns)
        };
        let complete = event.get::<bool>("process_group_exit") == Some(true);
        let process = self.table.get_mut(index);
        let last = news && process.last_exit_ns <= exit_ns;
        if news {
            process.last_exit_ns = process.last_exit_ns.max(exit_ns);
        }
        let code = event.get("exit_code");
        let signal = event.get("signal_code").map(|code: i32| code & SIGNAL);
        self.table.update(now, index, |facts| {
            let exit = &mut facts.exit;
            if leader {
                exit.leader_ns = exit.leader_ns.or(Some(exit_ns));
            }
            exit.complete |= complete;
            if last && (exit.complete || exit.leader_ns.is_some()) {
                exit.code = code;
                exit.signal = signal.filter(|signal| *signal != 0);
            }
        });
        self.settle(now, index);
        Some(())
    }

    /// Notes the exit of a thread, unless one is known. Tells whether it is news.
    fn end_thread(&mut self, now: Now, process: Index, thread: Index, exit_ns: u64) -> bool {
        let news = self.threads.exit(now, thread, exit_ns);
        if news {
            let process = self.table.get_mut(process);
            process.live_threads = process.live_threads.saturating_sub(1);
        }
        news
    }

    /// An exec ends all other threads. The one that called it is the leader from now on, even if the former leader has exited.
    pub(super) fn end_other_threads(&mut self, now: Now, index: Index) {
        let process = *self.table.get(index);
        // Those that live are not further back than the first of as many.
        let mut live = Vec::new();
        for (_, entry) in self.table.threads.all(process.threads) {
            if live.len() == process.live_threads as usize {
                break;
            }
            if !self.threads.get(entry.value).exited() {
                live.push(entry.value);
            }
        }
        for thread in live {
            self.end_thread(now, index, thread, now.time_ns);
        }
        let exit = self.table.facts(index).exit;
        if !exit.complete && exit.leader_ns.is_some_and(|exit_ns| exit_ns < now.time_ns) {
            self.table
                .update(now, index, |facts| facts.exit = Exit::default());
        }
    }

    /// A process has exited when its leader has and no thread is known to live, or when the kernel said that none is left. It
    /// then has since its last thread exited.
    pub(super) fn settle(&mut self, now: Now, index: Index) {
        let process = *self.table.get(index);
        self.table.update(now, index, |facts| {
            let exit = &mut facts.exit;
            let over = exit.complete || exit.leader_ns.is_some() && process.live_threads == 0;
            exit.ns = over.then_some(process.last_exit_ns);
        });
    }
}
