//! The recorded host, what users brought along, and how the stores are.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::error::Result;
use detectors_api::stores::{DataStore, Health, HealthStatus, Store, Stores as _, SymbolInfo, SystemInfo};
use detectors_stores::StoresAt;
use detectors_stores::syscall::SyscallNumber;
use serde_json::Value;

use crate::facts::Facts;
use crate::history::at_end;
use crate::made::made;
use crate::table::Named;

/// The kernel's symbols, as of the end of the capture.
pub(super) fn symbols(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &all_symbol_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let machines = stores.machines().iter();
        let symbols = machines.flat_map(|machine| machine.symbols().at(u64::MAX, i64::MAX).all());
        rows.add_all(symbols, all_symbol_facts)
    })
}

fn all_symbol_facts<'r, 'a>(symbols: &'r [SymbolInfo<'a>]) -> Facts<'r, SymbolInfo<'a>> {
    symbol_facts(Facts::about(symbols), |symbol| symbol)
}

/// What is told about a symbol.
pub(crate) fn symbol_facts<'r, 'a: 'r, T>(
    facts: Facts<'r, T>,
    of: impl Fn(&'r T) -> &'r SymbolInfo<'a> + Copy,
) -> Facts<'r, T> {
    facts
        .u64("address", |thing| Some(of(thing).address))
        .text("name", |thing| of(thing).name)
        .text("module", |thing| of(thing).module)
}

/// What numbers of system calls mean.
pub(super) fn syscalls(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &syscall_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        rows.add_all(stores.syscalls().all(), syscall_facts)
    })
}

fn syscall_facts(calls: &[SyscallNumber]) -> Facts<'_, SyscallNumber> {
    Facts::about(calls)
        .i32("id", |call| Some(call.number))
        .text("name", |call| call.name.unwrap_or_default())
        .text("native_name", |call| call.native_name.unwrap_or_default())
}

/// The recorded hosts: a row for each that the capture tells about.
pub(super) fn system(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &host_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let at_end = at_end(&stores);
        let known = at_end.iter().zip(stores.machines());
        let known = known.filter(|(_, machine)| machine.system().is_known());
        let hosts = known.map(|(at_end, _)| Host::of(at_end.system().get_system_info()));
        rows.add_all(hosts, host_facts)
    })
}

struct Host<'a> {
    facts: &'a SystemInfo,
    /// A JSON object.
    init_namespaces: String,
}

impl<'a> Host<'a> {
    fn of(facts: &'a SystemInfo) -> Self {
        let namespaces = facts.init_namespaces.iter();
        let namespaces = namespaces.map(|(name, inode)| (name.clone(), Value::from(*inode)));
        Self {
            facts,
            init_namespaces: Value::Object(namespaces.collect()).to_string(),
        }
    }
}

fn host_facts<'r, 'a>(hosts: &'r [Host<'a>]) -> Facts<'r, Host<'a>> {
    Facts::about(hosts)
        .text("architecture", |host| &host.facts.architecture)
        .text("kernel_release", |host| &host.facts.kernel_release)
        .text("hostname", |host| &host.facts.hostname)
        .text("boot_id", |host| &host.facts.boot_id)
        .time("boot_time", |host| host.facts.boot_time_ns)
        .time("recorder_start_time", |host| host.facts.start_time_ns)
        .text("os_name", |host| &host.facts.os_name)
        .text("os_version", |host| &host.facts.os_version)
        .text("os_pretty_name", |host| &host.facts.os_pretty_name)
        .text("recorder_version", |host| &host.facts.recorder_version)
        .text("init_namespaces", |host| &host.init_namespaces)
}

/// The entries of custom stores, as of the end of the capture.
pub(super) fn custom(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &entry_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        let machines = stores.machines().iter();
        let entries = machines.flat_map(|machine| {
            let custom = machine.custom().at(u64::MAX, i64::MAX);
            custom.names().flat_map(move |store| {
                let entries = custom.get(store).into_iter().flat_map(|store| store.entries());
                entries.map(move |(source, key, data)| CustomEntry {
                    store,
                    source,
                    key,
                    data: data.to_string(),
                })
            })
        });
        rows.add_all(entries, entry_facts)
    })
}

struct CustomEntry<'a> {
    store: &'a str,
    source: &'a str,
    key: Arc<str>,
    /// JSON.
    data: String,
}

fn entry_facts<'r, 'a>(entries: &'r [CustomEntry<'a>]) -> Facts<'r, CustomEntry<'a>> {
    Facts::about(entries)
        .text("store", |entry| entry.store)
        .text("source", |entry| entry.source)
        .text("key", |entry| &entry.key)
        .text("data", |entry| &entry.data)
}

/// How each store is, as of the end of the capture.
pub(super) fn stores(captures: &Arc<[Named]>) -> Result<Arc<dyn TableProvider>> {
    made(captures, &state_facts(&[]).schema(), |capture, rows| {
        let stores = capture.history.stores()?;
        rows.add_all(at_end(&stores).iter().flat_map(states), state_facts)
    })
}

struct State {
    store: String,
    health: Health,
    items: u64,
}

impl State {
    fn of(store: &(impl DataStore + ?Sized), name: &str) -> Self {
        Self {
            store: name.to_owned(),
            health: store.health(),
            items: store.metrics().item_count,
        }
    }
}

fn states(stores: &StoresAt<'_>) -> Vec<State> {
    let core = Store::ALL.into_iter().map(|store| {
        let name = store.name();
        match store {
            Store::Process => State::of(stores.processes(), name),
            Store::Container => State::of(stores.containers(), name),
            Store::Dns => State::of(stores.dns(), name),
            Store::System => State::of(stores.system(), name),
            Store::Syscall => State::of(stores.syscalls(), name),
            Store::Symbol => State::of(stores.kernel_symbols(), name),
        }
    });
    let custom = stores
        .list()
        .into_iter()
        .filter(|name| Store::from_name(name).is_none());
    let custom = custom.filter_map(|name| Some(State::of(stores.custom(name).ok()?.as_ref(), name)));
    core.chain(custom).collect()
}

fn state_facts(states: &[State]) -> Facts<'_, State> {
    Facts::about(states)
        .text("store", |state| &state.store)
        .flag("healthy", |state| {
            Some(state.health.status == HealthStatus::Healthy)
        })
        .text("message", |state| &state.health.message)
        .u64("items", |state| Some(state.items))
}
