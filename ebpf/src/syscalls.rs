//! System calls: their names, and what the programs at their entry and exit are to do about each.
//!
//! A call's number stands in one of two tables: that of 64-bit callers, whose numbers are the internal ids of the catalogue's events,
//! and that of 32-bit callers (i386). The programs look a call up by table and number; `record.h` has the other half of `CallPlan`.

use std::collections::HashMap;
use std::sync::LazyLock;

use detectors_api::catalogue::{EventClass, EventDefinition, FieldType, catalogue};

use crate::abi::form;

/// What a number without a known name is called.
pub const UNDEFINED: &str = "Undefined";

/// Numbers in each of the programs' tables.
pub(crate) const TABLE: usize = 512;
/// From this id on, calls are those that only 32-bit callers have.
const FIRST_I386_ONLY: i32 = 449;
/// No number in the native table.
const NONE: i32 = -1;
/// The call of 32-bit callers through which all calls on sockets can be made.
const SOCKETCALL: &str = "socketcall";

static I386: LazyLock<HashMap<u32, &'static EventDefinition>> = LazyLock::new(|| {
    calls()
        .filter_map(|call| Some((call.number_i386?, call)))
        .collect()
});

/// Events that are system calls.
pub(crate) fn calls() -> impl Iterator<Item = &'static EventDefinition> {
    catalogue()
        .iter()
        .filter(|definition| definition.class == EventClass::Syscall)
}

/// Name of system call `nr`; with `compat`, in the 32-bit table.
#[must_use]
pub fn name(nr: u32, compat: bool) -> &'static str {
    let found = if compat {
        I386.get(&nr).copied()
    } else {
        i32::try_from(nr).ok().and_then(native)
    };
    found.map_or(UNDEFINED, |definition| definition.name)
}

/// The event of a call in the table of 64-bit callers.
fn native(nr: i32) -> Option<&'static EventDefinition> {
    catalogue()
        .by_internal_id(nr)
        .filter(|definition| definition.class == EventClass::Syscall && is_native(definition))
}

fn is_native(definition: &EventDefinition) -> bool {
    (0..FIRST_I386_ONLY).contains(&definition.internal_id_amd64)
}

/// When the event of a call is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// When it returns.
    AtReturn,
    /// When it begins: it does not return.
    AtEntry,
    /// When it begins, and once more if it fails: when it succeeds its arguments are gone.
    Exec,
    /// Never: there is neither an entry nor a return that can be relied on.
    Never,
}

/// When the event of call `name` is told.
pub(crate) fn told(name: &str) -> Told {
    match name {
        "exit" | "exit_group" => Told::AtEntry,
        "execve" | "execveat" => Told::Exec,
        "rt_sigreturn" | "sigreturn" => Told::Never,
        _ => Told::AtReturn,
    }
}

/// What to do about a call: `struct call_plan` of `record.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct CallPlan {
    derived: u64,
    event: u32,
    nr: i32,
    flags: u8,
    form: [u8; 6],
    reserved: u8,
}

// SAFETY: `repr(C)`, integers only, and 8 + 4 + 4 + 1 + 6 + 1 bytes are its size: no padding.
unsafe impl aya::Pod for CallPlan {}
const _: () = assert!(size_of::<CallPlan>() == 24);

const REPORTED: u8 = 1;
const AT_ENTRY: u8 = 2;
const IS_EXEC: u8 = 4;

impl CallPlan {
    const NOTHING: Self = Self {
        derived: 0,
        event: 0,
        nr: NONE,
        flags: 0,
        form: [0; 6],
        reserved: 0,
    };

    fn report(&mut self, call: &EventDefinition) {
        self.event = call.internal_id_amd64.unsigned_abs();
        self.flags = REPORTED
            | match told(call.name) {
                Told::AtEntry => AT_ENTRY,
                Told::Exec => IS_EXEC,
                Told::AtReturn | Told::Never => 0,
            };
        let types = call
            .fields
            .iter()
            .take_while(|field| field.name != "returnValue")
            .map(|field| field.field_type);
        let types: Vec<_> = types.collect();
        for (index, place) in self.form.iter_mut().enumerate() {
            *place = match types.get(index) {
                None => 0,
                Some(Some(FieldType::String)) => form::TEXT,
                Some(Some(FieldType::StringArray)) => form::STRINGS,
                // The length is the next argument, or behind it.
                Some(Some(FieldType::SockAddr)) => match types.get(index + 1) {
                    Some(Some(FieldType::Pointer)) => form::ADDRESS_OUT,
                    _ => form::ADDRESS,
                },
                Some(Some(FieldType::Timespec)) => form::TIME,
                Some(Some(FieldType::Int32Array)) => form::PAIR,
                Some(_) => form::NUMBER,
            };
        }
    }
}

/// The programs' two tables.
#[derive(Clone, Debug)]
pub(crate) struct CallPlans {
    /// By number of 64-bit callers.
    pub(crate) native: Vec<CallPlan>,
    /// By number of 32-bit callers.
    pub(crate) i386: Vec<CallPlan>,
}

impl CallPlans {
    /// Tables that ask for nothing. Those of 32-bit callers tell the native number of each call, which other programs ask for.
    pub(crate) fn new() -> Self {
        let mut i386 = vec![CallPlan::NOTHING; TABLE];
        for (nr, call) in I386.iter() {
            if let Some(plan) = i386.get_mut(*nr as usize)
                && is_native(call)
            {
                plan.nr = call.internal_id_amd64;
            }
        }
        Self {
            native: vec![CallPlan::NOTHING; TABLE],
            i386,
        }
    }

    /// Asks for the event of a call, if `event` is one.
    pub(crate) fn report(&mut self, event: &str) {
        if let Some(call) = catalogue()
            .get(event)
            .filter(|call| call.class == EventClass::Syscall)
        {
            for plan in self.of(call) {
                plan.report(call);
            }
        }
    }

    /// Asks for what the programs derive from calls with these names: `derived` is a bit of `record.h`.
    pub(crate) fn derive(&mut self, derived: u64, names: &[&str]) {
        for name in names.iter().chain(&[SOCKETCALL]) {
            if let Some(call) = catalogue().get(name) {
                for plan in self.of(call) {
                    plan.derived |= derived;
                }
            }
        }
    }

    /// The entries of a table that ask for something, with their numbers.
    pub(crate) fn entries(table: &[CallPlan]) -> impl Iterator<Item = (u32, &CallPlan)> {
        (0..).zip(table).filter(|(_, plan)| **plan != CallPlan::NOTHING)
    }

    fn of(&mut self, call: &EventDefinition) -> impl Iterator<Item = &mut CallPlan> {
        let native = is_native(call)
            .then(|| self.native.get_mut(call.internal_id_amd64 as usize))
            .flatten();
        let i386 = call.number_i386.and_then(|nr| self.i386.get_mut(nr as usize));
        native.into_iter().chain(i386)
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
        assert_eq!(name(102, true), "socketcall");
        assert_eq!(name(9999, false), UNDEFINED);
        // An event, but no call.
        assert_eq!(name(715, false), UNDEFINED);
        // A 32-bit call whose id is the number of another, unknown 64-bit one.
        assert_eq!(name(449, false), UNDEFINED);
        assert_eq!(name(7, true), "waitpid");
    }

    #[test]
    fn numbers_of_32_bit_callers_are_unique_and_fit() {
        let numbers: Vec<_> = calls().filter_map(|call| call.number_i386).collect();
        assert_eq!(numbers.len(), I386.len());
        assert!(numbers.iter().all(|nr| (*nr as usize) < TABLE));
    }

    #[test]
    fn no_call_has_more_arguments_than_a_plan() {
        for call in calls() {
            assert!(call.fields.len() <= 7, "{}", call.name);
            assert_eq!(
                call.fields.last().map(|field| field.name),
                Some("returnValue"),
                "{}",
                call.name
            );
        }
    }

    #[test]
    fn a_call_is_found_in_both_tables() {
        let mut plans = CallPlans::new();
        plans.report("connect");
        plans.report("commit_creds");
        assert_eq!(plans.native[42].form, [1, 6, 1, 0, 0, 0]);
        assert_eq!(
            plans.i386[362],
            CallPlan {
                nr: 42,
                ..plans.native[42]
            }
        );
        assert_eq!(plans.native[42].nr, NONE, "the number is known without a plan");
        assert_eq!(plans.i386[5].nr, 2, "open");
        plans.report("accept4");
        assert_eq!(plans.native[288].form, [1, 12, 1, 1, 0, 0]);
    }
}
