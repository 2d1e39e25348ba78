//! What the stores of a capture know, as tables.
//!
//! The stores are made of the whole capture when the first of these tables, or the first function of [`as_of`](crate::as_of), is
//! used. A table of what is known shows the end of the capture; a table of versions, what was known when.

mod containers;
mod dns;
mod host;
mod mentions;
mod processes;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::error::Result;

pub(crate) use containers::container_facts;
pub(crate) use host::symbol_facts;
pub(crate) use processes::process_facts;
pub(crate) use tree::{MAX_PATH, path_of};

use crate::table::Named;

/// The tables, by name.
pub(crate) fn tables(captures: &Arc<[Named]>) -> Result<BTreeMap<&'static str, Arc<dyn TableProvider>>> {
    Ok(BTreeMap::from([
        ("processes", processes::processes(captures)?),
        ("process_versions", processes::versions(captures)?),
        ("process_tree", tree::tree(captures)?),
        ("containers", containers::containers(captures)?),
        ("container_versions", containers::versions(captures)?),
        ("dns", dns::dns(captures)?),
        ("symbols", host::symbols(captures)?),
        ("syscalls", host::syscalls(captures)?),
        ("system", host::system(captures)?),
        ("custom", host::custom(captures)?),
        ("stores", host::stores(captures)?),
    ]))
}
