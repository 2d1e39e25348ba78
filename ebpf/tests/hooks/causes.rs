//! What makes the kernel produce the events.

use std::fs::{File, OpenOptions};
use std::io::{IoSlice, IoSliceMut, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::Duration;

use libc::{MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE, c_int};

pub(super) fn run(name: &str) {
    match name {
        "memory" => memory(),
        "writing" => writing(),
        "module" => module(),
        "bpf" => bpf(),
        "listing" => assert!(std::fs::read_dir("/proc").unwrap().count() > 10),
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
    say("ctime", ctime(&file));
    std::fs::remove_file(&path).unwrap();
}

fn ctime(file: &File) -> i64 {
    let meta = file.metadata().unwrap();
    meta.ctime() * 1_000_000_000 + meta.ctime_nsec()
}

/// Longer than the kernel's coarse clock takes for a tick.
fn tick() {
    std::thread::sleep(Duration::from_millis(20));
}

fn writing() {
    let temporary = |name: &str| std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let path = temporary("written");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    assert_eq!(
        file.write(b"\x7fELF, and more than thirty-two bytes of it")
            .unwrap(),
        42
    );
    assert_eq!(file.write_at(b"far", 100).unwrap(), 3);
    assert_eq!(
        file.write_vectored(&[IoSlice::new(b"more"), IoSlice::new(b"over")])
            .unwrap(),
        8
    );
    file.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(
        file.write_vectored(&[IoSlice::new(b"first"), IoSlice::new(b"second")])
            .unwrap(),
        11
    );
    assert_eq!(file.read(&mut [0; 7]).unwrap(), 7);
    assert_eq!(file.read_at(&mut [0; 9], 50).unwrap(), 9);
    let (mut one, mut two) = ([0; 2], [0; 3]);
    assert_eq!(
        file.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)])
            .unwrap(),
        5
    );
    say("path", path.display());
    say("inode", file.metadata().unwrap().ino());
    drop(file);

    tick();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    say("old_ctime", ctime(&file));
    tick();
    file.write_all(b"changed").unwrap();
    say("new_ctime", ctime(&file));
    tick();
    file.write_all(b"again").unwrap();
    drop(file);
    tick();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    say("old_cut", ctime(&file));
    tick();
    file.set_len(3).unwrap();
    say("new_cut", ctime(&file));
    drop(file);
    std::fs::remove_file(&path).unwrap();

    // What the kernel writes: an account of this process when it ends, where it keeps accounts.
    let path = temporary("account");
    let file = File::create_new(&path).unwrap();
    let text = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the text ends with NUL and lives through the call.
    if unsafe { libc::acct(text.as_ptr()) } == 0 {
        say("account", path.display());
        say("account_inode", file.metadata().unwrap().ino());
    } else {
        std::fs::remove_file(&path).unwrap();
    }
}

/// Loads and removes a module, where there is one in a place for it.
fn module() {
    let path = "/lib/modules/dummy.ko";
    let Ok(file) = File::open(path) else { return };
    // SAFETY: the texts end with NUL, and the kernel checks what it is given.
    let loaded = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    if loaded != 0 {
        return;
    }
    say("module", path);
    say("size", file.metadata().unwrap().len());
    say("inode", file.metadata().unwrap().ino());
    for name in ["version", "srcversion"] {
        let text = std::fs::read_to_string(format!("/sys/module/dummy/{name}")).unwrap_or_default();
        say(name, text.trim_end());
    }
    // SAFETY: as above.
    let removed = unsafe { libc::syscall(libc::SYS_delete_module, c"dummy".as_ptr(), libc::O_NONBLOCK) };
    assert_eq!(removed, 0);
}

/// A call of bpf with its attributes; the descriptor that it gives.
fn bpf_call(command: c_int, attributes: &mut [u32; 32]) -> c_int {
    // SAFETY: the kernel reads and writes no more than the attributes and what they point to.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), 128) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    fd as c_int
}

fn put_text(attributes: &mut [u32; 32], offset: usize, text: &[u8; 16]) {
    for (place, bytes) in attributes[offset / 4..].iter_mut().zip(text.chunks_exact(4)) {
        *place = u32::from_le_bytes(bytes.try_into().unwrap());
    }
}

fn put_address(attributes: &mut [u32; 32], offset: usize, address: usize) {
    attributes[offset / 4] = address as u32;
    attributes[offset / 4 + 1] = (address >> 32) as u32;
}

/// The number of the map or program behind a descriptor: the second member of what the kernel tells of both.
fn bpf_id(fd: c_int) -> u32 {
    let info = [0_u32; 2];
    let mut attributes = [0; 32];
    (attributes[0], attributes[1]) = (fd.cast_unsigned(), 8);
    put_address(&mut attributes, 8, info.as_ptr().expose_provenance());
    // SAFETY: 16 bytes of attributes, and 8 bytes to write to.
    assert_eq!(
        unsafe { libc::syscall(libc::SYS_bpf, 15, attributes.as_mut_ptr(), 16) },
        0
    );
    std::hint::black_box(info)[1]
}

fn bpf() {
    // An array of one number.
    let mut map = [0; 32];
    (map[0], map[1], map[2], map[3]) = (2, 4, 8, 1);
    put_text(&mut map, 28, b"map_of_a_test\0\0\0");
    let map = bpf_call(0, &mut map);
    // A socket filter that says 0.
    let code: [u64; 2] = [0xb7, 0x95];
    let mut program = [0; 32];
    (program[0], program[1]) = (1, 2);
    put_address(&mut program, 8, code.as_ptr().expose_provenance());
    put_address(&mut program, 16, c"GPL".as_ptr().expose_provenance());
    put_text(&mut program, 48, b"prog_of_a_test\0\0");
    let program = bpf_call(5, &mut program);
    say("map", bpf_id(map));
    say("program", bpf_id(program));
    let by_id = |command, fd| {
        let mut attributes = [0; 32];
        attributes[0] = bpf_id(fd);
        bpf_call(command, &mut attributes)
    };
    by_id(13, program);
    by_id(14, map);
}
