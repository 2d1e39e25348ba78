//! Names of system calls.

use detectors_api::catalogue::{EventClass, catalogue};

/// What a number without a known name is called.
pub const UNDEFINED: &str = "Undefined";

/// Name of system call `nr`; with `compat`, in the 32-bit table.
#[must_use]
pub fn name(nr: u32, compat: bool) -> &'static str {
    if compat { i386_name(nr) } else { native_name(nr) }
}

fn native_name(nr: u32) -> &'static str {
    // On amd64 the internal id of a system call is its number.
    i32::try_from(nr)
        .ok()
        .and_then(|id| catalogue().by_internal_id(id))
        .filter(|definition| definition.class == EventClass::Syscall)
        .map_or(UNDEFINED, |definition| definition.name)
}

/// The calls of the i386 table in which events happen.
fn i386_name(nr: u32) -> &'static str {
    match nr {
        1 => "exit",
        2 => "fork",
        5 => "open",
        8 => "creat",
        11 => "execve",
        26 => "ptrace",
        41 => "dup",
        63 => "dup2",
        102 => "socketcall",
        120 => "clone",
        190 => "vfork",
        252 => "exit_group",
        295 => "openat",
        330 => "dup3",
        342 => "open_by_handle_at",
        358 => "execveat",
        362 => "connect",
        435 => "clone3",
        437 => "openat2",
        _ => UNDEFINED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(name(257, false), "openat");
        assert_eq!(name(0, false), "read");
        assert_eq!(name(11, true), "execve");
        assert_eq!(name(9999, false), UNDEFINED);
        // An event, but no call.
        assert_eq!(name(715, false), UNDEFINED);
    }
}
