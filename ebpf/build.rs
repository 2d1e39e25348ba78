//! Compiles the BPF programs with clang. They need no headers but their own.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const INSTALL: &str = "install it with: apt-get install clang llvm";

/// The events that there are, a line each, with a header line.
const CATALOGUE: &str = "../detectors/api/data/events.tsv";

fn main() {
    let sources = Path::new("src/bpf");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-changed={CATALOGUE}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let object = out.join("sensor.bpf.o");
    let catalogue = fs::read_to_string(CATALOGUE).unwrap_or_else(|error| panic!("{CATALOGUE}: {error}"));
    fs::write(out.join("events.h"), numbers(&catalogue)).expect("OUT_DIR can be written to");

    let mut clang = Command::new("clang");
    clang
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g"])
        .args(["-nostdinc", "-ffreestanding", "-Wall", "-Werror"])
        .args(["-Wno-unused-function", "-Wno-unused-variable"])
        .arg("-I")
        .arg(&out)
        .arg("-c")
        .arg(sources.join("sensor.bpf.c"))
        .arg("-o")
        .arg(&object);
    run(clang);

    // DWARF goes, BTF stays.
    let mut strip = Command::new("llvm-strip");
    strip.arg("-g").arg(&object);
    run(strip);
}

fn run(mut command: Command) {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{program} failed ({status}) on the BPF programs of the live sensor"),
        Err(error) => panic!("the live sensor's BPF programs need {program} ({error}); {INSTALL}"),
    }
}

/// The numbers of events and of their fields, for the programs: `EVENT_x` and `x__field`.
fn numbers(catalogue: &str) -> String {
    let mut lines = catalogue.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().expect("the catalogue has a header");
    let column = |name| {
        header
            .iter()
            .position(|title| *title == name)
            .unwrap_or_else(|| panic!("the catalogue has no column {name}"))
    };
    let (name, id, fields) = (column("name"), column("internal_id_amd64"), column("fields"));
    let mut text = String::from("/* Generated from the catalogue. */\n#pragma once\nenum {\n");
    for event in lines {
        let _ = writeln!(text, "\tEVENT_{} = {},", event[name], event[id]);
        let names = event[fields]
            .split(';')
            .filter_map(|field| field.split(':').next())
            .filter(|field| !field.is_empty());
        for (number, field) in names.enumerate() {
            let _ = writeln!(text, "\t{}__{} = {number},", event[name], field.replace('.', "_"));
        }
    }
    text.push_str("};\n");
    text
}
