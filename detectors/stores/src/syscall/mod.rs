//! The system-call store: names and numbers of system calls, as events and as the kernel use them.
//!
//! It depends on the architecture of the recorded host alone. Events number system calls their own way, which is the kernel's for
//! most that 64-bit programs make:
//!
//! * those that only 32-bit programs can make have ids from 449 on amd64, and those that arm64 lacks have ids from 9000 there;
//! * 449 and up mean something else in the kernel (449 is `waitpid` in events and `futex_waitv` in the kernel), so there is a
//!   question of its own for the kernel's numbers ([`get_native_syscall_name`]);
//! * a few have other names in events than in the kernel: `sysctl` is `_sysctl`, `afs` is `afs_syscall`.
//!
//! `chmod_common`, a function of the kernel that events call a system call, is none. The tables are in `data/`; the kernel's
//! numbers are those of Linux 7.0.
//!
//! Without a table the store is unhealthy: numbers of another architecture would be wrong answers. It is unhealthy, too, if the
//! architecture is not known.
//!
//! [`get_native_syscall_name`]: detectors_api::stores::SyscallStore::get_native_syscall_name

mod table;

use detectors_api::stores::{self, Cause, DataStore, Entity, Health, Metrics, Store, StoreError};

use table::Table;

/// The system-call store of a recording.
#[derive(Debug, Default)]
pub struct SyscallStore {
    architecture: String,
    table: Option<&'static Table>,
}

impl SyscallStore {
    /// The system calls of an architecture: `x86_64` or `amd64`, `aarch64` or `arm64`. Of others, none are known.
    #[must_use]
    pub fn for_architecture(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            table: Table::of(architecture),
        }
    }

    /// Whether there is a table for the architecture.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.table.is_some()
    }

    /// The store as of an event whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, time_ns: i64) -> SyscallsAt<'_> {
        SyscallsAt { store: self, time_ns }
    }

    /// Every number that stands for a system call: in events, for native programs, or both.
    pub fn all(&self) -> impl Iterator<Item = SyscallNumber> {
        self.table.into_iter().flat_map(|table| {
            table.numbers().map(|number| SyscallNumber {
                number,
                name: table.event_name(number),
                native_name: table.native_name(number),
            })
        })
    }

    fn complaint(&self) -> String {
        match self.architecture.as_str() {
            "" => "the recording does not tell the architecture of its host".to_owned(),
            other => format!("the system calls of {other} are not known: only those of amd64 and arm64 are"),
        }
    }
}

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallNumber {
    /// The number.
    pub number: i32,
    /// The system call that events mean by it.
    pub name: Option<&'static str>,
    /// The system call that native programs mean by it.
    pub native_name: Option<&'static str>,
}

/// The system-call store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct SyscallsAt<'a> {
    store: &'a SyscallStore,
    time_ns: i64,
}

impl SyscallsAt<'_> {
    /// What `look_up` finds in the table.
    fn find<T>(
        &self,
        operation: &'static str,
        entity: impl FnOnce() -> Entity,
        look_up: impl FnOnce(&'static Table) -> Option<T>,
    ) -> Result<T, StoreError> {
        let table = self.store.table.ok_or_else(|| StoreError {
            store: Store::Syscall.name().into(),
            operation,
            cause: Cause::Unhealthy(self.store.complaint().into()),
        })?;
        look_up(table).ok_or_else(|| StoreError::not_found(Store::Syscall, operation, entity()))
    }
}

impl DataStore for SyscallsAt<'_> {
    fn name(&self) -> &str {
        Store::Syscall.name()
    }

    fn health(&self) -> Health {
        if self.store.is_known() {
            return Health::healthy(self.time_ns);
        }
        Health::unhealthy(self.time_ns, self.store.complaint())
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            item_count: self.store.table.map_or(0, |table| table.len() as u64),
        }
    }
}

impl stores::SyscallStore for SyscallsAt<'_> {
    fn get_syscall_name(&self, id: i32) -> Result<&str, StoreError> {
        self.find(
            "get_syscall_name",
            || Entity::SyscallId(id),
            |table| table.event_name(id),
        )
    }

    fn get_syscall_id(&self, name: &str) -> Result<i32, StoreError> {
        self.find(
            "get_syscall_id",
            || Entity::SyscallName(name.into()),
            |table| table.event_id(name),
        )
    }

    fn get_native_syscall_name(&self, number: i32) -> Result<&str, StoreError> {
        self.find(
            "get_native_syscall_name",
            || Entity::SyscallId(number),
            |table| table.native_name(number),
        )
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::stores::{HealthStatus, SyscallStore as _};

    use super::*;

    fn amd64() -> SyscallStore {
        SyscallStore::for_architecture("x86_64")
    }

    fn arm64() -> SyscallStore {
        SyscallStore::for_architecture("aarch64")
    }

    #[test]
    fn ids_and_names_are_those_of_events() {
        let cases = [
            (amd64(), 0, "read"),
            (amd64(), 2, "open"),
            (amd64(), 59, "execve"),
            (amd64(), 156, "sysctl"),
            (amd64(), 183, "afs"),
            (amd64(), 448, "process_mrelease"),
            // Of 32-bit programs only.
            (amd64(), 449, "waitpid"),
            (amd64(), 482, "llseek"),
            (amd64(), 534, "sched_rr_get_interval_time32"),
            (arm64(), 0, "io_setup"),
            (arm64(), 56, "openat"),
            (arm64(), 221, "execve"),
            (arm64(), 405, "clock_adjtime64"),
            // arm64 has no such call.
            (arm64(), 9000, "open"),
            (arm64(), 9140, "sched_rr_get_interval_time32"),
        ];
        for (store, id, name) in cases {
            assert_eq!(store.at(0).get_syscall_name(id), Ok(name));
            assert_eq!(store.at(0).get_syscall_id(name), Ok(id), "{name}");
        }
    }

    #[test]
    fn the_kernels_own_numbers_are_another_question() {
        let cases = [
            (amd64(), 2, Some("open")),
            (amd64(), 156, Some("_sysctl")),
            (amd64(), 183, Some("afs_syscall")),
            (amd64(), 336, Some("uprobe")),
            (amd64(), 449, Some("futex_waitv")),
            (amd64(), 452, Some("fchmodat2")),
            (amd64(), 462, Some("mseal")),
            (amd64(), 471, Some("rseq_slice_yield")),
            (amd64(), 472, None),
            // 512 to 547 belong to x32 programs, whose numbers have bit 30 set.
            (amd64(), 520, None),
            (amd64(), 0x4000_0000, None),
            (arm64(), 2, Some("io_submit")),
            (arm64(), 336, None),
            // Only 32-bit kernels have it.
            (arm64(), 405, None),
            (arm64(), 449, Some("futex_waitv")),
            (arm64(), 471, Some("rseq_slice_yield")),
            (arm64(), 9000, None),
        ];
        for (store, number, name) in cases {
            assert_eq!(
                store.at(0).get_native_syscall_name(number).ok(),
                name,
                "{} {number}",
                store.architecture
            );
        }
    }

    #[test]
    fn names_are_exact_and_what_is_not_there_is_not_found() {
        let store = amd64();
        let at = store.at(0);
        for name in ["Open", " open", "", "waitid_", "futex_waitv"] {
            let error = at.get_syscall_id(name).expect_err(name);
            assert!(error.is_not_found(), "{error}");
        }
        for id in [-1, 335, 423, 535, i32::MAX] {
            assert!(
                at.get_syscall_name(id).is_err_and(|error| error.is_not_found()),
                "{id}"
            );
        }
    }

    #[test]
    fn every_number_is_listed_once_with_both_meanings() {
        let store = amd64();
        let all: Vec<_> = store.all().collect();
        assert!(all.is_sorted_by(|one, next| one.number < next.number));
        assert_eq!(all.iter().filter(|call| call.name.is_some()).count(), 446);
        let meaning = |number| {
            let call = all.iter().find(|call| call.number == number);
            call.map(|call| (call.name, call.native_name))
        };
        assert_eq!(meaning(449), Some((Some("waitpid"), Some("futex_waitv"))));
        assert_eq!(meaning(336), Some((None, Some("uprobe"))));
        assert_eq!(meaning(-1), None);
    }

    #[test]
    fn chmod_common_is_a_function_and_no_system_call() {
        for store in [amd64(), arm64()] {
            assert!(store.at(0).get_syscall_id("chmod_common").is_err());
            assert!(store.at(0).get_syscall_name(791).is_err());
        }
    }

    #[test]
    fn an_architecture_has_several_names() {
        for name in ["x86_64", "amd64"] {
            assert_eq!(
                SyscallStore::for_architecture(name).at(0).get_syscall_id("read"),
                Ok(0)
            );
        }
        for name in ["aarch64", "arm64"] {
            assert_eq!(
                SyscallStore::for_architecture(name).at(0).get_syscall_id("read"),
                Ok(63)
            );
        }
    }

    #[test]
    fn an_unknown_architecture_makes_the_store_unhealthy() {
        for (architecture, message) in [
            ("", "the recording does not tell the architecture of its host"),
            (
                "riscv64",
                "the system calls of riscv64 are not known: only those of amd64 and arm64 are",
            ),
        ] {
            let store = SyscallStore::for_architecture(architecture);
            let at = store.at(7);
            assert_eq!(at.health(), Health::unhealthy(7, message));
            assert_eq!(at.metrics().item_count, 0);
            let error = at.get_syscall_name(0).expect_err("nothing is known");
            assert_eq!(error.cause, Cause::Unhealthy(message.into()));
        }
        let store = amd64();
        assert_eq!(store.at(7).health().status, HealthStatus::Healthy);
        assert_eq!(store.at(7).metrics().item_count, 446);
    }
}
