//! The hook plan: for each event the hooks that give it, best first, and what each of them loses.
//!
//! The loader takes the first hook whose programs the kernel accepts. Functions of the kernel are preferred (fentry, then
//! kprobe): they see what a system call's arguments do not show. A kernel without either is a supported flavour.

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A raw tracepoint.
    RawTracepoint(&'static str),
    /// The entry of a kernel function, through a trampoline.
    Fentry(&'static str),
    /// The entry of a kernel function, through a breakpoint.
    Kprobe(&'static str),
}

impl Attach {
    /// The kind and the place, such as `fentry security_file_open`.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::RawTracepoint(name) => format!("tracepoint {name}"),
            Self::Fentry(name) => format!("fentry {name}"),
            Self::Kprobe(name) => format!("kprobe {name}"),
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

/// One way to get an event: all of the programs together.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// The programs, all of which are needed.
    pub programs: &'static [Program],
    /// The system calls that the programs at their entry and exit are to report: bits as in `record.h`.
    pub calls: u64,
    /// What this way does not show, in words.
    pub loses: &'static [&'static str],
}

impl Hook {
    /// The places of its programs, such as `tracepoint sys_enter + tracepoint sys_exit`.
    #[must_use]
    pub fn describe(&self) -> String {
        let places: Vec<_> = self
            .programs
            .iter()
            .map(|program| program.attach.describe())
            .collect();
        places.join(" + ")
    }
}

/// An event that the sensor knows.
#[derive(Clone, Copy, Debug)]
pub struct EventPlan {
    /// Its name in the catalogue.
    pub event: &'static str,
    /// Recorded whatever is selected, because the process tree or the containers are made of it.
    pub always: bool,
    /// The ways to get it, best first.
    pub hooks: &'static [Hook],
}

const CALL_OPEN: u64 = 1;
const CALL_CONNECT: u64 = 2;
const CALL_PTRACE: u64 = 4;
const CALL_DUP: u64 = 8;
const CALL_DUP2: u64 = 16;
const CALL_DUP3: u64 = 32;
const CALL_SOCKET_DUP: u64 = 64;

const fn raw(name: &'static str, tracepoint: &'static str) -> Program {
    Program {
        name,
        attach: Attach::RawTracepoint(tracepoint),
    }
}

const RENAME: Program = raw("on_rename", "task_rename");
const SYS_ENTER: Program = raw("on_sys_enter", "sys_enter");
const SYS_EXIT: Program = raw("on_sys_exit", "sys_exit");
const RETURN_TIME: &str = "the time is that of the call's return";

/// A call that is reported when it returns.
const fn returned(calls: u64) -> Hook {
    Hook {
        programs: &[SYS_EXIT],
        calls,
        loses: &[RETURN_TIME],
    }
}

/// Programs that show all there is.
const fn complete(programs: &'static [Program]) -> Hook {
    Hook {
        programs,
        calls: 0,
        loses: &[],
    }
}

/// All events that the sensor knows, in catalogue order.
pub const PLAN: &[EventPlan] = &[
    EventPlan {
        event: "dup",
        always: false,
        hooks: &[returned(CALL_DUP)],
    },
    EventPlan {
        event: "dup2",
        always: false,
        hooks: &[returned(CALL_DUP2)],
    },
    EventPlan {
        event: "ptrace",
        always: false,
        hooks: &[returned(CALL_PTRACE)],
    },
    EventPlan {
        event: "dup3",
        always: false,
        hooks: &[returned(CALL_DUP3)],
    },
    EventPlan {
        event: "sched_process_fork",
        always: true,
        hooks: &[complete(&[raw("on_fork", "sched_process_fork")])],
    },
    EventPlan {
        event: "sched_process_exec",
        always: true,
        hooks: &[
            complete(&[RENAME, raw("on_exec_with_loader", "sched_process_exec")]),
            Hook {
                programs: &[RENAME, raw("on_exec", "sched_process_exec")],
                calls: 0,
                loses: &["interpreter_pathname, _dev, _inode and _ctime are empty"],
            },
            Hook {
                programs: &[raw("on_exec", "sched_process_exec")],
                calls: 0,
                loses: &[
                    "interpreter_pathname, _dev, _inode and _ctime are empty",
                    "prev_comm is empty",
                ],
            },
        ],
    },
    EventPlan {
        event: "sched_process_exit",
        always: true,
        hooks: &[complete(&[raw("on_exit", "sched_process_exit")])],
    },
    EventPlan {
        event: "cgroup_attach_task",
        always: true,
        hooks: &[complete(&[raw("on_cgroup_attach_task", "cgroup_attach_task")])],
    },
    EventPlan {
        event: "cgroup_mkdir",
        always: true,
        hooks: &[complete(&[raw("on_cgroup_mkdir", "cgroup_mkdir")])],
    },
    EventPlan {
        event: "cgroup_rmdir",
        always: true,
        hooks: &[complete(&[raw("on_cgroup_rmdir", "cgroup_rmdir")])],
    },
    EventPlan {
        event: "security_file_open",
        always: false,
        hooks: &[
            Hook {
                programs: &[Program {
                    name: "file_open_fentry",
                    attach: Attach::Fentry("security_file_open"),
                }],
                calls: 0,
                loses: &[],
            },
            Hook {
                programs: &[Program {
                    name: "file_open_kprobe",
                    attach: Attach::Kprobe("security_file_open"),
                }],
                calls: 0,
                loses: &[],
            },
            Hook {
                programs: &[SYS_EXIT],
                calls: CALL_OPEN,
                loses: &[
                    "opens that fail after the security check",
                    "opens by the kernel itself (images and interpreters of exec)",
                    "opens through io_uring",
                    RETURN_TIME,
                ],
            },
        ],
    },
    EventPlan {
        event: "security_socket_connect",
        always: false,
        hooks: &[
            Hook {
                programs: &[Program {
                    name: "connect_fentry",
                    attach: Attach::Fentry("security_socket_connect"),
                }],
                calls: 0,
                loses: &[],
            },
            Hook {
                programs: &[Program {
                    name: "connect_kprobe",
                    attach: Attach::Kprobe("security_socket_connect"),
                }],
                calls: 0,
                loses: &[],
            },
            Hook {
                programs: &[SYS_ENTER, SYS_EXIT],
                calls: CALL_CONNECT,
                loses: &[
                    "connections by the kernel itself",
                    "connections through io_uring",
                    "the address is read from the program's memory, which another thread can change meanwhile",
                ],
            },
        ],
    },
    EventPlan {
        event: "socket_dup",
        always: false,
        hooks: &[returned(CALL_SOCKET_DUP)],
    },
];

/// The plan of an event.
#[must_use]
pub fn find(event: &str) -> Option<&'static EventPlan> {
    PLAN.iter().find(|plan| plan.event == event)
}

#[cfg(test)]
mod tests {
    use detectors_api::catalogue::catalogue;

    use super::*;

    #[test]
    fn every_event_is_in_the_catalogue() {
        for plan in PLAN {
            assert!(catalogue().get(plan.event).is_some(), "{}", plan.event);
            assert!(!plan.hooks.is_empty(), "{}", plan.event);
        }
    }

    #[test]
    fn later_hooks_lose_no_less() {
        for plan in PLAN {
            let losses: Vec<_> = plan.hooks.iter().map(|hook| hook.loses.len()).collect();
            assert!(losses.is_sorted(), "{}: {losses:?}", plan.event);
        }
    }
}
