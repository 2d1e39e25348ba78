//! The kernel symbol store: what is where in the kernel.
//!
//! It is told whole tables ([`Symbol`]): one at the start, and one whenever modules come or go. As of an event, the latest table
//! holds. Inputs with the same sequence number are parts of one table. Rules:
//!
//! * All symbols can be found, of code as of data, whatever the detectors are that ask; but not those whose address is none of
//!   the kernel's: offsets of per-CPU data, and addresses that the recorder was not allowed to see.
//! * An address is found if a symbol starts there. Aliases come in the order of the kernel's table.
//! * Of several symbols with one name the one with the highest address is meant.
//! * What is missing is not found. A table in which all addresses are hidden makes the store unhealthy.

mod kallsyms;
mod table;

pub use kallsyms::{Kallsyms, Symbol};

use arrow::array::RecordBatch;
use detectors_api::stores::{
    self, Cause, DataStore, Entity, Health, KERNEL, Metrics, Store, StoreError, SymbolInfo,
};

use crate::fold::Fold;
use crate::rows::RowsError;
use crate::versions::Versions;
use table::Table;

/// The kernel symbol store of a recording, with its history.
#[derive(Debug, Default)]
pub struct SymbolStore {
    tables: Versions<Table>,
}

impl SymbolStore {
    /// Whether the recording has a symbol table.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.tables.is_empty()
    }

    /// The store as of event `seq`, whose time is `time_ns` (ns since the Unix epoch).
    #[must_use]
    pub fn at(&self, seq: u64, time_ns: i64) -> SymbolsAt<'_> {
        SymbolsAt {
            table: self.tables.at(seq),
            time_ns,
        }
    }
}

impl Fold for SymbolStore {
    fn input(&mut self, seq: u64, rows: &RecordBatch) -> Result<(), RowsError> {
        self.tables.entry(seq).extend(rows)
    }

    fn compact(&mut self, seq: u64) {
        self.tables.compact(seq);
    }
}

/// The kernel symbol store as of one event.
#[derive(Clone, Copy, Debug)]
pub struct SymbolsAt<'a> {
    table: Option<&'a Table>,
    time_ns: i64,
}

impl<'a> SymbolsAt<'a> {
    /// All symbols at addresses of the kernel, by address; at equal ones in the order of the kernel's table.
    pub fn all(self) -> impl Iterator<Item = SymbolInfo<'a>> {
        self.table.into_iter().flat_map(Table::symbols)
    }

    /// The table, if it has symbols; else what is wrong.
    fn table(&self) -> Result<&'a Table, &'static str> {
        match self.table {
            None => Err("the recording has no symbol table as of this event"),
            Some(table) if table.is_empty() => {
                Err("the symbol table is empty: the recorder could not read /proc/kallsyms")
            }
            Some(table) if table.visible() == 0 => Err(
                "the addresses of all symbols are hidden: record with CAP_SYSLOG, and with the setting kernel.kptr_restrict at 0 or 1",
            ),
            Some(table) => Ok(table),
        }
    }

    /// What `look_up` finds in the table.
    fn find<T>(
        &self,
        operation: &'static str,
        entity: impl FnOnce() -> Entity,
        look_up: impl FnOnce(&'a Table) -> Option<T>,
    ) -> Result<T, StoreError> {
        let table = self.table().map_err(|complaint| StoreError {
            store: Store::Symbol.name().into(),
            operation,
            cause: Cause::Unhealthy(complaint.into()),
        })?;
        look_up(table).ok_or_else(|| StoreError::not_found(Store::Symbol, operation, entity()))
    }

    /// Address of a symbol of the kernel itself.
    fn bound(&self, operation: &'static str, name: &'static str) -> Result<u64, StoreError> {
        self.find(
            operation,
            || Entity::Symbol(name.into()),
            |table| table.called(name).rfind(|symbol| symbol.module == KERNEL),
        )
        .map(|symbol| symbol.address)
    }
}

impl DataStore for SymbolsAt<'_> {
    fn name(&self) -> &str {
        Store::Symbol.name()
    }

    fn health(&self) -> Health {
        match self.table() {
            Ok(_) => Health::healthy(self.time_ns),
            Err(complaint) => Health::unhealthy(self.time_ns, complaint),
        }
    }

    fn metrics(&self) -> Metrics {
        Metrics {
            item_count: self.table.map_or(0, |table| table.visible() as u64),
        }
    }
}

impl stores::KernelSymbolStore for SymbolsAt<'_> {
    fn resolve_symbol_by_address(&self, address: u64) -> Result<Vec<SymbolInfo<'_>>, StoreError> {
        self.find(
            "resolve_symbol_by_address",
            || Entity::Address(address),
            |table| {
                Some(table.starting_at(address).collect::<Vec<_>>()).filter(|symbols| !symbols.is_empty())
            },
        )
    }

    fn get_symbol_address(&self, name: &str) -> Result<u64, StoreError> {
        self.find(
            "get_symbol_address",
            || Entity::Symbol(name.into()),
            |table| table.called(name).next_back(),
        )
        .map(|symbol| symbol.address)
    }

    fn containing_symbol(&self, address: u64) -> Result<SymbolInfo<'_>, StoreError> {
        self.find(
            "containing_symbol",
            || Entity::Address(address),
            |table| table.containing(address),
        )
    }

    fn is_kernel_text(&self, address: u64) -> Result<bool, StoreError> {
        const OPERATION: &str = "is_kernel_text";
        let text = self.bound(OPERATION, "_stext")?..self.bound(OPERATION, "_etext")?;
        Ok(text.contains(&address))
    }
}

#[cfg(test)]
mod tests;
