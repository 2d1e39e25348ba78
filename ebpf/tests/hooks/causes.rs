//! What makes the kernel produce the events.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt;

use libc::{MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE, c_int};

pub(super) fn run(name: &str) {
    match name {
        "memory" => memory(),
        other => panic!("no cause is called {other}"),
    }
}

fn say(name: &str, value: impl std::fmt::Display) {
    println!("\n{name}={value}");
}

/// A new mapping, of which nothing else in the program knows.
fn map(size: usize, prot: c_int, flags: c_int, fd: c_int) -> *mut libc::c_void {
    // SAFETY: the kernel chooses an address that is free.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), size, prot, MAP_PRIVATE | flags, fd, 0) };
    assert_ne!(at, libc::MAP_FAILED);
    at
}

fn protect(at: *mut libc::c_void, prot: c_int) {
    // SAFETY: it is a mapping from `map`, that nothing else uses.
    assert_eq!(unsafe { libc::mprotect(at, 4096, prot) }, 0);
}

fn memory() {
    let path = std::env::temp_dir().join(format!("mapped-{}", std::process::id()));
    std::fs::write(&path, [0x90; 4096]).unwrap();
    let file = File::open(&path).unwrap();
    let meta = file.metadata().unwrap();
    let both = map(8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_ANONYMOUS, -1);
    let plain = map(4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1);
    protect(plain, PROT_READ | PROT_EXEC);
    protect(plain, PROT_READ | PROT_WRITE | PROT_EXEC);
    let mapped = map(4096, PROT_READ, 0, file.as_raw_fd());
    protect(mapped, PROT_READ | PROT_EXEC);
    map(4096, PROT_READ | PROT_EXEC, 0, file.as_raw_fd());
    // SAFETY: as in `protect`. Without a key this is mprotect, also where processors have no keys.
    unsafe { libc::syscall(libc::SYS_pkey_mprotect, mapped, 4096, PROT_READ, -1) };
    say("anonymous", both as usize);
    say("plain", plain as usize);
    say("file", mapped as usize);
    say("path", path.display());
    say("inode", meta.ino());
    say("ctime", meta.ctime() * 1_000_000_000 + meta.ctime_nsec());
    std::fs::remove_file(&path).unwrap();
}
