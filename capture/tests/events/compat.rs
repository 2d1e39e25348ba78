//! A 32-bit program, whose system calls have numbers and registers of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::cause::{
    Notes, address, at, c_string, child_of_me, failing_call, identity, in_any_child, number, text,
};
use crate::truth::{Truth, Who};

/// Where the program is in its memory.
const BASE: u32 = 0x0804_8000;
const HEADERS: usize = 52 + 32;
const SOCKETCALL: u32 = 102;
/// The descriptor of the file that it writes, and where.
const WRITTEN: u32 = 77;
const FAR: u64 = 0x1_0000_0005;

pub(crate) fn cause(notes: &mut Notes) {
    let path = notes.place("program32");
    let (file, written) = (notes.place("file"), notes.place("written32"));
    fs::write(&path, program(&file, &written)).expect("the directory can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it was written");
    let (pid, status) = in_any_child(|| {
        run(&path);
        // SAFETY: the process ends.
        unsafe { libc::_exit(NOT_RUN) };
    });
    if status == NOT_RUN << 8 {
        eprintln!("SKIPPED, this kernel runs no 32-bit programs");
        return;
    }
    assert_eq!(status, 9 << 8, "the 32-bit program");
    let who = Who {
        comm: "program32".to_owned(),
        exe: path.to_string_lossy().into_owned(),
        ..child_of_me(pid)
    };
    note(notes, &who, &file);
    note_written(notes, &who, &written);
}

/// The status of a program that cannot be run.
const NOT_RUN: i32 = 126;

fn run(path: &Path) {
    let path = c_string(path);
    let (argv, envp) = (
        [path.as_ptr(), std::ptr::null()],
        [std::ptr::null::<libc::c_char>()],
    );
    failing_call(
        libc::SYS_execve,
        [path.as_ptr() as u64, at(&argv), at(&envp), 0, 0, 0],
    );
}

/// What [`program`] does with files, sockets and its end.
fn note(notes: &mut Notes, who: &Who, file: &Path) {
    let (inode, dev, ctime) = identity(file);
    let fields = [
        ("pathname", text(file)),
        ("flags", number(0)),
        ("dev", dev),
        ("inode", inode),
        ("ctime", ctime),
        ("syscall_pathname", text(file)),
    ];
    notes.by(
        who,
        "a file, by a 32-bit program",
        "security_file_open",
        "open",
        &fields,
        &[],
    );
    let fields = [
        ("dirfd", number(-100)),
        ("pathname", text("missing")),
        ("flags", number(2)),
        ("mode", number(0)),
        ("returnValue", number(-i64::from(libc::ENOENT))),
    ];
    notes.by(
        who,
        "a missing file, by a 32-bit program",
        "openat",
        "openat",
        &fields,
        &[],
    );
    let fields = [
        ("family", number(libc::AF_INET)),
        ("type", number(libc::SOCK_DGRAM)),
        ("protocol", number(0)),
        ("kern", number(0)),
    ];
    notes.by(
        who,
        "a socket, by a 32-bit program",
        "security_socket_create",
        "socketcall",
        &fields,
        &[],
    );
    let fields = [
        ("sockfd", Truth::Something),
        ("type", number(libc::SOCK_DGRAM)),
        ("remote_addr", address("inet", "127.0.0.5", 20_032)),
    ];
    notes.by(
        who,
        "a connect, by a 32-bit program",
        "security_socket_connect",
        "socketcall",
        &fields,
        &[],
    );
    let fields = [
        ("exit_code", number(9)),
        ("signal_code", number(0)),
        ("process_group_exit", Truth::Flag(true)),
    ];
    notes.by(
        who,
        "a 32-bit program",
        "sched_process_exit",
        "exit",
        &fields,
        &[],
    );
}

/// What a 32-bit program writes: at the beginning, and so far on that the position needs two registers.
fn note_written(notes: &mut Notes, who: &Who, file: &Path) {
    let (inode, dev, _) = identity(file);
    let both = [("pathname", text(file)), ("inode", inode), ("dev", dev)];
    let result = |number_of: i64| ("returnValue", number(number_of));
    let case = "vectors, by a 32-bit program";
    let fields = [&both[..], &[("vlen", number(2)), ("pos", number(0)), result(6)]].concat();
    notes.by(who, case, "vfs_writev", "writev", &fields, &[]);
    let begin = Truth::Bytes(b"first".to_vec());
    let fields = [&both[..], &[("bytes", begin), result(6)]].concat();
    notes.by(who, case, "magic_write", "writev", &fields, &[]);
    let fields = [
        &both[..],
        &[("count", number(3)), ("pos", number(FAR)), result(3)],
    ]
    .concat();
    notes.by(
        who,
        "bytes far on, by a 32-bit program",
        "vfs_write",
        "pwrite64",
        &fields,
        &[],
    );
}

/// An executable of one segment that opens `file`, tries to open one that is missing, connects a socket, writes to `written` and ends
/// with status 9.
fn program(file: &Path, written: &Path) -> Vec<u8> {
    // Behind the code, whose length does not depend on it.
    let mut data = Vec::new();
    let code = |data_at: u32, data: &mut Vec<u8>| {
        let mut place = |bytes: &[u8]| {
            let at = data_at + data.len() as u32;
            data.extend_from_slice(bytes);
            at
        };
        let words = |words: &[u32]| {
            words
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect::<Vec<_>>()
        };
        let file = place(c_string(file).as_bytes_with_nul());
        let missing = place(b"missing\0");
        let remote = place(&[2, 0, 0x4e, 0x40, 127, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
        let socket = place(&words(&[2, 2, 0]));
        let connect = place(&words(&[0, remote, 16]));
        let written = place(c_string(written).as_bytes_with_nul());
        let text = place(b"first!");
        let vectors = place(&words(&[text, 5, text + 5, 1]));
        [
            system_call(5, &[file, 0, 0]),
            system_call(295, &[(-100_i32).cast_unsigned(), missing, 2, 0]),
            system_call(SOCKETCALL, &[1, socket]),
            // mov [connect], eax
            [&[0xa3][..], &connect.to_le_bytes()].concat(),
            system_call(SOCKETCALL, &[3, connect]),
            system_call(5, &[written, 0o100_102, 0o600]),
            // mov ebx, eax
            vec![0x89, 0xc3],
            on_same(63, &[WRITTEN]),
            system_call(146, &[WRITTEN, vectors, 2]),
            system_call(181, &[WRITTEN, text, 3, FAR as u32, (FAR >> 32) as u32]),
            system_call(1, &[9]),
        ]
        .concat()
    };
    let length = code(0, &mut Vec::new()).len();
    let code = code(BASE + (HEADERS + length) as u32, &mut data);
    let size = (HEADERS + code.len() + data.len()) as u32;
    let half = |value: u16| value.to_le_bytes().to_vec();
    let word = |value: u32| value.to_le_bytes().to_vec();
    let header = [
        vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        // An executable for the i386, its entry, the place of the segment's header.
        half(2),
        half(3),
        word(1),
        word(BASE + HEADERS as u32),
        word(52),
        word(0),
        word(0),
        half(52),
        half(32),
        half(1),
        half(0),
        half(0),
        half(0),
        // To be loaded; readable, writable and executable.
        word(1),
        word(0),
        word(BASE),
        word(BASE),
        word(size),
        word(size),
        word(7),
        word(0x1000),
    ]
    .concat();
    assert_eq!(header.len(), HEADERS);
    [header, code, data].concat()
}

/// `int 0x80` with the number in eax and the arguments in ebx, ecx, edx, esi and edi.
fn system_call(number: u32, arguments: &[u32]) -> Vec<u8> {
    let [first, rest @ ..] = arguments else {
        panic!("a call of an argument at least");
    };
    [set(3, *first), on_same(number, rest)].concat()
}

/// The same with what is in ebx.
fn on_same(number: u32, arguments: &[u32]) -> Vec<u8> {
    let mut code = set(0, number);
    for (register, value) in [1, 2, 6, 7].into_iter().zip(arguments) {
        code.extend(set(register, *value));
    }
    code.extend([0xcd, 0x80]);
    code
}

/// mov r32, imm32
fn set(register: u8, value: u32) -> Vec<u8> {
    [&[0xb8 + register][..], &value.to_le_bytes()].concat()
}
