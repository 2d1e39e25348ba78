//! The compiled-in tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The system calls of an architecture.
#[derive(Debug, Default)]
pub(super) struct Table {
    names: BTreeMap<i32, &'static str>,
    ids: foldhash::HashMap<&'static str, i32>,
    native: BTreeMap<i32, &'static str>,
}

impl Table {
    /// The table of an architecture, if there is one.
    pub(super) fn of(architecture: &str) -> Option<&'static Self> {
        static AMD64: LazyLock<Table> =
            LazyLock::new(|| Table::compiled_in(include_str!("../../data/syscalls-amd64.tsv")));
        static ARM64: LazyLock<Table> =
            LazyLock::new(|| Table::compiled_in(include_str!("../../data/syscalls-arm64.tsv")));
        match architecture {
            "x86_64" | "amd64" => Some(&AMD64),
            "aarch64" | "arm64" => Some(&ARM64),
            _ => None,
        }
    }

    /// Number of system calls that events know.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The numbers of events and of native programs, ascending.
    pub(super) fn numbers(&self) -> impl Iterator<Item = i32> {
        let numbers: BTreeSet<i32> = self.names.keys().chain(self.native.keys()).copied().collect();
        numbers.into_iter()
    }

    pub(super) fn event_name(&self, id: i32) -> Option<&'static str> {
        self.names.get(&id).copied()
    }

    pub(super) fn event_id(&self, name: &str) -> Option<i32> {
        self.ids.get(name).copied()
    }

    pub(super) fn native_name(&self, number: i32) -> Option<&'static str> {
        self.native.get(&number).copied()
    }

    fn compiled_in(text: &'static str) -> Self {
        Self::parse(text).expect("the tests read the same tables")
    }

    /// Reads `event_id, event_name, native_number, native_name`, after comments and a header. A dash stands for nothing.
    fn parse(text: &'static str) -> Option<Self> {
        let mut table = Self::default();
        let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        for row in rows {
            let cells: Vec<_> = row.split('\t').collect();
            let &[id, name, native_number, native_name] = cells.as_slice() else {
                return None;
            };
            if id != "-" {
                let id = id.parse().ok()?;
                let unique = table.names.insert(id, name).is_none() && table.ids.insert(name, id).is_none();
                unique.then_some(())?;
            }
            if native_number != "-" {
                let number = native_number.parse().ok()?;
                table.native.insert(number, native_name).is_none().then_some(())?;
            }
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use detectors_api::catalogue::{EventClass, EventDefinition, catalogue};

    use super::*;

    fn table(architecture: &str) -> &'static Table {
        Table::of(architecture).expect("it is compiled in")
    }

    /// The catalogue's system calls, by their ids on one architecture.
    fn of_catalogue(id: impl Fn(&EventDefinition) -> i32) -> BTreeMap<i32, &'static str> {
        catalogue()
            .iter()
            .filter(|event| event.syscall && event.class == EventClass::Syscall)
            .map(|event| (id(event), event.name))
            .collect()
    }

    #[test]
    fn events_of_system_calls_are_those_of_the_tables() {
        let amd64 = of_catalogue(|event| event.internal_id_amd64);
        let arm64 = of_catalogue(|event| event.internal_id_arm64);
        assert_eq!(table("amd64").names, amd64);
        assert_eq!(table("arm64").names, arm64);
    }

    #[test]
    fn both_architectures_name_the_same_calls() {
        let names = |table: &Table| table.names.values().copied().collect::<BTreeSet<_>>();
        assert_eq!(table("amd64").len(), 446);
        assert_eq!(names(table("amd64")), names(table("arm64")));
    }

    #[test]
    fn from_424_on_both_kernels_have_the_same_numbers() {
        let new = |table: &Table| {
            table
                .native
                .range(424..)
                .map(|(n, name)| (*n, *name))
                .collect::<Vec<_>>()
        };
        assert_eq!(new(table("amd64")), new(table("arm64")));
        assert_eq!(new(table("amd64")).len(), 471 - 424 + 1);
    }

    #[test]
    fn malformed_tables_are_refused() {
        for rows in [
            "1\ta\t1",
            "x\ta\t1\ta",
            "1\ta\t-\t-\n1\tb\t-\t-",
            "1\ta\t-\t-\n2\ta\t-\t-",
        ] {
            let text: &'static str = format!("# comment\nheader\n{rows}\n").leak();
            assert!(Table::parse(text).is_none(), "{rows}");
        }
    }
}
