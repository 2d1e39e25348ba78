//! What the rows of the plan are made of: the kinds of ways to get an event, and words for what they lose.

use super::Attach::RawTracepoint;
use super::derive::{Family, family};
use super::{Derived, Hook, Program};

pub(super) const fn raw(name: &'static str, tracepoint: &'static str) -> Program {
    Program {
        name,
        attach: RawTracepoint(tracepoint),
    }
}

pub(super) const SYS_ENTER: Program = raw("on_sys_enter", "sys_enter");
pub(super) const SYS_EXIT: Program = raw("on_sys_exit", "sys_exit");

const FILE_CALL: Program = raw("on_file_call", "sys_exit");
const SOCKET_CALL: Program = raw("on_socket_call", "sys_exit");
pub(super) const TASK_CALL: Program = raw("on_task_call", "sys_exit");
pub(super) const CODE_CALL: Program = raw("on_code_call", "sys_exit");
const TRANSFER_CALL: Program = raw("on_transfer_call", "sys_exit");

pub(super) const FAILED: &str = "what fails is not told";
pub(super) const RETURN_TIME: &str = "the time is that of the call's return";
pub(super) const UNRESOLVED: &str = "symbolic links in the path are not followed";
pub(super) const IO_URING: &str = "what is done through io_uring";
pub(super) const KERNEL: &str = "what the kernel does by itself";

pub(super) const NO_MOUNT: &str =
    "paths begin at the root of their file system: this kernel has no security hooks at paths";

/// Programs that show all there is.
pub(super) const fn complete(programs: &'static [Program]) -> Hook {
    partial(programs, &[])
}

/// Programs that show a part.
pub(super) const fn partial(programs: &'static [Program], loses: &'static [&'static str]) -> Hook {
    Hook {
        programs,
        derived: None,
        loses,
    }
}

/// What the returns of calls show.
pub(super) const fn returned(
    bit: u64,
    calls: &'static [&'static str],
    loses: &'static [&'static str],
) -> Hook {
    Hook {
        programs: match family(bit) {
            Family::Files => &[FILE_CALL],
            Family::Sockets => &[SOCKET_CALL],
            Family::Tasks => &[TASK_CALL],
            Family::Code => &[CODE_CALL],
            Family::Transfers => &[TRANSFER_CALL],
        },
        derived: Some(Derived { bit, calls }),
        loses,
    }
}

/// What the returns of calls show together with other programs; `programs` has that of the bit's family, too.
pub(super) const fn returned_with(
    programs: &'static [Program],
    bit: u64,
    calls: &'static [&'static str],
    loses: &'static [&'static str],
) -> Hook {
    Hook {
        programs,
        derived: Some(Derived { bit, calls }),
        loses,
    }
}

/// What the entries and returns of calls show together.
pub(super) const fn entered(
    bit: u64,
    calls: &'static [&'static str],
    loses: &'static [&'static str],
) -> Hook {
    Hook {
        programs: match family(bit) {
            Family::Files => &[SYS_ENTER, FILE_CALL],
            Family::Sockets => &[SYS_ENTER, SOCKET_CALL],
            Family::Tasks => &[SYS_ENTER, TASK_CALL],
            Family::Code => &[SYS_ENTER, CODE_CALL],
            Family::Transfers => &[SYS_ENTER, TRANSFER_CALL],
        },
        derived: Some(Derived { bit, calls }),
        loses,
    }
}

/// Programs at the entries of functions through trampolines: pairs of a program (without the `_fentry` of its name) and a function.
macro_rules! fentry {
    ($($name:literal at $function:literal),+) => {
        &[$($crate::plan::Program { name: concat!($name, "_fentry"), attach: $crate::plan::Attach::Fentry($function) }),+]
    };
}
pub(super) use fentry;

/// The same through breakpoints.
macro_rules! kprobe {
    ($($name:literal at $function:literal),+) => {
        &[$($crate::plan::Program { name: concat!($name, "_kprobe"), attach: $crate::plan::Attach::Kprobe($function) }),+]
    };
}
pub(super) use kprobe;

/// Programs at the returns of functions through trampolines.
macro_rules! fexit {
    ($($name:literal at $function:literal),+) => {
        &[$($crate::plan::Program { name: concat!($name, "_fexit"), attach: $crate::plan::Attach::Fexit($function) }),+]
    };
}
pub(super) use fexit;

/// The same through breakpoints: each is a program at the entry, which keeps the arguments, and one at the return.
macro_rules! kretprobe {
    ($($name:literal at $function:literal),+) => {
        &[$(
            $crate::plan::Program { name: concat!($name, "_enter"), attach: $crate::plan::Attach::Kprobe($function) },
            $crate::plan::Program { name: concat!($name, "_kretprobe"), attach: $crate::plan::Attach::Kretprobe($function) }
        ),+]
    };
}
pub(super) use kretprobe;
