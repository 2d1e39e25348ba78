//! What can be known about a process.

use std::num::NonZeroU32;

use detectors_api::stores::ExecutableFile;

use super::intern::{Interned, Number, Text, Texts};

/// A process or a thread, by its place in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Index(NonZeroU32);

impl Index {
    /// # Panics
    /// Beyond 2³² − 1 entries, long after memory has run out.
    pub(super) fn at(position: usize) -> Self {
        let number = u32::try_from(position + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 entries"))
    }

    pub(super) fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) seq: u64,
    /// Event time: ns since the Unix epoch; 0 if unknown.
    pub(super) time_ns: u64,
}

/// A number that can be unknown, in four bytes. The greatest number cannot be told from an unknown one: it is neither a pid
/// nor a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Known(u32);

impl Default for Known {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Known {
    /// This number, or `other` if it is unknown.
    pub(super) fn or(self, other: impl Into<Self>) -> Self {
        if self == Self::default() {
            other.into()
        } else {
            self
        }
    }
}

impl From<Option<u32>> for Known {
    fn from(number: Option<u32>) -> Self {
        Self(number.unwrap_or(u32::MAX))
    }
}

impl From<Known> for Option<u32> {
    fn from(number: Known) -> Self {
        (number.0 != u32::MAX).then_some(number.0)
    }
}

/// A number of 64 bits in two halves: structs of such have no padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wide([u32; 2]);

impl Wide {
    pub(super) fn get(self) -> u64 {
        u64::from(self.0[0]) << 32 | u64::from(self.0[1])
    }

    /// The number, unless it is 0.
    pub(super) fn known(self) -> Option<u64> {
        Some(self.get()).filter(|number| *number != 0)
    }
}

impl From<u64> for Wide {
    #[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
    fn from(number: u64) -> Self {
        Self([(number >> 32) as u32, number as u32])
    }
}

/// What a process looks like: what it executed, and how it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Look {
    pub(super) name: Text,
    pub(super) path: Text,
    /// The last part of the path that the kernel was given.
    pub(super) exec_name: Text,
    pub(super) file: Option<ExecutableFile>,
}

impl Look {
    /// It runs the binary with this path; empty if unknown.
    pub(super) fn runs(&mut self, path: Text) {
        if !path.is_empty() && path != self.path {
            *self = Self {
                name: self.name,
                path,
                ..Self::default()
            };
        }
    }

    /// What is not known yet is as it was with the parent.
    pub(super) fn inherit(&mut self, parent: &Self) {
        self.name = self.name.or(parent.name);
        if self.path.is_empty() {
            *self = Self {
                name: self.name,
                ..*parent
            };
        }
    }
}

/// As whom and where a process runs, and what else many processes have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Setting {
    pub(super) uid: Known,
    pub(super) gid: Known,
    pub(super) container: Text,
    pub(super) adopted_by: Option<Index>,
    /// The start time comes from a clock that ticks every 10 ms.
    pub(super) coarse: bool,
    /// Only known because others mention it.
    pub(super) inferred: bool,
}

impl Setting {
    /// What is not known yet is as it was with the parent.
    pub(super) fn inherit(&mut self, parent: &Self) {
        self.uid = self.uid.or(parent.uid);
        self.gid = self.gid.or(parent.gid);
        self.container = self.container.or(parent.container);
    }
}

/// How a process ended, or is ending. Times are ns since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exit {
    /// When its last thread exited; `None` while it runs.
    pub(super) ns: Option<u64>,
    pub(super) leader_ns: Option<u64>,
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// The kernel said that no thread was left.
    pub(super) complete: bool,
    /// Nobody saw it, but another process has its pid.
    pub(super) presumed: bool,
}

/// An [`Exit`] but for its time: most processes end alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ending {
    over: bool,
    /// By how much the leader exited earlier, if it has.
    leader: Option<u64>,
    code: Option<i32>,
    signal: Option<i32>,
    complete: bool,
    presumed: bool,
    forgotten: bool,
}

/// What is known about a process at one time. What many processes have in common is numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// ns since the Unix epoch; 0 if unknown.
    pub(super) start_ns: Wide,
    /// Of the exit; of the leader's while other threads live.
    pub(super) exit_ns: Wide,
    pub(super) id: u32,
    /// 0 if unknown.
    pub(super) host_pid: u32,
    pub(super) pid: Known,
    pub(super) host_ppid: Known,
    pub(super) ppid: Known,
    pub(super) parent: Option<Index>,
    pub(super) look: Number<Look>,
    pub(super) setting: Number<Setting>,
    pub(super) ending: Number<Ending>,
}

/// What facts refer to by number.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) texts: Texts,
    pub(super) looks: Interned<Look>,
    pub(super) settings: Interned<Setting>,
    pub(super) endings: Interned<Ending>,
}

impl Values {
    pub(super) fn look(&self, facts: &Facts) -> &Look {
        self.looks.get(facts.look)
    }

    pub(super) fn setting(&self, facts: &Facts) -> &Setting {
        self.settings.get(facts.setting)
    }

    pub(super) fn exit(&self, facts: &Facts) -> Exit {
        let (ending, ns) = (self.endings.get(facts.ending), facts.exit_ns.get());
        Exit {
            ns: ending.over.then_some(ns),
            leader_ns: ending.leader.map(|before| ns.wrapping_sub(before)),
            code: ending.code,
            signal: ending.signal,
            complete: ending.complete,
            presumed: ending.presumed,
        }
    }

    /// Whether the process has exited.
    pub(super) fn is_over(&self, facts: &Facts) -> bool {
        self.endings.get(facts.ending).over
    }

    pub(super) fn is_forgotten(&self, facts: &Facts) -> bool {
        self.endings.get(facts.ending).forgotten
    }

    pub(super) fn change_look(&mut self, facts: &mut Facts, change: impl FnOnce(&mut Look)) {
        self.looks.change(&mut facts.look, change);
    }

    pub(super) fn change_setting(&mut self, facts: &mut Facts, change: impl FnOnce(&mut Setting)) {
        self.settings.change(&mut facts.setting, change);
    }

    /// What is not known yet of a child is as it was with its parent.
    pub(super) fn inherit(&mut self, child: &mut Facts, parent: &Facts) {
        if child.look == Number::default() {
            child.look = parent.look;
        } else {
            let look = *self.look(parent);
            self.change_look(child, |child| child.inherit(&look));
        }
        let parents = *self.setting(parent);
        let mut setting = *self.setting(child);
        setting.inherit(&parents);
        setting.inferred = false;
        if setting == parents {
            child.setting = parent.setting;
        } else {
            self.change_setting(child, |child| *child = setting);
        }
    }

    pub(super) fn change_exit(&mut self, facts: &mut Facts, change: impl FnOnce(&mut Exit)) {
        let mut exit = self.exit(facts);
        change(&mut exit);
        let ns = exit.ns.or(exit.leader_ns).unwrap_or_default();
        facts.exit_ns = ns.into();
        self.endings.change(&mut facts.ending, |ending| {
            *ending = Ending {
                over: exit.ns.is_some(),
                leader: exit.leader_ns.map(|leader_ns| ns.wrapping_sub(leader_ns)),
                code: exit.code,
                signal: exit.signal,
                complete: exit.complete,
                presumed: exit.presumed,
                forgotten: false,
            }
        });
    }

    /// The process is not known any more.
    pub(super) fn forget(&mut self, facts: &mut Facts) {
        self.endings
            .change(&mut facts.ending, |ending| ending.forgotten = true);
    }
}
