//! Compiles the BPF programs with clang. They need no headers but their own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const INSTALL: &str = "install it with: apt-get install clang llvm";

fn main() {
    let sources = Path::new("src/bpf");
    println!("cargo::rerun-if-changed={}", sources.display());
    let object = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("sensor.bpf.o");

    let mut clang = Command::new("clang");
    clang
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g"])
        .args(["-nostdinc", "-ffreestanding", "-Wall", "-Werror"])
        .args(["-Wno-unused-function", "-Wno-unused-variable"])
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
