//! One symbol table, and how its symbols are found.

use std::ops::Range;
use std::sync::OnceLock;

use arrow::array::{RecordBatch, StringArray, UInt64Array};
use detectors_api::stores::{KERNEL, SymbolInfo};

use super::Symbol;
use crate::rows::{Column, Row, RowsError};

/// What starts further before an address than this does not contain it: bytes.
const MAX_SIZE: u64 = 1 << 20;

/// A symbol table. Symbols are found through an index that is made when the first one is looked for: most replays never ask.
#[derive(Debug, Default)]
pub(super) struct Table {
    parts: Vec<Part>,
    index: OnceLock<Index>,
}

/// Rows that came together, and the number of rows before them.
#[derive(Debug)]
struct Part {
    before: u32,
    addresses: UInt64Array,
    names: StringArray,
    owners: StringArray,
}

/// The symbols at addresses of the kernel.
#[derive(Debug)]
struct Index {
    /// Addresses, ascending.
    addresses: Vec<u64>,
    /// The row of each; at equal addresses in the table's order.
    rows: Vec<u32>,
    /// Positions in both, by name and then address. Made when the first symbol is looked for by name.
    by_name: OnceLock<Vec<u32>>,
}

impl Table {
    /// Adds rows at the end.
    pub(super) fn extend(&mut self, rows: &RecordBatch) -> Result<(), RowsError> {
        let texts = |column| Column::<String>::of(rows, Symbol::TABLE, column).map(|column| column.array());
        let addresses = Column::<u64>::of(rows, Symbol::TABLE, "address")?.array();
        let (names, owners) = (texts("name")?, texts("owner")?);
        texts("kind")?;
        let before = self.len();
        let fits = |rows: usize| u32::try_from(before + rows as u64).is_ok();
        let (true, Ok(before)) = (fits(rows.num_rows()), u32::try_from(before)) else {
            return Err(RowsError::Value {
                table: Symbol::TABLE,
                column: "address",
                row: rows.num_rows(),
                value: before.to_string(),
                reason: "a symbol table has less than 2^32 symbols".to_owned(),
            });
        };
        if let (Some(addresses), Some(names), Some(owners)) = (addresses, names, owners) {
            self.parts.push(Part {
                before,
                addresses: addresses.clone(),
                names: names.clone(),
                owners: owners.clone(),
            });
        }
        self.index = OnceLock::new();
        Ok(())
    }

    /// Number of rows.
    fn len(&self) -> u64 {
        self.parts
            .last()
            .map_or(0, |part| u64::from(part.before) + part.addresses.len() as u64)
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of symbols at addresses of the kernel.
    pub(super) fn visible(&self) -> usize {
        self.index().addresses.len()
    }

    /// The symbols at addresses of the kernel, by address.
    pub(super) fn symbols(&self) -> impl Iterator<Item = SymbolInfo<'_>> {
        (0..self.visible()).map(|position| self.symbol(position))
    }

    /// The symbols that start at `address`, in the table's order.
    pub(super) fn starting_at(&self, address: u64) -> impl Iterator<Item = SymbolInfo<'_>> {
        self.positions_at(address).map(|position| self.symbol(position))
    }

    /// The symbol that `address` lies in.
    pub(super) fn containing(&self, address: u64) -> Option<SymbolInfo<'_>> {
        let addresses = &self.index().addresses;
        let after = addresses.partition_point(|start| *start <= address);
        let start = addresses[after.checked_sub(1)?];
        (address - start <= MAX_SIZE).then_some(())?;
        self.starting_at(start).next()
    }

    /// The symbols called `name`, by address.
    pub(super) fn called(&self, name: &str) -> impl DoubleEndedIterator<Item = SymbolInfo<'_>> {
        let by_name = self.by_name();
        let from = by_name.partition_point(|position| self.symbol(*position as usize).name < name);
        let len = by_name[from..].partition_point(|position| self.symbol(*position as usize).name == name);
        by_name[from..from + len]
            .iter()
            .map(|position| self.symbol(*position as usize))
    }

    fn positions_at(&self, address: u64) -> Range<usize> {
        let addresses = &self.index().addresses;
        let from = addresses.partition_point(|start| *start < address);
        from..from + addresses[from..].partition_point(|start| *start == address)
    }

    /// The symbol at a position of the index.
    fn symbol(&self, position: usize) -> SymbolInfo<'_> {
        let index = self.index();
        let row = index.rows[position];
        let part = &self.parts[self.parts.partition_point(|part| part.before <= row) - 1];
        let row = (row - part.before) as usize;
        let owner = part.owners.value(row);
        SymbolInfo {
            name: part.names.value(row),
            address: index.addresses[position],
            module: if owner.is_empty() { KERNEL } else { owner },
        }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut symbols: Vec<(u64, u32)> = self
                .parts
                .iter()
                .flat_map(|part| part.addresses.values().iter().zip(part.before..))
                .filter(|(address, _)| is_kernel_address(**address))
                .map(|(address, row)| (*address, row))
                .collect();
            symbols.sort_unstable();
            let (addresses, rows) = symbols.into_iter().unzip();
            Index {
                addresses,
                rows,
                by_name: OnceLock::new(),
            }
        })
    }

    fn by_name(&self) -> &[u32] {
        let index = self.index();
        index.by_name.get_or_init(|| {
            // `extend` saw to it that rows, and so positions, fit.
            let mut names: Vec<(&str, u32)> = (0..)
                .take(index.rows.len())
                .map(|position| (self.symbol(position as usize).name, position))
                .collect();
            names.sort_unstable();
            names.into_iter().map(|(_, position)| position).collect()
        })
    }
}

/// Whether an address lies in the kernel's half of the address space. Offsets of per-CPU data and hidden addresses do not.
fn is_kernel_address(address: u64) -> bool {
    address >> 48 == 0xffff
}
