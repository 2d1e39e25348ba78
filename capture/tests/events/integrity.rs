//! Where the kernel leads: its table of system calls, what lists connections, and what lists the proc file system.
//!
//! Nothing here can hook a kernel. So the sensor is told that the kernel's own code is elsewhere, see [`NO_TEXT`], and all that it looks
//! at is a hook.

use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;
use std::os::fd::AsRawFd;

use detectors_api::proto;
use detectors_api::proto::event_value::Value;

use crate::cause::{Notes, call, in_child, number, text};
use crate::truth::Truth;

/// Addresses where no kernel has code.
pub(crate) const NO_TEXT: Range<u64> = 8..16;

/// Calls whose places in the table are looked at.
const CALLS: [(&str, u32); 8] = [
    ("read", 0),
    ("execve", 59),
    ("kill", 62),
    ("ptrace", 101),
    ("init_module", 175),
    ("openat", 257),
    ("finit_module", 313),
    ("bpf", 321),
];
/// What lists connections, and how it is called.
const STRUCTURES: [&str; 6] = ["tcp4", "tcp6", "udp", "udp6", "raw", "raw6"];
/// How the functions are called that list connections: show, start, next and stop of each.
const LISTS: [&str; 24] = [
    "tcp4_seq_show",
    "tcp_seq_start",
    "tcp_seq_next",
    "tcp_seq_stop",
    "tcp6_seq_show",
    "tcp_seq_start",
    "tcp_seq_next",
    "tcp_seq_stop",
    "udp4_seq_show",
    "udp_seq_start",
    "udp_seq_next",
    "udp_seq_stop",
    "udp6_seq_show",
    "udp_seq_start",
    "udp_seq_next",
    "udp_seq_stop",
    "raw_seq_show",
    "raw_seq_start",
    "raw_seq_next",
    "raw_seq_stop",
    "raw6_seq_show",
    "raw_seq_start",
    "raw_seq_next",
    "raw_seq_stop",
];

pub(crate) fn cause(notes: &mut Notes) {
    let symbols = symbols();
    table(notes, &symbols);
    lists(notes, &symbols);
    in_child(|| listed(notes));
}

/// Names of the kernel's symbols with their addresses.
fn symbols() -> Vec<(String, u64)> {
    let text = fs::read_to_string("/proc/kallsyms").expect("procfs is mounted");
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            Some((words.nth(1)?.to_owned(), address))
        })
        .collect()
}

/// The recorder looks when it begins: nobody in particular causes this.
fn table(notes: &mut Notes, symbols: &[(String, u64)]) {
    let by_name: HashMap<_, _> = symbols
        .iter()
        .map(|(name, address)| (name.as_str(), *address))
        .collect();
    if !by_name.contains_key("sys_call_table") {
        return;
    }
    for (name, nr) in CALLS {
        let address = by_name[format!("__x64_sys_{name}").as_str()];
        let fields = [("syscall_id", number(nr)), ("syscall_address", pointer(address))];
        notes.by_nobody(name, "syscall_table_check", &fields);
        let names = symbols.iter().filter(|(_, of)| *of == address);
        for (function, _) in names {
            let fields = [
                ("syscall", text(name)),
                ("address", text(format!("{address:x}"))),
                ("function", text(function)),
                ("owner", text("system")),
            ];
            notes.by_nobody(name, "hooked_syscall", &fields);
        }
    }
}

fn pointer(address: u64) -> Truth {
    Truth::Number(address.cast_signed())
}

fn lists(notes: &mut Notes, symbols: &[(String, u64)]) {
    let address = |wanted: &str| {
        let mut found = symbols.iter().filter(|(name, _)| name == wanted);
        let (_, address) = found.next()?;
        assert!(found.next().is_none(), "{wanted} is not the only one");
        Some(address.cast_signed())
    };
    let Some(functions) = LISTS.into_iter().map(address).collect::<Option<Vec<_>>>() else {
        return;
    };
    let name = |function: i64| {
        // Several names can stand for one function.
        let mut names = symbols
            .iter()
            .filter(|(_, address)| address.cast_signed() == function);
        names.next().expect("it was found by name").0.clone()
    };
    let roles = STRUCTURES.iter().flat_map(|list| {
        ["show", "start", "next", "stop"].map(|function| format!("{list}_seq_ops_{function}"))
    });
    let hook = |function: &i64| proto::HookedSymbolData {
        symbol_name: name(*function),
        module_owner: "system".to_owned(),
    };
    let hooks = Value::HookedSeqOps(proto::HookedSeqOps {
        value: roles.zip(functions.iter().map(hook)).collect(),
    });
    let case = "lists of connections";
    notes.by_nobody(
        case,
        "hooked_seq_ops",
        &[("hooked_seq_ops", Truth::message(&hooks))],
    );
    notes.by_nobody(
        case,
        "print_net_seq_ops",
        &[("net_seq_ops", Truth::Numbers(functions))],
    );
}

/// In a process of its own, which looks at no other directory of processes.
fn listed(notes: &mut Notes) {
    let directory = File::open("/proc").expect("procfs is mounted");
    let mut buffer = [0_u8; 4096];
    let arguments = [
        directory.as_raw_fd() as u64,
        buffer.as_mut_ptr() as u64,
        buffer.len() as u64,
        0,
        0,
        0,
    ];
    call(libc::SYS_getdents64, arguments);
    // No module says that the code is its own.
    let hooks = vec![("iterate_shared".to_owned(), "hidden".to_owned())];
    let fields = [("hooked_fops_pointers", Truth::Hooks(hooks))];
    notes.note(
        "the list of processes",
        "hooked_proc_fops",
        "getdents64",
        &fields,
        &[],
    );
}
