//! The kernel symbol store, as detectors see it.

use std::collections::BTreeMap;

use super::{DataStore, StoreError};

/// The owner of symbols of the kernel itself.
pub const KERNEL: &str = "system";

/// A symbol of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolInfo<'a> {
    /// Name.
    pub name: &'a str,
    /// Address of its first byte.
    pub address: u64,
    /// Module that it belongs to; [`KERNEL`] for the kernel itself.
    pub module: &'a str,
}

/// Kernel symbols as of an event.
pub trait KernelSymbolStore: DataStore {
    /// The symbols that start at `address`, in the order of the kernel's table.
    ///
    /// # Errors
    /// Not found if there is none (an address inside of a function is none), unhealthy without a store.
    fn resolve_symbol_by_address(&self, address: u64) -> Result<Vec<SymbolInfo<'_>>, StoreError>;

    /// The address of a symbol; the highest, if several have the name.
    ///
    /// # Errors
    /// As [`resolve_symbol_by_address`](Self::resolve_symbol_by_address).
    fn get_symbol_address(&self, name: &str) -> Result<u64, StoreError>;

    /// The symbols at each of `addresses`; those at which there are none are missing.
    ///
    /// # Errors
    /// Unhealthy without a store.
    fn resolve_symbols_batch(
        &self,
        addresses: &[u64],
    ) -> Result<BTreeMap<u64, Vec<SymbolInfo<'_>>>, StoreError> {
        let mut symbols = BTreeMap::new();
        for address in addresses {
            match self.resolve_symbol_by_address(*address) {
                Ok(found) => _ = symbols.insert(*address, found),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(symbols)
    }

    /// The symbol whose code or data `address` lies in: the last one that starts at or before it; the first of the kernel's table,
    /// if several do.
    ///
    /// # Errors
    /// As [`resolve_symbol_by_address`](Self::resolve_symbol_by_address). Not found, too, if the symbol starts more than 1 MiB before
    /// the address: the table has no sizes, and what lies far from all symbols belongs to none.
    fn containing_symbol(&self, address: u64) -> Result<SymbolInfo<'_>, StoreError>;

    /// Whether `address` lies in the code of the kernel itself (`_stext` up to, but not including, `_etext`).
    ///
    /// # Errors
    /// Not found if the table lacks the two symbols, unhealthy without a store.
    fn is_kernel_text(&self, address: u64) -> Result<bool, StoreError>;
}
