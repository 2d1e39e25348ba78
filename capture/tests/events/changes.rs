//! The first change of a file since it was opened to be written, and what the kernel writes by itself.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::cause::{Notes, at, call, child_of_me, during, in_any_child, number, text, unseen};
use crate::truth::{Loss, Truth};
use crate::writes::{Open, bytes, file_of, magic};

const KERNEL: &str = "what the kernel does by itself";
const UNTIL_CLOSED: &str = "until a file is closed, changes by other calls";

pub(crate) fn cause(notes: &mut Notes) {
    changed(notes);
    dumped(notes);
}

/// Longer than the kernel's coarse clock takes for a tick.
fn tick() {
    std::thread::sleep(Duration::from_millis(20));
}

fn changed_at(file: &File) -> Truth {
    let status = file.metadata().expect("it is open");
    number(status.ctime() * 1_000_000_000 + status.ctime_nsec())
}

type Change<'a> = &'a dyn Fn(&File);

/// The first change of a file since it was opened to be written, once for each time.
fn changed(notes: &mut Notes) {
    let place = notes.place("changed");
    fs::write(&place, "before").expect("the directory can be written");
    let source = File::open(&place).expect("it was made");
    let write = |file: &File| {
        call(libc::SYS_write, [file.as_raw_fd() as u64, at(b"now"), 3, 0, 0, 0]);
    };
    let cut = |file: &File| {
        call(libc::SYS_ftruncate, [file.as_raw_fd() as u64, 3, 0, 0, 0, 0]);
    };
    let copy = |file: &File| {
        let arguments = [file.as_raw_fd() as u64, source.as_raw_fd() as u64, 0, 3, 0, 0];
        assert_eq!(call(libc::SYS_sendfile, arguments), 3);
    };
    // As shells do for the commands that they run.
    let write_copied = |file: &File| {
        let fd = file.as_raw_fd() as u64;
        let copy = call(libc::SYS_dup, [fd, 0, 0, 0, 0, 0]) as u64;
        call(libc::SYS_close, [fd, 0, 0, 0, 0, 0]);
        call(libc::SYS_write, [copy, at(b"now"), 3, 0, 0, 0]);
        call(libc::SYS_dup2, [copy, fd, 0, 0, 0, 0]);
        call(libc::SYS_close, [copy, 0, 0, 0, 0, 0]);
    };
    // Of cutting, the functions of the kernel that tell of changes say nothing until the file is closed.
    let ways: [(&str, Change<'_>, &str, &[Loss]); 4] = [
        ("bytes", &write, "write", &[]),
        (
            "bytes through a copy of a descriptor",
            &write_copied,
            "write",
            &[],
        ),
        ("less", &cut, "close", &[during(UNTIL_CLOSED, "ftruncate")]),
        (
            "bytes of another",
            &copy,
            "sendfile",
            &[during(UNTIL_CLOSED, "close")],
        ),
    ];
    for (case, change, call, losses) in ways {
        tick();
        let open = Open::with(place.clone(), File::options().write(true));
        let before = changed_at(&open.file);
        tick();
        change(&open.file);
        let after = changed_at(&open.file);
        let (dev, inode) = file_of(&open.file);
        tick();
        // Neither a second change nor a read is the first change.
        write(&open.file);
        let last = changed_at(&open.file);
        drop(open);
        drop(Open::with(place.clone(), File::options().read(true)));
        let mut fields = [
            ("file_path", text(&place)),
            ("dev", dev),
            ("inode", inode),
            ("old_ctime", before),
            ("new_ctime", after),
        ];
        notes.note(case, "file_modification", call, &fields, losses);
        (fields[3].1, fields[4].1) = (Truth::Something, last);
        for call in ["write", "close"] {
            notes.absent("a second change", "file_modification", call, &fields);
        }
    }
}

/// What the kernel writes: the memory of a process that it ends.
fn dumped(notes: &mut Notes) {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("procfs is mounted");
    if pattern.trim_end() != "core" {
        notes.not_caused("__kernel_write", "dumps of memory go elsewhere here");
        return;
    }
    let directory = notes.place("dumped");
    fs::create_dir(&directory).expect("the directory can be written");
    let (pid, status) = in_any_child(|| {
        std::env::set_current_dir(&directory).expect("it was made");
        let limit = [u64::MAX; 2];
        call(
            libc::SYS_prlimit64,
            [0, u64::from(libc::RLIMIT_CORE), at(&limit), 0, 0, 0],
        );
        call(
            libc::SYS_kill,
            [std::process::id().into(), libc::SIGABRT as u64, 0, 0, 0, 0],
        );
    });
    assert_eq!(status, libc::SIGABRT | 0x80, "it left no memory");
    let mut files = fs::read_dir(&directory).expect("it was made");
    let path = files
        .next()
        .expect("the kernel wrote it")
        .expect("it is there")
        .path();
    let dump = File::open(&path).expect("the kernel wrote it");
    let who = child_of_me(pid);
    let case = "the header of a dump of memory";
    // The file's class, order, version, no system, and: a dump, of an x86-64, version 1, without entry.
    let header = [
        &b"\x7fELF\x02\x01\x01"[..],
        &[0; 9],
        &[4, 0, 62, 0, 1, 0, 0, 0],
        &[0; 8],
    ]
    .concat();
    let (dev, inode) = file_of(&dump);
    let fields = [
        ("pathname", text(&path)),
        ("dev", dev),
        ("inode", inode),
        ("count", number(64)),
        ("pos", number(0)),
    ];
    notes.by(&who, case, "__kernel_write", "kill", &fields, &[]);
    let fields = magic(&dump, &path, bytes(&header), 64);
    notes.by(&who, case, "magic_write", "kill", &fields, &[unseen(KERNEL)]);
}
