//! The hook plan: for each event the hooks that give it, best first, and what each of them loses.
//!
//! The loader takes the first hook whose programs the kernel accepts. Functions of the kernel are preferred (fentry, then
//! kprobe): they see what a system call's arguments do not show. A kernel without either is a supported flavour.
//!
//! Every system call is an event, too; their plans are all alike and are made from the catalogue.

use std::sync::LazyLock;

use detectors_api::catalogue::catalogue;

use crate::syscalls::{Told, calls, told};

mod derive;
mod extension;
mod integrity;
mod memory;
mod packets;
mod table;
mod way;
mod writing;

use way::{SYS_ENTER, SYS_EXIT};

/// The plans of all events that the sensor knows beside system calls, in catalogue order.
pub static PLAN: LazyLock<Vec<EventPlan>> = LazyLock::new(|| {
    let mut plans = [
        table::PLAN,
        memory::PLAN,
        writing::PLAN,
        extension::PLAN,
        packets::PLAN,
        integrity::PLAN,
    ]
    .concat();
    plans.sort_by_key(|plan| catalogue().get(plan.event).map(|event| event.internal_id_amd64));
    plans
});

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A raw tracepoint.
    RawTracepoint(&'static str),
    /// The entry of a kernel function, through a trampoline.
    Fentry(&'static str),
    /// The return of a kernel function, through a trampoline.
    Fexit(&'static str),
    /// The entry of a kernel function, through a breakpoint.
    Kprobe(&'static str),
    /// The return of a kernel function, through a breakpoint.
    Kretprobe(&'static str),
    /// Packets that sockets receive, in the root of the cgroup v2 hierarchy.
    Ingress,
    /// Packets that sockets send, there.
    Egress,
    /// The making of internet sockets, there.
    SocketMade,
    /// Not attached, but run once: over the open files of all tasks.
    OpenFiles,
    /// The task iterator, when the reader asks.
    TaskIterator,
}

/// Kinds of places, by what a kernel has to have for them: each kernel has the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Raw tracepoints, control groups, iterators.
    Tracepoint,
    /// Functions through breakpoints.
    Breakpoint,
    /// Functions through trampolines.
    Trampoline,
}

impl Attach {
    /// The kind.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::RawTracepoint(_)
            | Self::Ingress
            | Self::Egress
            | Self::SocketMade
            | Self::OpenFiles
            | Self::TaskIterator => Kind::Tracepoint,
            Self::Kprobe(_) | Self::Kretprobe(_) => Kind::Breakpoint,
            Self::Fentry(_) | Self::Fexit(_) => Kind::Trampoline,
        }
    }

    /// The kind and the place, such as `fentry security_file_open`.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::RawTracepoint(name) => format!("tracepoint {name}"),
            Self::Fentry(name) => format!("fentry {name}"),
            Self::Fexit(name) => format!("fexit {name}"),
            Self::Kprobe(name) => format!("kprobe {name}"),
            Self::Kretprobe(name) => format!("kretprobe {name}"),
            Self::Ingress => "cgroup_skb ingress".to_owned(),
            Self::Egress => "cgroup_skb egress".to_owned(),
            Self::SocketMade => "cgroup sock_create".to_owned(),
            Self::OpenFiles => "iterator task_file".to_owned(),
            Self::TaskIterator => "iterator task".to_owned(),
        }
    }
}

/// A program of the object and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name in the object.
    pub name: &'static str,
    /// Where it goes.
    pub attach: Attach,
}

/// Calls that the programs at their entry and exit derive an event from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derived {
    /// `DERIVE_*` of `record.h`.
    pub bit: u64,
    /// Names of the calls.
    pub calls: &'static [&'static str],
}

/// One way to get an event: all of the programs together.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// The programs, all of which are needed.
    pub programs: &'static [Program],
    /// The system calls that the programs at their entry and exit are to look at.
    pub derived: Option<Derived>,
    /// What this way does not show, in words.
    pub loses: &'static [&'static str],
}

impl Hook {
    /// Whether its programs need no better kind of place than `best`.
    #[must_use]
    pub fn within(&self, best: Kind) -> bool {
        self.programs.iter().all(|program| program.attach.kind() <= best)
    }

    /// The places of its programs, such as `tracepoint sys_enter + tracepoint sys_exit`.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.programs.is_empty() {
            return "the recorder itself".to_owned();
        }
        let places: Vec<_> = self
            .programs
            .iter()
            .map(|program| program.attach.describe())
            .collect();
        places.join(" + ")
    }
}

/// When an event is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chosen {
    /// Whatever is selected, because the process tree or the containers are made of it.
    Always,
    /// Unless something else is selected.
    ByDefault,
    /// If it is selected.
    OnRequest,
}

/// An event that the sensor knows.
#[derive(Clone, Copy, Debug)]
pub struct EventPlan {
    /// Its name in the catalogue.
    pub event: &'static str,
    /// When it is recorded.
    pub chosen: Chosen,
    /// The ways to get it, best first.
    pub hooks: &'static [Hook],
}

/// A call that is told when it returns.
const AT_RETURN: Hook = Hook {
    programs: &[SYS_EXIT],
    derived: None,
    loses: &["the time is that of the call's return"],
};
/// A call that does not return, or after whose return its arguments are gone.
const AT_BEGIN: Hook = Hook {
    programs: &[SYS_ENTER, SYS_EXIT],
    derived: None,
    loses: &[],
};

/// Calls that are recorded unless something else is selected: those that detectors want.
const DEFAULT_CALLS: [&str; 5] = ["dup", "dup2", "dup3", "process_vm_writev", "ptrace"];

/// The plan of an event.
#[must_use]
pub fn find(event: &str) -> Option<EventPlan> {
    all().find(|plan| plan.event == event)
}

/// The plans of all events that the sensor knows, in catalogue order.
pub fn all() -> impl Iterator<Item = EventPlan> {
    let calls = calls().filter_map(|call| {
        Some(EventPlan {
            event: call.name,
            chosen: if DEFAULT_CALLS.contains(&call.name) {
                Chosen::ByDefault
            } else {
                Chosen::OnRequest
            },
            hooks: match told(call.name) {
                Told::AtReturn => &[AT_RETURN],
                Told::AtEntry | Told::Exec => &[AT_BEGIN],
                Told::Never => return None,
            },
        })
    });
    calls.chain(PLAN.iter().copied())
}

/// The programs of all plans, each once, in the order in which they are met.
#[must_use]
pub fn programs() -> Vec<Program> {
    let mut programs = Vec::new();
    for program in all().flat_map(|plan| plan.hooks).flat_map(|hook| hook.programs) {
        if !programs.contains(program) {
            programs.push(*program);
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use detectors_api::catalogue::EventClass;

    use super::*;

    #[test]
    fn every_event_is_in_the_catalogue_once() {
        let mut seen = BTreeSet::new();
        for plan in all() {
            assert!(catalogue().get(plan.event).is_some(), "{}", plan.event);
            assert!(!plan.hooks.is_empty(), "{}", plan.event);
            assert!(seen.insert(plan.event), "{} is planned twice", plan.event);
        }
        for call in DEFAULT_CALLS {
            assert!(seen.contains(call), "{call}");
        }
    }

    #[test]
    fn derived_events_come_from_calls() {
        let derived = PLAN
            .iter()
            .flat_map(|plan| plan.hooks)
            .filter_map(|hook| hook.derived);
        let mut bits = BTreeMap::new();
        for derived in derived {
            assert_eq!(derived.bit.count_ones(), 1);
            let calls = bits.entry(derived.bit).or_insert(derived.calls);
            assert_eq!(*calls, derived.calls, "bit {:x} means two things", derived.bit);
            for call in derived.calls {
                let class = catalogue().get(call).map(|call| call.class);
                assert_eq!(class, Some(EventClass::Syscall), "{call}");
            }
        }
    }

    #[test]
    fn programs_are_attached_in_one_place() {
        let mut places = BTreeMap::new();
        for program in all().flat_map(|plan| plan.hooks).flat_map(|hook| hook.programs) {
            let place = places.entry(program.name).or_insert(program.attach);
            assert_eq!(*place, program.attach, "{}", program.name);
        }
    }
}
