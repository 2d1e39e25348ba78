//! What can be asked.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Int32Array, ListArray, ListBuilder, StringArray, StringBuilder,
    UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;
use detectors_api::stores::{
    ContainerInfo, ContainerStore as _, KernelSymbolStore as _, ProcessInfo, ProcessStore as _, Store,
    SymbolInfo, SyscallStore as _,
};
use detectors_stores::dns::DnsAt;
use detectors_stores::process::ProcessesAt;
use detectors_stores::symbol::SymbolsAt;

use super::call::Call;
use super::{Parameter, Question, Takes, from_arrow};
use crate::facts::Facts;
use crate::stores::{MAX_PATH, container_facts, path_of, process_facts, symbol_facts};

/// Every function.
pub(super) const ALL: &[Question] = &[
    Question {
        name: "process_at",
        parameters: &[number("process_id"), number("seq")],
        returns: || DataType::Struct(process_columns(&[]).fields()),
        answer: process_at,
    },
    Question {
        name: "ancestors",
        parameters: &[number("process_id"), number("seq"), number("depth")],
        returns: || list(DataType::Struct(process_columns(&[]).fields())),
        answer: ancestors,
    },
    Question {
        name: "process_path",
        parameters: &[number("process_id"), number("seq")],
        returns: || DataType::Utf8,
        answer: process_path,
    },
    Question {
        name: "container_at",
        parameters: &[
            Parameter {
                takes: Takes::Either,
                ..number("container")
            },
            number("seq"),
        ],
        returns: || DataType::Struct(container_columns(&[]).fields()),
        answer: container_at,
    },
    Question {
        name: "dns_names",
        parameters: &[text("address"), number("seq")],
        returns: || list(DataType::Utf8),
        answer: dns_names,
    },
    Question {
        name: "dns_addresses",
        parameters: &[text("domain"), number("seq")],
        returns: || list(DataType::Utf8),
        answer: dns_addresses,
    },
    Question {
        name: "symbol_at",
        parameters: &[number("address"), optional_seq()],
        returns: || DataType::Struct(symbol_columns(&[]).fields()),
        answer: symbol_at,
    },
    Question {
        name: "is_kernel_text",
        parameters: &[number("address"), optional_seq()],
        returns: || DataType::Boolean,
        answer: is_kernel_text,
    },
    Question {
        name: "syscall_name",
        parameters: &[number("id")],
        returns: || DataType::Utf8,
        answer: syscall_name,
    },
    Question {
        name: "syscall_id",
        parameters: &[text("name")],
        returns: || DataType::Int32,
        answer: syscall_id,
    },
];

const fn number(name: &'static str) -> Parameter {
    Parameter {
        name,
        takes: Takes::WholeNumber,
        optional: false,
    }
}

const fn text(name: &'static str) -> Parameter {
    Parameter {
        takes: Takes::Text,
        ..number(name)
    }
}

const fn optional_seq() -> Parameter {
    Parameter {
        optional: true,
        ..number("seq")
    }
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn process_columns<'r, 'a>(processes: &'r [ProcessInfo<'a>]) -> Facts<'r, ProcessInfo<'a>> {
    process_facts(Facts::about(processes), |process| process)
}

fn container_columns<'r, 'a>(containers: &'r [ContainerInfo<'a>]) -> Facts<'r, ContainerInfo<'a>> {
    container_facts(Facts::about(containers), |container| container)
}

/// A symbol, and how far behind its start an address lies.
type Place<'a> = (SymbolInfo<'a>, u64);

fn symbol_columns<'r, 'a>(places: &'r [Place<'a>]) -> Facts<'r, Place<'a>> {
    symbol_facts(Facts::about(places), |(symbol, _)| symbol).u64("offset", |(_, offset)| Some(*offset))
}

/// The process that each row asks about, and when.
fn processes<'c>(call: &'c Call<'_>) -> Vec<Option<(u32, ProcessesAt<'c>)>> {
    let ask = |row| {
        let seq = call.seq(1, row)?;
        let processes = call.asked(row)?.stores.of(seq).processes();
        Some((call.number(0, row)?, processes.at(seq, 0)))
    };
    call.rows().map(ask).collect()
}

fn process_at(call: &Call<'_>) -> Result<ArrayRef> {
    let asked = processes(call);
    let found = asked.iter().map(|asked| {
        let (id, processes) = asked.as_ref()?;
        processes.get_process(*id).ok()
    });
    structs(found, process_columns)
}

/// A process and those that it comes from, at most `limit` in all; `None` if it is not known.
fn ancestry<'a>(asked: &'a Option<(u32, ProcessesAt<'_>)>, limit: usize) -> Option<Vec<ProcessInfo<'a>>> {
    let (id, processes) = asked.as_ref()?;
    let ancestry = processes.get_ancestry(*id, limit).ok()?;
    (!ancestry.is_empty()).then_some(ancestry)
}

fn ancestors(call: &Call<'_>) -> Result<ArrayRef> {
    let asked = processes(call);
    let lines: Vec<_> = asked
        .iter()
        .zip(call.rows())
        .map(|(asked, row)| ancestry(asked, call.number::<usize>(2, row)?.saturating_add(1)))
        .collect();
    let lengths = lines
        .iter()
        .map(|line| line.as_ref().map_or(0, |line| line.len() - 1));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let known: NullBuffer = lines.iter().map(Option::is_some).collect();
    let ancestors: Vec<_> = lines
        .into_iter()
        .flatten()
        .flat_map(|line| line.into_iter().skip(1))
        .collect();
    let ancestors = process_columns(&ancestors).structs()?;
    let item = Arc::new(Field::new_list_field(ancestors.data_type().clone(), true));
    let lists = ListArray::try_new(item, offsets, Arc::new(ancestors), Some(known)).map_err(from_arrow)?;
    Ok(Arc::new(lists))
}

fn process_path(call: &Call<'_>) -> Result<ArrayRef> {
    let asked = processes(call);
    let paths = asked
        .iter()
        .map(|asked| Some(path_of(&ancestry(asked, MAX_PATH + 1)?)));
    Ok(Arc::new(paths.collect::<StringArray>()))
}

fn container_at(call: &Call<'_>) -> Result<ArrayRef> {
    let views: Vec<_> = call
        .rows()
        .map(|row| {
            let seq = call.seq(1, row)?;
            Some(call.asked(row)?.stores.of(seq).containers().at(seq, 0))
        })
        .collect();
    let found = views.iter().zip(call.rows()).map(|(containers, row)| {
        let containers = containers.as_ref()?;
        match call.text(0, row) {
            Some(id) => containers.get_container(id).ok(),
            None => containers.get_container_by_cgroup(call.number(0, row)?).ok(),
        }
    });
    structs(found, container_columns)
}

/// What DNS answers that hold at the time of each row's event say about its subject. Null without a DNS store: then nobody knows.
fn dns(call: &Call<'_>, find: impl for<'a> Fn(DnsAt<'a>, &str) -> Option<Vec<&'a str>>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in call.rows() {
        let subject = call.text(0, row).zip(call.seq(1, row)).zip(call.asked(row));
        let found = match subject {
            Some(((subject, seq), asked))
                if asked.stores.of(seq).available().any(|store| store == Store::Dns) =>
            {
                let time_ns = asked.capture.history.time_ns(seq)?;
                find(asked.stores.of(seq).dns().at(seq, time_ns), subject)
            }
            _ => None,
        };
        match found {
            Some(texts) => lists.append_value(texts.into_iter().map(Some)),
            None => lists.append_null(),
        }
    }
    Ok(Arc::new(lists.finish()))
}

fn dns_names(call: &Call<'_>) -> Result<ArrayRef> {
    dns(call, |dns, address| {
        Some(dns.names_of(address.parse::<IpAddr>().ok()?))
    })
}

fn dns_addresses(call: &Call<'_>) -> Result<ArrayRef> {
    dns(call, |dns, domain| Some(dns.addresses_of(domain)))
}

/// The address that each row asks about, and the symbols.
fn symbols<'c>(call: &'c Call<'_>) -> Vec<Option<(u64, SymbolsAt<'c>)>> {
    let ask = |row| {
        let seq = call.seq(1, row)?;
        let symbols = call.asked(row)?.stores.of(seq).symbols();
        Some((call.number(0, row)?, symbols.at(seq, 0)))
    };
    call.rows().map(ask).collect()
}

fn symbol_at(call: &Call<'_>) -> Result<ArrayRef> {
    let asked = symbols(call);
    let found = asked.iter().map(|asked| {
        let (address, symbols) = asked.as_ref()?;
        let symbol = symbols.containing_symbol(*address).ok()?;
        Some((symbol, address - symbol.address))
    });
    structs(found, symbol_columns)
}

fn is_kernel_text(call: &Call<'_>) -> Result<ArrayRef> {
    let asked = symbols(call);
    let answers = asked.iter().map(|asked| {
        let (address, symbols) = asked.as_ref()?;
        symbols.is_kernel_text(*address).ok()
    });
    Ok(Arc::new(answers.collect::<BooleanArray>()))
}

fn syscall_name(call: &Call<'_>) -> Result<ArrayRef> {
    let mut names = StringBuilder::new();
    for row in call.rows() {
        let asked = call.number(0, row).zip(call.asked(row));
        let syscalls = asked.map(|(id, asked)| (id, asked.stores.syscalls().at(0)));
        names.append_option(
            syscalls
                .as_ref()
                .and_then(|(id, syscalls)| syscalls.get_syscall_name(*id).ok()),
        );
    }
    Ok(Arc::new(names.finish()))
}

fn syscall_id(call: &Call<'_>) -> Result<ArrayRef> {
    let answers = call.rows().map(|row| {
        let syscalls = call.asked(row)?.stores.syscalls().at(0);
        syscalls.get_syscall_id(call.text(0, row)?).ok()
    });
    Ok(Arc::new(answers.collect::<Int32Array>()))
}

/// What was found for each row, as structs; null where nothing was.
fn structs<T>(
    found: impl Iterator<Item = Option<T>>,
    columns: impl for<'r> Fn(&'r [T]) -> Facts<'r, T>,
) -> Result<ArrayRef> {
    let mut things = Vec::new();
    let rows: UInt32Array = found
        .map(|found| {
            let row = u32::try_from(things.len()).ok();
            things.push(found?);
            row
        })
        .collect();
    take(&columns(&things).structs()?, &rows, None).map_err(from_arrow)
}
