//! Collectors on this machine.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use capture::collect::{symbols, system};
use capture::{CaptureReader, CaptureWriter, Header, Table, WriterOptions};
use detectors_api::stores::{HealthStatus, Stores as _, SymbolInfo};
use detectors_stores::custom::load;
use detectors_stores::{Input, Stores};
use ebpf::clock::{BootOffset, boot_ns};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn stores(inputs: impl IntoIterator<Item = Input>) -> Stores {
    let mut stores = Stores::new();
    for input in inputs {
        stores.add_input(input).unwrap();
    }
    stores.advance(&[], 1).unwrap();
    stores
}

fn said_by(command: &str, argument: &str) -> String {
    let output = Command::new(command).arg(argument).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_system_store_knows_this_machine() {
    let offset = BootOffset::sample();
    let start = boot_ns();
    let collected = system(0, offset, start);
    let stores = stores([collected.input]);
    let at = stores.at(0, 0);
    let info = at.system().get_system_info();
    assert_eq!(info.kernel_release, said_by("uname", "-r"));
    assert_eq!(info.hostname, said_by("uname", "-n"));
    assert_eq!(
        info.architecture,
        said_by("uname", "-m").replace("aarch64", "arm64")
    );
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(info.boot_id, boot_id.trim());
    let release = |name: &str| {
        let script = format!(". /etc/os-release; printf %s \"${name}\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(info.os_name, release("NAME"));
    assert_eq!(info.os_version, release("VERSION"));
    assert_eq!(info.os_pretty_name, release("PRETTY_NAME"));
    assert_eq!(info.boot_time_ns, Some(offset.ns()));
    assert_eq!(info.start_time_ns, Some(offset.epoch(start)));
    let mut namespaces = BTreeMap::new();
    for entry in fs::read_dir("/proc/1/ns").unwrap() {
        let entry = entry.unwrap();
        let Ok(link) = fs::read_link(entry.path()) else {
            let name = entry.file_name().into_string().unwrap();
            // All of them in one warning: `… namespaces cgroup, ipc, mnt: Permission denied`.
            let told = |warning: &String| {
                let names = warning
                    .split_once("namespaces ")
                    .and_then(|(_, rest)| rest.split_once(':'));
                names.is_some_and(|(names, _)| names.split(", ").any(|told| told == name))
            };
            assert!(collected.warnings.iter().any(told), "{name}");
            continue;
        };
        let link = link.into_os_string().into_string().unwrap();
        let inode = link.trim_end_matches(']').rsplit('[').next().unwrap();
        namespaces.insert(entry.file_name().into_string().unwrap(), inode.parse().unwrap());
    }
    assert_eq!(info.init_namespaces, namespaces);
}

#[test]
fn the_symbol_store_knows_this_kernel() {
    let began = Instant::now();
    let collected = symbols(0).unwrap();
    let read = began.elapsed();
    if !collected.warnings.is_empty() {
        println!("skipped: {:?}", collected.warnings);
        return;
    }
    let bytes = collected.input.rows.get_array_memory_size();
    let stores = stores([collected.input]);
    let at = stores.at(0, 0);
    let symbols = at.kernel_symbols();
    let began = Instant::now();
    assert_eq!(symbols.health().status, HealthStatus::Healthy);
    let indexed = began.elapsed();
    let began = Instant::now();
    let stext = symbols.get_symbol_address("_stext").unwrap();
    let named = began.elapsed();
    println!(
        "{} symbols, {bytes} bytes: read in {read:?}, index by address in {indexed:?}, by name in {named:?}",
        symbols.metrics().item_count
    );
    let etext = symbols.get_symbol_address("_etext").unwrap();
    assert!(stext < etext);
    for (address, expected) in [
        (stext - 1, false),
        (stext, true),
        (etext - 1, true),
        (etext, false),
    ] {
        assert_eq!(symbols.is_kernel_text(address), Ok(expected), "{address:#x}");
    }
    // Every line can be found again.
    let text = fs::read_to_string("/proc/kallsyms").unwrap();
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut at_address: BTreeMap<u64, Vec<SymbolInfo<'_>>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let address = u64::from_str_radix(words[0], 16).unwrap();
        if address >> 48 == 0xffff {
            let module = words
                .get(3)
                .map_or("system", |owner| owner.trim_matches(['[', ']']));
            let best = highest.entry(words[2]).or_default();
            *best = address.max(*best);
            at_address.entry(address).or_default().push(SymbolInfo {
                name: words[2],
                address,
                module,
            });
        }
    }
    let addresses: Vec<u64> = at_address.keys().copied().collect();
    // Modules and BPF programs of others may have come or gone meanwhile; those of the kernel itself have not.
    let of_kernel = |found: &[SymbolInfo<'_>]| found.iter().all(|symbol| symbol.module == "system");
    let found = symbols.resolve_symbols_batch(&addresses).unwrap();
    for (address, expected) in at_address.iter().filter(|(_, symbols)| of_kernel(symbols)) {
        assert_eq!(found.get(address), Some(expected), "{address:#x}");
    }
    for name in [
        "_text",
        "do_sys_openat2",
        "commit_creds",
        "__x64_sys_execve",
        "__arm64_sys_execve",
    ] {
        assert_eq!(
            symbols.get_symbol_address(name).ok(),
            highest.get(name).copied(),
            "{name}"
        );
    }
    let function = symbols.get_symbol_address("commit_creds").unwrap();
    assert_eq!(symbols.containing_symbol(function + 8).unwrap().address, function);
    assert!(symbols.is_kernel_text(function).unwrap());
}

/// All rows of a table of a capture, without the column that says when they take effect.
fn rows_of(reader: &CaptureReader, table: &Table) -> (RecordBatch, u64) {
    let mut batches = Vec::new();
    let mut bytes = 0;
    for part in reader.parts(table) {
        bytes += part.bytes;
        let file = reader.part_file(part).unwrap();
        let rows = ParquetRecordBatchReaderBuilder::try_new(file)
            .unwrap()
            .build()
            .unwrap();
        batches.extend(rows.map(|batch| batch.unwrap()));
    }
    let mut rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    rows.remove_column(0);
    (rows, bytes)
}

#[test]
fn a_capture_keeps_the_symbols_small() {
    let input = symbols(0).unwrap().input;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("symbols.tcap");
    let rows = input.rows.clone();
    let began = Instant::now();
    let mut writer = CaptureWriter::create(&path, Header::default(), WriterOptions::default()).unwrap();
    writer.add_input(input).unwrap();
    writer.flush().unwrap();
    writer.finish().unwrap();
    let written = began.elapsed();
    let reader = CaptureReader::open(&path).unwrap();
    let (found, bytes) = rows_of(&reader, &Table::Store("symbol".to_owned()));
    println!("{} rows, {bytes} bytes, written in {written:?}", rows.num_rows());
    assert_eq!(found.columns(), rows.columns());
    assert!(bytes < 30 * rows.num_rows() as u64, "{bytes} bytes");
}

#[test]
fn custom_entries_come_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("feed.json");
    let entry = r#"{"source": "feed", "key": "203.0.113.7", "data": {"status": "deny", "severity": 8}}"#;
    fs::write(
        &path,
        format!(r#"{{"store": "ip_reputation", "entries": [{entry}]}}"#),
    )
    .unwrap();
    let stores = stores([load(&path).unwrap().to_input(0)]);
    let at = stores.at(0, 0);
    assert!(at.is_available("ip_reputation"));
    assert_eq!(at.ip_reputation().is_denied("203.0.113.7"), Ok(true));
    assert!(load(Path::new("/nowhere.json")).is_err());
}
