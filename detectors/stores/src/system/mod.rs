//! The system store: facts about the recorded host.
//!
//! It is told what the recorder read ([`HostFacts`]), as it was read, and works out what detectors are shown. `aarch64` is called
//! `arm64`; the time at which the recorder started is one of the wall clock, like all times.

mod facts;
mod os_release;

pub use facts::HostFacts;
pub use os_release::OsRelease;

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use detectors_api::stores::{self, DataStore, Health, Metrics, Store, SystemInfo};

use crate::fold::Fold;
use crate::rows::{Row as _, RowsError};
use crate::versions::Versions;

/// The system store of a recording.
#[derive(Debug, Default)]
pub struct SystemStore {
    info: Versions<SystemInfo>,
}

impl SystemStore {
    /// Whether the recording has these facts.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.info.is_empty()
    }

    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> SystemAt<'_> {
        SystemAt {
            info: self.info.at(seq),
            time_ns,
        }
    }
}

impl Fold for SystemStore {
    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        for (row, facts) in HostFacts::from_batch(rows)?.into_iter().enumerate() {
            self.info.set(seq, facts.derive(row)?);
        }
        Ok(())
    }

    fn compact(&mut self, seq: u64) {
        self.info.compact(seq);
    }
}

/// The system store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct SystemAt<'a> {
    info: Option<&'a SystemInfo>,
    time_ns: i64,
}

impl DataStore for SystemAt<'_> {
    fn name(&self) -> &str {
        Store::System.name()
    }

    fn health(&self) -> Health {
        match self.info {
            Some(_) => Health::healthy(self.time_ns),
            None => Health::unhealthy(
                self.time_ns,
                "the recording does not tell about its host, as of this event",
            ),
        }
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            item_count: self.info.iter().len() as u64,
        }
    }
}

impl stores::SystemStore for SystemAt<'_> {
    fn get_system_info(&self) -> &SystemInfo {
        static UNKNOWN: LazyLock<SystemInfo> = LazyLock::new(SystemInfo::default);
        self.info.unwrap_or(&UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::stores::{HealthStatus, SystemStore as _};

    use super::*;

    fn facts() -> HostFacts {
        HostFacts {
            sysname: "Linux".to_owned(),
            nodename: "web-1".to_owned(),
            release: "6.8.0-41-generic".to_owned(),
            version: "#41-Ubuntu SMP".to_owned(),
            machine: "x86_64".to_owned(),
            hostname: "web-1".to_owned(),
            boot_id: "9ec2b1e4-0d3c-4f53-9a3e-3c2d8f6f8a11".to_owned(),
            os_release: "NAME=\"Ubuntu\"\nVERSION=\"24.04 LTS\"\nPRETTY_NAME=\"Ubuntu 24.04 LTS\"\n"
                .to_owned(),
            boot_offset_ns: Some(1_700_000_000_000_000_000),
            start_boot_ns: Some(60_000_000_000),
            recorder: "tracee-cap 0.1.0".to_owned(),
            init_namespaces: vec![
                "mnt=4026531841".to_owned(),
                "pid_for_children=4026531836".to_owned(),
            ],
        }
    }

    fn store(inputs: &[(u64, HostFacts)]) -> SystemStore {
        let mut store = SystemStore::default();
        for (seq, facts) in inputs {
            let rows = HostFacts::to_batch(std::slice::from_ref(facts));
            store.input(*seq, &rows).expect("well-formed facts");
        }
        store
    }

    #[test]
    fn detectors_are_shown_what_follows_from_the_facts() {
        let store = store(&[(0, facts())]);
        let expected = SystemInfo {
            architecture: "x86_64".to_owned(),
            kernel_release: "6.8.0-41-generic".to_owned(),
            hostname: "web-1".to_owned(),
            boot_id: "9ec2b1e4-0d3c-4f53-9a3e-3c2d8f6f8a11".to_owned(),
            boot_time_ns: Some(1_700_000_000_000_000_000),
            // A time of the wall clock, not the time since boot.
            start_time_ns: Some(1_700_000_060_000_000_000),
            // The distribution's name is there, although it is the file's first key.
            os_name: "Ubuntu".to_owned(),
            os_version: "24.04 LTS".to_owned(),
            os_pretty_name: "Ubuntu 24.04 LTS".to_owned(),
            recorder_version: "tracee-cap 0.1.0".to_owned(),
            init_namespaces: [
                ("mnt".to_owned(), 4_026_531_841),
                ("pid_for_children".to_owned(), 4_026_531_836),
            ]
            .into(),
        };
        assert!(store.is_known());
        assert_eq!(store.at(0, 5).get_system_info(), &expected);
        assert_eq!(store.at(0, 5).health(), Health::healthy(5));
        assert_eq!(store.at(0, 5).metrics().item_count, 1);
    }

    #[test]
    fn aarch64_is_called_arm64() {
        for (machine, architecture) in [
            ("aarch64", "arm64"),
            ("aarch64_be", "arm64"),
            ("x86_64", "x86_64"),
            ("riscv64", "riscv64"),
            ("", ""),
        ] {
            let machine = machine.to_owned();
            let store = store(&[(0, HostFacts { machine, ..facts() })]);
            assert_eq!(store.at(0, 0).get_system_info().architecture, architecture);
        }
    }

    #[test]
    fn unknown_clocks_leave_times_unknown() {
        for (boot_offset_ns, start_boot_ns, start) in [
            (None, Some(1), None),
            (Some(1), None, None),
            (Some(u64::MAX), Some(1), None),
            (Some(1), Some(1), Some(2)),
        ] {
            let store = store(&[(
                0,
                HostFacts {
                    boot_offset_ns,
                    start_boot_ns,
                    ..facts()
                },
            )]);
            assert_eq!(store.at(0, 0).get_system_info().start_time_ns, start);
        }
    }

    #[test]
    fn facts_hold_from_their_event_on() {
        let renamed = HostFacts {
            hostname: "web-2".to_owned(),
            ..facts()
        };
        let mut store = store(&[(3, facts()), (8, renamed)]);
        let name = |store: &SystemStore, seq| store.at(seq, 0).get_system_info().hostname.clone();
        assert_eq!(name(&store, 2), "");
        assert_eq!(store.at(2, 0).health().status, HealthStatus::Unhealthy);
        assert_eq!(store.at(2, 0).metrics().item_count, 0);
        assert_eq!(name(&store, 7), "web-1");
        assert_eq!(name(&store, 8), "web-2");
        store.compact(8);
        assert_eq!(name(&store, 8), "web-2");
        assert_eq!(store.keyframe(), None);
    }

    #[test]
    fn a_namespace_without_inode_number_is_refused() {
        for text in ["mnt", "mnt=", "mnt=mnt:[1]", "mnt=-1", "mnt=4294967296"] {
            let rows = HostFacts {
                init_namespaces: vec![text.to_owned()],
                ..facts()
            };
            let error = SystemStore::default()
                .input(0, &HostFacts::to_batch(&[rows]))
                .expect_err("no inode number");
            assert_eq!(
                error.to_string(),
                format!(
                    "column `init_namespaces` of the table stores/system has `{text}` in row 0: a namespace is written NAME=INODE"
                )
            );
        }
    }
}
